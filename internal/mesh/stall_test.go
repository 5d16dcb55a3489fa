// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// A parent that brings nothing for a second is left, and asked again after 2 s when nobody else takes its place.
func TestStalledParentIsAskedAgain(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	seq := uint32(0)
	wanted := func() bool {
		w, ok := r.lastWant(1)
		return ok && w.Classes != 0
	}
	r.from(1, r.manifest(epoch, seq, 8))
	r.chunks(1, epoch, 0, 1, 2, 3, 4, 5, 6, 7)
	r.meet(2)
	r.have(2, 1)
	// step is a second in which the parent names what it does not bring, and the other refuses what it is asked for.
	step := func() {
		seq += 8
		r.from(1, r.manifest(epoch, seq, 8))
		for range 10 {
			r.run(100 * time.Millisecond)
			r.have(1, 1)
			r.have(2, 1)
			if w, ok := r.lastWant(2); ok && w.Classes != 0 {
				r.from(2, wire.Grant{Channel: 2, Token: w.Token, Reason: wire.GrantFull, Wait: 20}.Append(nil))
			}
		}
	}
	for i, want := range []bool{true, false, false, true} {
		step()
		if wanted() != want {
			t.Errorf("after %d s the parent that stalls is wanted: %v", 1+i, !want)
		}
	}
}
