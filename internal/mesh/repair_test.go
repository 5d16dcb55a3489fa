// SPDX-License-Identifier: MIT

package mesh_test

import (
	"slices"
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

func nackFor(seq uint32) []byte {
	m := wire.Nack{EpochLow: epoch, NRanges: 1, Ranges: [8]wire.NackRange{{Seq: seq}}}
	return m.Append(nil)
}

// A NACK that has crossed the push of the chunk that it asks for is not answered; a later one is.
func TestCrossedNackIsNotServed(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0xffff, Manifests: true})
	r.meet(2)
	for seq := uint32(17); seq < 17+8; seq++ {
		r.publish(0, seq, time.Duration(seq)*chunkSpan)
	}
	for !slices.Contains(r.audio[1], "chunk 20") {
		r.run(time.Millisecond)
	}
	clear(r.audio)
	r.from(1, nackFor(20))
	r.from(2, nackFor(20)) // to whom nothing is pushed
	if len(r.audio[1]) != 0 || !slices.Equal(r.audio[2], []string{"chunk 20"}) {
		t.Errorf("sent %q and %q", r.audio[1], r.audio[2])
	}
	r.run(20 * time.Millisecond) // an RTT
	clear(r.audio)
	r.from(1, nackFor(20))
	if !slices.Contains(r.audio[1], "chunk 20") {
		t.Errorf("sent %q", r.audio[1])
	}
}

// nacked tells whether a peer was asked for a chunk, and forgets it.
func (r *rig) nacked(p mesh.PeerID, seq uint32) bool {
	r.t.Helper()
	asked := false
	for _, b := range r.control[p] {
		var m wire.Nack
		if b[0] != wire.TypeNack {
			continue
		}
		if _, err := wire.ParseNack(b[1:], &m); err != nil {
			r.t.Fatal(err)
		}
		asked = asked || slices.ContainsFunc(m.Ranges[:m.NRanges], func(n wire.NackRange) bool {
			return n.Seq == seq || seq > n.Seq && seq-n.Seq <= 32 && n.Also>>(seq-n.Seq-1)&1 != 0
		})
	}
	r.control[p] = nil
	return asked
}

// lost is a chunk that is missing in newLossy.
const lost = 96

// newLossy is a node that is two hops from the source, has played for a while, and knows its parent's rhythm. The first chunk
// behind the lost one of the same quarter has just come.
func newLossy(t *testing.T) *rig {
	r := newRig(t, mesh.Listener, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	for seq := uint32(0); ; seq++ {
		if seq%8 == 0 {
			r.from(1, r.manifest(epoch, seq, 8))
		}
		if seq != lost {
			r.chunks(1, epoch, seq)
		}
		if seq == lost+4 {
			return r
		}
		r.run(30 * time.Millisecond)
		if seq%8 == 7 {
			r.run(240 * time.Millisecond)
		}
	}
}

// What is lost is asked of the parent, but not before an ancestor would have got it: RTT + 4 deviations + 30 ms for each hop.
func TestPatience(t *testing.T) {
	r := newLossy(t)
	r.nacked(1, lost)
	const patience = 30*time.Millisecond + 2*(20+4*2+30)*time.Millisecond
	r.run(patience - time.Millisecond)
	if r.nacked(1, lost) {
		t.Error("asked too early")
	}
	r.run(2 * time.Millisecond)
	if !r.nacked(1, lost) {
		t.Error("not asked")
	}
}

// A child that asks has waited longer: the node asks for the chunk at once.
func TestChildHastensNack(t *testing.T) {
	r := newLossy(t)
	r.meet(2)
	r.want(2, wire.Want{Classes: 0xffff, Manifests: true})
	r.nacked(1, lost)
	r.run(time.Millisecond)
	if r.nacked(1, lost) {
		t.Fatal("asked too early")
	}
	r.from(2, nackFor(lost))
	r.run(time.Millisecond)
	if !r.nacked(1, lost) {
		t.Error("not asked")
	}
}
