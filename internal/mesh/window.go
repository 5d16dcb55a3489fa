// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const epochsMax = 4

// A manifest is a verified one with the bytes to forward. Whoever keeps it, in one process maybe many nodes, refers to slots of
// its own, so that a chunk costs a node one pointer.
type manifest struct {
	wire.Manifest
	raw    []byte
	named  slot                         // of its chunks whose data is not there
	filled [wire.ManifestChunksMax]slot // of the others; what is there once stays as long as the manifest
}

// slotOf returns the slot of chunk i, with data or, when that is nil, without.
func (m *manifest) slotOf(i uint32, data *[]byte) *slot {
	if data == nil {
		m.named.m = m
		return &m.named
	}
	sl := &m.filled[i]
	if sl.data == nil {
		*sl = slot{m, data}
	}
	return sl
}

// chunkTime is when chunk i of m was recorded, in nanoseconds of the source's wall clock.
func (m *manifest) chunkTime(i int) int64 {
	return m.Wall*int64(time.Millisecond) - int64(m.Duration) + int64(m.offset(i))
}

// offset is the media time of chunk i since the first one of m: chunks of one manifest last about equally long.
func (m *manifest) offset(i int) time.Duration {
	if m.N == 0 {
		return 0
	}
	return m.Duration * time.Duration(i) / time.Duration(m.N)
}

// releaseAfter is how long after its manifest the source sends chunk i: over half of the time that they last.
func (m *manifest) releaseAfter(i int) time.Duration {
	return min(m.offset(i)/2, wire.ManifestSpan/2)
}

// releaseTime is when the source sends chunk i, in nanoseconds of its wall clock.
func (m *manifest) releaseTime(i int) int64 {
	return m.Wall*int64(time.Millisecond) + int64(m.releaseAfter(i))
}

// A slot is what is known of one chunk: nothing, its manifest, or both manifest and data.
type slot struct {
	m    *manifest
	data *[]byte // nobody changes it
}

// An epoch holds the chunks [base, next) of one epoch in a ring, and beside it what late joiners need: the header chunks
// and the event in force.
type epoch struct {
	opened     mono.Time // when its first manifest came
	num        uint32
	base, next uint32
	pages      []*page // ring, length a power of two; nil: nothing is known of its chunks
	spare      *page   // empty
	shelf      *Shelf
	station    identity.StationID // for the shelf
	unknown    int                // slots in [base, next) without a manifest
	bytes      int
	complete   uint32 // all chunks in [base, complete) are there

	head     []slot // the header chunks, 0 to len-1
	event    slot
	eventSeq uint32
	rateKBPS uint16

	newest  *manifest // the one with the highest First
	end     *manifest // the signed end of the stream
	prev    uint32    // epoch that this one follows, 0 unknown
	prevEnd uint32
	placed  bool // base is settled

	unknownSlot slot // always empty
}

// newEpoch makes an epoch without chunks. The source's pages are its own: it keeps manifests that it made, the others such as
// they verified.
func (s *Station) newEpoch(num uint32) *epoch {
	e := &epoch{num: num, eventSeq: wire.NoEvent, station: s.cfg.Station}
	if s.cfg.Role != Source {
		e.shelf = s.cfg.Shelf
	}
	return e
}

// at returns the slot of seq in the ring, nil outside [base, next). Nobody changes it; it is out of date after the next change of
// the epoch.
func (e *epoch) at(seq uint32) *slot {
	if seq < e.base || seq >= e.next {
		return nil
	}
	if pg := e.pages[seq/pageSlots&uint32(len(e.pages)-1)]; pg != nil && pg.slots[seq%pageSlots] != nil {
		return pg.slots[seq%pageSlots]
	}
	return &e.unknownSlot
}

// find returns a slot of seq that has a manifest, wherever it is kept.
func (e *epoch) find(seq uint32) *slot {
	if sl := e.at(seq); sl != nil && sl.m != nil {
		return sl
	}
	if int64(seq) < int64(len(e.head)) && e.head[seq].m != nil {
		return &e.head[seq]
	}
	if seq == e.eventSeq && e.event.m != nil {
		return &e.event
	}
	return nil
}

// start settles where the epoch begins for this node.
func (e *epoch) start(seq uint32) {
	e.base, e.next, e.complete, e.placed = seq, seq, seq, true
}

// extend makes room up to next.
func (e *epoch) extend(next uint32) {
	if next <= e.next {
		return
	}
	if next-e.base > windowSlotsMax {
		e.dropTo(next - windowSlotsMax)
	}
	e.growPages(next)
	e.unknown += int(next - e.next)
	e.next = next
}

// dropTo forgets the chunks before seq.
func (e *epoch) dropTo(seq uint32) {
	for ; e.base < seq && e.base < e.next; e.base++ {
		sl := e.at(e.base)
		if sl.m == nil {
			e.unknown--
		}
		if sl.data != nil {
			e.bytes -= len(*sl.data)
		}
		if (e.base+1)%pageSlots == 0 {
			e.dropPage(e.base)
		}
	}
	if e.base < seq {
		e.dropPage(e.base)
		e.base, e.next = seq, seq
	}
	e.complete = max(e.complete, e.base)
}

// trim keeps windowSpan and windowBytesMax, but nothing at or after keep is dropped. What is old has been so by media time, which
// jumps when a source has slept, and by the source's clock, which somebody may set.
func (e *epoch) trim(keep uint32) {
	if e.newest == nil {
		return
	}
	horizon, wall := e.newest.Media-windowSpan, e.newest.Wall-windowSpan.Milliseconds()
	for e.base < keep && e.base < e.next {
		sl := e.at(e.base)
		if e.bytes <= windowBytesMax && (sl.m == nil || sl.m.Media >= horizon || sl.m.Wall >= wall) {
			return
		}
		e.dropTo(e.base + 1)
	}
}

// name puts a verified manifest into the slots that it names. It reports whether any slot learned something.
func (e *epoch) name(m *manifest) bool {
	learned := false
	e.growHead(m.Headers)
	if m.Event != wire.NoEvent && (e.eventSeq == wire.NoEvent || m.Event > e.eventSeq) {
		e.eventSeq, e.event = m.Event, slot{}
		if sl := e.at(m.Event); sl != nil {
			e.event = *sl
		}
	}
	for i := range m.N {
		seq := m.First + uint32(i)
		if sl := e.at(seq); sl != nil && sl.m == nil {
			e.put(seq, m.slotOf(uint32(i), nil))
			e.unknown--
			learned = true
		}
		if int64(seq) < int64(len(e.head)) && e.head[seq].m == nil {
			e.head[seq].m = m
			learned = true
		}
		if seq == e.eventSeq && e.event.m == nil {
			e.event.m = m
			learned = true
		}
	}
	return learned
}

func (e *epoch) growHead(n int) {
	for len(e.head) < n {
		seq := uint32(len(e.head))
		var sl slot
		if in := e.at(seq); in != nil {
			sl = *in
		}
		e.head = append(e.head, sl)
	}
}

// fill stores verified data of seq wherever the chunk is kept.
func (e *epoch) fill(seq uint32, data *[]byte) {
	if sl := e.at(seq); sl != nil && sl.m != nil {
		e.bytes += len(*data)
		e.put(seq, sl.m.slotOf(seq-sl.m.First, data))
	}
	if int64(seq) < int64(len(e.head)) {
		e.head[seq].data = data
	}
	if seq == e.eventSeq {
		e.event.data = data
	}
	for sl := e.at(e.complete); sl != nil && sl.data != nil; sl = e.at(e.complete) {
		e.complete++
	}
}

// giveUp counts what is missing before a chunk as complete, so that a hole does not hide all that comes after it.
func (e *epoch) giveUp(before uint32) {
	e.complete = max(e.complete, before)
	for sl := e.at(e.complete); sl != nil && sl.data != nil; sl = e.at(e.complete) {
		e.complete++
	}
}

// headComplete reports whether all header chunks are there.
func (e *epoch) headComplete() bool {
	for i := range e.head {
		if e.head[i].data == nil {
			return false
		}
	}
	return e.newest != nil
}

// since returns the first chunk of the manifest with which the last back of audio begins. Holes in media time do not count: a source
// that slept has two chunks with a long time between.
func (e *epoch) since(back time.Duration) uint32 {
	seq := e.next
	if e.newest == nil {
		return seq
	}
	for seq > e.base && back > 0 {
		sl := e.at(seq - 1)
		if sl.m == nil {
			break
		}
		back -= sl.m.Duration
		seq = max(sl.m.First, e.base)
	}
	return seq
}

// intervalChunks is over how many chunks their length is averaged where the newest manifest says too little: the frames of lossless audio
// are longer than a manifest, and some manifests last no time at all.
const intervalChunks = 256

// chunkInterval is how long a chunk lasts, on average of the newest ones.
func (e *epoch) chunkInterval() time.Duration {
	const unknown = 100 * time.Millisecond
	if e == nil || e.newest == nil || e.newest.N == 0 {
		return unknown
	}
	own := e.newest.Duration / time.Duration(e.newest.N)
	m, end := e.newest, e.newest.First+uint32(e.newest.N)
	if sl := e.at(max(e.base, uint32(len(e.head)), end-min(end, intervalChunks))); sl != nil && sl.m != nil {
		m = sl.m
	}
	average := (e.newest.Media + e.newest.Duration - m.Media) / time.Duration(max(1, end-m.First))
	switch {
	case own > 0 && (own < 2*average || average <= 0):
		return own
	case average <= 0:
		return unknown
	}
	return average
}
