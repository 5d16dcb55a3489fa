// SPDX-License-Identifier: MIT

package mesh_test

import (
	"math/bits"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// lastMove is the last MOVE that a peer got.
func (r *rig) lastMove(p mesh.PeerID) (m wire.Move, ok bool) {
	r.t.Helper()
	for _, b := range r.control[p] {
		if b[0] == wire.TypeMove {
			var err error
			if m, _, err = wire.ParseMove(b[1:], nil); err != nil {
				r.t.Fatal(err)
			}
			ok = true
		}
	}
	return m, ok
}

// have has a peer say that it is there.
func (r *rig) have(p mesh.PeerID, hops uint8) {
	r.t.Helper()
	r.from(p, wire.Have{Channel: byte(p), Epoch: epoch, Next: 17, Complete: 17, Hops: [...]uint8{hops, hops, hops, hops}, Parts: 0xf}.Append(nil))
}

// newFull is a source that has room for 20 classes, 16 of which a child has that would give as much as named.
func newFull(t *testing.T, gives uint16) *rig {
	t.Helper()
	r := newSource(t, 20*classBPS)
	r.meet(1)
	if g := r.want(1, wire.Want{Classes: 0xffff, Manifests: true, Gives: gives}); g.Classes != 0xffff {
		t.Fatalf("%+v", g)
	}
	return r
}

// Who gives much gets the place of one who gives little, in whole quarters, and that one is told to take them from it. Nobody
// gets the place of one who is worth as much.
func TestDisplace(t *testing.T) {
	for _, c := range []struct {
		name         string
		here, comes  uint16
		displacement bool
	}{
		{"of one who gives nothing", 0, 64, true},
		{"of one who gives less", 16, 64, true},
		{"of one who gives as much", 64, 64, false},
		{"for one who gives nothing", 0, 0, false},
		{"for one who gives too little to matter", 0, 7, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFull(t, c.here)
			r.meet(2)
			g := r.want(2, wire.Want{Classes: 0xffff, Manifests: true, Gives: c.comes, Room: uint8(c.comes)})
			m, asked := r.lastMove(1)
			if asked != c.displacement {
				t.Fatalf("asked to move: %v; granted %04x", asked, g.Classes)
			}
			if !asked {
				return
			}
			if m.Classes == 0 || m.Classes&^g.Classes != 0 || bits.OnesCount16(m.Classes)%4 != 0 || !g.Manifests || m.Wait != 0 ||
				len(m.Candidates) != 1 || m.Candidates[0].Node != nodeID(2) {
				t.Errorf("granted %+v, asked to %+v", g, m)
			}
			if r.host.taken > 25*classBPS {
				t.Errorf("%d classes are taken of 20", r.host.taken/classBPS)
			}
			r.want(1, wire.Want{Classes: 0xffff &^ m.Classes, Manifests: true}) // it has moved
			r.run(8 * time.Second)
			if m, again := r.lastMove(2); again {
				t.Errorf("the one that came is asked to go: %+v", m)
			}
		})
	}
}

// A child that cannot change keeps what it has. Who took its place goes, and is not believed again.
func TestDisplaceInVain(t *testing.T) {
	r := newFull(t, 0)
	r.meet(2)
	g := r.want(2, wire.Want{Classes: 0x3333, Manifests: true, Gives: 64, Room: 64})
	for range 14 {
		r.run(time.Second)
		r.have(1, 1)
		r.have(2, 1)
	}
	m, asked := r.lastMove(2)
	if g.Classes == 0 || !asked || m.Classes != g.Classes || m.Wait == 0 {
		t.Errorf("granted %04x, asked to %+v", g.Classes, m)
	}
	for _, c := range r.s.Status(r.now).Children {
		if c.Peer == 1 && c.Classes != 0xffff || c.Peer == 2 && c.Classes != 0 {
			t.Errorf("%d has %04x", c.Peer, c.Classes)
		}
	}
	delete(r.control, 1)
	r.want(2, wire.Want{Classes: 0xffff, Manifests: true, Gives: 64, Room: 64})
	if m, again := r.lastMove(1); again {
		t.Errorf("believed again: %+v", m)
	}
}

// A child that is asked to move dials the other, asks it, and leaves its parent once the other pushes.
func TestMove(t *testing.T) {
	r := newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	seq := uint32(0)
	play := func(p mesh.PeerID, until uint32) {
		for ; seq < until; seq++ {
			if seq%8 == 0 {
				r.from(1, r.manifest(epoch, seq, 8))
			}
			from := mesh.PeerID(1)
			if p != 0 && seq%4 == 0 {
				from = p
			}
			r.chunks(from, epoch, seq)
			r.run(chunkSpan)
		}
	}
	play(0, 32)
	to := wire.Candidate{Node: nodeID(2), Addr: addrOf(2), Open: true}
	b := wire.Move{Channel: 1, Classes: 0x1111, Candidates: []wire.Candidate{to}}.Append(nil)
	if _, err := r.s.HandleMessage(r.now, 1, b[0], b[1:], &r.out); err != nil {
		t.Fatal(err)
	}
	if d := r.out.Dials; len(d) != 1 || d[0].Node != to.Node || d[0].Via != 1 {
		t.Errorf("dialled %+v", d)
	}
	r.collect()
	r.s.PeerUp(r.now, 2, nodeID(2), addrOf(2), &r.out)
	r.meet(2)
	w, asked := r.lastWant(2)
	if !asked || w.Classes != 0x1111 || !w.Orphan {
		t.Fatalf("asked for %+v", w)
	}
	r.from(2, wire.Grant{Channel: 2, Token: w.Token, Classes: 0x1111, Epoch: epoch, From: seq, Live: seq}.Append(nil))
	if w, _ := r.lastWant(1); w.Classes != 0xffff {
		t.Errorf("the parent was left before the other pushes: %04x", w.Classes)
	}
	play(2, 40)
	if w, _ := r.lastWant(1); w.Classes != 0xeeee || !w.Manifests {
		t.Errorf("wants %04x of the parent", w.Classes)
	}
}

// Nobody is moved by others than those who feed it.
func TestMoveByStranger(t *testing.T) {
	r := newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	r.meet(3)
	to := wire.Candidate{Node: nodeID(2), Addr: addrOf(2), Open: true}
	b := wire.Move{Channel: 3, Classes: 0xffff, Candidates: []wire.Candidate{to}}.Append(nil)
	if _, err := r.s.HandleMessage(r.now, 3, b[0], b[1:], &r.out); err != nil {
		t.Fatal(err)
	}
	if len(r.out.Dials) != 0 {
		t.Errorf("dialled %+v", r.out.Dials)
	}
	r.collect()
}

// A node that gives much asks who is nearer to the source, quarter by quarter, and not again soon.
func TestClimb(t *testing.T) {
	for _, c := range []struct {
		name   string
		upload int64
		climbs bool
	}{{"much upload", 64 * classBPS, true}, {"hardly any", 4 * classBPS, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, mesh.Listener, c.upload)
			r.feedFrom(1, epoch, 0)
			path := wire.Path{Channel: 1}
			for i := range path.Parts {
				path.Parts[i].Hops = 3
				path.Parts[i].Add(wire.PathID{99})
			}
			r.from(1, path.Append(nil))
			r.s.HandleOpen(r.now, 2, identity.NodeID{2, 0xee}, addrOf(2), wire.Open{Channel: 2, Station: stationKey().ID()}, &r.out)
			r.collect()
			asked := 0
			for seq := uint32(0); seq < 300; seq++ {
				if seq%8 == 0 {
					r.from(1, r.manifest(epoch, seq, 8))
					r.have(2, 1)
				}
				r.chunks(1, epoch, seq)
				r.run(chunkSpan)
				if w, ok := r.lastWant(2); ok && w.Classes != 0 {
					asked++
					if bits.OnesCount16(w.Classes) != 4 || w.Gives != 64 {
						t.Errorf("asked for %+v", w)
					}
					r.from(2, wire.Grant{Channel: 2, Token: w.Token, Reason: wire.GrantFull, Wait: 20}.Append(nil))
					delete(r.control, 2)
				}
			}
			if c.climbs != (asked > 0) || asked > 1 {
				t.Errorf("asked %d times in 18 s", asked)
			}
		})
	}
}
