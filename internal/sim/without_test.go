// SPDX-License-Identifier: MIT

package sim

import (
	"testing"

	"streamer/internal/mesh"
)

// Each mechanism matters: an audience without it does otherwise.
func TestWithout(t *testing.T) {
	run := func(names ...string) (r Result) {
		f, _ := Find("churn")
		f.Without = names
		s, err := f.Scenario(20)
		if err != nil {
			t.Fatal(err)
		}
		w, err := New(s, Options{Seed: 2})
		if err == nil {
			r, err = w.Run(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := run()
	for _, name := range mesh.MechanismNames() {
		r := run(name)
		t.Logf("without %s: %.2f %% on time, %.2f %% with it", name, 100*r.OnTimeMean, 100*all.OnTimeMean)
		if r.Conditions.Without != name || r.Duplicates == all.Duplicates && r.Overhead == all.Overhead {
			t.Errorf("without %q: as with %s", r.Conditions.Without, name)
		}
	}
}
