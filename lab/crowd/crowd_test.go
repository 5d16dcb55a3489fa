// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import "testing"

// TestCrowd: twelve listeners of three kinds join in a random order. All are whole, and the source does not feed them all itself.
// Beside other tests on two shared cores, where whole processes stand still for a moment, a few chunks may be missing.
func TestCrowd(t *testing.T) {
	s := scenario(t, asked(t, "crowd", 0), number(t, "LAB_CROWD_NODES", 12))
	c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 1)), true)
	c.gather(s.Settled)
	c.begin()
	c.until(s.Duration)
	f := c.figures()
	t.Log(f.String())
	c.report()
	if f.Deaf > 0 || f.Silent > 0.05 || f.Missing > f.Due/20 {
		t.Errorf("not whole: %d of %d chunks missing, %d listeners heard nothing, silent for %.4f of the time", f.Missing, f.Due, f.Deaf, f.Silent)
	}
	// The cap holds for any second; a burst may have begun before.
	if most := float64(s.Source.UploadBPS)/float64(s.BitrateBPS) + 0.1; f.Egress > most {
		t.Errorf("the source sent %.2f streams, want at most %.2f", f.Egress, most)
	}
}
