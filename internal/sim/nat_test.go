// SPDX-License-Identifier: MIT

package sim_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/sim"
)

var (
	outsideAddr = netip.MustParseAddr("198.51.100.7")
	insideEnd   = netip.MustParseAddrPort("192.168.1.10:8466")
	secondEnd   = netip.MustParseAddrPort("192.168.1.11:8466")
	serverEnd   = netip.MustParseAddrPort("203.0.113.1:3478")
	otherPort   = netip.MustParseAddrPort("203.0.113.1:3479")
	otherAddr   = netip.MustParseAddrPort("203.0.113.2:3478")
	otherBoth   = netip.MustParseAddrPort("203.0.113.2:3479")
)

// kindOf returns a kind that ships.
func kindOf(t *testing.T, name string) sim.NAT {
	t.Helper()
	n, ok := sim.FindNAT(name)
	if !ok {
		t.Fatalf("no NAT %s", name)
	}
	if err := n.Check(); err != nil {
		t.Fatal(err)
	}
	return n
}

// leaves sends a packet out and returns where it comes from outside.
func leaves(t *testing.T, b *sim.Box, now mono.Time, from, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	out, ok := b.Leave(now, from, to)
	if !ok {
		t.Fatalf("%v: packet from %v to %v is dropped", time.Duration(now), from, to)
	}
	return out
}

// probe finds out what RFC 5780 (sections 4.3 and 4.4) finds out about a box, with a server of two addresses and ports.
func probe(t *testing.T, kind sim.NAT, outside netip.Addr, inside netip.AddrPort) (mapping, filter sim.Dependence) {
	t.Helper()
	b := sim.NewBox(kind, outside, 1)
	first := leaves(t, b, 0, inside, serverEnd)
	enters := func(from netip.AddrPort) bool {
		to, ok := b.Enter(1, from, first)
		if ok && to != inside {
			t.Errorf("%s: a packet for %v goes to %v", kind.Name, first, to)
		}
		return ok
	}
	if !enters(serverEnd) {
		t.Errorf("%s: the answer does not come in", kind.Name)
	}
	switch {
	case enters(otherBoth):
		filter = sim.EndpointIndependent
	case enters(otherPort):
		filter = sim.AddressDependent
	default:
		filter = sim.AddressPortDependent
	}
	if enters(otherAddr) != (filter == sim.EndpointIndependent) {
		t.Errorf("%s: another address, same port: comes in otherwise than another address and port", kind.Name)
	}
	second, third := leaves(t, b, 2, inside, otherAddr), leaves(t, b, 3, inside, otherBoth)
	switch {
	case second == first:
		mapping = sim.EndpointIndependent
	case third == second:
		mapping = sim.AddressDependent
	default:
		mapping = sim.AddressPortDependent
	}
	if again := leaves(t, b, 4, inside, serverEnd); again != first {
		t.Errorf("%s: mapped to %v, then to %v", kind.Name, first, again)
	}
	if counted, held := b.Entries(); counted != held {
		t.Errorf("%s: counts %d entries, has %d", kind.Name, counted, held)
	}
	return mapping, filter
}

func TestNATProbe(t *testing.T) {
	for _, kind := range sim.NATKinds() {
		outside, inside := outsideAddr, insideEnd
		if kind.Firewall {
			outside = netip.Addr{}
		}
		wantFilter := kind.Filter
		mapping, filter := probe(t, kind, outside, inside)
		if mapping != kind.Mapping || filter != wantFilter {
			t.Errorf("%s: mapping %v, filter %v; want %v, %v", kind.Name, mapping, filter, kind.Mapping, wantFilter)
		}
	}
	all := []sim.Dependence{sim.EndpointIndependent, sim.AddressDependent, sim.AddressPortDependent}
	for _, m := range all {
		for _, f := range all {
			for _, p := range []sim.NATPorts{sim.PortsPreserved, sim.PortsSequential, sim.PortsRandom} {
				kind := sim.NAT{Name: m.String() + " / " + f.String(), Mapping: m, Filter: f, Ports: p, Block: 512}
				if mapping, filter := probe(t, kind, outsideAddr, insideEnd); mapping != m || filter != f {
					t.Errorf("%s: mapping %v, filter %v", kind.Name, mapping, filter)
				}
			}
		}
	}
}

func TestNATPorts(t *testing.T) {
	peer := func(i int) netip.AddrPort { return netip.AddrPortFrom(otherAddr.Addr(), uint16(1+i)) }
	preserved := sim.NewBox(kindOf(t, "port-restricted"), outsideAddr, 1)
	if a, b := leaves(t, preserved, 0, insideEnd, serverEnd), leaves(t, preserved, 0, secondEnd, serverEnd); a.Port() != 8466 ||
		b.Port() != 8467 {
		t.Errorf("preserved: two nodes with port 8466 have %v and %v outside", a, b)
	}
	step := kindOf(t, "symmetric-sequential")
	step.Step = 3
	sequential := sim.NewBox(step, outsideAddr, 1)
	last := leaves(t, sequential, 0, insideEnd, peer(0))
	for i := range 5 {
		next := leaves(t, sequential, 0, insideEnd, peer(1+i))
		if next.Port()-last.Port() != 3 {
			t.Errorf("sequential: %d after %d", next.Port(), last.Port())
		}
		last = next
	}
	random := sim.NewBox(kindOf(t, "symmetric-random"), outsideAddr, 1)
	seen := map[uint16]bool{}
	near := 0
	for i := range 3000 {
		port := leaves(t, random, 0, insideEnd, peer(i)).Port()
		if seen[port] {
			t.Fatalf("random: port %d is given twice", port)
		}
		if seen[port] = true; seen[port-1] || seen[port+1] {
			near++
		}
	}
	if near > 600 { // of 3,000 of 64,512 ports, one in ten has a neighbour
		t.Errorf("random: %d of 3000 ports are next to another", near)
	}
	dealt := kindOf(t, "symmetric-random")
	dealt.Block = 256
	blocks := sim.NewBox(dealt, outsideAddr, 1)
	for i := range 256 {
		a, b := leaves(t, blocks, 0, insideEnd, peer(i)), leaves(t, blocks, 0, secondEnd, peer(i))
		if (a.Port()-1024)/256 != 0 || (b.Port()-1024)/256 != 1 {
			t.Fatalf("blocks: ports %d and %d", a.Port(), b.Port())
		}
	}
	if _, ok := blocks.Leave(0, insideEnd, peer(256)); ok {
		t.Error("blocks: a 257th mapping in a block of 256")
	}
}

func TestNATLifetime(t *testing.T) {
	kind := kindOf(t, "port-restricted-random")
	kind.Lifetime = 30 * time.Second
	at := func(s int) mono.Time { return mono.Time(s) * mono.Time(time.Second) }
	for _, inbound := range []bool{false, true} {
		kind.Inbound = inbound
		b := sim.NewBox(kind, outsideAddr, 1)
		out := leaves(t, b, 0, insideEnd, serverEnd)
		if again := leaves(t, b, at(29), insideEnd, serverEnd); again != out {
			t.Errorf("a mapping of 29 s is another one")
		}
		if _, ok := b.Enter(at(58), serverEnd, out); !ok {
			t.Error("a packet out does not refresh")
		}
		if _, ok := b.Enter(at(60), serverEnd, out); ok != inbound {
			t.Errorf("inbound refresh %v: a packet comes in %v after 31 s without one out", inbound, ok)
		}
		leaves(t, b, at(85), insideEnd, otherAddr) // keeps the mapping, not the leave of the server
		if _, ok := b.Enter(at(100), serverEnd, out); ok {
			t.Error("a packet to another keeps the leave to come in")
		}
		if again := leaves(t, b, at(200), insideEnd, serverEnd); again == out {
			t.Error("a mapping lives on after it expired")
		}
	}
}

func TestNATBounds(t *testing.T) {
	b := sim.NewBox(kindOf(t, "symmetric-random"), outsideAddr, 1)
	peer := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 7)
	}
	made := 0
	for i := range sim.NATEntriesMax {
		if _, ok := b.Leave(0, insideEnd, peer(i)); ok {
			made++
		}
	}
	if counted, held := b.Entries(); made != sim.NATEntriesMax/2 || counted != held || held > sim.NATEntriesMax {
		t.Errorf("%d of %d mappings made, %d entries counted, %d held", made, sim.NATEntriesMax, counted, held)
	}
	if _, ok := b.Leave(1, insideEnd, peer(0)); !ok {
		t.Error("a full box drops what it has mapped")
	}
	if _, ok := b.Leave(mono.Time(sim.NATLifetime), insideEnd, peer(sim.NATEntriesMax)); !ok {
		t.Error("a full box whose mappings have expired drops")
	}
	if counted, held := b.Entries(); counted != held || held > 8 {
		t.Errorf("%d entries counted, %d held", counted, held)
	}
}

func TestNATRestart(t *testing.T) {
	for _, kind := range sim.NATKinds() {
		if kind.Firewall {
			continue
		}
		b := sim.NewBox(kind, outsideAddr, 1)
		if kind.Mapped {
			b.Hold(0, insideEnd)
		}
		out := leaves(t, b, 0, insideEnd, serverEnd)
		b.Flush(true)
		if _, ok := b.Enter(1, serverEnd, out); ok != kind.Mapped {
			t.Errorf("%s: after a restart a packet comes in: %v", kind.Name, ok)
		}
		if again := leaves(t, b, 2, insideEnd, serverEnd); again.Addr() != outsideAddr || (again == out) != kind.Mapped {
			t.Errorf("%s: %v, after a restart with other ports %v", kind.Name, out, again)
		}
		moved := netip.MustParseAddr("198.51.100.8")
		b.Move(moved)
		if again := leaves(t, b, 3, insideEnd, serverEnd); again.Addr() != moved {
			t.Errorf("%s: after the address changed, packets come from %v", kind.Name, again)
		}
		if counted, held := b.Entries(); counted != held {
			t.Errorf("%s: counts %d entries, has %d", kind.Name, counted, held)
		}
	}
	held := sim.NewBox(kindOf(t, "mapped"), outsideAddr, 1)
	held.Hold(0, insideEnd)
	if to, ok := held.Enter(mono.Time(time.Hour), otherBoth, netip.AddrPortFrom(outsideAddr, 8466)); !ok || to != insideEnd {
		t.Errorf("what a router mapped for good: %v, %v", to, ok)
	}
}

// Two homes of one carrier, one of another, all with the same addresses inside, and a public host.
func TestNATNested(t *testing.T) {
	addr := netip.MustParseAddr
	for _, hairpin := range []bool{false, true} {
		carrier, home := kindOf(t, "port-restricted-random"), kindOf(t, "port-restricted")
		carrier.Hairpin, home.Hairpin = hairpin, hairpin
		n := sim.NewNATNet()
		n.AddHost(0, serverEnd.Addr(), 0)
		shared, box := n.AddBox(carrier, outsideAddr, 0)
		one, _ := n.AddBox(home, addr("100.64.0.2"), shared)
		two, _ := n.AddBox(home, addr("100.64.0.3"), shared)
		for i, realm := range []int32{one, two} {
			n.AddHost(realm, insideEnd.Addr(), int32(10+10*i))
			n.AddHost(realm, secondEnd.Addr(), int32(11+10*i))
		}
		if host, seen, ok := n.Send(0, one, insideEnd, secondEnd); !ok || host != 11 || seen != insideEnd {
			t.Errorf("on one LAN: %d, %v, %v", host, seen, ok)
		}
		host, a, ok := n.Send(0, one, insideEnd, serverEnd)
		if !ok || host != 0 || a.Addr() != outsideAddr {
			t.Fatalf("through two boxes: %d, %v, %v", host, a, ok)
		}
		_, b, _ := n.Send(0, two, insideEnd, serverEnd)
		if a == b {
			t.Errorf("two homes share %v", a)
		}
		if host, seen, ok := n.Send(1, public0, serverEnd, a); !ok || host != 10 || seen != serverEnd {
			t.Errorf("back through two boxes: %d, %v, %v", host, seen, ok)
		}
		if _, _, ok = n.Send(1, public0, otherAddr, a); ok {
			t.Error("a stranger comes in through two boxes")
		}
		n.Send(2, one, insideEnd, b) // opens the way
		host, seen, ok := n.Send(3, two, insideEnd, a)
		if ok != hairpin || ok && (host != 10 || seen != b) {
			t.Errorf("hairpin %v: between two customers: %d, %v, %v", hairpin, host, seen, ok)
		}
		n.Send(4, one, secondEnd, serverEnd)
		_, own, _ := n.Send(4, one, secondEnd, serverEnd)
		n.Send(5, one, secondEnd, a)
		if host, _, ok = n.Send(6, one, insideEnd, own); ok != hairpin || ok && host != 11 {
			t.Errorf("hairpin %v: two of one LAN by outside addresses: %d, %v", hairpin, host, ok)
		}
		n.Move(box, addr("198.51.100.99"))
		if _, _, ok = n.Send(7, public0, serverEnd, a); ok {
			t.Error("the old address of a box still leads inside")
		}
		if _, seen, ok = n.Send(7, one, insideEnd, serverEnd); !ok || seen.Addr() != addr("198.51.100.99") {
			t.Errorf("after the address changed: %v, %v", seen, ok)
		}
	}
}

// public0 is the realm of the internet.
const public0 = 0

// Homes with a firewall for IPv6 beside a NAT for IPv4.
func TestNATFirewall(t *testing.T) {
	a, b := netip.MustParseAddrPort("[2001:db8:a::10]:8466"), netip.MustParseAddrPort("[2001:db8:b::10]:8466")
	n := sim.NewNATNet()
	n.AddHost(public0, serverEnd.Addr(), 0)
	for i, end := range []netip.AddrPort{a, b} {
		realm, _ := n.AddBox(kindOf(t, "symmetric-random"), netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), public0)
		n.AddGate(kindOf(t, "ipv6-firewall"), netip.Addr{}, realm, public0)
		n.AddHost(realm, insideEnd.Addr(), int32(1+i))
		n.AddHost(realm, end.Addr(), int32(1+i))
	}
	const inA, inB = 1, 2
	if _, seen, ok := n.Send(0, inA, insideEnd, serverEnd); !ok || seen.Addr() == insideEnd.Addr() {
		t.Errorf("IPv4: %v, %v", seen, ok)
	}
	if _, _, ok := n.Send(0, inA, a, b); ok {
		t.Error("the first packet comes through the firewall")
	}
	if host, seen, ok := n.Send(1, inB, b, a); !ok || host != 1 || seen != b {
		t.Errorf("the answer: %d, %v, %v", host, seen, ok)
	}
	if host, seen, ok := n.Send(2, inA, a, b); !ok || host != 2 || seen != a {
		t.Errorf("the second packet: %d, %v, %v", host, seen, ok)
	}
	if _, _, ok := n.Send(3, inB, netip.AddrPortFrom(b.Addr(), 9), a); ok {
		t.Error("another port comes in")
	}
}

// Each pair of kinds, punched as an introduction does it: permitted is what connects.
func TestNATPermits(t *testing.T) {
	var kinds []sim.NAT
	for _, k := range sim.NATKinds() {
		if !k.Firewall {
			kinds = append(kinds, k)
		}
	}
	for _, ka := range kinds {
		for _, kb := range kinds {
			permitted, predicted := sim.Permits(&ka, &kb)
			if back, _ := sim.Permits(&kb, &ka); back != permitted {
				t.Errorf("%s and %s: permitted one way only", ka.Name, kb.Name)
			}
			if got := punch(t, ka, kb); got != (permitted && !predicted) {
				t.Errorf("%s and %s: connected %v, permitted %v, predicted %v", ka.Name, kb.Name, got, permitted, predicted)
			}
		}
	}
}

// punch lets two nodes be introduced and send to where the other was seen, then to where packets come from.
func punch(t *testing.T, ka, kb sim.NAT) bool {
	t.Helper()
	a, b := sim.NewBox(ka, outsideAddr, 1), sim.NewBox(kb, netip.MustParseAddr("198.51.100.8"), 2)
	if ka.Mapped {
		a.Hold(0, insideEnd)
	}
	if kb.Mapped {
		b.Hold(0, insideEnd)
	}
	toB, toA := leaves(t, b, 0, insideEnd, serverEnd), leaves(t, a, 0, insideEnd, serverEnd)
	for now := range mono.Time(3) {
		fromA, fromB := leaves(t, a, now, insideEnd, toB), leaves(t, b, now, insideEnd, toA)
		_, atB := b.Enter(now, fromA, toB)
		_, atA := a.Enter(now, fromB, toA)
		if atA && atB {
			return true
		}
		if atB {
			toA = fromA
		}
		if atA {
			toB = fromB
		}
	}
	return false
}
