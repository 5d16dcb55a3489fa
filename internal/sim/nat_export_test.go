// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"

	"streamer/internal/mono"
)

// NATEntriesMax is natEntriesMax.
const NATEntriesMax = natEntriesMax

// Box is a box.
type Box struct{ b box }

// NewBox makes one that has mapped nothing.
func NewBox(n NAT, outside netip.Addr, seed uint64) *Box {
	return &Box{newBox(n, outside, rand.New(newSource(seed, streamNAT, 0)))}
}

// Leave is box.leave.
func (b *Box) Leave(now mono.Time, from, to netip.AddrPort) (netip.AddrPort, bool) {
	return b.b.leave(now, from, to)
}

// Enter is box.enter.
func (b *Box) Enter(now mono.Time, from, to netip.AddrPort) (netip.AddrPort, bool) {
	return b.b.enter(now, from, to)
}

// Hold is box.hold.
func (b *Box) Hold(now mono.Time, inside netip.AddrPort) { b.b.hold(now, inside) }

// Flush is box.flush.
func (b *Box) Flush(otherPorts bool) { b.b.flush(otherPorts) }

// Move is box.move.
func (b *Box) Move(outside netip.Addr) { b.b.move(outside) }

// Entries is what the box holds, as it counts and as it is.
func (b *Box) Entries() (counted, held int) {
	for _, m := range b.b.mappings {
		if m.key.inside.IsValid() {
			held += 1 + len(m.permits)
		}
	}
	return b.b.entries, held
}

// NATNet is a network of boxes in which packets need no time.
type NATNet struct{ n *natNet }

// NewNATNet makes one with the internet alone.
func NewNATNet() *NATNet { return &NATNet{newNATNet()} }

// AddBox adds a box in front of a new realm, which it returns.
func (n *NATNet) AddBox(kind NAT, outside netip.Addr, outer int32) (realm int32, index int) {
	inner := n.n.addRealm()
	i := n.n.addBox(newBox(kind, outside, rand.New(newSource(1, streamNAT, uint64(inner)))), inner, outer)
	return inner, i
}

// AddGate adds a further box in front of a realm.
func (n *NATNet) AddGate(kind NAT, outside netip.Addr, inner, outer int32) int {
	return n.n.addBox(newBox(kind, outside, rand.New(newSource(2, streamNAT, uint64(inner)))), inner, outer)
}

// AddHost puts a host into a realm.
func (n *NATNet) AddHost(realm int32, a netip.Addr, host int32) { n.n.attach(realm, a, place(host)) }

// Move is natNet.move.
func (n *NATNet) Move(box int, to netip.Addr) { n.n.move(box, to) }

// Send brings a packet to a host: who that is, and which address it comes from there.
func (n *NATNet) Send(now mono.Time, realm int32, from, to netip.AddrPort) (host int32, seen netip.AddrPort, ok bool) {
	r, ok := n.n.climb(now, realm, from, to)
	for ok {
		i, isBox := r.next.box()
		if !isBox {
			return int32(r.next), r.from, true
		}
		r, ok = n.n.descend(now, i, r.from, r.to)
	}
	return 0, netip.AddrPort{}, false
}
