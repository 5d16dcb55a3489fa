// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// A crowd is nodes that were told of nobody but a seed.
type crowd struct {
	net      *netlab.Network
	music    music
	line     netlab.Line
	seed     *node
	stations []*node
	idle     []*node // tuned to nothing
	began    time.Time
}

// crowdPlan says what the crowd is like.
type crowdPlan struct {
	seed     uint64
	line     netlab.Line // of every host, up
	stations int
	idle     int
}

// newCrowd starts the nodes, the seed first and then all at once, and waits until they serve.
func newCrowd(t *testing.T, plan crowdPlan) *crowd {
	t.Helper()
	c := &crowd{net: netlab.New(t, plan.seed), line: plan.line}
	c.music = newMusic(t, c.net, 64, 30*time.Second)
	c.seed = startNode(t, c.host(t, "seed"), "seed", "run", "--seed-only")
	c.began = time.Now()
	for i := range max(plan.stations, plan.idle) { // mixed, so that neither kind has a better start
		if i < plan.stations {
			c.stations = append(c.stations, c.launchStation(t, i+1, c.seed))
		}
		if i < plan.idle {
			name := fmt.Sprintf("idle%02d", i+1)
			c.idle = append(c.idle, launchNode(t, c.host(t, name), name, "run", "--seed", c.seed.addr().String()))
		}
	}
	for _, nd := range c.all() {
		nd.awaitReady(t)
	}
	t.Logf("%d nodes and a seed serve after %v", len(c.all()), time.Since(c.began).Round(time.Millisecond))
	return c
}

func (c *crowd) host(t *testing.T, name string) *netlab.Host {
	t.Helper()
	return c.net.Host(t, name, c.line, netlab.Line{})
}

// launchStation puts a station on the air, which is told of one host.
func (c *crowd) launchStation(t *testing.T, number int, seed *node) *node {
	t.Helper()
	name := fmt.Sprintf("station%02d", number)
	return launchNode(t, c.host(t, name), name,
		"broadcast", c.music.path, "--name", stationName(number), "--seed", seed.addr().String())
}

func stationName(number int) string { return fmt.Sprintf("Radio %d", number) }

// all are the nodes beside the seed.
func (c *crowd) all() []*node { return slices.Concat(c.stations, c.idle) }

// restart runs a node that ended again, with other arguments, and its data directory as it left it.
func restart(t *testing.T, nd *node, args ...string) *node {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nd.dir, "data", "hosts.json")); err != nil {
		t.Fatalf("%s kept no hosts: %v", nd.Name, err)
	}
	return launchNode(t, nd.host, nd.Name, args...)
}

// lists reports whether a node shows all these stations, and on the air.
func (nd *node) lists(t *testing.T, stations []*node) bool {
	t.Helper()
	var list []struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Online bool   `json:"online"`
	}
	if err := nd.get("/api/v1/stations", &list); err != nil {
		t.Fatal(err)
	}
	online := make(map[string]string, len(list))
	for _, s := range list {
		if s.Online {
			online[s.ID] = s.Name
		}
	}
	return !slices.ContainsFunc(stations, func(s *node) bool { return online[s.ready.StationID] == "" })
}

// awaitLists waits until every node lists all these stations, and returns how long after began each did, the first first.
func awaitLists(t *testing.T, began time.Time, nodes, stations []*node) (took []time.Duration) {
	t.Helper()
	left := slices.Clone(nodes)
	await(t, 30*time.Second, fmt.Sprintf("%d nodes list %d stations", len(nodes), len(stations)), func() bool {
		left = slices.DeleteFunc(left, func(nd *node) bool {
			if !nd.lists(t, stations) {
				return false
			}
			took = append(took, time.Since(began).Round(time.Millisecond))
			return true
		})
		return len(left) == 0
	})
	return took
}

// What awaitQuiet waits for.
const (
	quietFor = 21 * time.Second // without a host that is new to it a node asks rarely: after 20 s
	quietMax = 90 * time.Second
)

// awaitQuiet waits until none of the nodes has heard of another host for quietFor.
func awaitQuiet(t *testing.T, nodes []*node) {
	t.Helper()
	last, since := -1, time.Now()
	await(t, quietMax, "nobody hears of new hosts", func() bool {
		known := 0
		for _, nd := range nodes {
			var s struct {
				Hosts struct{ Known int }
			}
			if err := nd.get("/api/v1/status", &s); err != nil {
				t.Fatal(err)
			}
			known += s.Hosts.Known
		}
		if known != last {
			last, since = known, time.Now()
		}
		return time.Since(since) > quietFor
	})
}

// quantile is the least value that a share of all, in percent, does not exceed.
func quantile[T any](sorted []T, percent int) T {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

// An idleRate is what a node that is tuned to nothing costs its host, in kbit/s of IP packets.
type idleRate struct{ sent, received float64 }

// idleList is the rates of some nodes, the one that sends least first.
type idleList []idleRate

func (l idleList) String() string {
	return fmt.Sprintf("%.1f, %.1f and %.1f kbit/s", quantile(l, 50).sent, quantile(l, 100).sent, quantile(l, 50).received)
}

// idleRates counts for a while what each node's host sends and receives.
func idleRates(t *testing.T, nodes []*node, window time.Duration) (rates idleList) {
	t.Helper()
	began := time.Now()
	var sent, received []netlab.Counts
	for _, nd := range nodes {
		sent, received = append(sent, nd.host.Sent()), append(received, nd.host.Received())
	}
	pass(t, window)
	took := time.Since(began).Seconds()
	for i, nd := range nodes {
		rates = append(rates, idleRate{
			sent:     float64(nd.host.Sent().Sub(sent[i]).Bytes) * 8 / 1000 / took,
			received: float64(nd.host.Received().Sub(received[i]).Bytes) * 8 / 1000 / took,
		})
	}
	slices.SortFunc(rates, func(a, b idleRate) int { return cmp.Compare(a.sent, b.sent) })
	return rates
}
