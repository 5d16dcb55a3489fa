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
	everybody(t, 41, kindsOf(netlab.PortRestricted, crowdSize()))
}

// TestEverybodyThirdSymmetric: the same with every third listener behind a router that no port-restricted one can meet.
func TestEverybodyThirdSymmetric(t *testing.T) {
	if !long {
		t.Skip("LAB_LONG is not set; TestPairs has such a router")
	}
	kinds := kindsOf(netlab.PortRestricted, crowdSize())
	for i := 2; i < len(kinds); i += 3 {
		kinds[i] = netlab.SymmetricRandom
	}
	everybody(t, 42, kinds)
}

func crowdSize() int {
	if long {
		return longCrowd
	}
	return shortCrowd
}

func everybody(t *testing.T, seed uint64, kinds []netlab.Kind) {
	t.Helper()
	w := newTown(t, townPlan{seed: seed, hosts: 1, source: netlab.PortRestricted, listeners: kinds, worldUpload: "0"})
	pass(t, settle())
	w.report(t)
	host := w.world.nodes[0]
	if carries := len(host.tuned().Children); carries > 0 {
		t.Errorf("the public host carries audio for %d", carries)
	}

	while := 8 * time.Second
	if long {
		while = time.Minute
	}
	w.requireHeard(t, while)
	host.Kill()
	t.Log("the public host was killed")
	w.requireHeard(t, while)
	w.report(t)
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
	pass(t, while)
	for i, l := range w.listeners {
		silence, missed := l.ear.silence()-before[i], l.tuned().Chunks.Missing-missing[i]
		if silence > limit || !l.ear.heard() {
			t.Errorf("%s heard %v of silence in %v, and missed %d chunks", l.Name, silence.Round(time.Millisecond), while, missed)
		} else if missed > 0 {
			t.Logf("%s missed %d chunks", l.Name, missed)
		}
	}
}
