// SPDX-License-Identifier: MIT

// Package ingest turns everything a broadcaster can send into chunks: what broadcast tools push to the source port
// (Icecast 2 and SHOUTcast v1, Server), and what a node fetches itself (files, folders, lists, http streams and standard
// input, Player). It paces both by the audio's own clock and tells the Station in order: Begin, Publish, Info, Waiting.
//
// It refuses what it cannot carry with a text that says what to do, decodes no audio, and trusts no byte of its input:
// every parser here has a stated bound. SHOUTcast v2 (Ultravox) and HLS are refused by name.
//
// A Server or Player owns its codec values and calls its Station from one goroutine at a time. The bytes of a Chunk belong
// to the Station once published.
package ingest

import (
	"time"

	"streamer/internal/codec"
)

// A Station takes what a source sends. Calls never overlap. An error from Begin or Publish ends the source.
type Station interface {
	// Begin starts the next epoch. Its header chunks follow through Publish.
	Begin(h codec.Header) error
	// Publish adds a chunk to the epoch, in order. It may block briefly: that is back pressure to the tool.
	Publish(c codec.Chunk) error
	// Info tells the fields of the station as known now, from the source and from the broadcaster's own words (which
	// win). Track fields are those of the moment. Every field is set on each call; the same travels as a ChunkEvent.
	Info(e codec.Event)
	// Waiting says that the source is gone. The station stays on the air until another source, or the end, comes.
	Waiting()
}

// Pace of a stream against the wall clock.
const (
	aheadMax  = 2 * time.Second         // a source that is further ahead is not read
	stallMax  = 1500 * time.Millisecond // a source that is further behind has stalled: media time jumps to now
	readBytes = 8 << 10                 // one read from a source
)

// A Kind says how audio comes in.
type Kind string

// The kinds of source.
const (
	KindIcecast   Kind = "icecast"    // SOURCE, PUT or POST
	KindShoutcast Kind = "shoutcast"  // SHOUTcast v1: password line, OK2
	KindXAudio    Kind = "xaudiocast" // Icecast 1: SOURCE password /mount
	KindFile      Kind = "file"
	KindHTTP      Kind = "http"
	KindStdin     Kind = "stdin"
)

// Status is a snapshot of a Server or Player, for people and metrics. The zero Connected time means that nothing is
// playing now; the fields above it then tell of the last source.
type Status struct {
	Kind       Kind
	Agent      string // the tool as it names itself; at most codec.EventTextMax bytes
	Remote     string // where it comes from: address, file name or URL
	Mount      string
	Format     codec.Format
	BitrateBPS int // nominal, bit/s; 0 unknown
	Title      string
	Connected  time.Time
	Bytes      uint64 // read from the current or last source
	Sources    uint64 // sources, or files, so far
	LastError  string // why the last source ended or was refused; "" when it ended by itself
	ErrorAt    time.Time
}

// Live says whether a source is there now.
func (s Status) Live() bool { return !s.Connected.IsZero() }
