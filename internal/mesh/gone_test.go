// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// Who answers GONE, like a proxy that is an entry point and does not carry the station, is dialled ever more rarely by a
// station that is fed, and not often by one that is not; it is not forgotten, and once it carries the station it is as any other.
func TestDialGone(t *testing.T) {
	for _, c := range []struct {
		name        string
		fed         bool
		least, most int // dials in 5 minutes
	}{{"fed", true, 8, 40}, {"hungry", false, 100, 160}} {
		r := newRig(t, mesh.Listener, 100*classBPS)
		const proxy = mesh.PeerID(7)
		if c.fed {
			r.feedFrom(1, 1, 0)
		}
		r.s.AddFound(r.now, addrOf(proxy), nodeID(proxy), nil)
		dials, carries, seq, due := 0, false, uint32(0), r.now
		step := func(d time.Duration) {
			for end := r.now.Add(d); r.now < end; r.now = r.now.Add(100 * time.Millisecond) {
				if c.fed && r.now >= due {
					r.from(1, r.manifest(1, seq, 8))
					r.chunks(1, 1, seq, seq+1, seq+2, seq+3, seq+4, seq+5, seq+6, seq+7)
					seq, due = seq+8, due.Add(8*chunkSpan)
				}
				r.s.Advance(r.now, &r.out)
				made := append([]mesh.Dial(nil), r.out.Dials...)
				r.collect()
				for _, d := range made {
					if d.Addr != addrOf(proxy) {
						continue
					}
					dials++
					r.s.PeerUp(r.now, proxy, nodeID(proxy), d.Addr, &r.out)
					if carries {
						r.meet(proxy)
						continue
					}
					r.s.HandleGone(r.now, proxy, wire.Gone{Station: stationKey().ID()}, &r.out)
					r.collect()
				}
			}
		}
		step(5 * time.Minute)
		if dials < c.least || dials > c.most {
			t.Errorf("%s: %d dials of a peer that does not carry the station, in 5 minutes", c.name, dials)
		}
		if !c.fed {
			continue
		}
		carries, dials = true, 0
		step(time.Minute)
		r.s.HandleGone(r.now, proxy, wire.Gone{Station: stationKey().ID()}, &r.out)
		r.collect()
		if carries = false; dials != 1 {
			t.Errorf("%s: %d dials of a peer that carries the station", c.name, dials)
		}
		dials = 0
		step(1500 * time.Millisecond)
		if dials != 1 {
			t.Errorf("%s: %d dials after it left once", c.name, dials)
		}
	}
}

// Who is named again as an address alone keeps its name, without which nobody could introduce this node to it, and is taken to have room
// now: it is dialled before who has some.
func TestNameIsKept(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.s.HandleGone(r.now, 1, wire.Gone{Station: stationKey().ID(), Candidates: []wire.Candidate{
		{Node: nodeID(7), Addr: addrOf(7)}, {Node: nodeID(8), Addr: addrOf(8), Free: 2},
	}}, &r.out)
	r.s.AddFound(r.now, addrOf(7), identity.NodeID{}, nil)
	r.s.Advance(r.now, &r.out)
	if len(r.out.Dials) == 0 || r.out.Dials[0].Addr != addrOf(7) || r.out.Dials[0].Node != nodeID(7) {
		t.Errorf("dials %+v", r.out.Dials)
	}
}
