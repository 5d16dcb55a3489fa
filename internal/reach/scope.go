// SPDX-License-Identifier: MIT

package reach

import "net/netip"

// network is the part of an address that one party is likely to own: /16 or /32.
func network(a netip.Addr) netip.Prefix {
	bits := 16
	if a.Is6() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}

// sameSide reports whether a node at one address may know what another address means: local ones mean something to their
// own network only.
func sameSide(a, b netip.Addr) bool { return a.Is4() == b.Is4() && scope(a) == scope(b) }

// scopePrivate is the scope of addresses of a LAN.
const scopePrivate = 3

// scope tells apart where addresses mean something: everywhere, or on one machine, one cable, one LAN, in one provider's network.
func scope(a netip.Addr) int {
	switch {
	case a.IsLoopback():
		return 1
	case a.IsLinkLocalUnicast():
		return 2
	case a.IsPrivate():
		return scopePrivate
	case shared(a):
		return 4
	}
	return 0
}

func local(a netip.Addr) bool { return scope(a) != 0 }
