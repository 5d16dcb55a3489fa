// SPDX-License-Identifier: MIT

package mesh_test

import (
	"slices"
	"testing"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// Of those who are fed leaves go first when the upload does not carry all, then who gives less; each quarter only once it must.
func TestShed(t *testing.T) {
	r := newSource(t, 60*classBPS)
	gives := map[mesh.PeerID]uint16{1: 64, 2: 4, 3: 16, 4: 0}
	for p := mesh.PeerID(1); p <= 4; p++ {
		r.meet(p)
		r.from(p, wire.Have{Channel: byte(p), Leaf: gives[p] == 0}.Append(nil))
		if g := r.want(p, wire.Want{Classes: 0x3333, Gives: gives[p], Orphan: true}); g.Classes != 0x3333 {
			t.Fatalf("%d: %+v", p, g)
		}
	}
	for i, want := range []mesh.PeerID{4, 4, 2, 2, 3, 3, 1, 1} {
		before := map[mesh.PeerID]int{}
		for p := range r.control {
			before[p] = len(r.control[p])
		}
		if freed := r.s.Shed(r.now, 1, &r.out); freed != 4*classBPS {
			t.Errorf("step %d: %d bit/s are free, want a quarter", i, freed)
		}
		r.collect()
		for p := mesh.PeerID(1); p <= 4; p++ {
			if told := len(r.control[p]) > before[p]; told != (p == want) {
				t.Errorf("step %d: %d was told %v; its turn: %d", i, p, told, want)
			}
		}
	}
	if n := r.s.Load(); n != 0 {
		t.Errorf("%d classes are left", n)
	}
}

// While live audio waits for upload nobody is given the place of another, which costs the upload of both for a moment.
func TestNoDisplacementWhileSaturated(t *testing.T) {
	for _, saturated := range []bool{true, false} {
		r := newFull(t, 8)
		r.meet(2)
		r.host.saturated = saturated
		g := r.want(2, wire.Want{Classes: 0xffff, Gives: 64, Room: 64})
		if _, asked := r.lastMove(1); asked == saturated || (g.Classes == 0) != saturated {
			t.Errorf("saturated %v: granted %04x, another asked to move: %v", saturated, g.Classes, asked)
		}
	}
}

// Who has a subscription is served, until it ends.
func TestServes(t *testing.T) {
	r := newSource(t, 40*classBPS)
	r.meet(1)
	r.meet(2)
	r.want(1, wire.Want{Classes: 0x1111})
	served := func() (p []mesh.PeerID) {
		return slices.DeleteFunc([]mesh.PeerID{1, 2, 3}, func(p mesh.PeerID) bool { return !r.s.Serves(p) })
	}
	if got := served(); !slices.Equal(got, []mesh.PeerID{1}) {
		t.Errorf("served: %v", got)
	}
	r.want(1, wire.Want{})
	if got := served(); len(got) != 0 {
		t.Errorf("served in the end: %v", got)
	}
}
