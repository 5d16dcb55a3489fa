// SPDX-License-Identifier: MIT

package mesh_test

import (
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/wire"
)

// manifestsAsked counts the NACKs for manifests that a peer got.
func (r *rig) manifestsAsked(p mesh.PeerID) (times int) {
	for _, b := range r.control[p] {
		var m wire.Nack
		if b[0] != wire.TypeNack {
			continue
		}
		if _, err := wire.ParseNack(b[1:], &m); err == nil && m.NManifest > 0 {
			times++
		}
	}
	return times
}

// A manifest that only the source has, that of the headers of a new epoch, is asked for there every second time, and not only by lot among
// all peers.
func TestManifestsWhereNewsIs(t *testing.T) {
	const source = 14
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	for p := mesh.PeerID(2); p < source; p++ {
		r.meet(p)
		r.have(p, 3)
	}
	r.s.HandleOpen(r.now, source, nodeID(source), addrOf(source), wire.Open{Channel: source, Station: stationKey().ID(), Source: true}, &r.out)
	r.collect()
	r.from(1, r.manifest(epoch, 1, 8)) // it says that there is one header chunk
	for range 20 {
		r.run(100 * time.Millisecond)
		for p := mesh.PeerID(1); p < source; p++ {
			r.s.Pong(r.now, p)
		}
	}
	all := 0
	for p := mesh.PeerID(1); p <= source; p++ {
		all += r.manifestsAsked(p)
	}
	if at := r.manifestsAsked(source); all < 6 || 3*at < all {
		t.Errorf("%d of %d NACKs for manifests went to the source", at, all)
	}
}
