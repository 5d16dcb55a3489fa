// SPDX-License-Identifier: MIT

package sim_test

import (
	"testing"
	"time"

	"streamer/internal/sim"
)

// TestPlaces: what the lab is told of a run is what happens in it.
func TestPlaces(t *testing.T) {
	s := sim.Shipped("crash", 40)
	w, err := sim.New(s, sim.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	places := w.Places()
	if len(places) != 41 || places[0].Group != -1 {
		t.Fatalf("%d places, the first in group %d, want 41 and the source in -1", len(places), places[0].Group)
	}
	members, last := make([]int, len(s.Groups)), time.Duration(0)
	for i, p := range places[1:] {
		members[p.Group]++
		if p.JoinAt < last || p.JoinAt >= s.Settled {
			t.Errorf("host %d joins at %v, the one before at %v, want them in order and before %v", i+1, p.JoinAt, last, s.Settled)
		}
		if l := s.Groups[p.Group].Line; p.Delay < l.DelayMin || p.Delay >= l.DelayMax {
			t.Errorf("host %d has a delay of %v, want %v to %v", i+1, p.Delay, l.DelayMin, l.DelayMax)
		}
		last = p.JoinAt
	}
	for i, want := range []int{2, 10, 16, 12} {
		if members[i] != want {
			t.Errorf("group %s has %d hosts, want %d", s.Groups[i].Name, members[i], want)
		}
	}
}
