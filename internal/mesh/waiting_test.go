// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// told counts the HAVE with room that a peer was sent.
func (r *rig) told(p mesh.PeerID) (times int) {
	for _, b := range r.control[p] {
		if b[0] == wire.TypeHave {
			if m, _, err := wire.ParseHave(b[1:]); err == nil && m.Free >= wire.Classes/4 {
				times++
			}
		}
	}
	return times
}

// The quarter that the fewest have is given first.
func TestRarestQuarterFirst(t *testing.T) {
	r := newSource(t, 13*classBPS)
	r.meet(1)
	if g := r.want(1, wire.Want{Classes: 0x3333, Gives: 16}); g.Classes != 0x3333 {
		t.Fatalf("%+v", g)
	}
	r.meet(2)
	if g := r.want(2, wire.Want{Classes: 0xffff, Gives: 16}); g.Classes != 0x4444 {
		t.Errorf("granted %04x; want one of the quarters that nobody has", g.Classes)
	}
}

// Of those who wait the one that gives most is told of room first, and who could not have it after all is told less often.
func TestInvite(t *testing.T) {
	r := newSource(t, 20*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0xffff, Gives: 64})
	r.meet(2)
	r.want(2, wire.Want{Classes: 0xff})
	r.meet(3)
	r.want(3, wire.Want{Classes: 0xff, Gives: 16})
	for range 8 {
		r.run(500 * time.Millisecond)
		for p := range mesh.PeerID(3) {
			r.have(p+1, 1)
		}
	}
	if r.told(2)+r.told(3) != 0 {
		t.Fatalf("told %d and %d times of room that there is not", r.told(2), r.told(3))
	}
	r.want(1, wire.Want{})
	for range 10 {
		if r.run(50 * time.Millisecond); r.told(2)+r.told(3) > 0 {
			break
		}
	}
	if r.told(2) != 0 || r.told(3) != 1 {
		t.Errorf("told %d times the one that gives nothing, %d times the one that gives something", r.told(2), r.told(3))
	}
	r.run(10 * time.Second)
	if n := r.told(3); n < 2 || n > 6 {
		t.Errorf("who does not come was told %d times in 10 s", n)
	}
}

// A parent that repeats what is past is left at once; one that only comes late with something is not.
func TestRepeatingParentIsLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		past []uint32
		left bool
	}{
		{"one chunk of the past", []uint32{1}, false},
		{"the past again", []uint32{1, 2, 3}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, mesh.Listener, 100*classBPS)
			r.feedFrom(1, epoch, 0)
			r.meet(2)
			r.have(2, 1)
			for seq := uint32(0); seq < 80; seq++ {
				if seq%8 == 0 {
					r.from(1, r.manifest(epoch, seq, 8))
				}
				r.chunks(1, epoch, seq)
				r.run(chunkSpan)
			}
			r.chunks(1, epoch, c.past...)
			if w, _ := r.lastWant(1); (w.Classes == 0) != c.left {
				t.Errorf("asked of the parent: %04x", w.Classes)
			}
		})
	}
}

// Who is turned away for want of upload knows it, and when the next one is asked; who has all, or was told of another reason, is not.
func TestTurnedAway(t *testing.T) {
	for _, c := range []struct {
		reason  wire.GrantReason
		classes uint16
		full    int
	}{{wire.GrantFull, 0, 1}, {wire.GrantFull, 0x7777, 1}, {wire.GrantNothing, 0, 0}, {wire.GrantAll, 0xffff, 0}} {
		r := newRig(t, mesh.Listener, 0)
		r.s.PeerUp(r.now, 1, nodeID(1), addrOf(1), &r.out)
		r.meet(1)
		w, ok := r.lastWant(1)
		if !ok {
			t.Fatal("asked for nothing")
		}
		r.from(1, wire.Grant{Channel: 1, Token: w.Token, Manifests: c.classes != 0, Reason: c.reason, Classes: c.classes, Epoch: epoch, Wait: 20}.Append(nil))
		st := r.s.Status(r.now)
		if st.Full != c.full || (st.TryIn > 0) != (c.full > 0) || st.TryIn > 5*time.Second {
			t.Errorf("%v of %04x: %d peers are full, next try in %v", c.reason, c.classes, st.Full, st.TryIn)
		}
	}
}
