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

// The vectors of the reference implementation: key 00..0f, input 00..07 and 00..0f.
func TestSipHash(t *testing.T) {
	key := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if got := gossip.SipHash(key, 0x0706050403020100); got != 0x93f5f5799a932462 {
		t.Errorf("8 bytes: %x", got)
	}
	if got := gossip.SipHash(key, 0x0706050403020100, 0x0f0e0d0c0b0a0908); got != 0x3f2acc7f57c29bdb {
		t.Errorf("16 bytes: %x", got)
	}
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		a, b        string
		group, vote bool // the same
	}{
		{"8.8.1.1", "8.8.200.1", true, false},
		{"8.8.1.1", "8.8.1.77", true, true},
		{"8.8.1.1", "8.9.1.1", false, false},
		{"2001:db8:1::1", "2001:db8:2::1", true, false},
		{"2001:db8:1:1::1", "2001:db8:1:2::1", true, true},
		{"2001:db8::1", "2001:db9::1", false, false},
		{"10.0.0.1", "10.0.0.2", true, false},
		{"10.0.0.1", "10.0.1.1", false, false},
		{"127.0.0.1", "127.0.0.1", true, true},
		{"100.64.0.1", "100.64.1.1", false, false},
		{"fd00::1", "fd00::2", true, false},
		{"fd00::1", "fd00:0:0:1::1", false, false},
		{"::1", "::1", true, true},
	} {
		a, b := netip.MustParseAddr(c.a), netip.MustParseAddr(c.b)
		if got := gossip.GroupOf(a) == gossip.GroupOf(b); got != c.group {
			t.Errorf("%v and %v are one group: %v", a, b, got)
		}
		if got := gossip.VoterOf(netip.AddrPortFrom(a, 5)) == gossip.VoterOf(netip.AddrPortFrom(b, 5)); got != c.vote {
			t.Errorf("%v and %v have one vote: %v", a, b, got)
		}
	}
	if gossip.VoterOf(addr("127.0.0.1:5")) == gossip.VoterOf(addr("127.0.0.1:6")) {
		t.Error("two nodes on one machine have one vote")
	}
}

func TestHostAddr(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8:1": true, "10.1.2.3:1": true, "127.0.0.1:9": true, "[2001:db8::1]:1": true,
		"8.8.8.8:0": false, "0.1.2.3:1": false, "224.0.0.1:1": false, "240.0.0.1:1": false, "255.255.255.255:1": false,
		"169.254.1.1:1": false, "[fe80::1]:1": false, "[::]:1": false, "[ff02::1]:1": false, "[::ffff:8.8.8.8]:1": false,
	} {
		if got := gossip.HostAddr(netip.MustParseAddrPort(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

// Who tells of hosts from one network reaches an eighth of the places for hosts that are not tried.
func TestFloodOfInventedHosts(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	for k := range 20_000 {
		n.AddHost(r.now, hostOf(addr("%d.%d.3.4:%d", 20+k%100, k/100, 1+k%9), k+1), netip.MustParseAddr("66.66.6.6"))
	}
	if got := len(n.Save().Hosts); got == 0 || got > 496/8 {
		t.Errorf("one network filled %d of 496 places", got)
	}
	for k := range 40_000 {
		ask := wire.Ask{Node: nodeID(k + 1)} // a sender is easily forged
		var out gossip.Output
		n.HandleAsk(r.now, addr("%d.%d.3.4:9", 20+k%200, k/200), ask.Append(nil), 100, &out)
	}
	if got := len(n.Save().Hosts); got > 496/8+496/2 {
		t.Errorf("strangers filled half of the table and more: %d of 496", got)
	}
}

// Hosts that answer keep their places, whoever else answers too; those of one network have a sixteenth at most.
func TestFloodOfHostsThatAnswer(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	silent := func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} }
	saved := gossip.Saved{}
	for k := range 100 {
		h := r.play(addr("%d.7.3.4:9", 20+k), silent)
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: wire.Host{Addr: h.addr, Node: h.id}, Tried: true})
	}
	n.Restore(r.now, saved)
	r.run(4 * time.Minute)
	for range 20 {
		for k := range 50 {
			a := addr("66.66.%d.%d:9", k, r.now/1e9%200)
			h := r.nodes[a]
			if h == nil {
				h = r.play(a, silent)
			}
			n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.AddrFrom4([4]byte{byte(20 + k), 7, 3, 4}))
		}
		r.run(30 * time.Second)
	}
	honest, hostile := 0, 0
	for _, h := range n.Save().Hosts {
		switch {
		case !h.Tried:
		case h.Addr.Addr().As4()[0] == 66:
			hostile++
		default:
			honest++
		}
	}
	if honest < 95 || hostile > 496/16 || hostile == 0 {
		t.Errorf("%d of 100 honest hosts have kept their places, %d hostile ones of one network have one", honest, hostile)
	}
}

// A silent host leaves after two tries, one that answered before after four in a row; when nobody answers, nobody leaves.
func TestSilentHostsLeave(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	for k := range 5 {
		n.AddSeed(r.now, addr("9.%d.1.1:1", k))
	}
	r.run(2 * time.Minute)
	if got := len(n.Save().Hosts); got != 5 {
		t.Errorf("while nobody answers %d of 5 hosts are left", got)
	}
	friend := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} })
	mortal := r.play(addr("3.3.3.3:3"), func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} })
	r.meet(n, friend, mortal)
	r.run(3 * time.Minute)
	tries := func(to netip.AddrPort) (n int) {
		for _, a := range r.sent {
			if a.To == to {
				n++
			}
		}
		return n
	}
	if got := n.Counts(r.now).Hosts; got != 2 {
		t.Errorf("%d hosts are left, want the two that answer", got)
	}
	r.deaf[mortal.addr] = true
	before := tries(mortal.addr)
	r.run(10 * time.Minute)
	if got := n.Counts(r.now); got.Hosts != 2 || got.Answering != 1 {
		t.Errorf("after 10 minutes of silence: %+v", got)
	}
	r.run(30 * time.Minute)
	if got := n.Counts(r.now); got.Hosts != 1 || tries(mortal.addr)-before != 4 {
		t.Errorf("%d hosts are left, the silent one was tried %d times, want 4", got.Hosts, tries(mortal.addr)-before)
	}
}

// The key that a liar gave to an honest host's address does not keep it out, nor does a new key after a restart.
func TestWrongKeys(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	h := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} })
	r.meet(n, r.play(addr("4.4.4.4:4"), h.answer))
	n.AddHost(r.now, hostOf(h.addr, 777), netip.MustParseAddr("66.66.6.6"))
	r.run(2 * time.Minute)
	if got := n.Counts(r.now).Answering; got != 2 {
		t.Fatalf("%d hosts answer, want 2", got)
	}
	h.id = nodeID(778)
	r.run(5 * time.Minute)
	if hosts := n.Hosts(r.now); !slices.Contains(hosts, wire.Host{Addr: h.addr, Node: nodeID(778)}) {
		t.Errorf("the host's new key is not known: %v", hosts)
	}
}

func TestWhoIsTold(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	public := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		return &wire.Answer{Hosts: []wire.Host{hostOf(addr("10.0.0.7:7"), 70), hostOf(addr("5.5.5.5:5"), 71), {Addr: addr("6.6.6.6:6"), Node: nodeID(0)}}}
	})
	near := r.play(addr("10.0.0.8:8"), func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} })
	r.meet(n, public, near)
	known := map[netip.AddrPort]bool{}
	for _, h := range n.Save().Hosts {
		known[h.Addr] = true
	}
	if known[addr("10.0.0.7:7")] || known[addr("6.6.6.6:6")] || !known[addr("5.5.5.5:5")] {
		t.Errorf("of a private host that a public one told of, itself, and a public one, it knows %v", known)
	}
	told := func(asker netip.AddrPort) []netip.AddrPort {
		var list []netip.AddrPort
		for _, h := range r.ask(n, asker, wire.Ask{WantHosts: 20}, 1000).Hosts {
			list = append(list, h.Addr)
		}
		slices.SortFunc(list, netip.AddrPort.Compare)
		return list
	}
	// Nobody hears of hosts that did not answer; of private ones only who is near.
	if got := told(addr("8.8.8.8:8")); !slices.Equal(got, []netip.AddrPort{public.addr}) {
		t.Errorf("a public asker hears of %v", got)
	}
	if got := told(addr("10.0.0.9:9")); !slices.Equal(got, []netip.AddrPort{public.addr, near.addr}) {
		t.Errorf("a near asker hears of %v", got)
	}
	if got := told(public.addr); len(got) != 0 {
		t.Errorf("an asker hears of %v: itself, or who is private", got)
	}
	r.deaf[public.addr] = true
	r.run(20 * time.Minute)
	if got := told(addr("8.8.8.8:8")); len(got) != 0 {
		t.Errorf("an asker hears of %v, which is silent", got)
	}
}

// What a stranger tells of hosts is not heard; what a host tells that answered is.
func TestStrangersTell(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	friend := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} })
	r.meet(n, friend)
	tell := func(from netip.AddrPort, h wire.Host) bool {
		r.ask(n, from, wire.Ask{Node: nodeID(50), Hosts: []wire.Host{h}}, 100)
		return slices.ContainsFunc(n.Save().Hosts, func(s gossip.SavedHost) bool { return s.Addr == h.Addr })
	}
	if tell(addr("7.7.7.7:7"), hostOf(addr("5.5.5.5:5"), 51)) {
		t.Error("a stranger is believed")
	}
	if !tell(friend.addr, hostOf(addr("6.6.6.6:6"), 52)) {
		t.Error("a host that answered is not believed")
	}
	if !slices.ContainsFunc(n.Save().Hosts, func(s gossip.SavedHost) bool { return s.Addr == addr("7.7.7.7:7") }) {
		t.Error("an asker is not known as a host")
	}
	r.ask(n, addr("7.8.7.7:7"), wire.Ask{}, 100)
	if slices.ContainsFunc(n.Save().Hosts, func(s gossip.SavedHost) bool { return s.Addr == addr("7.8.7.7:7") }) {
		t.Error("an asker that says it is no host is known as one")
	}
}

// A host that is long silent gives its place to one that answers, but is asked first.
func TestTestBeforeEvict(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"), func(c *gossip.Config) { c.HostsMax = 16 }) // one bucket in each table
	answer := func(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} }
	var saved gossip.Saved
	for k := range 8 {
		h := r.play(addr("%d.1.1.1:1", 20+k), answer)
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: wire.Host{Addr: h.addr, Node: h.id}, Tried: true})
	}
	n.Restore(r.now, saved)
	r.run(time.Minute)
	dead := saved.Hosts[3].Addr
	r.deaf[dead] = true
	tried := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(n.Save().Hosts, func(h gossip.SavedHost) bool { return h.Tried && h.Addr == a })
	}
	challengers := 0
	for k := range 40 {
		h := r.play(addr("%d.2.2.2:2", 60+k), answer)
		n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
		r.run(20 * time.Second)
		if tried(h.addr) {
			challengers++
		}
	}
	kept := 0
	for k, h := range saved.Hosts {
		if k != 3 && tried(h.Addr) {
			kept++
		}
	}
	if kept != 7 || tried(dead) || challengers != 1 {
		t.Errorf("of 7 hosts that answer %d are there, the dead one is: %v, %d newcomers got a place", kept, tried(dead), challengers)
	}
}

// Nodes behind one public address, with a port each, come to know each other and are told to others as those elsewhere are.
func TestOneAddress(t *testing.T) {
	r := newRig(t)
	var nodes []*node
	for k := range 12 {
		nodes = append(nodes, r.add(addr("5.5.5.5:%d", 1000+k)))
	}
	for k := range 8 {
		nodes = append(nodes, r.add(addr("%d.1.1.1:1", 20+k)))
	}
	for _, n := range nodes {
		n.AddSeed(r.now, nodes[12].addr)
	}
	r.run(3 * time.Minute)
	for k, n := range nodes {
		if got := n.Counts(r.now).Answering; got != len(nodes)-1 {
			t.Errorf("node %d has answers of %d hosts, want %d", k, got, len(nodes)-1)
		}
	}
}
