// SPDX-License-Identifier: MIT

package mesh_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// A source that slept for long sends what it had not sent before, with the media time of then, and goes on with that of now. Who
// comes back asks for all of that, and gets it.
func TestSourceSlept(t *testing.T) {
	for _, asleep := range []time.Duration{15 * time.Second, time.Minute, 10 * time.Minute} {
		r := newRig(t, mesh.Source, 2_000_000)
		if !r.s.Begin(r.now, epoch, 128_000, &r.out) {
			t.Fatal("no epoch")
		}
		seq, media := uint32(0), time.Duration(0)
		publish := func(n int) {
			for range n {
				kind := uint8(0)
				if seq == 0 {
					kind = 1
				}
				r.s.Publish(r.now, kind, media, chunkSpan, chunkData(epoch, seq), &r.out)
				r.collect()
				seq, media = seq+1, media+chunkSpan
			}
		}
		publish(40)
		r.run(10 * time.Second)
		heard := seq
		r.now = r.now.Add(asleep)
		publish(8)
		media += asleep
		publish(16)
		r.run(50 * time.Millisecond)
		r.meet(1)
		g := r.want(1, wire.Want{Channel: 1, Token: 1, Manifests: true, Orphan: true, Backlog: true, Classes: 0xffff, Epoch: epoch, From: heard, Back: 3000})
		if g.Classes != 0xffff || g.From != heard {
			t.Errorf("%v: granted %+v, want it from %d on", asleep, g, heard)
		}
		r.run(2 * time.Second)
		for ; heard < seq; heard++ {
			if !slices.Contains(r.audio[1], fmt.Sprint("chunk ", heard)) {
				t.Errorf("%v: chunk %d was not sent", asleep, heard)
			}
		}
	}
}

// A node that was cut off gets more of the past than a newcomer, within the same limits of upload.
func TestBacklogOfTheCutOff(t *testing.T) {
	const rate = 128_000 * 115 / 100
	for _, c := range []struct {
		name   string
		upload int64
		want   wire.Want
		back   time.Duration // that is given
	}{
		{"newcomer", 20 * rate, wire.Want{Back: 6000}, 3 * time.Second},
		{"cut off", 20 * rate, wire.Want{Orphan: true, Epoch: epoch, Back: 6000}, 6 * time.Second},
		{"cut off for long", 20 * rate, wire.Want{Orphan: true, Epoch: epoch, Back: 60_000}, 8 * time.Second},
		{"cut off for a moment", 20 * rate, wire.Want{Orphan: true, Epoch: epoch, From: 312, Back: 6000}, 1260 * time.Millisecond},
		{"little upload", 5 * rate / 2, wire.Want{Orphan: true, Epoch: epoch, Back: 6000}, 3 * time.Second},
		{"less upload", 3 * rate / 2, wire.Want{Orphan: true, Epoch: epoch, Back: 6000}, 0},
	} {
		r := newRig(t, mesh.Source, c.upload)
		r.s.Begin(r.now, epoch, 128_000, &r.out)
		for seq := range uint32(333) {
			kind := uint8(0)
			if seq == 0 {
				kind = 1
			}
			r.s.Publish(r.now, kind, time.Duration(seq)*chunkSpan, chunkSpan, chunkData(epoch, seq), &r.out)
			r.run(chunkSpan)
		}
		r.meet(1)
		c.want.Channel, c.want.Classes, c.want.Manifests, c.want.Backlog = 1, 0xffff, true, true
		g := r.want(1, c.want)
		next := r.want(1, wire.Want{Channel: 1, Token: 2, Classes: 0xffff, Manifests: true}).From
		if back := time.Duration(next-g.From) * chunkSpan; (back - c.back).Abs() > 8*chunkSpan {
			t.Errorf("%s: %v of the past, want %v", c.name, back, c.back)
		}
	}
}

// A node that heard nothing for more than a second asks for as much as may still be played; after less NACK brings what is missing.
func TestCutOffAsksForItsDelay(t *testing.T) {
	for silent, backlog := range map[time.Duration]bool{time.Second: false, 1500 * time.Millisecond: true, 4 * time.Second: true} {
		r := newRig(t, mesh.Listener, 0)
		r.feedFrom(1, epoch, 0)
		media := func(m *wire.Manifest) { m.Wall -= 3000 } // the backlog's first chunk is 3 s old
		r.from(1, r.manifest(epoch, 0, 4, media))
		r.chunks(1, epoch, 0, 1, 2, 3)
		for seq := uint32(4); seq < 60; seq += 4 {
			r.from(1, r.manifest(epoch, seq, 4))
			r.chunks(1, epoch, seq, seq+1, seq+2, seq+3)
			r.run(4 * chunkSpan)
		}
		r.run(silent - 4*chunkSpan)
		r.s.PeerDown(r.now, 1, &r.out)
		r.collect()
		r.s.PeerUp(r.now, 2, nodeID(2), addrOf(2), &r.out)
		r.meet(2)
		w, ok := r.lastWant(2)
		if !ok || !w.Orphan || w.Backlog != backlog || backlog && (w.Epoch != epoch || w.From != 60 || w.Back < 3500 || w.Back > 4500) {
			t.Errorf("after %v asked for %+v", silent, w)
		}
	}
}

// Who hears no parent gives the links to them up sooner than who hears one of two: behind NATs a new introduction is the only way.
func TestDeadSoonerAlone(t *testing.T) {
	for _, fed := range []bool{false, true} {
		r := newRig(t, mesh.Listener, 0)
		r.feedFrom(1, epoch, 0)
		r.from(1, r.manifest(epoch, 0, 8))
		r.chunks(1, epoch, 0, 1, 2, 3, 4, 5, 6, 7)
		if fed {
			r.meet(2)
			r.have(2, 1)
		}
		silent := r.now
		for r.s.Uses(1) && r.now.Sub(silent) < 4*time.Second {
			r.run(50 * time.Millisecond)
			if w, ok := r.lastWant(2); ok { // the other takes over
				r.from(2, wire.Grant{Channel: 2, Token: w.Token, Manifests: w.Manifests, Classes: w.Classes, Epoch: epoch, From: 8}.Append(nil))
				r.s.Pong(r.now, 2)
			}
		}
		if took := r.now.Sub(silent); fed != (took > 1500*time.Millisecond) || took > 3*time.Second {
			t.Errorf("the link was given up after %v; another parent: %v", took, fed)
		}
	}
}

// A source whose links ended while it slept dials its former peers, a few of them; one that was awake does not.
func TestSourceCallsBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		asleep time.Duration
		review bool // before the links end
		want   int
	}{{"awake", 100 * time.Millisecond, false, 0}, {"a moment", 4 * time.Second, false, 0},
		{"slept", time.Minute, false, 8}, {"slept, reviews first", time.Minute, true, 8}} {
		r := newRig(t, mesh.Source, 10_000_000)
		r.run(time.Second)
		for p := mesh.PeerID(1); p <= 12; p++ {
			r.meet(p)
		}
		r.now = r.now.Add(c.asleep)
		if c.review {
			r.s.Advance(r.now, &r.out)
			r.collect()
		}
		var dials []mesh.Dial
		for p := mesh.PeerID(1); p <= 12; p++ {
			r.s.PeerDown(r.now, p, &r.out)
			dials = append(dials, r.out.Dials...)
			r.collect()
		}
		if len(dials) != c.want || len(dials) > 0 && (dials[0].Addr != addrOf(1) || dials[0].Node != nodeID(1)) {
			t.Errorf("%s: dials %+v, want %d", c.name, dials, c.want)
		}
	}
}

// wantAlone fails the test unless a node has just said that it is alone, and says it again for a minute.
func (r *rig) wantAlone() {
	r.t.Helper()
	for _, c := range []struct {
		after       time.Duration
		least, most int
	}{{0, 1, 1}, {10 * time.Second, 5, 6}, {2 * time.Minute, 25, 31}} {
		if r.run(c.after); r.alone < c.least || r.alone > c.most {
			r.t.Errorf("%d times alone, %v after it was once", r.alone, c.after)
		}
	}
}

// A node that hears none of its parents any more says so at once, and again for a while; one parent that is heard is enough.
func TestAlone(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	heard := func(d time.Duration) {
		for end := r.now.Add(d); r.now < end; r.run(100 * time.Millisecond) {
			r.s.Pong(r.now, 1)
		}
	}
	r.from(1, r.manifest(epoch, 0, 4))
	r.chunks(1, epoch, 0, 1, 2, 3)
	heard(900 * time.Millisecond)
	if r.alone > 0 {
		t.Error("alone with a parent")
	}
	r.run(1200 * time.Millisecond)
	r.wantAlone()
}

// A source of whose children none answers is alone within a second, and stays so when it has given them up; one without children is not.
func TestSourceAlone(t *testing.T) {
	r := newSource(t, 100*classBPS)
	r.run(10 * time.Second)
	if r.alone > 0 {
		t.Error("alone without children")
	}
	children := func() {
		for p := mesh.PeerID(1); p <= 2; p++ {
			r.meet(p)
			r.want(p, wire.Want{Classes: 0xffff})
		}
	}
	children()
	for range 6 {
		r.run(600 * time.Millisecond)
		r.from(2, wire.Have{Channel: 2, Epoch: epoch, Next: 17, Complete: 17, Parts: 0xf}.Append(nil))
	}
	r.run(800 * time.Millisecond)
	r.s.Pong(r.now, 2)
	r.run(800 * time.Millisecond)
	if r.alone > 0 {
		t.Error("alone with a child that is heard, or answers")
	}
	r.run(400 * time.Millisecond)
	r.wantAlone()
	r.alone = 0
	children()
	r.run(500 * time.Millisecond)
	if r.alone > 0 {
		t.Error("alone with new children")
	}
}
