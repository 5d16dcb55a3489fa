// SPDX-License-Identifier: MIT

package reach_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// openHosts brings n open hosts in each of some networks.
func (w *town) openHosts(networks []int, n int) (list []*party) {
	for _, network := range networks {
		for i := range n {
			list = append(list, w.add(fmt.Sprintf("open %d %d", network, i), inNetwork(network, i), nil).open())
		}
	}
	w.run(time.Second)
	return list
}

// proxies are the party's, by what it says and by what its peers say.
func (p *party) proxies() (list []*party) {
	for _, a := range p.Proxies(nil) {
		for _, o := range p.town.folk {
			if o.addr == a {
				list = append(list, o)
			}
		}
	}
	return list
}

func networks(list []*party) int {
	var seen []byte
	for _, p := range list {
		seen = append(seen, p.addr.Addr().AsSlice()[1])
	}
	slices.Sort(seen)
	return len(slices.Compact(seen))
}

// A hidden node keeps three proxies of different networks as far as there are any, and both sides keep the links.
func TestProxies(t *testing.T) {
	for _, c := range []struct {
		name      string
		networks  []int
		each      int
		want      int // proxies
		different int // networks among them, at least
	}{
		{"none", nil, 0, 0, 0},
		{"one", []int{1}, 1, 1, 1},
		{"two networks", []int{1, 2}, 3, 3, 2},
		{"many networks", []int{1, 2, 3, 4, 5}, 1, 3, 3},
		{"one network", []int{1}, 6, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t)
			hosts := w.openHosts(c.networks, c.each)
			a := w.add("a", "192.168.1.2:8466", &box{outside: netip.MustParseAddr("20.99.0.1"),
				mapping: reach.EndpointIndependent, filter: reach.AddressPortDependent})
			for _, h := range hosts {
				w.link(a, h)
			}
			w.offer(a, hosts, 30*time.Second)
			got := a.proxies()
			if len(got) != c.want || networks(got) < c.different {
				t.Fatalf("proxies: %v", a.Proxies(nil))
			}
			for _, h := range hosts {
				is := slices.Contains(got, h)
				if h.ClientCount() == 1 != is || is && (!h.Holds(w.now, h.id(a)) || !a.Holds(w.now, a.id(h))) {
					t.Errorf("%s has %d clients, proxy: %v", h.name, h.ClientCount(), is)
				}
			}
			if w.run(time.Minute); len(a.Proxies(nil)) != c.want {
				t.Errorf("after a minute: %v", a.Proxies(nil))
			}
		})
	}
}

// offer lets time pass and, whenever hosts are wanted, offers those.
func (w *town) offer(p *party, hosts []*party, d time.Duration) {
	for end := w.now.Add(d); w.now < end; {
		before, idle := p.hosts, len(p.idle)
		w.run(100 * time.Millisecond)
		for _, id := range p.idle[idle:] { // as nodes do
			for _, h := range hosts {
				if p.id(h) == id {
					w.cut(p, h)
				}
			}
		}
		if p.hosts == before {
			continue
		}
		var list []wire.Host
		for _, h := range hosts {
			if p.tie(h) == nil && len(list) < 3 {
				list = append(list, wire.Host{Node: h.node, Addr: h.addr})
			}
		}
		before = len(p.links)
		p.Offer(list, &p.out)
		p.collect()
		for _, l := range p.links[before:] {
			for _, h := range hosts {
				if h.node == l.Node {
					w.link(p, h)
				}
			}
		}
	}
}

// A node without open peers asks for hosts and links them; those that are no use are let go.
func TestProxiesAreSought(t *testing.T) {
	w := newTown(t)
	hosts := w.openHosts([]int{1, 2, 3, 4, 5, 6}, 1)
	dull := []*party{w.hide("dull", inNetwork(7, 0)), w.hide("closed", inNetwork(8, 0))}
	a := w.hide("a", inNetwork(9, 0))
	w.offer(a, append(dull, hosts...), 3*time.Second)
	if len(a.links) < 3 || len(a.links) > 6 {
		t.Errorf("links: %v", a.links)
	}
	w.offer(a, hosts, 20*time.Second)
	if p := a.proxies(); len(p) != 3 || networks(p) != 3 {
		t.Errorf("proxies: %v", a.Proxies(nil))
	}
	for _, d := range dull {
		if a.tie(d) != nil && (a.Holds(w.now, a.id(d)) || !slices.Contains(a.idle, a.id(d))) {
			t.Errorf("the link with %s is kept: %v", d.name, a.idle)
		}
	}
	for _, gone := range a.proxies()[:2] {
		changes := a.changes
		w.cut(a, gone)
		took := w.wait(8*time.Second, "another proxy", func() bool {
			w.offer(a, hosts, 100*time.Millisecond)
			return len(a.Proxies(nil)) == 3
		})
		t.Logf("another proxy after %v", took)
		if a.changes == changes {
			t.Error("nobody is told that the proxies are others")
		}
	}
}

// Where nobody is open, hosts are tried ever less often.
func TestProxiesSoughtInVain(t *testing.T) {
	w := newTown(t)
	a := w.hide("a", inNetwork(9, 0))
	var hosts []*party
	for i := range 200 {
		hosts = append(hosts, w.add(fmt.Sprint("dull ", i), inNetwork(1, i), nil))
	}
	w.folk = w.folk[:1] // the others do nothing
	for range 20 {
		before := len(a.links)
		w.offer(a, hosts, 30*time.Second)
		t.Logf("%d links in 30 s", len(a.links)-before)
	}
	before := len(a.links)
	w.offer(a, hosts, 10*time.Minute)
	if n := len(a.links) - before; n > 30 {
		t.Errorf("%d links in ten minutes", n)
	}
	w.run(15 * time.Second)
	if len(a.idle) != len(a.links) {
		t.Errorf("%d links were made, %d are idle", len(a.links), len(a.idle))
	}
	before = a.hosts
	w.run(65 * time.Second) // nobody offers anything now
	if a.hosts == before {
		t.Error("no hosts are asked for")
	}
	h := w.openHosts([]int{3}, 1)[0]
	w.link(a, h)
	w.run(2 * time.Second)
	if len(a.Proxies(nil)) != 1 {
		t.Fatal("no proxy")
	}
	for range 3 { // and again in vain
		w.offer(a, hosts, 30*time.Second)
	}
	before = a.hosts
	w.cut(a, h)
	if w.run(time.Second); a.hosts == before {
		t.Error("the only proxy is gone, and no hosts are asked for")
	}
}

// An open node introduces others to 64 nodes, 16 of one network; the others look elsewhere.
func TestClientsMax(t *testing.T) {
	for _, c := range []struct {
		networks, each, want int
	}{{1, 20, 16}, {3, 20, 48}, {20, 4, 64}} {
		w := newTown(t)
		h := w.add("h", inNetwork(200, 0), nil).open()
		w.run(time.Second)
		var clients []*party
		for network := range c.networks {
			for i := range c.each {
				p := w.hide(fmt.Sprint("client ", network, " ", i), inNetwork(network, i))
				w.link(p, h)
				clients = append(clients, p)
			}
		}
		w.run(20 * time.Second)
		if h.ClientCount() != c.want {
			t.Errorf("%d clients of %d networks", h.ClientCount(), c.networks)
		}
		served := 0
		for _, p := range clients {
			is := len(p.Proxies(nil)) == 1
			if is {
				served++
			}
			if is == (len(p.idle) == 1) || is != p.Holds(w.now, p.id(h)) || is != h.Holds(w.now, h.id(p)) {
				t.Errorf("%s: proxies %v, idle %v", p.name, p.Proxies(nil), p.idle)
			}
		}
		if served != c.want {
			t.Errorf("%d believe that they are clients", served)
		}
		gone := clients[0]
		w.cut(gone, h)
		late := w.hide("late", inNetwork(0, 199))
		w.link(late, h)
		w.run(5 * time.Second)
		if len(late.Proxies(nil)) != 1 {
			t.Error("a place that is free stays empty")
		}
	}
}

// The word of a proxy counts when it comes within 5 s; both sides agree whenever it comes.
func TestLateProxy(t *testing.T) {
	for _, silent := range []time.Duration{time.Second, 2500 * time.Millisecond, 6 * time.Second, 12 * time.Second} {
		w := newTown(t)
		a, b := w.hide("a", inNetwork(1, 0)), w.add("b", inNetwork(2, 0), nil).open()
		w.run(time.Second)
		w.link(a, b)
		w.run(hop + time.Millisecond)
		begun := w.now
		w.lose = func(l *letter) bool { return l.from == b && w.now.Sub(begun) < silent }
		w.run(40 * time.Second)
		kept, client := len(a.Proxies(nil)) == 1, b.ClientCount() == 1
		if kept != client || kept != (silent < 5*time.Second) {
			t.Errorf("silent for %v: a has a proxy: %v, b a client: %v", silent, kept, client)
		}
		if kept == (len(a.idle) > 0) {
			t.Errorf("silent for %v: idle %v", silent, a.idle)
		}
	}
}

// Who is refused says that it asks no more: the other side keeps no place for it, whether its own word came through or not.
func TestRefusedLeavesThePlace(t *testing.T) {
	w := newTown(t)
	a, b := w.hide("a", inNetwork(1, 0)), w.add("b", inNetwork(2, 0), nil).open()
	w.run(time.Second)
	w.lose = func(l *letter) bool { return l.from == b && l.typ == wire.TypeStanding && l.standing(t).Kept }
	w.link(a, b)
	w.run(3 * time.Second)
	if b.ClientCount() != 1 {
		t.Fatalf("%d clients", b.ClientCount())
	}
	if w.run(4 * time.Second); b.ClientCount() != 0 {
		t.Error("a place is kept for somebody who gave up")
	}
}

// A proxy that is hidden for a while keeps whom it has, takes nobody new, and both sides agree afterwards.
func TestProxyIsHiddenForAWhile(t *testing.T) {
	w := newTown(t)
	a, b, c := w.hide("a", inNetwork(1, 0)), w.hide("b", inNetwork(2, 0)).open(), w.hide("c", inNetwork(3, 0))
	others := w.openHosts([]int{4, 5}, 1)
	w.link(a, b)
	for _, o := range others {
		w.link(a, o)
	}
	w.run(5 * time.Second)
	for round := range 3 {
		b.Observer().SetLocal(w.now, []netip.Addr{netip.MustParseAddr("20.2.0.77")}, uint16(1000+round)) // forgets its proofs
		w.wait(time.Second, "b is hidden", func() bool { return !a.Open(a.id(b)) })
		w.link(b, c)
		w.run(7 * time.Second)
		if len(a.Proxies(nil)) != 3 || b.ClientCount() != 1 || len(c.Proxies(nil)) != 0 {
			t.Errorf("hidden: a's proxies %v, b's clients %d, c's proxies %v", a.Proxies(nil), b.ClientCount(), c.Proxies(nil))
		}
		w.cut(b, c)
		b.open()
		w.run(7 * time.Second)
		if len(a.Proxies(nil)) != 3 || b.ClientCount() != 1 || !a.Open(a.id(b)) {
			t.Errorf("open again: a's proxies %v, b's clients %d", a.Proxies(nil), b.ClientCount())
		}
	}
	w.link(b, c)
	b.Observer().SetLocal(w.now, nil, 9) // it takes nobody new: c is refused
	w.run(12 * time.Second)
	b.open()
	b.Observer().SetLocal(w.now, []netip.Addr{b.addr.Addr()}, 10)
	b.open()
	w.run(5 * time.Second)
	if len(c.Proxies(nil)) != 1 {
		t.Errorf("who was refused and may come now is not taken: %v", c.Proxies(nil))
	}
}

// A node that strangers reach gives its proxies up and lets their links go; when it is hidden again it finds some again, those
// that refused it before included.
func TestHiddenBecomesPublic(t *testing.T) {
	w := newTown(t)
	hosts := w.openHosts([]int{1, 2, 3}, 1)
	a := w.hide("a", inNetwork(9, 0))
	full := w.add("full", inNetwork(4, 0), nil).open()
	for i := range 16 { // leave no place in a's network
		w.link(full, w.hide(fmt.Sprint("client ", i), inNetwork(9, 1+i)))
	}
	w.run(5 * time.Second)
	w.link(a, full)
	w.run(20 * time.Second)
	if len(a.Proxies(nil)) != 0 || len(a.idle) != 1 {
		t.Fatalf("a has the proxies %v, idle %v", a.Proxies(nil), a.idle)
	}
	for _, h := range hosts {
		w.link(a, h)
	}
	w.run(5 * time.Second)
	if len(a.Proxies(nil)) != 3 {
		t.Fatalf("proxies: %v", a.Proxies(nil))
	}
	changes := a.changes
	a.open()
	w.run(11 * time.Second)
	if len(a.Proxies(nil)) != 0 || a.changes == changes {
		t.Errorf("public, with the proxies %v, %d changes", a.Proxies(nil), a.changes-changes)
	}
	for _, h := range hosts {
		if h.ClientCount() != 0 || a.Holds(w.now, a.id(h)) || !slices.Contains(a.idle, a.id(h)) {
			t.Errorf("%s has %d clients; idle %v", h.name, h.ClientCount(), a.idle)
		}
		w.cut(a, h)
	}
	for _, p := range w.folk[5:] {
		w.cut(full, p) // now there are places
	}
	a.Observer().SetLocal(w.now, []netip.Addr{netip.MustParseAddr("192.168.0.9")}, 9)
	w.run(6 * time.Second)
	if p := a.proxies(); len(p) != 1 || p[0] != full {
		t.Errorf("hidden again, with the proxies %v", a.Proxies(nil))
	}
}

// openIPv6 gives a node an IPv6 address, at which a stranger comes in.
func (p *party) openIPv6(at string) {
	now := p.town.now
	p.Observer().SetLocal(now, []netip.Addr{p.home.Addr(), netip.MustParseAddr(at)}, p.home.Port())
	p.Observer().Arrived(now, netip.MustParseAddrPort("[2a07::7]:7"))
}

// Proxies are for the family in which strangers do not reach a node, and peers are told of each what is so.
func TestProxiesOfOneFamily(t *testing.T) {
	w := newTown(t)
	var four, six []*party
	for i := range 4 {
		four = append(four, w.add(fmt.Sprint("four ", i), inNetwork(1+i, 0), nil).open())
		h := w.add(fmt.Sprint("six ", i), fmt.Sprintf("[2a%02x::1]:8466", i), nil)
		h.openIPv6(fmt.Sprintf("2a%02x::1", i))
		six = append(six, h)
	}
	w.run(time.Second)
	a := w.add("a", "192.168.1.2:8466", &box{outside: netip.MustParseAddr("20.99.0.1"), mapping: eim, filter: apdm})
	own6 := netip.MustParseAddrPort("[2af0::1]:8466")
	a.Observer().SetLocal(w.now, []netip.Addr{a.home.Addr(), own6.Addr()}, 8466)
	for i := range four {
		w.link(a, four[i])
		w.linkAt(a, six[i], own6, six[i].addr)
	}
	w.run(30 * time.Second)
	check := func(what string, want4, want6 int, hidden [2]bool) {
		t.Helper()
		n4, n6 := 0, 0
		for _, p := range a.Proxies(nil) {
			if p.Addr().Is4() {
				n4++
			} else {
				n6++
			}
		}
		if n4 != want4 || n6 != want6 || a.Hidden() != hidden {
			t.Errorf("%s: proxies %v, hidden %v", what, a.Proxies(nil), a.Hidden())
		}
		for i := range four {
			if four[i].Open(four[i].id(a)) == hidden[0] || six[i].Open(six[i].id(a)) == hidden[1] {
				t.Errorf("%s: peers with IPv4 take it for open: %v, with IPv6: %v", what, four[i].Open(four[i].id(a)), six[i].Open(six[i].id(a)))
			}
		}
	}
	check("hidden in both", 2, 1, [2]bool{true, true})
	a.Observer().Arrived(w.now, netip.MustParseAddrPort("[2a07::7]:7"))
	w.run(20 * time.Second)
	check("IPv6 is open", 3, 0, [2]bool{true, false})
	a.open()
	w.run(20 * time.Second)
	check("both are open", 0, 0, [2]bool{})
	a.Observer().SetLocal(w.now, []netip.Addr{a.home.Addr(), netip.MustParseAddr("2af0::2")}, 8466)
	for i := range six {
		w.cut(a, six[i])
		w.linkAt(a, six[i], netip.MustParseAddrPort("[2af0::2]:8466"), six[i].addr)
	}
	w.run(30 * time.Second)
	check("IPv4 is open", 0, 3, [2]bool{false, true})
}

// That strangers do not reach it, a node learns from tests; others are to be told at once.
func TestHiddenIsAChange(t *testing.T) {
	w := newTown(t)
	a := w.add("a", "192.168.1.2:8466", &box{outside: netip.MustParseAddr("20.99.0.1"),
		mapping: reach.EndpointIndependent, filter: reach.AddressPortDependent})
	for i := range 4 {
		h := w.hide(fmt.Sprint("h", i), inNetwork(i, 0))
		w.link(a, h)
		w.link(h, w.hide(fmt.Sprint("other", i), inNetwork(50+i, 0)))
	}
	w.run(2 * time.Second)
	changes := a.changes
	w.wait(20*time.Second, "hidden", func() bool { return a.Observer().Standing(w.now).Verdict == reach.VerdictHidden })
	w.run(600 * time.Millisecond)
	if a.changes != changes+1 {
		t.Errorf("%d changes", a.changes-changes)
	}
}

// Whoever asks a proxy for a station gets its clients that carry it, but for a client's private address he has to be there.
func TestClients(t *testing.T) {
	w := newTown(t)
	h := w.add("h", inNetwork(1, 0), nil).open()
	h.openIPv6("2a00::99")
	w.run(time.Second)
	a, b := w.hide("a", inNetwork(2, 0)), w.hide("b", inNetwork(3, 0))
	near := w.hide("near", "192.168.1.2:8466")
	asker, other := w.hide("asker", inNetwork(4, 0)), w.hide("other", "192.168.1.3:8466")
	six := w.hide("six", "[2a00::1]:8466")
	for _, p := range []*party{a, b, asker, six} {
		w.link(h, p)
	}
	w.linkAt(h, near, netip.MustParseAddrPort("192.168.1.1:8466"), near.addr)
	w.linkAt(h, other, netip.MustParseAddrPort("192.168.1.1:8466"), other.addr)
	linkLocal := []*party{w.hide("link-local", "[fe80::5]:1"), w.hide("link-local asker", "[fe80::6]:1")}
	for _, p := range linkLocal {
		w.linkAt(h, p, netip.MustParseAddrPort("[fe80::1]:1"), netip.AddrPortFrom(p.addr.Addr().WithZone("eth0"), 1))
	}
	a.SetCarried(w.now, []wire.StationTag{tag(1), tag(2)}, &a.out)
	b.SetCarried(w.now, []wire.StationTag{tag(2), tag(3), tag(4), tag(5), tag(6)}, &b.out) // one too many
	near.SetCarried(w.now, []wire.StationTag{tag(1)}, &near.out)
	six.SetCarried(w.now, []wire.StationTag{tag(1)}, &six.out)
	w.run(10 * time.Second)
	// A LAN's addresses are no use to others, so near does not ask by itself; other implementations may.
	for _, p := range []*party{near, linkLocal[0]} {
		h.HandleMessage(w.now, h.id(p), wire.TypeStanding, standing(wire.Standing{Keep: true, Seq: 3, You: h.addr,
			Carried: []wire.StationTag{tag(1)}}), &h.out)
		h.collect()
	}
	check := func(asker *party, station int, want ...*party) {
		t.Helper()
		var got []netip.AddrPort
		id := reach.PeerID(0)
		if asker != nil {
			id = h.id(asker)
		}
		for _, c := range h.Clients(id, tag(station), nil) {
			got = append(got, c.Addr)
		}
		var addrs []netip.AddrPort
		for _, p := range want {
			addrs = append(addrs, p.addr)
		}
		if !slices.Equal(got, addrs) {
			t.Errorf("station %d: %v, want %v", station, got, addrs)
		}
	}
	check(asker, 1, a)
	check(asker, 2, a, b)
	check(asker, 5, b)
	check(asker, 6)
	check(a, 2, b)
	check(other, 1, near)
	check(six, 1)
	check(linkLocal[1], 1)
	check(nil, 1, a, six, near)
	a.SetCarried(w.now, []wire.StationTag{tag(7)}, &a.out)
	a.collect()
	w.run(time.Second)
	check(asker, 1)
	check(asker, 7, a)
	since := len(w.log)
	for range 10 {
		a.SetCarried(w.now, []wire.StationTag{tag(7)}, &a.out)
		a.collect()
		w.run(time.Second)
	}
	if n := w.count(since, wire.TypeStanding, a, nil); n > 0 {
		t.Errorf("the same stations are said %d times", n)
	}
	w.cut(a, h)
	check(asker, 7)
	many := w.hide("many", inNetwork(5, 0))
	many.SetCarried(w.now, []wire.StationTag{tag(1), tag(2), tag(3), tag(4), tag(5), tag(6), tag(7)}, &many.out)
	w.link(many, h)
	for i := range wire.CandidatesMax + 3 {
		p := w.hide(fmt.Sprint("c", i), inNetwork(60+i, 0))
		p.SetCarried(w.now, []wire.StationTag{tag(4)}, &p.out)
		w.link(p, h)
	}
	w.run(5 * time.Second)
	if got := h.Clients(h.id(asker), tag(4), nil); len(got) != wire.CandidatesMax {
		t.Errorf("%d candidates", len(got))
	}
}

// A local address is no proxy's: those whom it is to introduce would not know where it is.
func TestProxyOnTheLAN(t *testing.T) {
	for _, at := range []string{"192.168.1.1:1", "100.64.0.1:1", "127.0.0.1:1", "[fe80::1]:1", "[fd00::1]:1"} {
		w := newTown(t)
		h, a := w.add("h", inNetwork(1, 0), nil).open(), w.add("a", "192.168.1.2:8466", nil)
		w.run(time.Second)
		w.linkAt(a, h, a.addr, netip.MustParseAddrPort(at))
		w.run(5 * time.Second)
		if h.ClientCount() != 0 || len(a.Proxies(nil)) != 0 || !a.Open(a.id(h)) {
			t.Errorf("%s is a proxy", at)
		}
	}
}

// A node that is not public keeps nobody, whatever it is asked; forged words about others are nobody's.
func TestKeepOfAHiddenNode(t *testing.T) {
	w := newTown(t)
	a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil)
	w.link(a, b)
	for seq := range uint8(4) {
		a.HandleMessage(w.now, a.id(b), wire.TypeStanding,
			standing(wire.Standing{Open: true, Keep: true, Kept: true, Carries: true, Seq: seq, You: a.addr}), &a.out)
		a.collect()
	}
	if a.ClientCount() != 0 {
		t.Error("a hidden node has a client")
	}
	w.run(time.Second)
	c := w.add("c", inNetwork(3, 0), nil).open()
	w.run(time.Second)
	w.link(b, c)
	b.HandleMessage(w.now, b.id(c), wire.TypeStanding, standing(wire.Standing{Kept: true, Seq: 3, You: b.addr}), &b.out)
	if p := b.Proxies(nil); len(p) != 0 {
		t.Errorf("who was not asked is a proxy: %v", p)
	}
}

// CARRY goes to peers that carry, every 5 s for each station, and is heard by those that do.
func TestAskCarry(t *testing.T) {
	w := newTown(t)
	hosts := w.openHosts([]int{1, 2}, 1)
	plainHost := w.addAt("plain", netip.MustParseAddrPort(inNetwork(3, 0)), nil, func(c *reach.Config) { c.Carries = false }).open()
	closed := w.hide("closed", inNetwork(4, 0))
	a := w.hide("a", inNetwork(9, 0))
	station := func(i int) wire.Carry { return wire.Carry{Station: identity.StationID{0: 1, 1: byte(i)}} }
	ask := func(m wire.Carry) {
		a.AskCarry(w.now, m, &a.out)
		a.collect()
	}
	before := a.hosts
	ask(station(0)) // nobody is there
	if a.hosts == before {
		t.Error("nobody to ask, and no hosts are wanted")
	}
	for _, h := range append(hosts, plainHost, closed) {
		w.link(a, h)
	}
	w.run(6 * time.Second)
	a.HandleMessage(w.now, a.id(closed), wire.TypeStanding, standing(wire.Standing{Carries: true, Seq: 3, You: a.addr}), &a.out)
	a.collect()
	since := len(w.log)
	for range 100 {
		ask(station(0))
		w.run(100 * time.Millisecond)
	}
	if n := w.count(since, wire.TypeCarry, a, nil); n != 3 || len(hosts[0].carry) == 0 || len(hosts[1].carry) == 0 {
		t.Errorf("%d CARRYs in 10 s", n)
	}
	for i := range 40 {
		ask(station(i))
	}
	w.run(time.Second)
	if n := w.count(since, wire.TypeCarry, a, nil); n > 43 {
		t.Errorf("%d CARRYs", n)
	}
	got := len(hosts[0].carry) + len(hosts[1].carry)
	if n := w.count(since, wire.TypeCarry, a, nil); got != n || len(plainHost.carry)+len(closed.carry) > 0 {
		t.Errorf("%d of %d are heard, %d and %d by others", got, n, len(plainHost.carry), len(closed.carry))
	}
	for _, p := range []*party{plainHost, closed, hosts[0]} {
		before := len(p.carry)
		for _, m := range []wire.Carry{station(1), {}} {
			p.HandleMessage(w.now, p.id(a), wire.TypeCarry, m.Append(nil)[1:], &p.out)
			p.collect()
		}
		if n := len(p.carry) - before; n > 0 != (p == hosts[0]) || n > 1 {
			t.Errorf("%s hears %d of 2", p.name, n)
		}
	}
}

// punched is how many PUNCHes with a token the party has sent.
func (p *party) punched(token wire.PunchToken) (n int) {
	for i := range p.punches {
		if p.punches[i].Token == token {
			n++
		}
	}
	return n
}

// PROBE_ME is answered from the second port, and by another node; both within limits, and never into a local network.
func TestProbeMessages(t *testing.T) {
	w := newTown(t)
	a, b, c := w.hide("a", inNetwork(1, 0)), w.hide("b", inNetwork(2, 0)), w.hide("c", inNetwork(3, 0))
	w.link(a, b)
	w.link(b, c)
	token := wire.PunchToken{1, 2, 3}
	flood := func(p *party, at reach.PeerID, typ byte, m []byte, d time.Duration) (punches int) {
		before := p.punched(token)
		for end := w.now.Add(d); w.now < end; w.run(100 * time.Millisecond) {
			p.HandleMessage(w.now, at, typ, m[1:], &p.out)
			p.collect()
		}
		return p.punched(token) - before
	}
	w.run(30 * time.Second)
	before := c.punched(token)
	if n := flood(b, b.id(a), wire.TypeProbeMe, wire.ProbeMe{Token: token}.Append(nil), time.Minute); n > 6 {
		t.Errorf("%d PUNCHes from the second port", n)
	}
	for _, p := range b.punches {
		if p.Token == token && (!p.Aside || p.To != a.addr) {
			t.Errorf("%+v", p)
		}
	}
	if n := c.punched(token) - before; n < 3 || n > 6 {
		t.Errorf("%d PUNCHes from another node", n)
	}
	for _, port := range []uint16{53, 1023, 1024, 40000} {
		w.run(time.Minute)
		said := len(b.punches)
		m := wire.ProbeMe{Token: token, Port: port}
		b.HandleMessage(w.now, b.id(a), wire.TypeProbeMe, m.Append(nil)[1:], &b.out)
		b.collect()
		want := a.addr
		if port >= 1024 {
			want = netip.AddrPortFrom(a.addr.Addr(), port)
		}
		if p := b.punches[len(b.punches)-1]; len(b.punches) != said+1 || p.To != want {
			t.Errorf("port %d: %+v", port, p)
		}
		probed := slices.ContainsFunc(w.post, func(l letter) bool {
			return l.typ == wire.TypeProbe && l.to == c && bytes.Equal(l.data, (wire.Probe{Token: token, Addr: want}).Append(nil)[1:])
		})
		if !probed {
			t.Errorf("port %d: the other node is not told %v", port, want)
		}
	}
	victim := wire.Probe{Token: token, Addr: netip.MustParseAddrPort("20.200.0.1:53")}
	if n := flood(c, c.id(b), wire.TypeProbe, victim.Append(nil), time.Minute); n > 6 {
		t.Errorf("%d PUNCHes go where a peer says", n)
	}
	for _, at := range []string{"192.168.0.1:53", "127.0.0.1:53", "100.64.0.1:53", "[fe80::1]:53", "[fc00::1]:53"} {
		w.run(time.Minute)
		m := wire.Probe{Token: token, Addr: netip.MustParseAddrPort(at)}
		if n := flood(c, c.id(b), wire.TypeProbe, m.Append(nil), time.Second); n > 0 {
			t.Errorf("%d PUNCHes go to %s", n, at)
		}
	}
	near := w.add("near", "192.168.1.2:8466", nil)
	w.linkAt(b, near, netip.MustParseAddrPort("192.168.1.1:8466"), near.addr)
	if n := flood(b, b.id(near), wire.TypeProbeMe, wire.ProbeMe{Token: token}.Append(nil), time.Second); n > 0 {
		t.Errorf("%d PUNCHes go to a local address", n)
	}
}
