// SPDX-License-Identifier: MIT

// Package playback gives the audio of tuned stations to players: over local HTTP with ICY titles and playlists, to a file
// or pipe, and to a player program that it starts. A Channel holds the last minutes of one station; every player walks
// through it at its own pace, with its own muxer.
//
// It refuses to decode, to convert and to wait for anybody: a player that stops reading is dropped alone. The daemon owns
// Channels and writes to each from one goroutine; any number of goroutines may read. What a Channel was given (chunk data,
// frames) is shared by all readers and never altered.
package playback

import (
	"context"
	"errors"
	"time"

	"streamer/internal/identity"
)

// What a Channel holds and how players begin.
const (
	RingDuration  = 10 * time.Minute // of audio kept, as far as RingBytesMax lets it: listeners pause and go back
	RingBytesMax  = 16 << 20         // ten minutes at 220 kbit/s
	ringItemsMax  = 1 << 16          // ten minutes in frames of 10 ms; frames of 2.5 ms fill them with a quarter
	StartBehind   = 8 * time.Second  // a player begins this far behind the newest frame, or with all there is
	batchBytesMax = 64 << 10         // audio taken from a Channel at once; one frame may exceed it
	batchEvery    = 250 * time.Millisecond
	batchAfter    = 2 * time.Second // a young player gets everything at once, later ones a few writes a second
)

// Times of the HTTP side that a Config may change.
const (
	// StartWait is how long a request waits for a station's first frame before it is told that there is none.
	StartWait = 20 * time.Second
	// StallMax is how long a player may take nothing of what it is owed. Together with the kernel's buffers that is a
	// pause of about a minute at 128 kbit/s.
	StallMax = 30 * time.Second
	// EndGrace is how long a response stays open after the broadcaster signed the end: one who returns within it goes on
	// in the same response. Most players survive that much silence (docs/decisions/0005-end-of-a-response.md).
	EndGrace = 45 * time.Second
)

// PlayersMax is how many responses one node serves at a time.
const PlayersMax = 256

// ErrBehind says that a reader was slower than the stream: what it wanted next is no longer held.
var ErrBehind = errors.New("fell out of the audio that is held")

// A Tuner tunes the local node in. The daemon is one.
type Tuner interface {
	// Tune returns the station's Channel, at once, whether or not anything has arrived. release must be called once;
	// after the last one the node leaves the station when the daemon's grace time is over. The error is for people.
	Tune(ctx context.Context, id identity.StationID) (ch *Channel, release func(), err error)
}
