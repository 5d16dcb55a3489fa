// SPDX-License-Identifier: MIT

package sim

import (
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// Traffic is what all hosts together have done so far.
type Traffic struct {
	Sent                          [wire.Kinds]link.Tally
	Audio                         uint64 // bytes of chunks that listeners got
	Received, Repaired, Duplicate uint64 // chunks that listeners got
	Nacks, Missing                uint64
	Peers                         int
}

// Traffic adds up what the nodes that are up have counted.
func (w *World) Traffic() Traffic {
	var t Traffic
	for i := range w.hosts {
		h := &w.hosts[i]
		if h.node == nil {
			continue
		}
		s := h.node.Status(w.now)
		for k := range s.Counters.Links.Out {
			t.Sent[k].Messages += s.Counters.Links.Out[k].Messages
			t.Sent[k].Bytes += s.Counters.Links.Out[k].Bytes
		}
		t.Peers += s.Peers
		c := s.Counters.Stations
		t.Audio += c.PayloadIn
		t.Received += c.Received
		t.Repaired += c.Repaired
		t.Duplicate += c.Duplicate
		t.Nacks += c.NacksSent
		t.Missing += c.Missing
	}
	return t
}

// Now is how long the run has lasted.
func (w *World) Now() time.Duration { return time.Duration(w.now) }
