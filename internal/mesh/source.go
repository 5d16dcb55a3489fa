// SPDX-License-Identifier: MIT

package mesh

import (
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// The kinds of chunk as the codec numbers them; this package must know events, which stay in force, and headers, which
// stay for late joiners.
const (
	kindHeader = 1
	kindEvent  = 2
)

// sourceState is what only a broadcaster has.
type sourceState struct {
	rateBPS int64
	headers int
	event   uint32
	pending []pendingChunk // not signed yet, at most 8
	span    time.Duration  // of pending
	sealAt  mono.Time
	release []release // signed, not sent yet, in order
}

type pendingChunk struct {
	kind  uint8
	start time.Duration
	data  []byte
}

type release struct {
	at    mono.Time
	epoch *epoch
	seq   uint32
}

// Begin begins an epoch. Its number must be above that of every earlier one; if it is not, Begin does nothing and returns
// false.
func (s *Station) Begin(now mono.Time, num uint32, rateBPS int64, out *Output) bool {
	old := s.newest()
	if s.cfg.Role != Source || num == 0 || old != nil && num <= old.num {
		return false
	}
	s.seal(now, out)
	e := s.newEpoch(num)
	e.start(0)
	if old != nil {
		e.prev, e.prevEnd = old.num, old.next
	}
	s.epochs = append(s.epochs, e)
	if len(s.epochs) > epochsMax {
		s.epochs = slices.Delete(s.epochs, 0, 1)
		s.play.at = max(0, s.play.at-1)
	}
	s.source.rateBPS, s.source.headers, s.source.event = rateBPS, 0, wire.NoEvent
	return true
}

// Publish adds a chunk to the epoch. Data is not altered any more.
func (s *Station) Publish(now mono.Time, kind uint8, start, duration time.Duration, data []byte, out *Output) bool {
	src := &s.source
	e := s.newest()
	if s.cfg.Role != Source || e == nil || e.end != nil || len(data) == 0 || len(data) > wire.ChunkBytesMax ||
		kind > kindEvent || kind == kindHeader && src.headers >= wire.HeadersMax {
		return false
	}
	n := len(src.pending)
	if n > 0 && (src.span+duration > wire.ManifestSpan || (src.pending[n-1].kind == kindHeader) != (kind == kindHeader)) {
		s.seal(now, out)
	}
	if kind == kindHeader {
		src.headers++
	}
	if len(src.pending) == 0 {
		src.sealAt = now.Add(wire.ManifestSpan)
	}
	src.pending = append(src.pending, pendingChunk{kind, start, data})
	src.span += duration
	if len(src.pending) == wire.ManifestChunksMax || src.span >= wire.ManifestSpan {
		s.seal(now, out)
	}
	return true
}

// seal signs what is pending, sends the manifest, and lets the chunks follow over half of the time that they last.
func (s *Station) seal(now mono.Time, out *Output) {
	src := &s.source
	src.sealAt = mono.Never
	e := s.newest()
	if len(src.pending) == 0 || e == nil {
		return
	}
	m := &manifest{Manifest: s.blank(now, e)}
	m.N, m.Media, m.Duration = len(src.pending), src.pending[0].start, src.span
	for i, c := range src.pending {
		m.Kinds[i], m.Hashes[i] = c.kind, wire.HashChunk(c.data)
		if c.kind == kindEvent {
			src.event = m.First + uint32(i)
		}
	}
	m.Event = src.event
	m.raw = m.Sign(nil, s.cfg.Key)
	chunks := src.pending
	src.pending, src.span = nil, 0
	s.accept(now, e, m, nil, out)
	for i := range chunks {
		seq := m.First + uint32(i)
		e.fill(seq, &chunks[i].data)
		src.release = append(src.release, release{now.Add(m.releaseAfter(i)), e, seq})
	}
	s.trim()
	s.deliver(now, out)
	s.releaseDue(now, out)
}

// blank is a manifest with everything set but its chunks.
func (s *Station) blank(now mono.Time, e *epoch) wire.Manifest {
	wall, ok := s.host.WallClock(now)
	if !ok {
		wall = int64(now) / int64(time.Millisecond)
	}
	m := wire.Manifest{Epoch: e.num, First: e.next, Wall: wall, Headers: s.source.headers, Event: s.source.event,
		RateKBPS: uint16(min(s.source.rateBPS/1000, 1<<16-1))}
	if e.next == 0 && e.prev != 0 {
		m.Previous, m.PrevEpoch, m.PrevEnd = true, e.prev, e.prevEnd
	}
	return m
}

// releaseDue sends the chunks whose time has come, and seals what has waited long enough.
func (s *Station) releaseDue(now mono.Time, out *Output) {
	src := &s.source
	if now >= src.sealAt {
		s.seal(now, out)
	}
	n := 0
	for ; n < len(src.release) && src.release[n].at <= now; n++ {
		r := src.release[n]
		if sl := r.epoch.at(r.seq); sl != nil && sl.data != nil {
			s.pushChunk(now, r.epoch, r.seq, *sl.data, nil, out)
		}
	}
	if n > 0 {
		src.release = slices.Delete(src.release, 0, n)
	}
}

// released is one after the last chunk of e that subscribers have been sent; at the source some are still to come.
func (s *Station) released(e *epoch) uint32 {
	for _, r := range s.source.release {
		if r.epoch == e {
			return r.seq
		}
	}
	return e.next
}

// End signs the end of the stream.
func (s *Station) End(now mono.Time, out *Output) {
	e := s.newest()
	if s.cfg.Role != Source || e == nil || e.end != nil {
		return
	}
	s.seal(now, out)
	for i := range s.source.release {
		s.source.release[i].at = now
	}
	s.releaseDue(now, out)
	m := &manifest{Manifest: s.blank(now, e)}
	m.End = true
	m.raw = m.Sign(nil, s.cfg.Key)
	s.accept(now, e, m, nil, out)
}
