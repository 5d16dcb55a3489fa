// SPDX-License-Identifier: MIT

package reach_test

import (
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// TestCarryRefused: who refuses is not asked again soon, another one is at once, and those who say that they have no room are last.
func TestCarryRefused(t *testing.T) {
	w := newTown(t)
	hosts := w.openHosts([]int{1, 2, 3, 4}, 1)
	a := w.hide("a", inNetwork(9, 0))
	for _, h := range hosts {
		w.link(a, h)
	}
	w.run(5 * time.Second)
	for _, h := range hosts[:2] {
		h.SetRoom(w.now, false, &h.out)
		h.collect()
	}
	w.run(time.Second)
	m := wire.Carry{Station: identity.StationID{1}}
	ask := func() {
		a.AskCarry(w.now, m, &a.out)
		a.collect()
		w.run(100 * time.Millisecond)
	}
	asked := func() (list []int) {
		for i, h := range hosts {
			for range h.carry {
				list = append(list, i)
			}
			h.carry = nil
		}
		return list
	}
	refuse := func(i int) {
		a.CarryRefused(w.now, a.id(hosts[i]), m.Station, &a.out)
		a.collect()
		w.run(100 * time.Millisecond)
	}
	ask()
	first := asked()
	if len(first) != 1 || first[0] < 2 {
		t.Fatalf("asked first: %v, want 2 or 3, which have room", first)
	}
	refuse(5 - first[0]) // that was not asked
	if got := asked(); len(got) > 0 {
		t.Errorf("%v asked because one refused that was not asked", got)
	}
	refuse(first[0])
	if got := asked(); len(got) != 1 || got[0] != 5-first[0] {
		t.Errorf("asked after the first refused: %v, want %d", got, 5-first[0])
	}
	refuse(5 - first[0])
	third := asked()
	if len(third) != 1 || third[0] > 1 {
		t.Fatalf("asked when all with room refused: %v, want 0 or 1", third)
	}
	refuse(third[0])
	if got := asked(); len(got) != 1 || got[0] != 1-third[0] {
		t.Errorf("asked at last: %v, want %d", got, 1-third[0])
	}
	refuse(1 - third[0])
	before := a.hosts
	for range 50 {
		ask()
	}
	if got := asked(); len(got) > 0 || a.hosts == before {
		t.Errorf("all refused: %v are asked, other hosts were wanted %d times", got, a.hosts-before)
	}
	w.run(5 * time.Second)
	if ask(); len(asked()) != 1 {
		t.Error("nobody is asked again")
	}
}
