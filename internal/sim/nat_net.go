// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"net/netip"

	"streamer/internal/mono"
)

// natDepthMax is how many boxes may stand behind each other.
const natDepthMax = 4

// public is the realm of the internet.
const public = 0

// A place is a host (its index, not negative) or a box (the complement of its index).
type place int32

func boxPlace(i int) place { return ^place(i) }

// box returns the index of a box; ok false: the place is a host.
func (p place) box() (int, bool) { return int(^p), p < 0 }

// A realm is a network in which addresses mean one thing: the internet, a carrier's network, a home's LAN.
type realm struct {
	members map[netip.Addr]place
	gates   [2]int32 // box that leads out, for IPv4 and IPv6; -1: none
	home    int32    // host that has the home's line; -1: the realm is no home's
}

// gate returns the box that leads out of the realm for an address.
func (r *realm) gate(to netip.Addr) int32 {
	if to.Is4() {
		return r.gates[0]
	}
	return r.gates[1]
}

// natNet is who is where, and the boxes between them.
type natNet struct {
	realms []realm // 0 is the internet
	boxes  []box
	inner  []int32 // of each box
	outer  []int32
	moved  int32 // addresses of the internet that boxes have or had
}

func newNATNet() *natNet {
	n := &natNet{}
	n.addRealm()
	return n
}

func (n *natNet) addRealm() int32 {
	n.realms = append(n.realms, realm{members: map[netip.Addr]place{}, gates: [2]int32{-1, -1}, home: -1})
	return int32(len(n.realms) - 1)
}

// addBox puts a box between two realms. What stands in the outer realm under the box's outside address is the box.
func (n *natNet) addBox(b box, inner, outer int32) int {
	i := len(n.boxes)
	n.boxes = append(n.boxes, b)
	n.inner, n.outer = append(n.inner, inner), append(n.outer, outer)
	if b.Firewall {
		n.realms[inner].gates[1] = int32(i)
	} else {
		n.realms[inner].gates[0] = int32(i)
		n.attach(outer, b.outside, boxPlace(i))
	}
	return i
}

// attach gives somebody an address in a realm. Behind firewalls the address counts outside, too, and leads to them.
func (n *natNet) attach(in int32, a netip.Addr, p place) {
	if _, taken := n.realms[in].members[a]; taken {
		panic(fmt.Sprintf("sim: two have the address %v", a))
	}
	n.realms[in].members[a] = p
	if g := n.realms[in].gates[1]; g >= 0 && a.Is6() {
		n.attach(n.outer[g], a, boxPlace(int(g)))
	}
}

// move gives a box another outside address.
func (n *natNet) move(i int, to netip.Addr) {
	b := &n.boxes[i]
	delete(n.realms[n.outer[i]].members, b.outside)
	b.move(to)
	n.attach(n.outer[i], to, boxPlace(i))
}

// A route is where a packet has come to: who is next, how it looks there, and the realm in which that one was met.
type route struct {
	next     place
	from, to netip.AddrPort
	realm    int32
}

// climb takes a packet from a realm outwards, through as many boxes as it takes, until whoever has its address is in the
// same realm. ok false: a box drops it, or nobody has the address.
func (n *natNet) climb(now mono.Time, in int32, from, to netip.AddrPort) (r route, ok bool) {
	for range natDepthMax + 1 {
		if p, here := n.realms[in].members[to.Addr()]; here {
			return route{p, from, to, in}, true
		}
		g := n.realms[in].gate(to.Addr())
		if g < 0 {
			return route{}, false
		}
		b := &n.boxes[g]
		turn := !b.Firewall && to.Addr() == b.outside
		if turn && !b.Hairpin {
			b.count.refused++
			return route{}, false
		}
		if from, ok = b.leave(now, from, to); !ok {
			return route{}, false
		}
		if turn {
			return route{boxPlace(int(g)), from, to, in}, true
		}
		in = n.outer[g]
	}
	return route{}, false
}

// descend takes a packet that has come to a box inside, to whoever is next: a host or a further box.
func (n *natNet) descend(now mono.Time, i int, from, to netip.AddrPort) (r route, ok bool) {
	if to, ok = n.boxes[i].enter(now, from, to); !ok {
		return route{}, false
	}
	in := n.inner[i]
	p, ok := n.realms[in].members[to.Addr()]
	return route{p, from, to, in}, ok
}
