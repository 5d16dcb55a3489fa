// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"time"
)

// A Depacketizer turns chunks, in order, back into items. It begins anywhere: at the first whole frame after a header.
// Chunks come from the network and may be hostile: a malformed one costs a count and the frames it touches. It holds at
// most a header and a frame.
type Depacketizer struct {
	header Header
	timer  packetTimer

	pieces []byte // of a header that is coming
	piece  int    // index of the next one
	count  int

	base    time.Duration // media time of sample 0
	samples int64         // from there to the next frame
	cut     []byte        // the beginning of a frame, with its length where it has one
	synced  bool          // the next byte goes on with cut, or begins a frame
	gap     bool          // frames are missing before the next one
	started bool          // a frame came since the header

	event     Event
	items     []Item
	head      int
	malformed uint64
}

// NewDepacketizer returns a Depacketizer that waits for an epoch's header chunks.
func NewDepacketizer() *Depacketizer { return &Depacketizer{} }

// Write takes the next chunk. c.Data is kept by reference.
func (d *Depacketizer) Write(c Chunk) {
	ok := false
	switch c.Kind {
	case ChunkHeader:
		ok = d.headerPiece(c.Data)
	case ChunkAudio:
		ok = d.audio(c)
	case ChunkEvent:
		ok = d.takeEvent(c)
	}
	if !ok {
		d.malformed++
	}
}

// Gap says that chunks are missing here. The frame cut by it is dropped and an ItemGap comes before the next whole frame.
func (d *Depacketizer) Gap() {
	d.cut, d.synced, d.gap = nil, false, d.started
}

// Next returns the next item. All of it may be kept, none of it may be altered.
func (d *Depacketizer) Next() (Item, bool) {
	if d.head == len(d.items) {
		clear(d.items)
		d.items, d.head = d.items[:0], 0
		return Item{}, false
	}
	d.head++
	return d.items[d.head-1], true
}

// Reset forgets everything but the count: a new epoch's header chunks follow.
func (d *Depacketizer) Reset() { *d = Depacketizer{malformed: d.malformed} }

// Malformed returns how many chunks made no sense.
func (d *Depacketizer) Malformed() uint64 { return d.malformed }

func (d *Depacketizer) put(i Item) { d.items = append(d.items, i) }

// headerPiece takes a header chunk (docs/protocol/chunks.md section 1).
func (d *Depacketizer) headerPiece(b []byte) bool {
	if len(b) <= headerChunkHead || len(b) > ChunkBytesMax {
		return false
	}
	index, count := int(b[0]), int(b[1])
	if index == 0 {
		d.pieces, d.piece, d.count = nil, 0, count
	}
	if index != d.piece || count != d.count || index >= count || count > headerChunksMax {
		d.count = 0
		return false
	}
	d.pieces = append(d.pieces, b[headerChunkHead:]...)
	if d.piece++; d.piece < count {
		return true
	}
	h, err := ParseHeader(d.pieces)
	d.pieces, d.count = nil, 0
	if err != nil {
		return false
	}
	d.header, d.timer = h, newPacketTimer(h)
	d.cut, d.synced, d.gap, d.started = nil, false, false, false
	d.put(Item{Kind: ItemHeader, Header: h})
	return true
}

func (d *Depacketizer) takeEvent(c Chunk) bool {
	e, err := ParseEvent(c.Data)
	if err == nil && e != d.event {
		d.event = e
		d.put(Item{Kind: ItemEvent, Start: c.Start, Event: e})
	}
	return err == nil
}

// audio takes an audio chunk (docs/protocol/chunks.md section 3).
func (d *Depacketizer) audio(c Chunk) bool {
	b := c.Data
	if len(b) <= audioChunkHead || len(b) > ChunkBytesMax {
		d.Gap()
		return false
	}
	if d.header.Format == FormatUnknown {
		return true // not for us yet
	}
	first, b := int(binary.BigEndian.Uint16(b)&placeMask), b[audioChunkHead:]
	begins := first != noFrameBegins
	if begins && first >= len(b) {
		d.Gap()
		return false
	}
	if !begins {
		first = len(b)
	}
	ok := !d.synced || d.goOn(b[:first], begins)
	if !ok {
		d.Gap()
	}
	if !begins {
		return ok
	}
	if !d.synced && c.Start > 0 {
		d.timer.missed()
	}
	d.synced = true
	d.base, d.samples = c.Start, 0
	return d.frames(b[first:]) && ok
}

// goOn adds b to the frame that began in an earlier chunk. ends: it must be whole with it.
func (d *Depacketizer) goOn(b []byte, ends bool) bool {
	if len(b) == 0 {
		return len(d.cut) == 0
	}
	if len(d.cut) == 0 {
		return false
	}
	d.cut = append(d.cut, b...)
	head, size, v := d.frameAt(d.cut)
	switch {
	case v == verdictNo, v == verdictYes && size < len(d.cut):
		return false
	case v == verdictYes && size == len(d.cut):
		frame := d.cut[head:]
		d.cut = nil
		return d.frame(frame)
	case v == verdictYes && size > cap(d.cut):
		d.cut = append(make([]byte, 0, size), d.cut...)
	}
	return !ends
}

// frames takes whole frames from b and keeps the beginning of the last one.
func (d *Depacketizer) frames(b []byte) bool {
	ok := true
	for len(b) > 0 {
		head, size, v := d.frameAt(b)
		switch {
		case v == verdictNo:
			d.Gap()
			return false
		case v == verdictWait || size > len(b):
			d.cut = append(make([]byte, 0, max(size, len(b))), b...)
			return ok
		}
		ok = d.frame(b[head:size:size]) && ok
		b = b[size:]
	}
	return ok
}

// frameAt tells how long the frame at b[0] is, with the head bytes before it that are not part of it.
func (d *Depacketizer) frameAt(b []byte) (head, size int, v verdict) {
	if kind := d.timer.kind; kind == kindMPEG || kind == kindAAC {
		if len(b) < syncHeaderBytes {
			return 0, 0, verdictWait
		}
		f, ok := parseSyncFrame(b)
		if !ok || f.length < syncHeaderBytes || [syncKeyBytes]byte(d.header.Packets[0]) != f.key {
			return 0, 0, verdictNo
		}
		return 0, f.length, verdictYes
	}
	n, head := binary.Uvarint(b)
	switch {
	case head == 0 && len(b) < 3:
		return 0, 0, verdictWait
	case head <= 0 || n == 0 || n > FrameBytesMax:
		return 0, 0, verdictNo
	}
	return head, head + int(n), verdictYes
}

// frame passes a whole frame on.
func (d *Depacketizer) frame(b []byte) bool {
	samples, ok := d.timer.samples(b)
	if !ok {
		d.gap = d.started
		return false
	}
	start := d.base + samplesDuration(d.samples, int64(d.header.SampleRate))
	d.samples += int64(samples)
	if d.gap {
		d.gap = false
		d.put(Item{Kind: ItemGap, Start: start})
	}
	d.started = true
	d.put(Item{Kind: ItemFrame, Start: start, Frame: Frame{Data: b, Samples: samples}})
	return true
}
