// SPDX-License-Identifier: MIT

package sim_test

import (
	"testing"
	"time"

	"streamer/internal/sim"
)

// Who leaves politely goes on for as long as the daemon does, is counted up to its good-bye, and another comes in its place when the
// scenario says so: the audience stays as large as it was, and counters add up over all lives.
func TestLeaving(t *testing.T) {
	s := uncapped(sim.Shipped("static", 15)).Until(25 * time.Second)
	for i := range 5 {
		s.Faults = append(s.Faults, sim.Fault{At: time.Duration(10+i) * time.Second, Kind: sim.FaultLeave, Count: 2, Replace: true, Again: i > 0})
	}
	leaving := 0
	w, err := sim.New(s, sim.Options{Seed: *seedFlag, Sampled: func(w *sim.World) {
		up, gone := w.Up()
		leaving += gone
		if w.Since(9*time.Second) && up != 15 {
			t.Errorf("%d of 15 listeners are up", up)
		}
	}})
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
	if r.Replaced != 10 || leaving == 0 {
		t.Errorf("%d were replaced, want 10; %d samples found a host that was leaving", r.Replaced, leaving)
	}
	if len(r.Happened) != 1 || r.Happened[0].Again != 4 {
		t.Errorf("five times the same is told as %+v", r.Happened)
	}
	if r.Refills == 0 || r.OnTimeMean < 0.99 {
		t.Errorf("%d children lost a parent, %.4f of the chunks came on time", r.Refills, r.OnTimeMean)
	}
	if r.Overhead > 1 {
		t.Errorf("overhead %.2f: what leavers got is not counted", r.Overhead)
	}
	t.Logf("%d children lost a parent, %d of them %d chunks", r.Refills, r.RefillHurt, r.RefillLost)
}
