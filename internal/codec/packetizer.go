// SPDX-License-Identifier: MIT

package codec

import "time"

// A Packetizer fills chunks. Media time is the exact sum of the frames' samples, plus what Advance adds. A chunk lasts at
// most ChunkDurationMax unless one frame alone is longer. The current event is repeated every EventEvery, so that late
// joiners learn the title.
type Packetizer struct{}

// Packetizer limits.
const (
	ChunkDurationMax = 300 * time.Millisecond
	EventEvery       = 10 * time.Second
)

// NewPacketizer returns a Packetizer; call Begin first.
func NewPacketizer() *Packetizer { return &Packetizer{} }

// Begin starts an epoch: media time is 0, nothing is pending, and the header chunks come first out of Next. A pending
// chunk of the epoch before is dropped: call Flush and Next before. An error means that the header is not a valid one.
func (p *Packetizer) Begin(h Header) error { return nil }

// Frame adds a frame of at least 1 and at most FrameBytesMax bytes; f.Data is copied.
func (p *Packetizer) Frame(f Frame) {}

// Event closes the pending chunk and adds an event. Texts are cleaned and cut to fit. An event equal to the one before is
// not sent again.
func (p *Packetizer) Event(e Event) {}

// Advance closes the pending chunk and moves media time ahead: nothing came from the source for d.
func (p *Packetizer) Advance(d time.Duration) {}

// Flush closes the pending chunk, however full: its audio has waited long enough.
func (p *Packetizer) Flush() {}

// Next returns the next finished chunk. Data is never altered afterwards.
func (p *Packetizer) Next() (Chunk, bool) { return Chunk{}, false }

// Time returns the media time at which the next frame begins.
func (p *Packetizer) Time() time.Duration { return 0 }

// Pending returns the duration of the audio in the chunk that is not yet full.
func (p *Packetizer) Pending() time.Duration { return 0 }
