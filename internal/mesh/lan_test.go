// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// near has peers that are on the LAN.
func (r *rig) near(peers ...mesh.PeerID) {
	r.host.near = map[mesh.PeerID]bool{}
	for _, p := range peers {
		r.host.near[p] = true
	}
	r.s.LocalChanged()
}

// has has a peer say that it has all of the stream up to a chunk, has room for so many classes, and gets all parts by way of
// others, the nearest first.
func (r *rig) has(p mesh.PeerID, next uint32, free uint8, hops uint8, way ...identity.NodeID) {
	r.t.Helper()
	path := wire.Path{Channel: byte(p)}
	for i := range path.Parts {
		path.Parts[i].Hops = hops
		for _, id := range way {
			path.Parts[i].Add(wire.PathID(id[:4]))
		}
	}
	r.from(p, path.Append(nil))
	r.from(p, wire.Have{Channel: byte(p), Epoch: epoch, Next: next, Complete: next, Hops: [...]uint8{hops, hops, hops, hops}, Free: free, Parts: 0xf}.Append(nil))
}

// grant has a peer agree to what it was asked for last.
func (r *rig) grant(p mesh.PeerID, from uint32) {
	r.t.Helper()
	w, ok := r.lastWant(p)
	if !ok {
		r.t.Fatalf("peer %d was asked for nothing", p)
	}
	r.from(p, wire.Grant{Channel: byte(p), Token: w.Token, Manifests: w.Manifests, Classes: w.Classes, Epoch: epoch, From: from}.Append(nil))
}

// playing is a listener that peer 99 feeds from outside and that has played for a while.
func playing(t *testing.T) (r *rig, next uint32) {
	t.Helper()
	r = newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(99, epoch, 0)
	return r, r.feed(99, 0, 4*time.Second)
}

// feed has a peer send what it owes for a while.
func (r *rig) feed(p mesh.PeerID, next uint32, d time.Duration) uint32 {
	r.t.Helper()
	for end := r.now.Add(d); r.now < end; {
		r.from(p, r.manifest(epoch, next, 8))
		for range 8 {
			r.chunks(p, epoch, next)
			next++
			r.run(chunkSpan)
		}
	}
	return next
}

// feedUntilAsked is feed until another peer is asked for something, 3 s at most.
func (r *rig) feedUntilAsked(p mesh.PeerID, next uint32, other mesh.PeerID) uint32 {
	r.t.Helper()
	for range 6 {
		if _, ok := r.lastWant(other); ok {
			break
		}
		next = r.feed(p, next, 400*time.Millisecond)
	}
	return next
}

// Of two that fetch the one with the higher node id yields, to the other or to whom that one feeds; a node never moves to its
// own descendants, nor to a peer without room, nor to one beyond the router.
func TestMoveNear(t *testing.T) {
	outside := identity.NodeID{99, 0xee}
	for _, c := range []struct {
		name  string
		near  []mesh.PeerID
		peer  mesh.PeerID // this node has the id 250
		free  uint8
		way   []identity.NodeID
		moves bool
	}{
		{"a lower id fetches", []mesh.PeerID{7}, 7, 16, []identity.NodeID{outside}, true},
		{"a higher id fetches", []mesh.PeerID{251}, 251, 16, []identity.NodeID{outside}, false},
		{"fed by a lower id", []mesh.PeerID{251, 8}, 251, 16, []identity.NodeID{nodeID(8), outside}, true},
		{"fed by a higher id", []mesh.PeerID{7, 252}, 7, 16, []identity.NodeID{nodeID(252), outside}, false},
		{"a descendant", []mesh.PeerID{7}, 7, 16, []identity.NodeID{nodeID(selfPeer), outside}, false},
		{"full", []mesh.PeerID{7}, 7, 3, []identity.NodeID{outside}, false},
		{"beyond the router", nil, 7, 16, []identity.NodeID{outside}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, next := playing(t)
			r.near(c.near...)
			for _, p := range c.near {
				if p != c.peer { // it fetches, and is full
					r.meet(p)
					r.has(p, next, 0, 2, outside)
				}
			}
			r.meet(c.peer)
			r.has(c.peer, next, c.free, 2+uint8(len(c.way)), c.way...)
			next = r.feedUntilAsked(99, next, c.peer)
			w, asked := r.lastWant(c.peer)
			if moves := asked && w.Classes == 0xffff && w.Manifests; moves != c.moves {
				t.Fatalf("it was asked for %+v", w)
			}
			if !c.moves {
				return
			}
			r.grant(c.peer, next)
			r.has(c.peer, next, c.free, 2+uint8(len(c.way)), c.way...)
			if w, _ := r.lastWant(99); w.Classes != 0xffff {
				t.Errorf("the old parent was told to stop before the new one pushed: %+v", w)
			}
			r.feed(c.peer, next, time.Second)
			if w, _ := r.lastWant(99); w.Classes != 0 || w.Manifests {
				t.Errorf("the old parent is still wanted for %+v", w)
			}
		})
	}
}

// A part that comes by a detour in the LAN moves to be nearer to the source.
func TestShortenNear(t *testing.T) {
	r, next := playing(t)
	r.near(99, 251)
	r.has(99, next, 16, 4, nodeID(251), nodeID(3))
	r.meet(251)
	r.has(251, next, 16, 4, nodeID(3))
	next = r.feed(99, next, 3*time.Second)
	if w, ok := r.lastWant(251); ok {
		t.Fatalf("moved for nothing: %+v", w)
	}
	r.has(251, next, 16, 3, nodeID(3))
	next = r.feedUntilAsked(99, next, 251)
	if w, _ := r.lastWant(251); w.Classes != 0xffff || !w.Manifests {
		t.Fatalf("asked for %+v", w)
	}
	r.grant(251, next)
	r.feed(251, next, time.Second)
	if w, _ := r.lastWant(99); w.Classes != 0 || w.Manifests {
		t.Errorf("the old parent is still wanted for %+v", w)
	}
}

// When the near parent is lost, a node leaves the fetching to a near one that comes before it, and takes it from there as soon
// as that one has found a way; when that does not happen it fetches itself.
func TestOrphanLeavesToNear(t *testing.T) {
	for _, found := range []bool{true, false} {
		r, next := playing(t)
		r.near(99, 7)
		r.s.PeerUp(r.now, 3, nodeID(3), addrOf(3), &r.out) // outside
		r.meet(3)
		r.has(3, next, 16, 2, nodeID(98))
		r.meet(7)
		r.has(7, next, 16, 3, nodeID(99))
		next = r.feed(99, next, 3*time.Second)
		r.has(3, next, 16, 2, nodeID(98))
		r.s.PeerDown(r.now, 99, &r.out)
		r.collect()
		r.run(100 * time.Millisecond)
		if w, ok := r.lastWant(3); ok && w.Classes != 0 {
			t.Fatalf("asked the one outside at once: %+v", w)
		}
		if found {
			r.has(7, next, 16, 3, nodeID(3))
			if w, _ := r.lastWant(7); w.Classes != 0xffff || !w.Manifests {
				t.Errorf("the near one that fetches was asked for %+v", w)
			}
			continue
		}
		r.run(200 * time.Millisecond)
		if w, _ := r.lastWant(3); w.Classes != 0xffff || !w.Manifests {
			t.Errorf("asked the one outside for %+v", w)
		}
	}
}

// Hosts on the LAN are dialled beside all others and, when they do not carry the station, left alone.
func TestDialNear(t *testing.T) {
	r := newRig(t, mesh.Listener, 100*classBPS)
	dials := map[mesh.PeerID]int{}
	for p := mesh.PeerID(1); p <= 40; p++ {
		r.s.AddNear(r.now, addrOf(p), nodeID(p))
	}
	for range 2000 {
		r.now = max(r.now, r.s.Deadline())
		r.s.Advance(r.now, &r.out)
		made := append([]mesh.Dial(nil), r.out.Dials...)
		if len(made) > 4 {
			t.Fatalf("%d dials at once", len(made))
		}
		r.collect()
		for _, d := range made {
			p := mesh.PeerID(d.Addr.Addr().As4()[3])
			dials[p]++
			r.s.PeerUp(r.now, p, nodeID(p), d.Addr, &r.out)
			r.s.HandleGone(r.now, p, wire.Gone{Station: stationKey().ID()}, &r.out)
			r.collect()
		}
	}
	if len(dials) != 32 {
		t.Errorf("%d hosts were dialled", len(dials))
	}
	for p, n := range dials {
		if n != 2 {
			t.Errorf("host %d was dialled %d times", p, n)
		}
	}
}
