// SPDX-License-Identifier: MIT

package sim_test

import (
	"math/bits"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/sim"
)

// Where nodes say that they sit: everybody at the end of its parents' ways, each class from one of them, and who feeds it counts
// it among those that it feeds.
func TestPictures(t *testing.T) {
	s := sim.Shipped("static", 25).Until(25 * time.Second)
	type seat struct {
		status node.StationStatus
		pic    node.Picture
	}
	var seats map[identity.NodeID]seat
	w, err := sim.New(s, sim.Options{Seed: *seedFlag, Sampled: func(w *sim.World) {
		seats = map[identity.NodeID]seat{}
		w.Pictures(func(id identity.NodeID, s node.StationStatus, p node.Picture) { seats[id] = seat{s, p} })
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for id := range seats {
		names[id.String()[:node.AncestorChars]] = true
	}
	deep, lags := 0, 0
	for id, at := range seats {
		if len(at.pic.Parents) != len(at.status.Parents) || len(at.pic.Children) != len(at.status.Children) {
			t.Fatalf("%v: %d parents and %d children, drawn are %d and %d", id.Short(), len(at.status.Parents), len(at.status.Children),
				len(at.pic.Parents), len(at.pic.Children))
		}
		farthest := 0
		for c, place := range at.pic.Classes {
			farthest = max(farthest, place.Hops)
			brings := uint16(1) << c
			i := slices.IndexFunc(at.status.Parents, func(p node.PeerStatus) bool { return p.NodeID == place.Parent })
			if at.status.Role != node.RoleSource && (i < 0 || at.status.Parents[i].Classes&brings == 0) {
				t.Errorf("%v: class %d is drawn below %v, which does not bring it", id.Short(), c, place.Parent.Short())
			}
			children := 0
			for _, child := range at.status.Children {
				children += int(child.Classes >> c & 1)
			}
			if children != place.Children {
				t.Errorf("%v: %d children of class %d, drawn are %d", id.Short(), children, c, place.Children)
			}
		}
		if farthest > at.status.Hops {
			t.Errorf("%v: %d hops, drawn are %d", id.Short(), at.status.Hops, farthest)
		}
		deep = max(deep, farthest)
		for _, p := range at.pic.Parents {
			if p.Hops > 0 && len(p.Above) < p.Hops {
				t.Errorf("%v: its parent is %d hops from the source by way of %v", id.Short(), p.Hops, p.Above)
			}
			for _, above := range p.Above {
				if !names[above] {
					t.Errorf("%v: nobody is called %s", id.Short(), above)
				}
			}
			if p.Lag > 0 && p.Lag < 3*time.Second {
				lags++
			}
		}
		var give int64
		for i, c := range at.pic.Children {
			if give += c.BPS; bits.OnesCount16(at.status.Children[i].Classes) > 0 && c.BPS <= 0 {
				t.Errorf("%v: a child with %016b takes %d bit/s", id.Short(), at.status.Children[i].Classes, c.BPS)
			}
		}
		if give+at.pic.SpareBPS > at.pic.GiveBPS+1000 && give > 0 {
			t.Errorf("%v: children take %d bit/s and %d are spare of %d", id.Short(), give, at.pic.SpareBPS, at.pic.GiveBPS)
		}
	}
	if len(seats) != 26 || deep < 2 || lags < 25 {
		t.Errorf("%d nodes, the deepest %d hops from the source, %d parents with a lag", len(seats), deep, lags)
	}
}
