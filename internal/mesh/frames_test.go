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

// A frame of lossless audio is longer than a manifest: most chunks, and manifests, last no time. A newcomer gets the past at four times
// the rate of the stream all the same.
func TestBacklogOfLongFrames(t *testing.T) {
	const frameChunks, frameSpan = 22, 93 * time.Millisecond
	r := newRig(t, mesh.Source, 40_000_000)
	if !r.s.Begin(r.now, epoch, 2_000_000, &r.out) {
		t.Fatal("no epoch")
	}
	seq, media := uint32(0), time.Duration(0)
	frame := func() {
		for i := range frameChunks {
			kind, span := uint8(0), time.Duration(0)
			if seq == 0 {
				kind = 1
			}
			if i == 0 {
				span = frameSpan
			}
			if !r.s.Publish(r.now, kind, media, span, chunkData(epoch, seq), &r.out) {
				t.Fatal("refused")
			}
			r.collect()
			seq++
			media += span
		}
		r.run(frameSpan)
	}
	for range 60 {
		frame()
	}
	r.meet(1)
	g := r.want(1, wire.Want{Channel: 1, Token: 1, Manifests: true, Backlog: true, Classes: 0xffff, Back: 3000})
	if past := seq - g.From; past < 25*frameChunks {
		t.Fatalf("%d chunks of the past", past)
	}
	for range 15 { // 1.4 s, and 3 s take 1 s while the stream goes on
		frame()
	}
	for ; g.From < seq-frameChunks; g.From++ {
		if !slices.Contains(r.audio[1], fmt.Sprint("chunk ", g.From)) {
			t.Fatalf("chunk %d was not sent", g.From)
		}
	}
}
