// SPDX-License-Identifier: MIT

package sim

import "time"

// A Place is what a run gives one host before it begins. The lab gives its hosts the same.
type Place struct {
	Group  int           // index in Scenario.Groups; -1: the source
	JoinAt time.Duration // since the run began; 0 for the source
	Delay  time.Duration // one way to the middle of the internet
}

// Places returns the places of the source and of all hosts beside it, in the order of their numbers.
func (w *World) Places() []Place {
	s := &w.scenario
	places := make([]Place, s.Nodes+1)
	places[sourceIndex] = Place{Group: -1, Delay: w.hosts[sourceIndex].delay}
	seen := make([]int, len(s.Groups))
	for i := range s.Nodes {
		h := &w.hosts[i+1]
		at := s.joinAt(i, int(h.class), seen[h.class])
		seen[h.class]++
		places[i+1] = Place{Group: int(h.class), JoinAt: at, Delay: h.delay}
	}
	return places
}

// joinAt returns when the i-th host joins, which is the k-th of its group.
func (s *Scenario) joinAt(i, group, k int) time.Duration {
	g := &s.Groups[group]
	if g.JoinAt == 0 {
		return s.arrival(i)
	}
	return g.JoinAt + g.JoinOver*time.Duration(k)/time.Duration(max(1, s.Nodes*g.Permille/1000))
}
