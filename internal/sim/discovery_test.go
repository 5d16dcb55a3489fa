// SPDX-License-Identifier: MIT

package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
)

// discover runs a scenario.
func discover(t *testing.T, s sim.DiscoveryScenario) sim.DiscoveryResult {
	t.Helper()
	r, err := sim.RunDiscovery(t.Context(), sim.DiscoveryOptions{Scenario: s, Seed: *seedFlag})
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		var table strings.Builder
		if err := r.Table(&table); err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + table.String())
	}
	return r
}

// shipped returns a scenario that ships.
func shipped(t *testing.T, name string, nodes int) sim.DiscoveryScenario {
	t.Helper()
	for _, b := range sim.DiscoveryBuiltins() {
		if b.Name == name {
			return b.Make(nodes)
		}
	}
	t.Fatalf("no scenario %s", name)
	return sim.DiscoveryScenario{}
}

// within fails the test when something took longer than allowed, or never happened.
func within(t *testing.T, what string, s sim.Spread, all time.Duration) {
	t.Helper()
	if s.Count == 0 || s.Unmet > 0 || s.AllS > all.Seconds() {
		t.Errorf("%s: %+v, want all within %v", what, s, all)
	}
}

// A station that begins or signs off is known to all within seconds, at a traffic that nobody notices.
func TestDiscoverySpread(t *testing.T) {
	r := discover(t, shipped(t, "spread", 200))
	within(t, "new stations", r.New, 20*time.Second)
	within(t, "stations that sign off", r.Off, 20*time.Second)
	if r.JoinedIn.AllS > 15 {
		t.Errorf("newcomers: %+v", r.JoinedIn)
	}
	if r.SizeOffP50 > 150 || r.HeardOffP50 > 50 || r.Top10P50 < 7 || r.DeadMax > 0 {
		t.Errorf("counts are off: %+v", r)
	}
	if r.BytesPerS > 1000 {
		t.Errorf("a node sends %.0f bytes a second", r.BytesPerS)
	}
}

// With six nodes of ten hidden, news travels as before, and hidden ones are counted about as well as the others.
func TestDiscoveryHidden(t *testing.T) {
	r := discover(t, shipped(t, "hidden", 200))
	within(t, "new stations", r.New, 20*time.Second)
	within(t, "stations that sign off", r.Off, 20*time.Second)
	if r.SizeP50 < 850 || r.SizeP50 > 1150 || r.SizeOffP50 > 150 || r.AudienceOffP50 > 500 || r.Top10P50 < 6 || r.DeadMax > 0 {
		t.Errorf("counts are off: %+v", r)
	}
	if r.BytesPerS > 1000 {
		t.Errorf("a node sends %.0f bytes a second", r.BytesPerS)
	}
}

// Everybody starts at once and knows the seeds only.
func TestDiscoveryGather(t *testing.T) {
	s := shipped(t, "gather", 150)
	s.Duration, s.CountAt = 2*time.Minute, 2*time.Minute-time.Second
	r := discover(t, s)
	within(t, "all stations", r.JoinedIn, 20*time.Second)
	if r.Eclipsed > 0 {
		t.Errorf("%d nodes know nobody", r.Eclipsed)
	}
}

// Ten minutes in two halves, then one network again within a minute.
func TestDiscoverySplit(t *testing.T) {
	r := discover(t, shipped(t, "split", 200))
	within(t, "the other half's stations", r.Healed, time.Minute)
}

// A fifth of all addresses, in four networks, surrounds nobody, keeps no station secret and does not decide what has an
// audience.
func TestDiscoveryEclipse(t *testing.T) {
	r := discover(t, shipped(t, "eclipse", 250))
	within(t, "new stations", r.New, time.Minute)
	if r.Judged < 200 || r.Eclipsed > 0 || r.HostileHostP99 > 650 {
		t.Errorf("of %d nodes %d are eclipsed; hostile are %d ‰ of their hosts at the median, %d ‰ at the 99th percentile", r.Judged,
			r.Eclipsed, r.HostileHostP50, r.HostileHostP99)
	}
	if r.BytesPerS > 1000 { // they all say that they have more
		t.Errorf("a node sends %.0f bytes a second", r.BytesPerS)
	}
	if r.LiedP90 > 300 {
		t.Errorf("hostile nodes make an audience of %d ‰ of all nodes", r.LiedP90)
	}
}

// A station that falls silent is shown offline within twelve minutes and forgotten after two hours.
func TestDiscoverySilence(t *testing.T) {
	s := shipped(t, "silence", 80)
	s.SampledNodes, s.ChurnPermille = 20, 2
	r := discover(t, s)
	within(t, "offline", r.Offline, 12*time.Minute+30*time.Second)
	within(t, "forgotten", r.Gone, 2*time.Hour+30*time.Second)
	if r.Gone.P50S < 110*60 {
		t.Errorf("forgotten too early: %+v", r.Gone)
	}
}

// A seed decides everything.
func TestDiscoveryDeterminism(t *testing.T) {
	s := shipped(t, "eclipse", 60)
	s.JoinOver, s.PublishAt, s.CountAt, s.Duration = 30*time.Second, time.Minute, 2*time.Minute, 3*time.Minute
	s.MeasureMemory = false
	a, b := discover(t, s), discover(t, s)
	a.WallS, b.WallS = 0, 0
	if a != b {
		t.Errorf("two equal runs differ:\n%+v\n%+v", a, b)
	}
	if c, err := sim.RunDiscovery(t.Context(), sim.DiscoveryOptions{Scenario: s, Seed: *seedFlag + 1}); err != nil || c.Events == a.Events {
		t.Errorf("another seed: %v, %d events as before", err, c.Events)
	}
}

func TestDiscoveryRefusals(t *testing.T) {
	good := shipped(t, "spread", 100)
	for why, change := range map[string]func(*sim.DiscoveryScenario){
		"no seeds":           func(s *sim.DiscoveryScenario) { s.Seeds = 0 },
		"more sources":       func(s *sim.DiscoveryScenario) { s.Stations = 100 },
		"no delay":           func(s *sim.DiscoveryScenario) { s.DelayMax = 0 },
		"no duration":        func(s *sim.DiscoveryScenario) { s.Duration = 0 },
		"too early":          func(s *sim.DiscoveryScenario) { s.JoinOver = s.PublishAt },
		"no hostile network": func(s *sim.DiscoveryScenario) { s.HostilePermille = 100 },
	} {
		s := good
		change(&s)
		if _, err := sim.RunDiscovery(t.Context(), sim.DiscoveryOptions{Scenario: s}); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sim.RunDiscovery(ctx, sim.DiscoveryOptions{Scenario: good}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run whose context ended: %v", err)
	}
}
