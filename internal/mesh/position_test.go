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
			if got, want := r.s.MovingTaken(), int64(bits.OnesCount16(m.Classes))*classBPS; got != want {
				t.Errorf("%d bit/s are given twice, want %d", got, want)
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

// A source that is full gives a quarter that nobody has to the first who passes it on, and ends one that several have; of those who
// wait it tells such a one.
func TestEveryQuarterIsGiven(t *testing.T) {
	r := newSource(t, 27*classBPS)
	for p, classes := range []uint16{0xffff, 0x3333} {
		r.meet(mesh.PeerID(p + 1))
		if g := r.want(mesh.PeerID(p+1), wire.Want{Classes: classes, Gives: 64, Room: 64}); g.Classes != classes {
			t.Fatalf("%+v", g)
		}
	}
	r.want(1, wire.Want{Classes: 0x3333, Gives: 64}) // it goes on with others
	r.meet(3)
	if g := r.want(3, wire.Want{Classes: 0x1111, Gives: 64, Room: 64}); g.Classes != 0 {
		t.Errorf("%04x is given a third time, and others to nobody", g.Classes)
	}
	if g := r.want(3, wire.Want{Classes: 0x8888, Gives: 64, Room: 64}); g.Classes != 0x8888 {
		t.Errorf("%04x of 8888, for which there is room", g.Classes)
	}
	r.host.whole = 20 * classBPS // its line carries less than it seemed to
	r.meet(4)
	if g := r.want(4, wire.Want{Classes: 0xffff, Gives: 4, Room: 4}); g.Classes != 0x4444 {
		t.Errorf("granted %04x; nobody has 4444", g.Classes)
	}
	m, asked := r.lastMove(1)
	if !asked {
		m, asked = r.lastMove(2)
	}
	if !asked || m.Wait == 0 || bits.OnesCount16(m.Classes) != 4 || m.Classes&^0x3333 != 0 {
		t.Fatalf("nobody has to look elsewhere: %+v", m)
	}
	for range 8 {
		r.run(500 * time.Millisecond)
		for p := range mesh.PeerID(4) {
			r.have(p+1, 1)
		}
	}
	copies := 0
	for _, c := range r.s.Status(r.now).Children {
		if c.Classes&m.Classes != 0 {
			copies++
		}
	}
	if copies != 1 || r.host.taken > 20*classBPS {
		t.Errorf("%d children have %04x, %d classes are taken of 20", copies, m.Classes, r.host.taken/classBPS)
	}
	told := false
	for _, b := range append(r.control[1], r.control[2]...) {
		if b[0] == wire.TypeGrant {
			g, _, err := wire.ParseGrant(b[1:], nil)
			told = told || err == nil && g.Reason == wire.GrantFull && g.Classes == 0x3333&^m.Classes
		}
	}
	if !told {
		t.Error("the child was not told what is left")
	}
}

// A child that is dead is dropped soon when an orphan asks for what it has; one that answers is not, nor one that was silent while
// this node stood still itself.
func TestDeadChildGivesItsPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		orphan  bool
		answers bool
		stood   time.Duration // this node, when it has asked the child
		after   time.Duration
		dropped bool
	}{
		{"an orphan asks", true, false, 0, 2 * time.Second, true},
		{"an orphan asks, and it lives", true, true, 0, 2 * time.Second, false},
		{"this node stands still", true, false, time.Second, time.Second, false},
		{"nobody asks", false, false, 0, 2 * time.Second, false},
		{"nobody asks for long", false, false, 0, 3800 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFull(t, 16)
			r.meet(2)
			r.run(time.Second)
			if c.orphan {
				r.want(2, wire.Want{Classes: 0xffff, Orphan: true})
			}
			r.now = r.now.Add(c.stood)
			r.run(0)
			for begun := r.now; r.now.Sub(begun) < c.after-time.Second; {
				r.run(50 * time.Millisecond)
				if c.answers {
					r.s.Pong(r.now, 1)
				}
			}
			dropped := true
			for _, k := range r.s.Status(r.now).Children {
				dropped = dropped && k.Peer != 1
			}
			if dropped != c.dropped {
				t.Errorf("dropped %v, want %v", dropped, c.dropped)
			}
		})
	}
}

// Who is worth three times as much and is full already gets the place all the same: the one that had it looks elsewhere.
func TestDisplaceByOneThatIsFull(t *testing.T) {
	for _, here := range []uint16{8, 40} {
		r := newFull(t, here)
		r.meet(2)
		g := r.want(2, wire.Want{Classes: 0x1111, Gives: 64, Room: 0})
		m, asked := r.lastMove(1)
		if far := here == 8; asked != far || far && (g.Classes != 0x1111 || m.Classes != 0x1111 || m.Wait == 0) {
			t.Errorf("one that gives %d: granted %04x, moved %+v", here, g.Classes, m)
		}
	}
}
