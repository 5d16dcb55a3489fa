// SPDX-License-Identifier: MIT

package gossip_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/wire"
)

// A crowd is a network whose nodes a test plays: each tells of random others.
type crowd struct {
	r     *rig
	rand  *rand.Rand
	nodes []*node
	tuned map[netip.AddrPort]identity.StationID
}

func newCrowd(r *rig, n int) *crowd {
	c := &crowd{r: r, rand: rand.New(rand.NewPCG(7, 7)), tuned: map[netip.AddrPort]identity.StationID{}}
	for k := range n {
		var h *node
		h = r.play(addr("%d.%d.%d.1:1", 20+k%150, k/150, k%7), func(netip.AddrPort, wire.Ask) *wire.Answer {
			a := &wire.Answer{}
			for range 2 {
				o := c.nodes[c.rand.IntN(len(c.nodes))]
				a.Hosts = append(a.Hosts, wire.Host{Addr: o.addr, Node: o.id})
			}
			if id, ok := c.tuned[h.addr]; ok {
				a.Tuned = []wire.StationTag{wire.TagOf(id)}
			}
			return a
		})
		c.nodes = append(c.nodes, h)
	}
	return c
}

// The estimates of the network's size and of an audience are near the truth, far beyond what a node has heard itself.
func TestAudience(t *testing.T) {
	r := newRig(t)
	c := newCrowd(r, 3000)
	n := r.add(addr("1.1.1.1:1"), func(c *gossip.Config) { c.HostsMax = 480 })
	for k, h := range c.nodes {
		if k%5 == 0 {
			c.tuned[h.addr] = stationKey(1).ID()
		}
	}
	r.push(n, record(1, r.unix()))
	for _, h := range c.nodes[:20] {
		n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
	}
	r.run(20 * time.Minute)
	size := n.Counts(r.now).Size
	s, _ := n.Station(r.now, stationKey(1).ID())
	t.Logf("size %d of 3000, heard %d, audience %d of 600", size, s.Heard, s.Audience)
	if size < 2400 || size > 3600 || s.Audience < 420 || s.Audience > 780 || s.Heard > 480 || s.Heard < 50 {
		t.Errorf("size %d of 3000, heard %d, audience %d of 600", size, s.Heard, s.Audience)
	}
}

// One liar with a network has a few places in the tables, however many hosts he has, and as few votes. (What many networks
// make is in the simulator: TestDiscoveryEclipse.)
func TestAudienceClaimed(t *testing.T) {
	r := newRig(t)
	c := newCrowd(r, 1000)
	n := r.add(addr("1.1.1.1:1"), func(c *gossip.Config) { c.HostsMax = 480 })
	r.push(n, record(1, r.unix()))
	var saved gossip.Saved
	for _, h := range c.nodes[:200] {
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: wire.Host{Addr: h.addr, Node: h.id}, Tried: true})
	}
	for k := range 200 { // a liar with a /16, who tells of himself and of nobody real
		h := r.play(addr("66.66.%d.%d:1", k, k), func(netip.AddrPort, wire.Ask) *wire.Answer {
			return &wire.Answer{Stations: 9, Tuned: []wire.StationTag{wire.TagOf(stationKey(1).ID())}, Hosts: []wire.Host{
				hostOf(addr("66.66.%d.7:1", c.rand.IntN(200)), 9999), hostOf(addr("66.66.%d.8:1", c.rand.IntN(200)), 9999),
			}}
		})
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: wire.Host{Addr: h.addr, Node: h.id}, Tried: true})
	}
	n.Restore(r.now, saved)
	r.run(10 * time.Minute)
	size := n.Counts(r.now).Size
	s, _ := n.Station(r.now, stationKey(1).ID())
	t.Logf("size %d, heard %d, audience %d", size, s.Heard, s.Audience)
	if s.Heard < 3 {
		t.Fatalf("only %d liars are heard", s.Heard)
	}
	if s.Audience > 30 || size > 1500 || size < 600 {
		t.Errorf("one liar with %d hosts makes an audience of %d, and %d hosts of 1200", s.Heard, s.Audience, size)
	}
}

// In a small network everybody is counted, also when all are in one private network.
func TestAudienceNear(t *testing.T) {
	r := newRig(t)
	var nodes []*node
	for k := range 20 {
		nodes = append(nodes, r.add(addr("127.0.0.1:%d", 9000+k)))
		nodes[k].AddSeed(r.now, nodes[0].addr)
		if k%2 == 0 {
			nodes[k].SetTuned([]identity.StationID{stationKey(1).ID()})
		}
	}
	nodes[1].SetOwn(r.now, record(1, r.unix()))
	r.run(3 * time.Minute)
	for k, n := range nodes {
		want := 10 // hosts beside the node itself
		if k%2 == 0 {
			want = 9
		}
		s, _ := n.Station(r.now, stationKey(1).ID())
		if c := n.Counts(r.now); s.Heard != want || s.Audience < want || s.Audience > want+1 || c.Size < 19 || c.Size > 21 {
			t.Errorf("node %d hears %d and estimates %d of %d among %d of 19", k, s.Heard, s.Audience, want, c.Size)
		}
	}
}

// Heard are those that answered within ten minutes.
func TestHeardPasses(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	h := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(stationKey(1).ID())}}
	})
	r.push(n, record(1, r.unix()))
	r.meet(n, h, r.play(addr("3.3.3.3:3"), silence))
	heard := func() int { s, _ := n.Station(r.now, stationKey(1).ID()); return s.Heard }
	if heard() != 1 {
		t.Fatal("the listener is not heard")
	}
	r.nodes[h.addr].answer = silence
	r.run(time.Minute)
	if heard() != 0 {
		t.Error("a listener that went elsewhere is counted")
	}
}

// A few networks that name invented hosts only, or such as the node knows, move the estimate little, however often they answer.
func TestSizeClaimed(t *testing.T) {
	for _, c := range []struct {
		why            string
		known, unknown int // of what each of three liars' networks name
	}{
		{"honest", 100, 900}, {"all invented", 0, 20_000}, {"all known", 20_000, 0},
	} {
		var answers []gossip.CensusClass
		for k := range 60 { // the node knows 200 of 2,000
			answers = append(answers, gossip.CensusClass{By: addr("%d.%d.1.1:1", 20+k, k), Known: 10, Unknown: 90})
		}
		for k := range 3 {
			answers = append(answers, gossip.CensusClass{By: addr("%d.6.1.1:1", 160+k), Known: c.known, Unknown: c.unknown})
		}
		if got := gossip.CensusSize(200, answers); got < 1500 || got > 2700 {
			t.Errorf("%s: %d hosts, want about 2000", c.why, got)
		}
	}
	if got := gossip.CensusSize(200, nil); got != 200 {
		t.Errorf("without answers: %d", got)
	}
}

// In a small network hidden nodes are counted as others are, by each other, too, who hear nobody ask.
func TestAudienceHidden(t *testing.T) {
	for _, c := range []struct{ open, hidden, off int }{ // off: how far estimates may be off
		{8, 12, 5}, {1, 20, 5}, {20, 0, 2},
	} {
		r := newRig(t)
		var nodes []*node
		for k := range c.open + c.hidden {
			nodes = append(nodes, r.add(addr("%d.1.1.1:1", 20+k)))
			nodes[k].AddSeed(r.now, nodes[0].addr)
			if k >= c.open {
				r.hide(nodes[k], nodes[0].addr)
			}
			if k%2 == 0 {
				nodes[k].SetTuned([]identity.StationID{stationKey(1).ID()})
			}
		}
		nodes[0].SetOwn(r.now, record(1, r.unix()))
		r.run(8 * time.Minute)
		all, tuned := len(nodes)-1, (len(nodes)+1)/2
		for k, n := range nodes {
			s, _ := n.Station(r.now, stationKey(1).ID())
			size := n.Counts(r.now).Size
			if size < all-c.off || size > all+c.off || s.Audience < tuned-c.off || s.Audience > tuned+c.off {
				t.Errorf("%d open, %d hidden: node %d estimates %d of %d, and %d of %d listeners", c.open, c.hidden, k, size, all, s.Audience, tuned)
			}
			if want := (tuned - 1 + k%2); k < c.open && s.Heard != want {
				t.Errorf("%d open, %d hidden: node %d hears %d of %d", c.open, c.hidden, k, s.Heard, want)
			}
		}
	}
}

// Askers whose addresses are forged do not count: they do not answer.
func TestAudienceForged(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	r.push(n, record(1, r.unix()))
	var hosts []*node
	for k := range 40 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), silence))
	}
	r.meet(n, hosts...)
	for k := range 20_000 {
		r.ask(n, addr("%d.%d.1.1:1", 20+k%200, k/200), hiddenAsk(1000+k, hosts[0].addr), 100)
		r.run(20 * time.Millisecond)
	}
	s, _ := n.Station(r.now, stationKey(1).ID())
	if size := n.Counts(r.now).Size; size > 45 || s.Heard != 0 || s.Audience != 0 {
		t.Errorf("20,000 forged askers make %d nodes of 40, heard %d, audience %d", size, s.Heard, s.Audience)
	}
}

// One liar's network has one vote of many, also about those who ask him.
func TestAskersClaimed(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	r.push(n, record(1, r.unix()))
	var hosts []*node
	for k := range 60 {
		lie := k >= 57
		a := addr("%d.1.1.1:1", 20+k)
		if lie {
			a = addr("200.200.%d.1:1", k)
		}
		hosts = append(hosts, r.play(a, func(netip.AddrPort, wire.Ask) *wire.Answer {
			a := &wire.Answer{Asker: wire.Asker{Of: wire.AskersMax, Tuned: 9}, Tuned: []wire.StationTag{9}}
			if lie {
				a.Asker = wire.Asker{Of: wire.AskersMax, Hidden: true, Tuned: wire.TagOf(stationKey(1).ID())}
			}
			return a
		}))
	}
	r.meet(n, hosts...)
	r.run(10 * time.Minute)
	s, _ := n.Station(r.now, stationKey(1).ID())
	if size := n.Counts(r.now).Size; size > 64 || s.Audience > 2 || s.Audience == 0 {
		t.Errorf("a liar with a network makes %d nodes of 60, and an audience of %d", size, s.Audience)
	}
}
