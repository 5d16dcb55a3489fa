// SPDX-License-Identifier: MIT

package daemon_test

import (
	"testing"

	"streamer/internal/daemon"
	"streamer/internal/dht/swarm"
	"streamer/internal/identity"
)

// Two nodes that share no host meet in the DHT, under the network's key, and play what is on the air by its name. Where
// nobody talks of hosts and stations, they meet under the station's key.
func TestNodesMeetInTheDHT(t *testing.T) {
	t.Parallel()
	const members = 12
	private, err := swarm.New(members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(private.Close)
	sound, whole := makeMP3(t, 20)
	for _, c := range []struct {
		name     string
		noGossip bool
	}{{"by name", false}, {"by id", true}} {
		t.Run(c.name, func(t *testing.T) {
			source := start(t, daemon.PrivateDHT(
				daemon.Options{NoGossip: c.noGossip, Broadcast: broadcastOf(sound, "Radio Nord")}, private.Start(0)))
			id := source.ready.StationID
			opts := daemon.Options{NoGossip: c.noGossip}
			if c.noGossip {
				station, err := identity.ParseStationID(id)
				if err != nil {
					t.Fatal(err)
				}
				opts.Listen = []identity.Link{{Station: station}}
			}
			listener := start(t, daemon.PrivateDHT(opts, private.Start(members-1)))
			if !c.noGossip {
				if found, err := find(t, listener, "Radio Nord", patience); err != nil || found != id {
					t.Fatalf("found %s, %v", found, err)
				}
			}
			mustContain(t, whole, record(t, listener, id, 2*second128))
		})
	}
}
