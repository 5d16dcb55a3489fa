// SPDX-License-Identifier: MIT

package reach_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/reach"
	"streamer/internal/wire"
)

// A home is two nodes behind one router: one that owns its port, and a hidden one; and open hosts elsewhere.
func (w *town) home() (owner, hidden *party, hosts []*party) {
	outside := netip.MustParseAddr("20.99.0.1")
	hosts = w.openHosts([]int{1, 2, 3, 4}, 1)
	owner = w.add("owner", "192.168.1.2:8466", &box{outside: outside, mapping: eim, filter: eim, preserve: true})
	hidden = w.add("hidden", "192.168.1.3:8477", &box{outside: outside, mapping: eim, filter: apdm, preserve: true})
	for _, h := range hosts {
		w.link(owner, h)
		w.link(hidden, h)
	}
	owner.open()
	w.run(30 * time.Second)
	return owner, hidden, hosts
}

// The node on the own LAN that owns the router's port comes first among the proxies, under the address that others see, and
// introduces those from outside, though its link with the hidden one is at a local address.
func TestNearProxy(t *testing.T) {
	w := newTown(t)
	owner, hidden, hosts := w.home()
	if len(hidden.Proxies(nil)) != 3 {
		t.Fatalf("proxies: %v", hidden.Proxies(nil))
	}
	w.linkAt(hidden, owner, hidden.home, owner.home)
	w.run(2 * time.Second)
	if p := hidden.Proxies(nil); len(p) != 3 || p[0] != owner.addr || owner.ClientCount() != 1 {
		t.Fatalf("proxies: %v, clients of the owner: %d", p, owner.ClientCount())
	}
	hidden.SetCarried(w.now, []wire.StationTag{tag(1)}, &hidden.out)
	hidden.collect()
	for _, h := range hosts {
		w.cut(hidden, h) // the owner alone is left
	}
	asker := w.hide("asker", inNetwork(50, 0))
	w.link(asker, owner)
	w.run(time.Second)
	if c := owner.Clients(owner.id(asker), tag(1), nil); len(c) != 1 || c[0].Addr != hidden.addr || c[0].Node != hidden.node {
		t.Errorf("the asker is told of %v", c)
	}
	if c := owner.Clients(owner.id(hidden), tag(1), nil); len(c) != 0 {
		t.Errorf("told of itself: %v", c)
	}
	asker.Meet(w.now, asker.id(owner), hidden.node, hidden.addr, &asker.out)
	asker.collect()
	w.wait(time.Second, "the asker meets the hidden one", func() bool { return asker.tie(hidden) != nil })
	if at := asker.tie(hidden).at; at != hidden.addr {
		t.Errorf("met at %v", at)
	}

	// The router's address changes under the owner, as the hidden one sees it: it is not near any more.
	elsewhere := netip.MustParseAddrPort("20.98.0.1:8466")
	w.lose = func(l *letter) bool { return l.typ == wire.TypeOutside }
	hidden.HandleMessage(w.now, hidden.id(owner), wire.TypeOutside, wire.Outside{Addr: elsewhere}.Append(nil)[1:], &hidden.out)
	changes, clients := hidden.changes, owner.ClientCount()
	w.run(time.Second)
	if p := hidden.Proxies(nil); slices.Contains(p, owner.addr) || slices.Contains(p, elsewhere) || hidden.changes == changes || owner.ClientCount() != clients-1 {
		t.Errorf("proxies: %v, clients of the owner: %d", p, owner.ClientCount())
	}
}

// What a peer says of its outside address is believed of the own router only, and of peers on the LAN only.
func TestOutsideIsNotBelieved(t *testing.T) {
	for _, c := range []struct {
		says  string
		known bool
	}{
		{"20.99.0.1:4000", true}, {"9.9.9.9:53", false}, {"20.99.0.2:8477", false}, {"192.168.1.9:1", false}, {"[2a00::1]:1", false},
		{"127.0.0.1:1", false}, {"100.64.0.1:1", false},
	} {
		w := newTown(t)
		owner, hidden, hosts := w.home()
		hidden.mute = true
		w.linkAt(hidden, owner, hidden.home, owner.home)
		say := func(typ byte, m []byte) {
			owner.HandleMessage(w.now, owner.id(hidden), typ, m[1:], &owner.out)
			owner.collect()
		}
		say(wire.TypeStanding, wire.Standing{Keep: true, Seq: 2, You: owner.home, Carried: []wire.StationTag{tag(1)}}.Append(nil))
		say(wire.TypeOutside, wire.Outside{Addr: netip.MustParseAddrPort(c.says)}.Append(nil))
		if got := owner.Clients(owner.id(hosts[0]), tag(1), nil); (len(got) == 1) != c.known {
			t.Errorf("%s: %v", c.says, got)
		}
		since := len(w.log)
		hosts[0].Meet(w.now, hosts[0].id(owner), hidden.node, hidden.addr, &hosts[0].out)
		hosts[0].collect()
		w.run(time.Second)
		for i := range w.log[since:] {
			if l := &w.log[since+i]; l.typ == wire.TypeIntroduction && (l.data[8] == byte(wire.IntroductionMade)) != c.known {
				t.Errorf("%s: status %d", c.says, l.data[8])
			}
			if l := &w.log[since+i]; (l.typ == helloLetter || l.typ == punchLetter) && l.from == hosts[0] && l.dst.Addr() == netip.MustParseAddr("9.9.9.9") {
				t.Errorf("%s is sent something", l.dst)
			}
		}
	}

	// A peer elsewhere that is open, and says that it is at this router's address, is a proxy at its own address, if at all.
	w := newTown(t)
	_, hidden, hosts := w.home()
	for _, h := range hosts {
		hidden.HandleMessage(w.now, hidden.id(h), wire.TypeOutside, wire.Outside{Addr: hidden.addr}.Append(nil)[1:], &hidden.out)
	}
	w.run(time.Second)
	if p := hidden.Proxies(nil); len(p) != 3 || slices.Contains(p, hidden.addr) {
		t.Errorf("proxies: %v", p)
	}
}

// A hidden node on the LAN is nobody's proxy.
func TestNearAndHidden(t *testing.T) {
	w := newTown(t)
	_, hidden, _ := w.home()
	other := w.add("other", "192.168.1.4:8487", &box{outside: hidden.addr.Addr(), mapping: eim, filter: reach.AddressPortDependent, preserve: true})
	w.linkAt(hidden, other, hidden.home, other.home)
	w.run(5 * time.Second)
	if other.ClientCount() != 0 || len(hidden.Proxies(nil)) != 3 {
		t.Errorf("%d clients, proxies %v", other.ClientCount(), hidden.Proxies(nil))
	}
}
