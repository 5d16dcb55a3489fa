// SPDX-License-Identifier: MIT

package mesh_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Who lacks a quarter that none of its partners has, because its root died and they all hang below the same one, dials others though
// it has partners enough, and lets those go.
func TestDialsBeyondTheHopeless(t *testing.T) {
	r := newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	r.chunks(1, epoch, 0, 1, 2, 3, 4, 5, 6, 7)
	const quarter = 0x2222
	hasRest := func(p mesh.PeerID) {
		h := wire.Have{Channel: byte(p), Epoch: epoch, Next: 8, Complete: 8, Parts: 0b1101}
		for i := range h.Hops {
			h.Hops[i] = 3
		}
		h.Hops[1] = wire.HopsUnknown
		r.from(p, h.Append(nil))
	}
	const partners, strangers = 15, 20 // as many partners as anybody wants
	for p := mesh.PeerID(2); p < 2+partners; p++ {
		r.meet(p)
		hasRest(p)
	}
	lost := false
	dialled := map[identity.NodeID]int{}
	for seq := uint32(8); seq < 150; seq++ {
		if seq%8 == 0 {
			r.from(1, r.manifest(epoch, seq, 8))
		}
		if seq == 20 {
			w, _ := r.lastWant(1)
			r.from(1, wire.Grant{Channel: 1, Token: w.Token, Manifests: true, Reason: wire.GrantFull, Classes: w.Classes &^ quarter, Wait: 255}.Append(nil))
			for p := mesh.PeerID(100); p < 100+strangers; p++ {
				r.s.AddFound(r.now, addrOf(p), nodeID(p), nil)
			}
			lost = true
		}
		if quarter>>(seq%16)&1 == 0 || !lost {
			r.chunks(1, epoch, seq)
		}
		for p := mesh.PeerID(2); seq%16 == 0 && p < 2+partners; p++ {
			if r.s.Uses(p) {
				hasRest(p)
			}
		}
		for end := r.now.Add(chunkSpan); r.now < end; r.now = r.now.Add(10 * time.Millisecond) {
			r.s.Advance(r.now, &r.out)
			dials := append([]mesh.Dial(nil), r.out.Dials...)
			r.collect()
			for _, d := range dials {
				dialled[d.Node]++
				p := mesh.PeerID(d.Node[0])
				r.s.PeerUp(r.now, p, d.Node, d.Addr, &r.out)
				r.meet(p)
			}
		}
	}
	fresh, again := 0, 0
	for p := mesh.PeerID(100); p < 100+strangers; p++ {
		if dialled[nodeID(p)] > 0 {
			fresh++
		}
	}
	for p := mesh.PeerID(2); p < 2+partners; p++ {
		again += dialled[nodeID(p)]
	}
	for i, p := range r.idle {
		if i < partners && p >= 100 {
			t.Errorf("stranger %d was let go, who may have it, while there were partners who have not: %v", p, r.idle)
			break
		}
	}
	if fresh < strangers/2 || again > 0 || len(r.idle) == 0 {
		t.Errorf("%d of %d strangers were dialled, %d times a partner that has nothing of what is lacking; %d were let go", fresh, strangers, again, len(r.idle))
	}
}

// Who was let go is not dialled again soon, even by one that looks for anybody.
func TestLetGoRests(t *testing.T) {
	r := newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	for p := mesh.PeerID(2); p < 22; p++ {
		r.meet(p)
		r.have(p, 1)
	}
	r.chunks(1, epoch, 0, 1, 2, 3, 4, 5, 6, 7)
	r.run(500 * time.Millisecond)
	gone := map[netip.AddrPort]bool{}
	for _, p := range r.idle {
		gone[addrOf(p)] = true
	}
	if len(gone) != 5 { // of 21 partners 16 are kept
		t.Fatalf("let go: %v", r.idle)
	}
	for p := mesh.PeerID(1); p < 22; p++ {
		if !gone[addrOf(p)] {
			r.s.PeerDown(r.now, p, &r.out)
			r.collect()
		}
	}
	first := mono.Time(0)
	for end := r.now.Add(20 * time.Second); r.now < end && first == 0; r.now = r.now.Add(50 * time.Millisecond) {
		r.s.Advance(r.now, &r.out)
		for _, d := range r.out.Dials {
			if r.s.DialFailed(r.now, d.Addr); gone[d.Addr] {
				first = r.now
			}
		}
		r.collect()
	}
	if d := first.Sub(mono.Time(time.Second)); d < 10*time.Second || d > 12*time.Second {
		t.Errorf("dialled again %v after the start", d)
	}
}
