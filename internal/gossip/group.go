// SPDX-License-Identifier: MIT

package gossip

import (
	"encoding/binary"
	"net/netip"

	"streamer/internal/wire"
)

// A group is a network that one owner is likely to have whole: IPv4 /16, IPv6 /32; of private and loopback addresses, which
// nobody far away has, /24 and /64. The upper byte tells the kind, so that no two kinds meet.
type group uint64

// Kinds of group.
const (
	kindIPv4 group = (iota + 1) << 56
	kindIPv6
	kindPrivate
	kindOther
)

// Groups that are no networks.
const (
	seedGroup     = kindOther | 1 // seeds, the LAN, a DHT, the user
	strangerGroup = kindOther | 2 // askers, whose addresses are not proven
)

// groupOf returns the group of an address that hostAddr accepts.
func groupOf(a netip.Addr) group {
	if a.Is4() {
		raw := a.As4()
		net := group(binary.BigEndian.Uint32(raw[:]))
		if isPrivate(a) {
			return kindPrivate | net>>8
		}
		return kindIPv4 | net>>16
	}
	raw := a.As16()
	net := group(binary.BigEndian.Uint64(raw[:]))
	if isPrivate(a) {
		return kindPrivate | 1<<48 | net*0x9e3779b97f4a7c15>>16 // all 64 bits count
	}
	return kindIPv6 | net>>32
}

// voterOf is the network that has one vote in counts of listeners: IPv4 /24, IPv6 /48, one address and port where private.
func voterOf(a netip.AddrPort) group {
	ip := a.Addr()
	switch {
	case isPrivate(ip):
		raw := ip.As16()
		return kindPrivate | (group(binary.BigEndian.Uint64(raw[:8]))*31+group(binary.BigEndian.Uint64(raw[8:]))<<16+group(a.Port()))&(1<<56-1)
	case ip.Is4():
		raw := ip.As4()
		return kindIPv4 | group(binary.BigEndian.Uint32(raw[:]))>>8
	default:
		raw := ip.As16()
		return kindIPv6 | group(binary.BigEndian.Uint64(raw[:]))>>16
	}
}

// owner is the group of a voter: near by nobody has a network of his own.
func (v group) owner() group {
	const low = 1<<56 - 1
	switch v &^ low {
	case kindIPv4:
		return kindIPv4 | v&low>>8
	case kindIPv6:
		return kindIPv6 | v&low>>16
	}
	return v
}

// isPrivate reports whether an address means something only near: private, loopback, shared with a provider's NAT (RFC 6598).
func isPrivate(a netip.Addr) bool {
	if a.Is4() {
		raw := a.As4()
		if raw[0] == 100 && raw[1]&0xc0 == 64 {
			return true
		}
	}
	return a.IsPrivate() || a.IsLoopback()
}

// hostAddr reports whether a host can be at an address. Link-local addresses mean nothing to others.
func hostAddr(a netip.AddrPort) bool {
	ip := a.Addr()
	if !wire.ValidAddr(a) || ip.IsLinkLocalUnicast() {
		return false
	}
	if ip.Is4() {
		first := ip.As4()[0]
		return first != 0 && first < 224
	}
	return true
}

// unmap writes IPv4 as IPv4.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// A telling is how a host became known.
type telling struct {
	group   group
	teller  netip.AddrPort // zero: nobody in particular
	private bool           // private addresses make sense
}

// told is the telling of a host at a proven address.
func told(by netip.AddrPort) telling {
	return telling{group: groupOf(by.Addr()), teller: by, private: isPrivate(by.Addr())}
}
