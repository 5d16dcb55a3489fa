// SPDX-License-Identifier: MIT

package node

import (
	"testing"
	"time"

	"streamer/internal/mesh"
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

// Live audio that has waited for 0.3 s has some subscription ended under a cap, but not when it was the node that stood still.
func TestStaysBehind(t *testing.T) {
	for _, c := range []struct {
		name   string
		capBPS int64
		stood  time.Duration // the first time that nobody looks
		waits  time.Duration // of live audio; it is looked at every 50 ms
		ended  bool
	}{
		{"for a moment", 100_000, 100 * time.Millisecond, 290 * time.Millisecond, false},
		{"for long", 100_000, 100 * time.Millisecond, 310 * time.Millisecond, true},
		{"the node stood still", 100_000, 300 * time.Millisecond, 900 * time.Millisecond, false},
		{"it did long ago", 100_000, 300 * time.Millisecond, 1500 * time.Millisecond, true},
		{"without a cap", UploadAuto, 100 * time.Millisecond, 310 * time.Millisecond, false},
	} {
		var u upload
		u.init(testSecond, c.capBPS)
		for d := -2 * time.Second; d <= 0; d += 50 * time.Millisecond {
			u.staysBehind(testSecond.Add(d))
		}
		u.push(testSecond, &station{}, wholeSend(0, mesh.Push), 1)
		ended := false
		for d := c.stood; d < c.waits+50*time.Millisecond; d += 50 * time.Millisecond {
			now := testSecond.Add(min(d, c.waits))
			u.filled = now
			ended = u.staysBehind(now)
		}
		if ended != c.ended {
			t.Errorf("%s: ended %v, want %v", c.name, ended, c.ended)
		}
		if u.queue[mesh.Push].take(); u.staysBehind(u.filled) {
			t.Errorf("%s: behind with nothing that waits", c.name)
		}
	}
}
