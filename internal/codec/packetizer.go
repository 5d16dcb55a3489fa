// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"time"
)

// Packetizer limits.
const (
	ChunkDurationMax = 300 * time.Millisecond
	EventEvery       = 10 * time.Second
)

// Chunk layout (docs/protocol/chunks.md sections 1 and 3).
const (
	headerChunkHead = 2 // index and count
	headerChunksMax = (HeaderBytesMax + ChunkBytesMax - headerChunkHead - 1) / (ChunkBytesMax - headerChunkHead)
	audioChunkHead  = 2     // where the first frame begins
	noFrameBegins   = 0x7ff // instead of that place
	placeMask       = 0x7ff // the other bits are 0 and reserved

	// chunkSlackMax: with no more room than this left behind a frame, the next one begins a new chunk.
	chunkSlackMax = 24
)

// A Packetizer fills chunks. Media time is the exact sum of the frames' samples, plus what Advance adds. A chunk lasts at
// most ChunkDurationMax unless one frame alone is longer. The current event is repeated every EventEvery, so that late
// joiners learn the title.
type Packetizer struct {
	selfFraming bool // frames say how long they are
	rate        int64
	samples     int64         // since base
	base        time.Duration // media time of sample 0

	pending struct {
		data   []byte        // with its head; nil: none
		first  int           // where the first frame begins, behind the head
		start  time.Duration // of that frame, or else of the one that goes on
		begins bool          // a frame begins in it
	}
	event   Event
	eventAt time.Duration // when it was sent last
	queue   []Chunk
	head    int
}

// NewPacketizer returns a Packetizer; call Begin first.
func NewPacketizer() *Packetizer { return &Packetizer{} }

// Begin starts an epoch: media time is 0, nothing is pending, and the header chunks come out of Next, then the current
// event if there is one. A pending chunk of the epoch before is dropped: call Flush before. An error means that the header
// is not a valid one.
func (p *Packetizer) Begin(h Header) error {
	h, err := newHeader(h.Format, min(h.BitrateBPS, bitrateMax), h.Packets)
	if err != nil {
		return err
	}
	p.pending.data = nil
	p.selfFraming = h.kind() == kindMPEG || h.kind() == kindAAC
	p.rate, p.samples, p.base, p.eventAt = int64(h.SampleRate), 0, 0, 0
	b := AppendHeader(nil, h)
	const pieceMax = ChunkBytesMax - headerChunkHead
	count := (len(b) + pieceMax - 1) / pieceMax
	for i := range count {
		piece := b[i*pieceMax : min(len(b), (i+1)*pieceMax)]
		p.put(Chunk{Kind: ChunkHeader, Data: append([]byte{byte(i), byte(count)}, piece...)})
	}
	if p.event != (Event{}) {
		p.putEvent()
	}
	return nil
}

// Frame adds a frame of at least 1 and at most FrameBytesMax bytes; f.Data is copied.
func (p *Packetizer) Frame(f Frame) {
	switch {
	case p.rate == 0:
		panic("codec: Packetizer.Frame before Begin")
	case len(f.Data) == 0 || len(f.Data) > FrameBytesMax:
		panic("codec: frame out of bounds")
	}
	now := p.Time()
	if now >= p.eventAt+EventEvery && p.event != (Event{}) {
		p.putEvent()
	}
	p.samples += int64(f.Samples)
	tooLong := p.pending.begins && p.Time()-p.pending.start > ChunkDurationMax
	if p.pending.data != nil && (tooLong || p.room() <= chunkSlackMax) {
		p.close(now)
	}
	p.open(now)
	if !p.pending.begins {
		p.pending.begins, p.pending.start = true, now
		p.pending.first = len(p.pending.data) - audioChunkHead
	}
	if !p.selfFraming {
		p.pending.data = binary.AppendUvarint(p.pending.data, uint64(len(f.Data)))
	}
	for data := f.Data; ; {
		n := min(len(data), p.room())
		p.pending.data = append(p.pending.data, data[:n]...)
		data = data[n:]
		if p.room() == 0 {
			p.close(p.Time())
		}
		if len(data) == 0 {
			return
		}
		p.open(now)
	}
}

// Event closes the pending chunk and adds an event. Texts are cleaned and cut to fit. An event equal to the one before is
// not sent again.
func (p *Packetizer) Event(e Event) {
	if e = e.Clean(); e == p.event {
		return
	}
	p.event = e
	if p.rate != 0 {
		p.Flush()
		p.putEvent()
	}
}

// Advance closes the pending chunk and moves media time ahead: nothing came from the source for d.
func (p *Packetizer) Advance(d time.Duration) {
	p.Flush()
	p.base += max(0, d)
}

// Flush closes the pending chunk, however full: its audio has waited long enough.
func (p *Packetizer) Flush() {
	if p.pending.data != nil {
		p.close(p.Time())
	}
}

// Next returns the next finished chunk. Data is never altered afterwards.
func (p *Packetizer) Next() (Chunk, bool) {
	if p.head == len(p.queue) {
		clear(p.queue)
		p.queue, p.head = p.queue[:0], 0
		return Chunk{}, false
	}
	p.head++
	return p.queue[p.head-1], true
}

// Time returns the media time at which the next frame begins.
func (p *Packetizer) Time() time.Duration {
	if p.rate == 0 {
		return 0
	}
	return p.base + samplesDuration(p.samples, p.rate)
}

// Pending returns the duration of the audio that waits in a chunk not yet full.
func (p *Packetizer) Pending() time.Duration {
	if p.pending.data == nil {
		return 0
	}
	return p.Time() - p.pending.start
}

func (p *Packetizer) room() int { return ChunkBytesMax - len(p.pending.data) }

// open makes sure that there is a pending chunk. start is the media time of the frame whose bytes come next.
func (p *Packetizer) open(start time.Duration) {
	if p.pending.data != nil {
		return
	}
	p.pending.data = make([]byte, audioChunkHead, ChunkBytesMax)
	p.pending.first, p.pending.start, p.pending.begins = noFrameBegins, start, false
}

// close puts the pending chunk out. end is the media time where its last frame ends.
func (p *Packetizer) close(end time.Duration) {
	c := Chunk{Kind: ChunkAudio, Start: p.pending.start, Data: p.pending.data}
	if p.pending.begins {
		c.Duration = end - c.Start
	}
	binary.BigEndian.PutUint16(c.Data, uint16(p.pending.first))
	p.pending.data = nil
	p.put(c)
}

// putEvent may come while a chunk is pending, only to repeat what is known: that chunk's time then holds for it.
func (p *Packetizer) putEvent() {
	c := Chunk{Kind: ChunkEvent, Start: p.Time(), Data: AppendEvent(nil, p.event)}
	p.eventAt = c.Start
	if p.pending.data != nil {
		c.Start = p.pending.start
	}
	p.put(c)
}

func (p *Packetizer) put(c Chunk) { p.queue = append(p.queue, c) }

// samplesDuration is exact to the nanosecond and does not overflow.
func samplesDuration(samples, rate int64) time.Duration {
	return time.Duration(samples/rate)*time.Second + time.Duration(samples%rate)*time.Second/time.Duration(rate)
}
