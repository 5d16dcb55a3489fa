// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"testing"
	"time"

	"streamer/lab/netlab"
)

const (
	shortCrowd, longCrowd = 6, 20
	// hearingLimit is the silence that a busy machine may cause; the long run, on a quiet one, bears half of it.
	hearingLimit = time.Second
)

// TestEverybodyPortRestricted: nobody but one host can be reached by strangers, that host carries no audio, and everybody plays.
// Then it dies, and everybody goes on.
func TestEverybodyPortRestricted(t *testing.T) {
	beside(t)
	w := newTown(t, townPlan{
		seed: 41, hosts: 1, source: netlab.PortRestricted, listeners: kindsOf(netlab.PortRestricted, crowdSize()), worldUpload: "0",
	})
	pass(t, settle())
	w.report(t)
	host := w.world.nodes[0]
	if carries := len(host.tuned().Children); carries > 0 {
		t.Errorf("the public host carries audio for %d", carries)
	}
	w.requireHeard(t, while())
	host.Kill()
	t.Log("the public host was killed")
	w.requireHeard(t, while())
	w.report(t)
}

// TestEverybodyThirdSymmetric: every third listener is behind a router that cannot meet a port-restricted one. The public host
// is there for them: it relays the station because it is asked to, and for nobody else.
func TestEverybodyThirdSymmetric(t *testing.T) {
	if !long {
		t.Skip("LAB_LONG is not set; TestPairs has such a router")
	}
	kinds := kindsOf(netlab.PortRestricted, crowdSize())
	for i := 2; i < len(kinds); i += 3 {
		kinds[i] = netlab.SymmetricRandom
	}
	w := newTown(t, townPlan{seed: 42, hosts: 1, source: netlab.PortRestricted, listeners: kinds, worldUpload: "auto"})
	pass(t, settle())
	w.requireHeard(t, while())
	w.report(t)
	t.Logf("the public host carries audio for %d of %d", len(w.world.nodes[0].tuned().Children), len(kinds))
}

func while() time.Duration {
	if long {
		return time.Minute
	}
	return 8 * time.Second
}

func crowdSize() int {
	if long {
		return longCrowd
	}
	return shortCrowd
}

// requireHeard lets time go by and fails the test for each listener that heard silence meanwhile.
func (w *town) requireHeard(t *testing.T, while time.Duration) {
	t.Helper()
	before := make([]time.Duration, len(w.listeners))
	missing := make([]uint64, len(w.listeners))
	for i, l := range w.listeners {
		before[i], missing[i] = l.ear.silence(), l.tuned().Chunks.Missing
	}
	limit := hearingLimit
	if long {
		limit /= 2
	}
	stalls, began := netlab.WatchStalls(t), time.Now()
	pass(t, while)
	stood := stalls.Since(began)
	for i, l := range w.listeners {
		silence, missed := l.ear.silence()-before[i], l.tuned().Chunks.Missing-missing[i]
		if silence-stood > limit || !l.ear.heard() {
			t.Errorf("%s heard %v of silence in %v, in which the machine stood still for %v, and missed %d chunks", l.Name,
				silence.Round(time.Millisecond), while, stood, missed)
		} else if missed > 0 {
			t.Logf("%s missed %d chunks", l.Name, missed)
		}
	}
}
