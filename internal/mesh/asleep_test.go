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
