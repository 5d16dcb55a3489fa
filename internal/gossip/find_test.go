// SPDX-License-Identifier: MIT

package gossip_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/wire"
)

// foundHosts are the addresses that a node was told of, in order, each once.
func foundHosts(n *node) (list []netip.AddrPort) {
	for _, f := range n.found {
		if f.Station == stationKey(1).ID() && !slices.Contains(list, f.Host.Addr) {
			list = append(list, f.Host.Addr)
		}
	}
	return list
}

// Who knows the station has its entry points and the hosts that are tuned to it at once.
func TestFindWhatIsKnown(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	r.push(n, record(1, r.unix(), func(s *wire.StationRecord) {
		s.Entries = []netip.AddrPort{addr("9.9.9.9:9"), addr("169.254.9.9:9")}
	}))
	tuned := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		return &wire.Answer{Tuned: []wire.StationTag{5, wire.TagOf(stationKey(1).ID())}}
	})
	r.meet(n, tuned, r.play(addr("3.3.3.3:3"), silence))
	var out gossip.Output
	n.Find(r.now, stationKey(1).ID(), &out)
	r.deliver(n, &out)
	if got, want := foundHosts(n), []netip.AddrPort{addr("9.9.9.9:9"), tuned.addr}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if n.found[1].Host.Node != tuned.id {
		t.Error("the host's id is not told")
	}
}

// Who knows nothing but a host that knows learns of record, entry points and hosts within a second, and asks mostly those hosts.
func TestFindByID(t *testing.T) {
	r := newRig(t)
	id := stationKey(1).ID()
	friend, n := r.add(addr("2.2.2.2:2")), r.add(addr("1.1.1.1:1"))
	r.push(friend, record(1, r.unix()-300, func(s *wire.StationRecord) { s.Entries = []netip.AddrPort{addr("9.9.9.9:9")} }))
	asked := 0
	var tuned []*node
	for k := range 3 {
		tuned = append(tuned, r.play(addr("3.%d.3.3:3", k), func(netip.AddrPort, wire.Ask) *wire.Answer {
			asked++
			return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(id)}}
		}))
	}
	other := 0
	var others []*node
	for k := range 30 {
		others = append(others, r.play(addr("4.%d.3.3:3", k), func(_ netip.AddrPort, ask wire.Ask) *wire.Answer {
			if !ask.Find.IsZero() {
				other++
			}
			return &wire.Answer{}
		}))
	}
	r.meet(friend, append(tuned, others...)...)
	n.AddSeed(r.now, friend.addr)
	var out gossip.Output
	n.Find(r.now, id, &out)
	begun := r.now
	r.run(time.Second)
	got := foundHosts(n)
	for _, want := range []netip.AddrPort{addr("9.9.9.9:9"), tuned[0].addr, tuned[1].addr, tuned[2].addr} {
		if !slices.Contains(got, want) {
			t.Errorf("after a second found %v, which lacks %v", got, want)
		}
	}
	if _, ok := n.Record(id); !ok {
		t.Error("the record is not known")
	}
	r.run(20 * time.Second)
	asked, other = 0, 0
	r.run(30 * time.Second)
	if asked < other || other == 0 || asked+other < 25 || asked+other > 80 {
		t.Errorf("%d asks of hosts on the station, %d of others", asked, other)
	}
	n.StopFind(id)
	r.run(5 * time.Second)
	other = 0
	r.run(30 * time.Second)
	if other != 0 {
		t.Error("it looks on after StopFind")
	}
	if r.now.Sub(begun) < time.Minute {
		t.Error("time stands still")
	}
}

// A record that comes while its station is looked for is found, whoever sends it.
func TestFindLater(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	n.Find(r.now, stationKey(1).ID(), &gossip.Output{})
	r.push(n, record(2, r.unix()))
	var out gossip.Output
	ask := wire.Ask{Records: [][]byte{record(1, r.unix(), func(s *wire.StationRecord) { s.Entries = []netip.AddrPort{addr("9.9.9.9:9")} })}}
	n.HandleAsk(r.now, addr("8.8.8.8:8"), ask.Append(nil), 200, &out)
	if len(out.Found) != 1 || out.Found[0].Host.Addr != addr("9.9.9.9:9") || !out.Changed {
		t.Errorf("%+v", out)
	}
}

// Private hosts are found only with the help of who is near; nobody finds more than eight at once.
func TestFoundLimits(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	id := stationKey(1).ID()
	on := func(netip.AddrPort, wire.Ask) *wire.Answer {
		return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(id)}}
	}
	var hosts []*node
	for k := range 12 {
		hosts = append(hosts, r.play(addr("10.0.%d.3:3", k), on))
	}
	hosts = append(hosts, r.play(addr("3.3.3.3:3"), on))
	r.meet(n, hosts...)
	find := wire.Ask{Find: id}
	if a := r.ask(n, addr("8.8.8.8:8"), find, 1000); len(a.Found) != 1 || a.Found[0].Addr != addr("3.3.3.3:3") {
		t.Errorf("a public asker finds %v", a.Found)
	}
	if a := r.ask(n, addr("10.0.0.9:8"), find, 1000); len(a.Found) != 8 {
		t.Errorf("a near asker finds %d", len(a.Found))
	}
	if a := r.ask(n, addr("10.0.0.9:8"), find, 100); len(a.Found) != 2 {
		t.Errorf("with little room an asker finds %d", len(a.Found))
	}
}

// Private entry points are found when somebody near brought the record, or while nobody sees this node at a global address.
func TestFindPrivateEntries(t *testing.T) {
	for _, c := range []struct {
		why  string
		self netip.AddrPort // as others see it
		from netip.AddrPort // who brings the record, if it is not known before
		want int
	}{
		{"stranger", addr("1.1.1.1:1"), addr("8.8.8.8:8"), 1},
		{"near", addr("1.1.1.1:1"), addr("10.0.0.8:8"), 2},
		{"near the node itself", addr("10.0.0.1:1"), addr("8.8.8.8:8"), 2},
		{"known before", addr("1.1.1.1:1"), netip.AddrPort{}, 1},
		{"known before near the node itself", addr("10.0.0.1:1"), netip.AddrPort{}, 2},
	} {
		r := newRig(t)
		n := r.add(c.self)
		r.meet(n, r.play(addr("10.0.0.2:2"), silence))
		raw := record(1, r.unix(), func(s *wire.StationRecord) {
			s.Entries = []netip.AddrPort{addr("9.9.9.9:9"), addr("192.168.1.1:9")}
		})
		var out gossip.Output
		if !c.from.IsValid() {
			r.push(n, raw)
		}
		n.Find(r.now, stationKey(1).ID(), &out)
		if c.from.IsValid() {
			n.HandleAsk(r.now, c.from, (&wire.Ask{Records: [][]byte{raw}}).Append(nil), 200, &out)
		}
		if len(out.Found) != c.want {
			t.Errorf("%s: found %v", c.why, out.Found)
		}
	}
}
