// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"time"

	"streamer/internal/wire"
)

// affordableBacklog is how much of the past the spare upload brings to a newcomer within backlogTime, or to a node that was cut off
// within resumeTime.
func (s *Station) affordableBacklog(classes uint16, cutOff bool) time.Duration {
	span, within := backlogSpan, backlogTime
	if cutOff {
		span, within = resumeSpan, resumeTime
	}
	spare := s.host.SpareUpload() / int64(1+len(s.cursors))
	need := max(1, s.classBPS()*int64(bits.OnesCount16(classes)))
	switch {
	case spare < need:
		return 0 // what is live comes first; the newcomer begins with that
	case spare/need >= int64(span/within):
		return span
	}
	return within * time.Duration(spare*100/need) / 100
}

// backlogStart is where the backlog that w asks for begins.
func (s *Station) backlogStart(w wire.Want, classes uint16) (*epoch, uint32) {
	e := s.newest()
	if e == nil || !e.placed {
		return nil, 0
	}
	from := e.since(min(time.Duration(w.Back)*time.Millisecond, s.affordableBacklog(classes, w.Orphan && w.Epoch != 0)))
	if old := s.epochFor(w.Epoch); w.Epoch != 0 && old != nil && old.placed {
		if old == e {
			return e, max(from, w.From)
		}
		if next := s.epochAfter(old); next == e && from <= uint32(len(e.head)) {
			return old, max(old.base, w.From)
		}
	}
	return e, from
}
