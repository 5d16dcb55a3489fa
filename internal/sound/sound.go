// SPDX-License-Identifier: MIT

// Package sound is the internal player: it decodes a station's frames and plays them through the machine's sound system.
// A Decoder turns frames into samples, an output plays them, and a Player joins the two: it says what is heard when it is
// heard, pauses, changes the volume, and waits for a sound server that went away.
//
// Frames come from strangers and the decoders from third parties, so nothing that goes wrong in them leaves a Decoder: a
// panic becomes an error, an error a short silence, and what a decoder could use up without end is refused before. A
// Player refuses what its decoders do not play well (ErrUnsupported); another program may. It belongs to the goroutine that
// calls Run; its controls may be called from any.
package sound

import (
	"context"
	"errors"
	"time"

	"streamer/internal/codec"
)

// ErrUnsupported is wrapped by errors that say what this player does not play though others may.
var ErrUnsupported = errors.New("the internal player does not play this")

// ErrNoSound is wrapped by errors that say why nothing can be heard on this machine.
var ErrNoSound = errors.New("no sound system answers")

// Limits.
const (
	RateMin, RateMax = 8000, 192000 // samples a second of one channel
	channelsMax      = 2
	frameSamplesMax  = 1 << 16 // of one channel, in one frame; FLAC's limit

	bufferFor = 2 * time.Second         // given to the sound system in advance: a busy machine may stand still for one
	startWith = 400 * time.Millisecond  // of sound that is there before it begins
	againWith = 1500 * time.Millisecond // of sound that is there before it goes on after it ran dry: one hole, not ten
	fadeFor   = 5 * time.Millisecond    // into what is missing and out of it
	gapFor    = 20 * time.Millisecond   // silence for frames that are missing, whose number nobody knows
)

// A Source gives a station's items in order. playback.Reader is one.
type Source interface {
	// Next waits for the next item. io.EOF says that the station has ended.
	Next(ctx context.Context) (codec.Item, error)
}

// errLost is wrapped by errors of an output that will never play again.
var errLost = errors.New("the sound system went away")

// An output plays samples through the sound system. Any goroutine may call it; close ends all that wait.
type output interface {
	// begin makes it play samples of this kind. What was written before is heard first.
	begin(ctx context.Context, rate, channels int) error
	// write takes interleaved samples and waits until there is room for them.
	write(ctx context.Context, samples []float32) error
	// delay is how long it takes until what is written now is heard.
	delay() (time.Duration, error)
	pause(paused bool) error
	setVolume(v float64) error
	// drain waits until all that was written has been heard.
	drain(ctx context.Context) error
	close()
}
