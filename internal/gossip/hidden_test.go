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

// hiddenAsk is the ask of a hidden node that is tuned to station 1.
func hiddenAsk(k int, proxies ...netip.AddrPort) wire.Ask {
	return wire.Ask{Node: nodeID(k), Hidden: true, Proxies: proxies, Tuned: []wire.StationTag{wire.TagOf(stationKey(1).ID())}}
}

// foundProxies are the proxies of each found host, by its address.
func foundProxies(a wire.Answer) map[netip.AddrPort][]netip.AddrPort {
	m := map[netip.AddrPort][]netip.AddrPort{}
	for _, f := range a.Found {
		m[f.Addr] = slices.Clone(f.Proxies.List())
	}
	return m
}

// Who looks for a station is told of hidden hosts with their proxies; nobody else is, and the node asks none of them.
func TestHiddenHosts(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	open := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(stationKey(1).ID())}}
	})
	r.meet(n, open)
	proxies := []netip.AddrPort{addr("9.9.9.9:9"), addr("8.8.8.8:8")}
	r.ask(n, addr("3.3.3.3:3"), hiddenAsk(50, proxies...), 100)
	find := wire.Ask{Find: stationKey(1).ID(), WantHosts: 9}
	a := r.ask(n, addr("4.4.4.4:4"), find, 1000)
	if got := foundProxies(a); len(got) != 2 || len(got[open.addr]) != 0 || !slices.Equal(got[addr("3.3.3.3:3")], proxies) {
		t.Errorf("found: %v", got)
	}
	if len(a.Hosts) != 1 || a.Hosts[0].Addr != open.addr {
		t.Errorf("hosts: %v", a.Hosts)
	}
	if a = r.ask(n, addr("3.3.3.3:3"), find, 1000); len(a.Found) != 1 {
		t.Errorf("a hidden host is told of itself: %v", a.Found)
	}
	r.run(20 * time.Second)
	before := len(r.sent)
	r.run(9*time.Minute - 20*time.Second)
	if slices.ContainsFunc(r.sent[before:], func(a gossip.Ask) bool { return a.To == addr("3.3.3.3:3") }) {
		t.Error("a hidden host is asked later than 20 s after its own ask")
	}
	if a = r.ask(n, addr("4.4.4.4:4"), find, 1000); len(a.Found) != 2 {
		t.Errorf("after 9 minutes: %v", a.Found)
	}
	r.run(2 * time.Minute)
	if a = r.ask(n, addr("4.4.4.4:4"), find, 1000); len(a.Found) != 1 {
		t.Errorf("after 11 minutes: %v", a.Found)
	}
}

// The last ask counts: other proxies, tuned to something else or nothing, not hidden any more.
func TestHiddenHostChanges(t *testing.T) {
	at, one, two := addr("3.3.3.3:3"), addr("9.9.9.9:9"), addr("8.8.8.8:8")
	idle := hiddenAsk(50, two)
	idle.Tuned = nil
	elsewhere := hiddenAsk(50, two)
	elsewhere.Tuned = []wire.StationTag{77}
	open := hiddenAsk(50)
	open.Hidden = false
	for _, c := range []struct {
		why  string
		ask  wire.Ask
		want []netip.AddrPort // proxies; nil: it is not told
	}{
		{"another proxy", hiddenAsk(50, two), []netip.AddrPort{two}},
		{"no proxy", hiddenAsk(50), nil},
		{"tuned to nothing", idle, nil},
		{"tuned elsewhere", elsewhere, nil},
		{"hidden no more", open, nil},
		{"itself as proxy", hiddenAsk(50, at), nil},
		{"private, multicast and link-local proxies", hiddenAsk(50, addr("10.0.0.1:1"), addr("169.254.0.1:1"), addr("127.0.0.1:1")), nil},
		{"one good one", hiddenAsk(50, addr("10.0.0.1:1"), one, addr("240.0.0.1:1")), []netip.AddrPort{one}},
	} {
		r := newRig(t)
		n := r.add(addr("1.1.1.1:1"))
		r.ask(n, at, hiddenAsk(50, one), 100)
		r.ask(n, at, c.ask, 100)
		got := foundProxies(r.ask(n, addr("4.4.4.4:4"), wire.Ask{Find: stationKey(1).ID()}, 1000))
		if !slices.Equal(got[at], c.want) || len(got) > 1 {
			t.Errorf("%s: found %v, want proxies %v", c.why, got, c.want)
		}
	}
}

// Private hosts and proxies are told to private askers only, and taken from these only.
func TestHiddenNear(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	r.ask(n, addr("10.0.0.3:3"), hiddenAsk(50, addr("10.0.1.9:9"), addr("9.9.9.9:9")), 100)
	find := wire.Ask{Find: stationKey(1).ID()}
	if a := r.ask(n, addr("4.4.4.4:4"), find, 1000); len(a.Found) != 0 {
		t.Errorf("a public asker finds %v", a.Found)
	}
	if got := foundProxies(r.ask(n, addr("10.0.2.2:2"), find, 1000)); len(got[addr("10.0.0.3:3")]) != 2 {
		t.Errorf("a near asker finds %v", got)
	}
	// What others tell is cut in the same way.
	for _, c := range []struct {
		by   netip.AddrPort
		want int
	}{{addr("5.5.5.5:5"), 1}, {addr("10.0.3.5:5"), 2}} {
		m := r.add(addr("1.1.2.1:1"))
		h := r.play(c.by, func(netip.AddrPort, wire.Ask) *wire.Answer {
			f := wire.FoundHost{Host: hostOf(addr("6.6.6.6:6"), 60)}
			f.Proxies.Add(addr("10.0.0.9:9"))
			f.Proxies.Add(addr("9.9.9.9:9"))
			none := wire.FoundHost{Host: hostOf(addr("6.6.6.7:6"), 60)}
			none.Proxies.Add(addr("169.254.0.9:9"))
			return &wire.Answer{Found: []wire.FoundHost{f, none}}
		})
		m.Find(r.now, stationKey(1).ID(), &gossip.Output{})
		r.meet(m, h)
		if len(m.found) == 0 || len(m.found[0].Proxies) != c.want || m.found[0].Host.Node != nodeID(60) {
			t.Errorf("%v tells: found %+v", c.by, m.found)
		}
		if slices.ContainsFunc(m.found, func(f gossip.Found) bool { return f.Host.Addr != addr("6.6.6.6:6") }) {
			t.Errorf("%v tells: found a host with proxies that are none: %+v", c.by, m.found)
		}
		if got := m.Counts(r.now).Hosts; got != 1 {
			t.Errorf("%v tells: hidden hosts are in the tables: %d", c.by, got)
		}
		m.Gossip = nil
	}
}

// A node that looks for a station finds the hidden hosts that it knows, and those that ask it meanwhile.
func TestFindHidden(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	r.ask(n, addr("3.3.3.3:3"), hiddenAsk(50, addr("9.9.9.9:9")), 100)
	var out gossip.Output
	n.Find(r.now, stationKey(1).ID(), &out)
	r.deliver(n, &out)
	r.ask(n, addr("4.4.4.4:4"), hiddenAsk(51, addr("8.8.8.8:8")), 100)
	if len(n.found) != 2 || n.found[0].Host != hostOf(addr("3.3.3.3:3"), 50) || n.found[1].Host != hostOf(addr("4.4.4.4:4"), 51) ||
		!slices.Equal(n.found[1].Proxies, []netip.AddrPort{addr("8.8.8.8:8")}) {
		t.Errorf("found %+v", n.found)
	}
}

// Half of what an answer has room for is for hidden hosts, if there are any, and all of it if there are no others.
func TestFoundHalves(t *testing.T) {
	for _, c := range []struct{ open, hidden, wantOpen, wantHidden int }{
		{12, 0, 8, 0}, {12, 1, 7, 1}, {12, 12, 4, 4}, {2, 12, 2, 6}, {0, 12, 0, 8},
	} {
		r := newRig(t)
		n := r.add(addr("1.1.1.1:1"))
		var hosts []*node
		for k := range c.open {
			hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), func(netip.AddrPort, wire.Ask) *wire.Answer {
				return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(stationKey(1).ID())}}
			}))
		}
		r.meet(n, hosts...)
		for k := range c.hidden {
			r.ask(n, addr("%d.1.1.1:1", 60+k), hiddenAsk(100+k, addr("9.9.9.9:9")), 100)
		}
		open, hidden := 0, 0
		for _, f := range r.ask(n, addr("4.4.4.4:4"), wire.Ask{Find: stationKey(1).ID()}, 1100).Found {
			if len(f.Proxies.List()) > 0 {
				hidden++
			} else {
				open++
			}
		}
		if open != c.wantOpen || hidden != c.wantHidden {
			t.Errorf("of %d open and %d hidden hosts %d and %d are told", c.open, c.hidden, open, hidden)
		}
	}
}

// Whoever invents hidden hosts fills a sixteenth of the places for each of his networks, and four for each address.
func TestFloodOfHiddenHosts(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	for k := range 40 {
		r.ask(n, addr("%d.1.1.1:1", 20+k), hiddenAsk(100+k, addr("9.9.9.9:9")), 100)
	}
	told := func() map[netip.AddrPort]bool {
		m := map[netip.AddrPort]bool{}
		for range 400 {
			for a := range foundProxies(r.ask(n, addr("4.4.4.4:4"), wire.Ask{Find: stationKey(1).ID()}, 1100)) {
				m[a] = true
			}
		}
		return m
	}
	before := len(told())
	for k := range 3000 {
		r.ask(n, addr("66.66.6.6:%d", 1+k), hiddenAsk(1000+k, addr("9.9.9.9:9")), 100)
	}
	after, one := told(), 0
	for a := range after {
		if a.Addr() == addr("66.66.6.6:1").Addr() {
			one++
		}
	}
	if one == 0 || one > 4 || len(after)-one < before-4 {
		t.Errorf("one address has %d places; of %d others %d are left", one, before, len(after)-one)
	}
	for k := range 3000 {
		r.ask(n, addr("66.66.%d.%d:1", k/200, k%200), hiddenAsk(1000+k, addr("9.9.9.9:9")), 100)
	}
	after, one = told(), 0
	for a := range after {
		if a.Addr().As4()[0] == 66 {
			one++
		}
	}
	if one > 256/16 || len(after)-one < before-16 {
		t.Errorf("one network has %d places; of %d others %d are left", one, before, len(after)-one)
	}
}

// A hidden node says so in asks, with the proxies that the host asked can use, and in answers.
func TestSetReach(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var last wire.Ask
	keep := func(_ netip.AddrPort, ask wire.Ask) *wire.Answer {
		last = ask
		last.Proxies = slices.Clone(ask.Proxies)
		return &wire.Answer{}
	}
	public, private := r.play(addr("2.2.2.2:2"), keep), r.play(addr("10.0.0.2:2"), keep)
	r.meet(n, public)
	if last.Hidden || len(last.Proxies) > 0 || last.Node != n.id {
		t.Errorf("at first: %+v", last)
	}
	if a := r.ask(n, public.addr, wire.Ask{}, 100); a.Stations&0x4000 != 0 {
		t.Error("an answer says hidden")
	}
	proxies := []netip.AddrPort{addr("9.9.9.9:9"), addr("[2001:db8::9]:9"), addr("10.0.0.9:9"), addr("8.8.8.8:8")}
	n.SetReach(true, proxies)
	r.run(5 * time.Second)
	if !last.Hidden || !slices.Equal(last.Proxies, proxies[:2]) || last.Node != n.id {
		t.Errorf("a public host is asked by %+v", last)
	}
	if a := r.ask(n, public.addr, wire.Ask{}, 100); a.Stations&0x4000 == 0 {
		t.Error("an answer does not say hidden")
	}
	r.deaf[public.addr] = true
	r.meet(n, private)
	r.run(10 * time.Second)
	if !last.Hidden || !slices.Equal(last.Proxies, proxies[:3]) {
		t.Errorf("a private host is asked by %+v", last)
	}
	n.SetReach(false, nil)
	r.run(5 * time.Second)
	if last.Hidden || len(last.Proxies) > 0 {
		t.Errorf("not hidden any more: %+v", last)
	}
}

// A node that is hidden with IPv4 alone is a host with IPv6, and says to each what concerns it.
func TestSetReachOf(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	asks := map[bool]wire.Ask{}
	keep := func(from netip.AddrPort, ask wire.Ask) *wire.Answer {
		asks[from.Addr().Is4()] = wire.Ask{Hidden: ask.Hidden, Proxies: slices.Clone(ask.Proxies)}
		return &wire.Answer{}
	}
	four := r.play(addr("2.2.2.2:2"), func(a netip.AddrPort, ask wire.Ask) *wire.Answer { return keep(addr("1.1.1.1:1"), ask) })
	six := r.play(addr("[2a00::2]:2"), func(a netip.AddrPort, ask wire.Ask) *wire.Answer { return keep(addr("[2a00::1]:1"), ask) })
	proxies := []netip.AddrPort{addr("9.9.9.9:9")}
	for _, hidden := range [][2]bool{{true, false}, {false, true}, {true, true}, {false, false}} {
		n.SetReachOf(hidden, proxies)
		clear(asks)
		r.meet(n, four)
		r.meet(n, six)
		r.run(20 * time.Second)
		for i, h := range []*node{four, six} {
			ask, ok := asks[i == 0]
			if !ok || ask.Hidden != hidden[i] || (len(ask.Proxies) == 1) != hidden[i] {
				t.Errorf("hidden %v: asked %v by %+v", hidden, h.addr, ask)
			}
			if a := r.ask(n, h.addr, wire.Ask{}, 100); (a.Stations&0x4000 != 0) != hidden[i] {
				t.Errorf("hidden %v: %v is answered %+v", hidden, h.addr, a)
			}
		}
	}
}

// A host that answers that it is hidden leaves the tables, unless it is on the same LAN; so does an asker that was not asked yet.
func TestHiddenLeavesTables(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	has := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(n.Save().Hosts, func(h gossip.SavedHost) bool { return h.Addr == a })
	}
	hidden := false
	say := func(netip.AddrPort, wire.Ask) *wire.Answer {
		if hidden {
			return &wire.Answer{Stations: 0x4000}
		}
		return &wire.Answer{}
	}
	h := r.play(addr("2.2.2.2:2"), say)
	r.meet(n, h)
	if !has(h.addr) {
		t.Fatal("a host that answers is not known")
	}
	r.ask(n, h.addr, hiddenAsk(1, addr("9.9.9.9:9")), 100) // anybody can write this
	if !has(h.addr) {
		t.Error("an ask removes a host that answers")
	}
	hidden = true
	r.run(5 * time.Second)
	if has(h.addr) {
		t.Error("a host that answers that it is hidden stays in the tables")
	}
	n.Gossip = r.add(addr("10.0.0.1:1")).Gossip
	r.nodes[addr("10.0.0.1:1")].Gossip, n.addr = nil, addr("10.0.0.1:1")
	lan, far := r.play(addr("10.0.0.2:2"), say), r.play(addr("10.0.1.2:2"), say)
	r.meet(n, lan, far)
	if !has(lan.addr) || has(far.addr) {
		t.Errorf("hidden: the host on the LAN is known: %v, one elsewhere: %v", has(lan.addr), has(far.addr))
	}
	n.Gossip = r.add(addr("1.1.2.1:1")).Gossip
	r.ask(n, addr("3.3.3.3:3"), wire.Ask{Node: nodeID(9)}, 100)
	before := has(addr("3.3.3.3:3"))
	r.ask(n, addr("3.3.3.3:3"), hiddenAsk(9), 100)
	if !before || has(addr("3.3.3.3:3")) {
		t.Error("an asker that turns out hidden stays in the tables")
	}
}

// Each answer brings the address that the answerer sees.
func TestSeen(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	a, b := r.play(addr("2.2.2.2:2"), silence), r.play(addr("3.3.3.3:3"), silence)
	r.meet(n, a, b)
	for _, h := range []*node{a, b} {
		if !slices.Contains(n.seen, gossip.Seen{By: h.addr, You: n.addr}) {
			t.Errorf("%v is not among %v", h.addr, n.seen)
		}
	}
	if len(n.seen) != int(n.Counts(r.now).AnswersReceived) {
		t.Errorf("%d answers, %d seen", n.Counts(r.now).AnswersReceived, len(n.seen))
	}
}

// Hosts for proxies answered lately, and are of different networks where there are such.
func TestReachable(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var hosts []*node
	for _, a := range []string{"2.2.1.1:1", "2.2.2.1:1", "2.2.2.2:2", "3.3.3.3:3", "4.4.4.4:4"} {
		hosts = append(hosts, r.play(netip.MustParseAddrPort(a), silence))
	}
	r.meet(n, hosts...)
	n.AddHost(r.now, hostOf(addr("5.5.5.5:5"), 9), netip.Addr{}) // did not answer
	groups := func(list []wire.Host) map[uint64]bool {
		m := map[uint64]bool{}
		for _, h := range list {
			m[gossip.GroupOf(h.Addr.Addr())] = true
		}
		return m
	}
	seen := map[wire.Host]bool{}
	for range 50 {
		got := n.Reachable(r.now, nil, nil, 3)
		if len(got) != 3 || len(groups(got)) != 3 {
			t.Fatalf("three hosts: %v", got)
		}
		for _, h := range got {
			seen[h] = true
		}
	}
	if len(seen) != len(hosts) {
		t.Errorf("of %d hosts %d are ever chosen", len(hosts), len(seen))
	}
	got := n.Reachable(r.now, nil, nil, 4)
	if len(got) != 4 || got[3].Addr.Addr().As4()[2] == got[2].Addr.Addr().As4()[2] && got[3].Addr.Addr().As4()[0] == got[2].Addr.Addr().As4()[0] {
		t.Errorf("four hosts: %v", got)
	}
	if got = n.Reachable(r.now, nil, nil, 9); len(got) != 5 {
		t.Errorf("all hosts: %v", got)
	}
	one := []wire.Host{{Addr: hosts[3].addr, Node: hosts[3].id}}
	got = n.Reachable(r.now, func(h wire.Host) bool { return h.Addr.Addr().As4()[0] == 2 }, one, 3)
	if len(got) != 2 || got[0] != one[0] || got[1].Addr != hosts[4].addr {
		t.Errorf("beside %v and without 2.0.0.0/8: %v", one, got)
	}
	n.Gossip.Restore(r.now, gossip.Saved{})
	for _, h := range hosts {
		r.deaf[h.addr] = true
	}
	r.run(11 * time.Minute)
	if got = n.Reachable(r.now, nil, nil, 3); len(got) != 0 {
		t.Errorf("after 11 minutes of silence: %v", got)
	}
}

// Nobody asks a hidden source, so it tells of its record whenever it signed that again.
func TestHiddenSource(t *testing.T) {
	r := newRig(t)
	a, b := r.add(addr("1.1.1.1:1")), r.add(addr("2.2.2.2:2"))
	a.AddSeed(r.now, b.addr)
	r.hide(a, b.addr)
	for range 5 {
		a.SetOwn(r.now, record(1, r.unix()))
		r.run(10 * time.Minute)
		if s, ok := b.Station(r.now, stationKey(1).ID()); !ok || !s.Online {
			t.Fatalf("after %v: %+v", time.Duration(r.now), s)
		}
	}
}
