// SPDX-License-Identifier: MIT

package sim

import (
	"math/bits"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// A sampler looks at all nodes at one moment: who feeds whom, how far from the source, whether anybody goes in circles.
type sampler struct {
	feeders []feeder // of all hosts, in their order
	from    []int32  // where those of each host begin, and behind the last host the end
	fed     []uint16 // classes that come from the source by way of parents
	mark    []int32  // walk that visited the host
	walk    int32
	scratch []node.Feed
}

// A feeder is a parent that is up.
type feeder struct {
	host    int32
	classes uint16
}

// parents returns those of a host.
func (s *sampler) parents(i int32) []feeder { return s.feeders[s.from[i]:s.from[i+1]] }

// sample takes figures and looks for loops.
func (w *World) sample() {
	s := &w.sampler
	if s.from == nil {
		s.from = make([]int32, len(w.hosts)+1)
		s.fed = make([]uint16, len(w.hosts))
		s.mark = make([]int32, len(w.hosts))
	}
	up := 0
	s.feeders = s.feeders[:0]
	for i := range w.hosts {
		h := &w.hosts[i]
		s.from[i+1] = s.from[i]
		s.fed[i] = 0
		if !h.isUp() {
			continue
		}
		if h.class >= 0 {
			w.measure.classes[h.class].samples++
			up++
		}
		feeds, hops := h.node.AppendFeeds(s.scratch[:0])
		for j := range feeds {
			if from, ok := w.byID[feeds[j].NodeID]; ok {
				s.feeders = append(s.feeders, feeder{from, feeds[j].Classes})
			}
		}
		s.scratch, s.from[i+1] = feeds, int32(len(s.feeders))
		if h.index != sourceIndex && h.liar == nil && hops > 0 {
			w.measure.hop(hops)
		}
	}
	if w.now%mono.Time(time.Second) == 0 {
		w.measure.audience = append(w.measure.audience, up)
	}
	s.fed[sourceIndex] = 1<<wire.Classes - 1
	s.spread()
	s.loops(w)
}

// spread finds the classes that reach each host from the source.
func (s *sampler) spread() {
	for changed := true; changed; {
		changed = false
		for i := range s.fed {
			for _, p := range s.parents(int32(i)) {
				if brings := p.classes & s.fed[p.host]; brings&^s.fed[i] != 0 {
					s.fed[i] |= brings
					changed = true
				}
			}
		}
	}
}

// loops counts for how many samples in a row a host was in a loop: a circle of parents of a class that comes from nowhere.
func (s *sampler) loops(w *World) {
	for i := range w.hosts {
		h := &w.hosts[i]
		var looping bool
		for rest := s.unfed(int32(i)); rest != 0 && !looping; rest &= rest - 1 {
			looping = s.returns(int32(i), 1<<bits.TrailingZeros16(rest))
		}
		if !looping {
			h.loops = 0
			continue
		}
		w.measure.looping++
		if h.loops++; h.loops == loopSamples {
			w.fail(h, checkLoop, "in a loop of parents for more than a second")
		}
	}
}

// unfed returns the classes that a host takes from parents and that do not come from the source.
func (s *sampler) unfed(i int32) (classes uint16) {
	for _, p := range s.parents(i) {
		classes |= p.classes
	}
	return classes &^ s.fed[i]
}

// returns reports whether following the parents of a class leads back to where it began.
func (s *sampler) returns(start int32, class uint16) bool {
	s.walk++
	for at := start; ; {
		s.mark[at] = s.walk
		next := int32(-1)
		for _, p := range s.parents(at) {
			if p.classes&class != 0 {
				next = p.host
				break
			}
		}
		if next < 0 {
			return false
		}
		if s.mark[next] == s.walk {
			return next == start
		}
		at = next
	}
}

// checkPlaying sees that silence ended with the last fault: every listener that had time to recover plays what was
// published within the play delay.
func (w *World) checkPlaying() {
	if w.faults.ended || w.now < w.faults.quietSince.Add(recovery) || !w.hosts[sourceIndex].isUp() {
		return
	}
	newest := len(w.published.chunks) - 1
	for newest >= 0 && w.published.chunks[newest].at.Add(w.scenario.PlayDelay+silence) > w.now {
		newest--
	}
	for i := range w.hosts {
		h := &w.hosts[i]
		if i == sourceIndex || w.isSeed(h) || !h.stays() || h.liar != nil || w.now < h.ear.joined.Add(recovery) {
			continue
		}
		switch e := &h.ear; {
		case e.first < 0:
			w.fail(h, checkSilence, "heard nothing since it tuned in %v ago", w.now.Sub(e.joined))
		case e.newest < newest && w.countAudio(e.newest+1, newest+1) > 0:
			p := &w.published.chunks[e.newest]
			w.fail(h, checkSilence, "plays nothing since chunk %d/%d, %v after the last fault", p.epoch, p.seq,
				w.now.Sub(w.faults.quietSince))
		}
	}
}

func (w *World) countAudio(from, to int) (n int) {
	for _, p := range w.published.chunks[from:to] {
		if p.Kind == codec.ChunkAudio && p.escaped {
			n++
		}
	}
	return n
}
