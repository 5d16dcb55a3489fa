// SPDX-License-Identifier: MIT

package link_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"streamer/internal/link"
)

func TestWindowEdges(t *testing.T) {
	for _, highest := range []uint32{0, 1, 62, 63, 64, 65, 1023, 1024, 1025, 1087, 1088, 1089, 5000, 1 << 31, math.MaxUint32 - 1} {
		var w link.Window
		if !w.Fresh(highest) || !w.Mark(highest) {
			t.Fatalf("%d: the first packet is not fresh and newest", highest)
		}
		if w.Fresh(highest) {
			t.Errorf("%d: seen, and fresh again", highest)
		}
		for _, c := range []struct {
			back  uint32
			fresh bool
		}{{1, true}, {63, true}, {64, true}, {1022, true}, {1023, true}, {1024, false}, {1025, false}, {1 << 20, false}} {
			if c.back > highest {
				continue
			}
			if got := w.Fresh(highest - c.back); got != c.fresh {
				t.Errorf("%d: %d back is fresh: %v, want %v", highest, c.back, got, c.fresh)
			}
		}
		if !w.Fresh(highest + 1) {
			t.Errorf("%d: the next packet is not fresh", highest)
		}
	}
}

// The window agrees with one that remembers everything.
func TestWindowAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var w link.Window
		seen := map[uint32]bool{}
		highest := int64(-1)
		for range 20_000 {
			c := max(0, highest+[...]int64{1, 1, 1, 2, 64, 100, 1024, 1025, 3000}[rng.IntN(9)])
			if rng.IntN(3) > 0 {
				c = max(0, highest-rng.Int64N(1100))
			}
			want := !seen[uint32(c)] && c > highest-1024
			if got := w.Fresh(uint32(c)); got != want {
				t.Fatalf("seed %d: %d is fresh: %v, want %v; highest is %d", seed, c, got, want, highest)
			}
			if !want {
				continue
			}
			if newest := w.Mark(uint32(c)); newest != (c > highest) {
				t.Fatalf("seed %d: %d is newest: %v; highest was %d", seed, c, newest, highest)
			}
			seen[uint32(c)] = true
			highest = max(highest, c)
		}
	}
}
