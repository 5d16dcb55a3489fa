// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"fmt"
	"testing"
	"time"
)

// TestCrowd: twelve listeners of three kinds join in a random order. All are whole, and the source does not feed them all itself.
// Beside other tests on two shared cores a few chunks may be missing; where the machine stood still, another crowd is tried.
func TestCrowd(t *testing.T) {
	for try := 1; ; try++ {
		var f figures
		file := asked(t, "crowd", 0)
		if file.Bitrate == 0 {
			file.Bitrate = 64_000 // for cores that others use too
		}
		s := scenario(t, file, number(t, "LAB_CROWD_NODES", 12))
		t.Run(fmt.Sprint(try), func(t *testing.T) {
			c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 1)), true)
			c.gather(s.Settled)
			c.begin()
			c.until(s.Duration)
			f = c.figures()
			t.Log(f.String())
			c.report()
		})
		// The cap holds for any second; a burst may have begun before.
		if most := float64(s.Source.UploadBPS)/float64(s.BitrateBPS) + 0.1; f.Egress > most {
			t.Errorf("the source sent %.2f streams, want at most %.2f", f.Egress, most)
		}
		if f.Due > 0 && f.Deaf == 0 && f.Silent <= 0.05 && f.Missing <= f.Due/20 {
			return
		}
		if try == crowdTries || f.Longest < stoodStill {
			t.Fatalf("not whole: %d of %d chunks missing, %d listeners heard nothing, silent for %.4f of the time", f.Missing, f.Due, f.Deaf, f.Silent)
		}
	}
}

const (
	crowdTries = 2
	stoodStill = 300 * time.Millisecond // what a crowd may stumble over
)
