// SPDX-License-Identifier: MIT

package node

import (
	"testing"
	"time"
)

// Whose control has taken more of a cap than came in is in debt, and busy for strangers though nobody is fed, until the bucket has earned it; without a
// cap nobody is.
func TestIndebted(t *testing.T) {
	for _, c := range []struct {
		name     string
		capBPS   int64
		sent     int
		indebted bool
	}{
		{"slow, a little", 64_000, burstBytesMin + 1000, false},
		{"slow, much", 64_000, 3 * burstBytesMin, true},
		{"fast, as much", 4_000_000, 3 * burstBytesMin, false},
		{"fast, more than a tenth of a second", 4_000_000, 80_000, true},
		{"without a cap", UploadAuto, 3 * burstBytesMin, false},
		{"without upload, a little", 0, burstBytesMin + 1000, false},
		{"without upload, much", 0, 3 * burstBytesMin, true},
	} {
		n := &Node{}
		n.up.init(testSecond, c.capBPS)
		n.up.sent(testSecond, c.sent)
		if n.Indebted(testSecond) != c.indebted || n.up.busy(testSecond) != (c.indebted && c.capBPS != 0) {
			t.Errorf("%s: in debt %v, busy %v, want %v", c.name, n.Indebted(testSecond), n.up.busy(testSecond), c.indebted)
		}
		if later := testSecond.Add(time.Second); n.Indebted(later) || n.up.busy(later) {
			t.Errorf("%s: in debt or busy a second later", c.name)
		}
	}
}
