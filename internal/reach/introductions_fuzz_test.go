// SPDX-License-Identifier: MIT

package reach_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// fuzzAddr makes an address of any kind.
func fuzzAddr(a, b byte) netip.AddrPort {
	port := uint16(b)<<8 | 1
	switch a >> 4 {
	case 15:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, a}), port)
	case 14:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, 0, a}), port)
	case 13:
		return netip.AddrPort{}
	case 12:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, a, 15: 1}), port)
	case 11:
		return netip.AddrPortFrom(netip.MustParseAddr("fe80::1%eth0"), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, a, 0, 1}), port)
}

// Whatever peers say and the node does, in any order: nothing panics, every collection stays within its limit, every deadline is
// ahead, only links that are up get messages, no address that is none gets a PUNCH, and the PUNCHes are few.
func FuzzReach(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 0, 2, 3, 9, 0, 0, 3, 1, 2, 1, 7, 20, 4, 1, 9, 2, 8, 30, 6, 5, 5})
	f.Add([]byte{0, 1, 1, 0, 2, 2, 10, 5, 1, 2, 1, 5, 3, 1, 77, 3, 2, 77, 6, 1, 2, 9, 4, 0, 5, 1, 1, 1, 1, 0})
	f.Add([]byte{0, 1, 1, 0, 2, 2, 11, 1, 2, 4, 1, 9, 7, 9, 1, 8, 1, 3, 12, 4, 4, 13, 1, 1, 14, 7, 7, 9, 255, 255})
	f.Fuzz(func(t *testing.T, calls []byte) {
		z := &fuzzer{t: t, links: map[reach.PeerID]bool{}}
		self := identity.NodeID{77, 31: 1}
		z.r = reach.New(z.now, reach.Config{Self: self, Rand: rand.New(rand.NewPCG(1, 2)), Carries: true})
		z.r.Observer().SetLocal(z.now, []netip.Addr{netip.MustParseAddr("20.0.0.1")}, 1)
		for i := 0; len(calls) >= 3 && i < 2000; i++ {
			z.do(calls[0], calls[1], calls[2])
			if z.out.Hosts[reach.FamilyAny]+z.out.Hosts[reach.FamilyIPv4]+z.out.Hosts[reach.FamilyIPv6] > 3 || z.r.Deadline() == mono.Never {
				t.Fatalf("%d hosts, deadline %d", z.out.Hosts, z.r.Deadline())
			}
			z.drain()
			calls = calls[3:]
		}
		z.rest()
	})
}

type fuzzer struct {
	t       *testing.T
	r       *reach.Reach
	out     reach.Output
	now     mono.Time
	links   map[reach.PeerID]bool
	last    reach.PeerID
	token   wire.PunchToken // of the last INTRODUCE
	punches int
	heard   int // INTRODUCTIONs and PUNCHes that came
}

func fuzzNode(a byte) identity.NodeID { return identity.NodeID{a & 31, 31: 1} }

// linked is an address at which a link may be.
func linked(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return netip.MustParseAddrPort("20.255.0.1:1")
	}
	return a
}

func (z *fuzzer) do(what, a, b byte) {
	peer := reach.PeerID(a & 15)
	ports := wire.Ports{Base: uint16(b) * 257, Step: int8(a)}
	say := func(m func([]byte) []byte) {
		msg := m(nil)
		rest, err := z.r.HandleMessage(z.now, peer, msg[0], append(msg[1:], 0xee), &z.out)
		if z.links[peer] && (err != nil && len(rest) > 0 || err == nil && len(rest) != 1) {
			z.t.Fatalf("%x: %x is left, error %v", msg, rest, err)
		}
	}
	addr := fuzzAddr(b, a)
	switch what % 16 {
	case 0:
		z.last++
		z.links[z.last] = true
		z.r.PeerUp(z.now, z.last, fuzzNode(a), linked(addr), &z.out)
	case 1:
		delete(z.links, peer)
		z.r.PeerDown(peer)
	case 2:
		z.r.PeerMoved(z.now, peer, linked(addr), &z.out)
	case 3:
		if wire.ValidAddr(addr) {
			say(wire.Standing{Open: b&1 != 0, Keep: b&2 != 0, Kept: b&4 != 0, Carries: b&8 != 0, Seq: b >> 4 & 3, Ack: b >> 6, You: addr,
				Carried: []wire.StationTag{tag(int(a))}}.Append)
		}
	case 4:
		say(wire.Introduce{Token: numbered(int(b)), Target: fuzzNode(b), Ports: ports}.Append)
	case 5:
		if wire.ValidAddr(addr) {
			z.heard++
			say(wire.Introduced{Token: numbered(int(b)), Asker: fuzzNode(b), Addr: addr, Ports: ports}.Append)
		}
	case 6:
		m := wire.Introduction{Token: z.token, Status: wire.IntroductionStatus(b & 3), Addr: addr, Ports: ports}
		if m.Status != wire.IntroductionMade || wire.ValidAddr(addr) {
			z.heard++
			say(m.Append)
		}
	case 7:
		say(wire.Ready{Token: numbered(int(b)), Ports: ports}.Append)
	case 8:
		z.heard++
		token := z.token
		if b&1 != 0 {
			token = numbered(int(a))
		}
		z.r.HandlePunch(z.now, fuzzAddr(b, a), wire.Punch{Token: token}, &z.out)
	case 9:
		z.now = z.now.Add(time.Duration(a) * time.Duration(b) * time.Millisecond)
		z.r.Advance(z.now, &z.out)
	case 10:
		z.r.Meet(z.now, peer, fuzzNode(b), addr, &z.out)
	case 11:
		z.r.MeetThroughOpen(z.now, fuzzNode(b), addr, &z.out)
	case 12:
		z.r.AskCarry(z.now, wire.Carry{Station: identity.StationID{a}}, &z.out)
		z.r.SetCarried(z.now, []wire.StationTag{tag(int(a)), tag(int(b))}, &z.out)
		z.r.Hold(z.now, peer)
		say(wire.Carry{Station: identity.StationID{b}}.Append)
	case 13:
		z.r.Offer([]wire.Host{{Node: fuzzNode(a), Addr: addr}, {Node: fuzzNode(b), Addr: addr}, {}, {}, {}}, &z.out)
	case 14:
		z.r.Observer().Arrived(z.now, addr)
		z.r.Observer().Seen(z.now, fuzzAddr(a, b), addr)
		say(wire.ProbeMe{Token: numbered(int(b))}.Append)
		if wire.ValidAddr(addr) {
			say(wire.Probe{Token: numbered(int(b)), Addr: addr}.Append)
		}
	case 15:
		rest, err := z.r.HandleMessage(z.now, peer, a, []byte{b, a, b}, &z.out)
		if err != nil && len(rest) > 0 {
			z.t.Fatalf("%x is left", rest)
		}
	}
}

// drain looks at what is wanted done.
func (z *fuzzer) drain() {
	for _, m := range z.out.Messages {
		b := z.out.Bytes(m)
		if !z.links[m.To] || len(b) == 0 || len(b) > 100 {
			z.t.Fatalf("%x for link %d", b, m.To)
		}
		if b[0] == wire.TypeIntroduce {
			copy(z.token[:], b[1:])
		}
	}
	for _, p := range z.out.Punches {
		if !wire.ValidAddr(p.To) {
			z.t.Fatalf("a PUNCH to %v", p.To)
		}
	}
	z.punches += len(z.out.Punches)
	for _, id := range z.out.Idle {
		if !z.links[id] {
			z.t.Fatalf("link %d is idle", id)
		}
	}
	if len(z.out.Links) > 3 || len(z.r.Proxies(nil)) > 3 || len(z.r.Clients(1, tag(1), nil)) > wire.CandidatesMax {
		z.t.Fatalf("%+v", z.out)
	}
	z.out.Reset()
	for what, size := range z.r.Sizes() {
		if size[0] > size[1] {
			z.t.Fatalf("%d %s, at most %d", size[0], what, size[1])
		}
	}
	if most := 56*(100+30*3+int(z.now/mono.Time(100*time.Millisecond))) + 16*z.heard + 600; z.punches > most {
		z.t.Fatalf("%d PUNCHes of at most %d", z.punches, most)
	}
}

// rest lets time pass until nothing is under way.
func (z *fuzzer) rest() {
	for range 40 {
		if d := z.r.Deadline(); d > z.now {
			z.now = d
		}
		z.r.Advance(z.now, &z.out)
		if d := z.r.Deadline(); d <= z.now {
			z.t.Fatalf("deadline %d at %d", d, z.now)
		}
		z.drain()
	}
	for range 10 {
		z.now = z.now.Add(time.Second)
		z.r.Advance(z.now, &z.out)
		z.drain()
	}
	if s := z.r.Sizes(); s["meetings"][0]+s["openings"][0] > 0 {
		z.t.Fatalf("under way: %v", s)
	}
}
