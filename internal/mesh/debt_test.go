// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// count counts the messages of a type that a peer was sent.
func (r *rig) count(p mesh.PeerID, kind byte) (n int) {
	for _, b := range r.control[p] {
		if b[0] == kind {
			n++
		}
	}
	return n
}

// While control takes more than the upload carries, what can wait waits: word to partners that bring nothing, names of others for those who
// are refused, NACKs, and invitations. Parents are told all the same that this node is there.
func TestIndebted(t *testing.T) {
	for _, indebted := range []bool{true, false} {
		r := newRig(t, mesh.Listener, 20*classBPS)
		r.feedFrom(1, epoch, 0)
		r.meet(2)
		r.have(2, 1)
		r.meet(3)
		for seq := uint32(0); seq < 40; seq++ {
			if seq%8 == 0 {
				r.from(1, r.manifest(epoch, seq, 8))
			}
			if r.chunks(1, epoch, seq); seq == 0 {
				r.control = map[mesh.PeerID][][]byte{}
				r.host.indebted = indebted
			}
			r.run(chunkSpan)
		}
		if g := r.want(3, wire.Want{Classes: 0xffff, Orphan: true}); g.Reason != wire.GrantAll {
			t.Fatalf("%+v", g)
		}
		r.meet(4)
		if g := r.want(4, wire.Want{Classes: 0xffff}); g.Reason != wire.GrantFull || (len(g.Candidates) == 0) != indebted {
			t.Errorf("in debt %v: refused with %d names", indebted, len(g.Candidates))
		}
		r.from(1, r.manifest(epoch, 40, 8)) // and none of its chunks
		r.run(700 * time.Millisecond)
		if n := r.count(1, wire.TypeNack); (n == 0) != indebted {
			t.Errorf("in debt %v: %d NACKs", indebted, n)
		}
		if n := r.count(2, wire.TypeHave); (n == 0) != indebted {
			t.Errorf("in debt %v: %d times told a partner where this node is", indebted, n)
		}
		if r.count(1, wire.TypeHave) == 0 {
			t.Errorf("in debt %v: the parent is not told that this node is there", indebted)
		}
	}
}

// Nobody is told of room that the upload has no way to tell of.
func TestNoInviteInDebt(t *testing.T) {
	r := newSource(t, 20*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0xffff, Gives: 64})
	r.meet(2)
	r.want(2, wire.Want{Classes: 0xff, Gives: 16})
	r.host.indebted = true
	r.want(1, wire.Want{})
	r.run(time.Second)
	if n := r.told(2); n != 0 {
		t.Errorf("told %d times", n)
	}
	r.host.indebted = false
	r.run(time.Second)
	if r.told(2) == 0 {
		t.Error("not told when the debt was paid")
	}
}
