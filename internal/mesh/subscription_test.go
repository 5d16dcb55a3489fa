// SPDX-License-Identifier: MIT

package mesh_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// What one class of a stream of 128 kbit/s costs on the wire, and its manifests.
const (
	classBPS     = 128_000 * 105 / 100 / wire.Classes
	manifestsBPS = 128_000 * 7 / 100
)

// newSource is a broadcaster with a header chunk and a second of audio out.
func newSource(t *testing.T, uploadBPS int64, without ...mesh.Mechanisms) *rig {
	t.Helper()
	r := newRig(t, mesh.Source, uploadBPS, without...)
	r.s.Begin(r.now, epoch, 128_000, &r.out)
	r.publish(1, 0, 0)
	for i := range 16 {
		r.publish(0, uint32(1+i), time.Duration(i)*chunkSpan)
		r.run(chunkSpan)
	}
	r.run(time.Second)
	return r
}

func (r *rig) publish(kind uint8, seq uint32, start time.Duration) {
	r.t.Helper()
	span := chunkSpan
	if kind != 0 {
		span = 0
	}
	if !r.s.Publish(r.now, kind, start, span, chunkData(epoch, seq), &r.out) {
		r.t.Fatalf("chunk %d is refused", seq)
	}
	r.collect()
}

func TestSourceRefuses(t *testing.T) {
	r := newRig(t, mesh.Source, 1_000_000)
	publish := func(kind uint8, size int) bool {
		return r.s.Publish(r.now, kind, 0, 0, make([]byte, size), &r.out)
	}
	if publish(0, 1) {
		t.Error("a chunk before the first epoch")
	}
	if r.s.Begin(r.now, 0, 0, &r.out) || !r.s.Begin(r.now, epoch, 0, &r.out) || r.s.Begin(r.now, epoch, 0, &r.out) || r.s.Begin(r.now, epoch-1, 0, &r.out) {
		t.Error("an epoch that is not above the one before")
	}
	if publish(0, 0) || publish(0, wire.ChunkBytesMax+1) || publish(3, 1) || !publish(0, wire.ChunkBytesMax) {
		t.Error("chunks out of bounds")
	}
	for i := range wire.HeadersMax {
		if !publish(1, 1) {
			t.Fatalf("header chunk %d is refused", i)
		}
	}
	if publish(1, 1) {
		t.Error("one header chunk too many")
	}
	r.s.End(r.now, &r.out)
	if publish(0, 1) {
		t.Error("a chunk after the end")
	}
}

// Subscriptions never take more than the upload; the last twentieth is for orphans; what is refused is said.
func TestAdmission(t *testing.T) {
	r := newSource(t, 40*classBPS)
	for _, step := range []struct {
		orphan  bool
		classes uint16
		given   int
		reason  wire.GrantReason
	}{
		{false, 0xffff, 16, wire.GrantAll},
		{false, 0x000f, 4, wire.GrantAll}, // 20 of the 38 that are not reserved
		{false, 0xffff, 16, wire.GrantAll},
		{false, 0x00ff, 2, wire.GrantFull},
		{true, 0x00ff, 2, wire.GrantFull},
		{true, 0x0001, 0, wire.GrantFull},
	} {
		p := mesh.PeerID(1 + len(r.s.Status(r.now).Partners))
		r.meet(p)
		g := r.want(p, wire.Want{Token: 7, Classes: step.classes, Orphan: step.orphan})
		if bits.OnesCount16(g.Classes) != step.given || g.Classes&^step.classes != 0 || g.Reason != step.reason || g.Token != 7 {
			t.Errorf("asked for %04x: %+v", step.classes, g)
		}
		if g.Reason == wire.GrantFull && g.Wait == 0 {
			t.Error("refused without saying when to come back")
		}
		if r.host.taken > r.host.whole {
			t.Fatalf("%d of %d bit/s are taken", r.host.taken, r.host.whole)
		}
	}
	if r.host.taken != 40*classBPS || r.s.Load() != 40 {
		t.Errorf("%d bit/s and %d classes are taken", r.host.taken, r.s.Load())
	}
}

// A node that is one or two classes short of what is asked for takes them from the reserve.
func TestAdmissionRounds(t *testing.T) {
	r := newSource(t, 20*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0x0007})
	r.meet(2)
	if g := r.want(2, wire.Want{Classes: 0xffff}); g.Classes != 0xffff || g.Reason != wire.GrantAll { // 15 are free
		t.Errorf("%+v", g)
	}
}

// A WANT is absolute: repeating it changes nothing, and what it does not name ends.
func TestWantIsAbsolute(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.meet(1)
	for range 3 {
		if g := r.want(1, wire.Want{Classes: 0xffff, Manifests: true}); g.Classes != 0xffff || !g.Manifests {
			t.Fatalf("%+v", g)
		}
		if r.host.taken != 16*classBPS+manifestsBPS {
			t.Fatalf("%d bit/s are taken", r.host.taken)
		}
	}
	if g := r.want(1, wire.Want{Classes: 0x1111}); g.Classes != 0x1111 || g.Manifests {
		t.Errorf("%+v", g)
	}
	if r.host.taken != 4*classBPS {
		t.Errorf("%d bit/s are taken", r.host.taken)
	}
	r.want(1, wire.Want{})
	if st := r.s.Status(r.now); r.host.taken != 0 || len(st.Children) != 0 {
		t.Errorf("%d bit/s are taken by %v", r.host.taken, st.Children)
	}
}

// A child gets the classes that it asked for, each chunk once, and no others.
func TestPushByClass(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0x2222, Manifests: true})
	clear(r.audio)
	for seq := uint32(17); seq < 17+32; seq++ {
		r.publish(0, seq, time.Duration(seq)*chunkSpan)
		r.run(chunkSpan)
	}
	r.run(time.Second)
	var chunks, want []string
	for _, what := range r.audio[1] {
		if what[0] == 'c' {
			chunks = append(chunks, what)
		}
	}
	for seq := 17; seq < 17+32; seq++ {
		if seq%4 == 1 {
			want = append(want, fmt.Sprint("chunk ", seq))
		}
	}
	if !slices.Equal(chunks, want) {
		t.Errorf("pushed %q, want %q", chunks, want)
	}
}

// A newcomer gets the header and the past that it asked for, each chunk once, in order, and beside them what is live, which
// never waits for the past.
func TestBacklog(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.meet(1)
	g := r.want(1, wire.Want{Classes: 0xffff, Manifests: true, Backlog: true, Headers: true, Back: 900})
	if g.Epoch != epoch || g.From == 0 || g.From > 4 {
		t.Fatalf("%+v", g)
	}
	const last = 40
	for seq := uint32(17); seq <= last; seq++ {
		r.publish(0, seq, time.Duration(seq)*chunkSpan)
		r.run(10 * time.Millisecond) // faster than the backlog
	}
	r.run(2 * time.Second)
	var chunks []string
	for _, what := range r.audio[1] {
		if what[0] == 'c' {
			chunks = append(chunks, what)
		}
	}
	past, live := []string{"chunk 0"}, []string(nil)
	for seq := g.From; seq <= last; seq++ {
		if what := fmt.Sprint("chunk ", seq); seq < g.Live {
			past = append(past, what)
		} else {
			live = append(live, what)
		}
	}
	for _, want := range [][]string{past, live} {
		got := slices.DeleteFunc(slices.Clone(chunks), func(what string) bool { return !slices.Contains(want, what) })
		if !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	if first := slices.Index(chunks, live[0]); len(past) < 4 || first < 0 || first > len(past)-2 {
		t.Errorf("live chunks wait for the past: %q", chunks)
	}
}

// Who is silent is sent nothing any more: a stream cannot be directed at somebody who does not want it.
func TestSilentChildIsDropped(t *testing.T) {
	r := newSource(t, 100*classBPS)
	for p := mesh.PeerID(1); p <= 2; p++ {
		r.meet(p)
		r.want(p, wire.Want{Classes: 0xffff})
	}
	for range 7 {
		r.run(time.Second)
		r.from(2, wire.Have{Channel: 2, Epoch: epoch, Next: 17, Complete: 17, Parts: 0xf}.Append(nil))
	}
	st := r.s.Status(r.now)
	if len(st.Children) != 1 || st.Children[0].Peer != 2 || r.host.taken != 16*classBPS {
		t.Errorf("children %v, %d bit/s", st.Children, r.host.taken)
	}
}

// A node does not feed its own ancestors, and leaves a parent that is fed by it.
func TestLoops(t *testing.T) {
	r := newRig(t, mesh.Relay, 100*classBPS)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 2))
	r.chunks(1, epoch, 0, 1)
	r.meet(2)
	if g := r.want(2, wire.Want{Classes: 0xffff, Manifests: true}); g.Classes != 0xffff {
		t.Fatalf("%+v", g)
	}
	id := nodeID(3)
	path := wire.Path{}
	for i := range path.Parts {
		path.Parts[i].Hops = 1
	}
	path.Parts[2].Hops = 2
	path.Parts[2].Add(wire.PathID(id[:4]))
	r.from(1, path.Append(nil))
	r.meet(3)
	if g := r.want(3, wire.Want{Classes: 0xffff}); g.Classes != 0xffff&^0x4444 || g.Reason != wire.GrantLoop {
		t.Errorf("the ancestor gets %+v", g)
	}
	self := nodeID(selfPeer)
	path.Parts[0].Add(wire.PathID(self[:4]))
	r.from(1, path.Append(nil))
	if w, _ := r.lastWant(1); w.Classes != 0xffff&^0x1111 {
		t.Errorf("the parent that is fed by this node is asked for %04x", w.Classes)
	}
}

// Repair is what is there, within a share of the rate, so that NACK is no way to be sent a stream.
func TestRepairIsLimited(t *testing.T) {
	r := newSource(t, 100*classBPS)
	const size = 1000
	for i := range 200 {
		if !r.s.Publish(r.now, 0, time.Duration(17+i)*chunkSpan, chunkSpan, make([]byte, size), &r.out) {
			t.Fatal("refused")
		}
		r.run(chunkSpan)
	}
	r.run(time.Second)
	r.meet(1)
	r.bytes[1] = 0
	ask := func() {
		for seq := uint32(20); seq < 20+5*33; seq += 33 {
			m := wire.Nack{EpochLow: epoch, NRanges: 1, Ranges: [8]wire.NackRange{{Seq: seq, Also: 1<<32 - 1}}}
			r.from(1, m.Append(nil))
		}
	}
	ask()
	if got := r.bytes[1]; got > 1<<16 || got < 1<<16-size {
		t.Errorf("%d bytes at once", got)
	}
	r.bytes[1] = 0
	r.run(10 * time.Second)
	ask()
	const share = 10 * 128_000 / 8 * 15 / 100
	if got := r.bytes[1]; got > share+2*size || got < share-2*size {
		t.Errorf("%d bytes in 10 s, want %d", got, share)
	}
}

// A minute of stream is kept for others, and no more.
func TestWindow(t *testing.T) {
	r := newSource(t, 100*classBPS)
	const n = 2000 // two minutes
	for seq := uint32(17); seq < n; seq++ {
		r.publish(0, seq, time.Duration(seq)*chunkSpan)
		r.run(chunkSpan)
	}
	r.run(time.Second)
	r.meet(1)
	served := func(seq uint32) bool {
		clear(r.audio)
		m := wire.Nack{EpochLow: epoch, NRanges: 1, Ranges: [8]wire.NackRange{{Seq: seq}}}
		r.from(1, m.Append(nil))
		return len(r.audio[1]) == 1
	}
	const minute = uint32(time.Minute / chunkSpan)
	for seq, want := range map[uint32]bool{n: false, n - 1: true, n - minute + 16: true, n - minute - 16: false, 1: false, 0: true} {
		if got := served(seq); got != want {
			t.Errorf("chunk %d of %d is served: %v", seq, n, got)
		}
	}
}

// Leaving, a node tells everybody and gives back the upload; then it does nothing any more.
func TestLeave(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.meet(1)
	r.want(1, wire.Want{Classes: 0xffff})
	r.control[1] = nil
	r.s.Leave(r.now, &r.out)
	r.collect()
	if len(r.control[1]) != 1 || r.control[1][0][0] != wire.TypeGone || !slices.Equal(r.idle, []mesh.PeerID{1}) || r.host.taken != 0 {
		t.Errorf("sent %x, idle %v, %d bit/s", r.control[1], r.idle, r.host.taken)
	}
	r.meet(1)
	if last := r.control[1][len(r.control[1])-1]; last[0] != wire.TypeGone {
		t.Errorf("OPEN is answered with %x", last)
	}
}

// A source signs some chunks before it sends them. Who comes in between gets those manifests too, each once.
func TestManifestsAhead(t *testing.T) {
	for _, back := range []uint16{0, 3000} {
		r := newRig(t, mesh.Source, 100*classBPS)
		r.s.Begin(r.now, epoch, 128_000, &r.out)
		r.publish(1, 0, 0)
		for seq := uint32(1); seq <= 24; seq++ {
			r.publish(0, seq, time.Duration(seq-1)*chunkSpan)
		}
		r.run(100 * time.Millisecond)
		r.meet(1)
		r.want(1, wire.Want{Classes: 0xffff, Manifests: true, Backlog: true, Headers: true, Back: back})
		r.run(time.Second)
		var manifests []string
		for _, what := range r.audio[1] {
			if what[0] == 'm' && what != "manifest 0" {
				manifests = append(manifests, what)
			}
		}
		if want := []string{"manifest 1", "manifest 9", "manifest 17"}; !slices.Equal(manifests, want) {
			t.Errorf("with %d ms of the past: %q, want %q", back, manifests, want)
		}
	}
}
