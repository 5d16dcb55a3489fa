// SPDX-License-Identifier: MIT

package daemon_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

func TestResolve(t *testing.T) {
	hosts := []string{"192.0.2.1:1", "[2001:db8::1]:2", "[::ffff:192.0.2.3]:3", "localhost:4", "192.0.2.1:1", "no-port", "name:0"}
	found, unknown := daemon.Resolve(t.Context(), hosts)
	for _, want := range []string{"192.0.2.1:1", "[2001:db8::1]:2", "192.0.2.3:3", "127.0.0.1:4"} {
		if !slices.Contains(found, netip.MustParseAddrPort(want)) {
			t.Errorf("%s is not among %v", want, found)
		}
	}
	if n := len(found); n < 4 || n > 5 { // localhost may have an IPv6 address, too
		t.Errorf("found %v", found)
	}
	if !slices.Equal(unknown, []string{"no-port", "name:0"}) {
		t.Errorf("unknown %v", unknown)
	}
}

func TestOwnPeersAreFitForALink(t *testing.T) {
	peers := daemon.OwnPeers(8466)
	if len(peers) == 0 {
		t.Error("none")
	}
	l := identity.Link{Station: stationID(1), Peers: peers}
	if got, err := identity.ParseLink(l.String()); err != nil || !slices.Equal(got.Peers, peers) {
		t.Errorf("%v became %v, %v", peers, got.Peers, err)
	}
}

// A link without peers serves once the node knows hosts, and hosts may be names.
func TestSeedsFindTheStation(t *testing.T) {
	t.Parallel()
	sound, whole := makeMP3(t, 10)
	source := start(t, daemon.Options{Broadcast: &daemon.BroadcastOptions{Inputs: []string{sound}}})
	listener := start(t, daemon.Options{Seeds: []string{fmt.Sprintf("localhost:%d", source.ready.UDP)}})
	mustContain(t, whole, record(t, listener, source.ready.StationID, 2*second128))
}
