// SPDX-License-Identifier: MIT

package mesh_test

import (
	"math/bits"
	"slices"
	"testing"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

func TestMechanismsOf(t *testing.T) {
	all, err := mesh.MechanismsOf(mesh.MechanismNames())
	if err != nil || !slices.Equal(all.Names(), mesh.MechanismNames()) {
		t.Errorf("%v, %v", all.Names(), err)
	}
	if m, err := mesh.MechanismsOf([]string{"pushdown"}); m != mesh.PushDown || err != nil {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := mesh.MechanismsOf([]string{"luck"}); err == nil {
		t.Error("luck is a mechanism")
	}
}

// The reserve is for those who play, not for newcomers that nobody has taken for a while.
func TestReserve(t *testing.T) {
	for _, c := range []struct {
		name string
		want wire.Want
		got  int
	}{
		{"newcomer", wire.Want{Orphan: true, Backlog: true}, 13},
		{"player", wire.Want{Orphan: true}, 16},
		{"player that was cut off", wire.Want{Orphan: true, Backlog: true, Age: 1}, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSource(t, 48*classBPS)
			for p := range mesh.PeerID(2) {
				r.meet(1 + p)
				r.want(1+p, wire.Want{Classes: 0xffff})
			}
			r.meet(3)
			c.want.Classes = 0xffff
			if got := bits.OnesCount16(r.want(3, c.want).Classes); got != c.got {
				t.Errorf("%d classes, want %d", got, c.got)
			}
		})
	}
}

// What is left out is not used.
func TestWithout(t *testing.T) {
	for _, c := range []struct {
		name    string
		without mesh.Mechanisms
		classes int64  // that the source gives
		taken   []int  // by leaves, before
		gives   uint16 // of who comes
		got     int
	}{
		{"a part of the stream", 0, 20, []int{16}, 0, 3},
		{"all or nothing", mesh.ClassTrees, 20, []int{16}, 0, 0},
		{"with a reserve", 0, 48, []int{16, 16}, 0, 13},
		{"without one", mesh.Reserve, 48, []int{16, 16}, 0, 16},
		{"a strong newcomer", 0, 32, []int{16, 16}, 64, 8},
		{"is nothing without push-down", mesh.PushDown, 32, []int{16, 16}, 64, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSource(t, c.classes*classBPS, c.without)
			last := mesh.PeerID(0)
			ask := func(gives uint16) int {
				last++
				r.meet(last)
				return bits.OnesCount16(r.want(last, wire.Want{Classes: 0xffff, Gives: gives, Room: uint8(gives)}).Classes)
			}
			for _, want := range c.taken {
				if got := ask(0); got != want {
					t.Fatalf("%d of %d classes", got, want)
				}
			}
			if got := ask(c.gives); got != c.got {
				t.Errorf("%d classes, want %d", got, c.got)
			}
		})
	}
}
