// SPDX-License-Identifier: MIT

package sim_test

import (
	"math"
	"testing"

	"streamer/internal/sim"
)

// The kinds of all that was sent add up to what was sent, and most of it is audio.
func TestKinds(t *testing.T) {
	w, err := sim.New(party(128, 0), sim.Options{Seed: *seedFlag})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, k := range r.Kinds {
		sum += k.Share
		if i > 0 && k.Share > r.Kinds[i-1].Share {
			t.Errorf("%s is more than %s before it", k.Name, r.Kinds[i-1].Name)
		}
	}
	if len(r.Kinds) < 8 || r.Kinds[0].Name != "chunk" || r.Kinds[0].Share < 1 || math.Abs(sum-1-r.Overhead) > 0.002 {
		t.Errorf("%+v add up to %.4f of the audio; the overhead is %.4f", r.Kinds, sum, r.Overhead)
	}
}
