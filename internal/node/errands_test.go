// SPDX-License-Identifier: MIT

package node

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// A nodePair is two nodes without a network between them; b is at every address that a sends to.
type nodePair struct {
	a, b       *Node
	outA, outB Output
	now        mono.Time
	silent     map[netip.AddrPort]bool // where nobody answers
}

func newPair() *nodePair {
	p := &nodePair{now: testSecond, silent: map[netip.AddrPort]bool{}}
	make1 := func(name byte) *Node {
		return New(p.now, Config{Key: identity.NewNodeKey([32]byte{1: name}), Rand: rand.NewPCG(uint64(name), 1),
			Secrets: rand.NewChaCha8([32]byte{name}), UploadBPS: UploadAuto})
	}
	p.a, p.b = make1(1), make1(2)
	return p
}

var addrOfA = netip.MustParseAddrPort("20.1.0.1:8466")

// run lets time pass.
func (p *nodePair) run(d time.Duration) {
	for end := p.now.Add(d); ; p.now = p.now.Add(10 * time.Millisecond) {
		p.a.HandleDeadline(p.now, &p.outA)
		p.b.HandleDeadline(p.now, &p.outB)
		last := netip.AddrPort{}
		for range 6 {
			for _, g := range p.outA.Datagrams {
				if !p.silent[g.To] {
					last = g.To
					p.b.HandleDatagram(p.now, addrOfA, g.Data, &p.outB)
				}
				for _, o := range p.outB.Datagrams {
					p.outB.Asides = append(p.outB.Asides, Datagram{To: last, Data: append([]byte(nil), o.Data...)}) // kept with where it is from
				}
				p.outB.Datagrams, p.outB.charged = p.outB.Datagrams[:0], 0
			}
			p.outA.Reset()
			for _, o := range p.outB.Asides {
				p.a.HandleDatagram(p.now, o.To, o.Data, &p.outA)
			}
			p.outB.Reset()
		}
		if p.now >= end {
			return
		}
	}
}

// Of a hidden host's proxies two are asked at once. When one of them is not there the other still may be, and when neither is
// the host is dialled itself.
func TestErrands(t *testing.T) {
	p := newPair()
	id := identity.NewStationKey([32]byte{9}).ID()
	p.a.HandleCommand(p.now, TuneCommand{Station: id, Role: RoleListener}, &p.outA)
	st := p.a.find(id)
	at := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 9, 0, i}), 8466) }
	for i := range byte(4) {
		p.silent[at(i)] = true
	}
	target := identity.NodeID{7}
	d := mesh.Dial{Addr: at(0), Node: target, Proxies: []netip.AddrPort{at(1), at(2), at(3)}}
	if !p.a.dialHidden(p.now, st, d, &p.outA) || len(p.a.errands) != 2 || len(p.a.dials) != 1 {
		t.Fatalf("errands %+v, dials %+v", p.a.errands, p.a.dials)
	}
	p.run(3 * time.Second)
	if len(p.a.errands) != 2 || p.a.dials[0].link != 0 {
		t.Errorf("errands %+v, dials %+v", p.a.errands, p.a.dials)
	}
	p.a.runErrands(p.now, p.a.errands[0].link, 0, &p.outA)
	if len(p.a.errands) != 1 || len(p.a.dials) != 1 || p.a.dials[0].link != 0 {
		t.Errorf("one is not there: errands %+v, dials %+v", p.a.errands, p.a.dials)
	}
	last := p.a.errands[0]
	p.a.meeting.reach.PeerUp(p.now, 4711, identity.NodeID{8}, at(9), &p.a.meeting.out)
	p.a.meeting.reach.Meet(p.now, 4711, target, at(0), &p.a.meeting.out) // a third one is asked already
	p.a.runErrands(p.now, last.link, 0, &p.outA)
	if len(p.a.errands) != 0 || len(p.a.dials) != 1 || p.a.dials[0].link != 0 {
		t.Errorf("somebody else is asked: errands %+v, dials %+v", p.a.errands, p.a.dials)
	}
	p.a.errands = append(p.a.errands, last)
	p.run(5 * time.Second)
	if len(p.a.errands) != 0 || len(p.a.dials) != 1 || p.a.dials[0].link == 0 || p.a.dials[0].at != at(0) {
		t.Errorf("none is there: errands %+v, dials %+v", p.a.errands, p.a.dials)
	}
	p.run(6 * time.Second)
	if len(p.a.dials) != 0 {
		t.Errorf("nobody is there: dials %+v", p.a.dials)
	}
}

// A proxy that is linked already, at another address, is asked over that link.
func TestErrandToKnownNode(t *testing.T) {
	p := newPair()
	p.a.links.Dial(p.now, netip.MustParseAddrPort("20.2.0.1:8466"), identity.NodeID{}, &p.outA.Output)
	p.run(time.Second)
	id := identity.NewStationKey([32]byte{9}).ID()
	p.a.HandleCommand(p.now, TuneCommand{Station: id, Role: RoleListener}, &p.outA)
	target := identity.NodeID{7}
	d := mesh.Dial{Addr: netip.MustParseAddrPort("20.9.0.1:1"), Node: target, Proxies: []netip.AddrPort{netip.MustParseAddrPort("20.2.0.1:9999")}}
	p.silent[d.Addr] = true
	before := p.a.meeting.reach.Counts().Asked
	if !p.a.dialHidden(p.now, p.a.find(id), d, &p.outA) || len(p.a.errands) != 1 {
		t.Fatalf("errands %+v", p.a.errands)
	}
	p.run(50 * time.Millisecond)
	if asked := p.a.meeting.reach.Counts().Asked - before; asked != 1 || len(p.a.errands) != 0 {
		t.Errorf("%d introductions were asked for, errands %+v", asked, p.a.errands)
	}
}

// A node that is linked while somebody waits for an introduction, and one whose link is just going, leave nobody waiting.
func TestNobodyWaitsForALink(t *testing.T) {
	p := newPair()
	id := identity.NewStationKey([32]byte{9}).ID()
	p.a.HandleCommand(p.now, TuneCommand{Station: id, Role: RoleListener}, &p.outA)
	st := p.a.find(id)
	p.a.links.Dial(p.now, netip.MustParseAddrPort("20.2.0.1:8466"), identity.NodeID{}, &p.outA.Output)
	p.run(time.Second)
	via, _ := p.a.links.Find(p.b.cfg.Key.Public())
	going := identity.NodeID{8} // reach has not heard yet that its link is down
	p.a.meeting.reach.PeerUp(p.now, 4711, going, netip.MustParseAddrPort("20.5.0.1:1"), &p.a.meeting.out)
	p.a.meeting.out.Reset()
	at := netip.MustParseAddrPort("20.5.0.1:1")
	p.silent[at] = true
	p.a.dial(p.now, st, mesh.Dial{Addr: at, Node: going, Via: mesh.PeerID(via)}, &p.outA)
	for _, d := range p.a.dials {
		if d.link == 0 {
			t.Errorf("a dial waits for nothing: %+v", d)
		}
	}
	p.run(8 * time.Second)
	if len(p.a.dials) != 0 {
		t.Errorf("dials %+v", p.a.dials)
	}
}

// A PUNCH of an introduction that is under way has the node dial where it came from, and repeat its HELLO there at once.
func TestPunchIsDialled(t *testing.T) {
	p := newPair()
	n, out := p.a, &p.outA
	id := identity.NewStationKey([32]byte{9}).ID()
	n.HandleCommand(p.now, TuneCommand{Station: id, Role: RoleListener}, out)
	target := identity.NodeID{7}
	seen, moved := netip.MustParseAddrPort("20.9.0.1:1000"), netip.MustParseAddrPort("20.9.0.1:2000")
	r, m := n.meeting.reach, &n.meeting.out
	r.PeerUp(p.now, 4711, identity.NodeID{8}, netip.MustParseAddrPort("20.5.0.1:1"), m)
	m.Reset()
	n.dials = append(n.dials, dial{node: target, addr: seen, station: n.find(id)})
	r.Meet(p.now, 4711, target, seen, m)
	var token wire.PunchToken
	for _, c := range m.Messages {
		copy(token[:], m.Bytes(c)[1:])
	}
	m.Reset()
	answer := wire.Introduction{Token: token, Addr: seen}.Append(nil)
	if _, err := r.HandleMessage(p.now, reach.PeerID(4711), answer[0], answer[1:], m); err != nil {
		t.Fatal(err)
	}
	n.drainReach(p.now, out)
	hellos := func(to netip.AddrPort) (c int) {
		for _, d := range out.Datagrams {
			if d.To == to && wire.DatagramType(d.Data[0]) == wire.DatagramHello {
				c++
			}
		}
		out.Reset()
		return c
	}
	if hellos(seen) != 1 {
		t.Error("the target is not dialled")
	}
	p.now = p.now.Add(100 * time.Millisecond)
	for _, c := range []struct {
		from netip.AddrPort
		want int
	}{{seen, 1}, {seen, 0}, {moved, 1}, {netip.MustParseAddrPort("20.10.0.1:1000"), 0}} {
		n.HandleDatagram(p.now, c.from, wire.Punch{Token: token}.Append(nil), out)
		if got := hellos(c.from); got != c.want {
			t.Errorf("a PUNCH from %v: %d HELLOs go there, want %d", c.from, got, c.want)
		}
	}
	if len(n.dials) != 3 {
		t.Errorf("dials %+v", n.dials)
	}
}
