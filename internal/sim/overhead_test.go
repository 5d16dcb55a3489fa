// SPDX-License-Identifier: MIT

package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"streamer/internal/node"
	"streamer/internal/sim"
	"streamer/internal/wire"
)

// party is the lab's: one broadcaster, 8 listeners with upload for five streams, round trips of 50 ms.
func party(kbps int64, lossPPM uint32) sim.Scenario {
	line := sim.Line{UpBPS: 100_000_000, DownBPS: 100_000_000, DelayMin: 12500 * time.Microsecond, DelayMax: 12501 * time.Microsecond}
	return sim.Scenario{
		Name: "party", About: "one broadcaster, 8 listeners that feed each other", Nodes: 8, Duration: 70 * time.Second,
		BitrateBPS: kbps * 1000, PlayDelay: 3 * time.Second,
		Source: sim.Group{Name: "source", UploadBPS: kbps * 4000, Line: line},
		Groups: []sim.Group{{
			Name: "listener", Permille: 1000, Role: node.RoleListener, UploadBPS: kbps * 5000, Line: line, JoinAt: time.Second,
			JoinOver: time.Second,
		}},
		Path:   sim.Path{LossPPM: lossPPM, Jitter: time.Millisecond},
		Gossip: true,
	}
}

// TestOverhead says what the bytes beside the audio are for, from 10 s on.
func TestOverhead(t *testing.T) {
	for _, c := range []struct {
		kbps    int64
		lossPPM uint32
		most    float64 // percent
	}{{128, 0, 13}, {128, 50_000, 22}, {32, 0, 29}} {
		t.Run(fmt.Sprintf("%dkbps,loss=%d%%", c.kbps, c.lossPPM/10_000), func(t *testing.T) {
			var from, to sim.Traffic
			o := sim.Options{Seed: *seedFlag, Sampled: func(w *sim.World) {
				if to = w.Traffic(); w.Now() == 10*time.Second {
					from = to
				}
			}}
			w, err := sim.New(party(c.kbps, c.lossPPM), o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Err(); err != nil {
				t.Error(err)
			}
			audio := float64(to.Audio - from.Audio)
			var b strings.Builder
			sum := 0.0
			for k := range wire.Kinds {
				bytes, messages := to.Sent[k].Bytes-from.Sent[k].Bytes, to.Sent[k].Messages-from.Sent[k].Messages
				share := 100 * float64(bytes) / audio
				if wire.Kind(k) == wire.KindChunk {
					share -= 100
				}
				sum += share
				if bytes > 0 {
					fmt.Fprintf(&b, "%-10s %6.2f %%  %6.2f a second and listener, %4d bytes each\n", wire.Kind(k), share, float64(messages)/60/8,
						bytes/max(1, messages))
				}
			}
			received := float64(to.Received - from.Received)
			t.Logf("%.1f %% beside the audio; repaired %.2f %%, twice %.2f %%, %.2f NACKs a second and listener, missing %d, links %.1f\n%s", sum,
				100*float64(to.Repaired-from.Repaired)/received, 100*float64(to.Duplicate-from.Duplicate)/received,
				float64(to.Nacks-from.Nacks)/60/8, to.Missing, float64(to.Peers)/9, b.String())
			if sum > c.most {
				t.Errorf("%.1f %%, want at most %.1f %%", sum, c.most)
			}
		})
	}
}
