// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// A Host is a node and where it was reached.
//
//	family 1 (4 or 6) | address 4 or 16 | port 2 | node id 32
type Host struct {
	Addr netip.AddrPort
	Node identity.NodeID // never zero on the wire
}

// HostBytesMax is the most that one host takes: 51 with IPv6, 39 with IPv4.
const HostBytesMax = addrBytesMax + identity.KeyBytes

// Len returns how many bytes the host takes.
func (h Host) Len() int { return addrBytes(h.Addr) + identity.KeyBytes }

// addrBytesMax is the most that an address takes: family, IPv6 address, port.
const addrBytesMax = 1 + 16 + 2

// ValidAddr reports whether one node can be at an address: parsers of gossip refuse all others, and writers leave them out.
// IPv4 must not be written as IPv6.
func ValidAddr(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && ip.Zone() == "" && a.Port() != 0 && !ip.Is4In6() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func addrBytes(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return 1 + 4 + 2
	}
	return addrBytesMax
}

// appendAddr appends family, address and port of an address that ValidAddr accepts.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	if ip := a.Addr(); ip.Is4() {
		raw := ip.As4()
		b = append(append(b, 4), raw[:]...)
	} else {
		raw := ip.As16()
		b = append(append(b, 6), raw[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func readAddr(s *cryptobyte.String) (netip.AddrPort, error) {
	var family uint8
	var raw []byte
	var port uint16
	if !s.ReadUint8(&family) {
		return netip.AddrPort{}, ErrTruncated
	}
	size := 4
	switch family {
	case 4:
	case 6:
		size = 16
	default:
		return netip.AddrPort{}, ErrMalformed
	}
	if !s.ReadBytes(&raw, size) || !s.ReadUint16(&port) {
		return netip.AddrPort{}, ErrTruncated
	}
	ip, _ := netip.AddrFromSlice(raw)
	a := netip.AddrPortFrom(ip, port)
	if !ValidAddr(a) {
		return netip.AddrPort{}, ErrMalformed
	}
	return a, nil
}

// appendAddrs appends a count and the addresses: at most most, without those that no parser takes.
func appendAddrs(b []byte, addrs []netip.AddrPort, most int) []byte {
	at := len(b)
	b = append(b, 0)
	for _, a := range addrs {
		if ValidAddr(a) && int(b[at]) < most {
			b = appendAddr(b, a)
			b[at]++
		}
	}
	return b
}

// addrsBytes is what appendAddrs appends.
func addrsBytes(addrs []netip.AddrPort, most int) int {
	size, n := 1, 0
	for _, a := range addrs {
		if ValidAddr(a) && n < most {
			size += addrBytes(a)
			n++
		}
	}
	return size
}

// readAddrs appends at most most addresses to into.
func readAddrs(s *cryptobyte.String, into []netip.AddrPort, most uint8) ([]netip.AddrPort, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return into, ErrTruncated
	}
	if n > most {
		return into, ErrTooLong
	}
	for range n {
		a, err := readAddr(s)
		if err != nil {
			return into, err
		}
		into = append(into, a)
	}
	return into, nil
}

// valid reports whether parsers take the host.
func (h Host) valid() bool { return ValidAddr(h.Addr) && !h.Node.IsZero() }

// appendHosts appends a count and the hosts: at most most, without those that no parser takes.
func appendHosts(b []byte, hosts []Host, most int) []byte {
	at := len(b)
	b = append(b, 0)
	for _, h := range hosts {
		if h.valid() && int(b[at]) < most {
			b = append(appendAddr(b, h.Addr), h.Node[:]...)
			b[at]++
		}
	}
	return b
}

// hostsBytes is what appendHosts appends.
func hostsBytes(hosts []Host, most int) int {
	size, n := 1, 0
	for _, h := range hosts {
		if h.valid() && n < most {
			size += h.Len()
			n++
		}
	}
	return size
}

// readHosts appends at most most hosts to into.
func readHosts(s *cryptobyte.String, into []Host, most uint8) ([]Host, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return into, ErrTruncated
	}
	if n > most {
		return into, ErrTooLong
	}
	for range n {
		h, err := readHost(s)
		if err != nil {
			return into, err
		}
		into = append(into, h)
	}
	return into, nil
}

func readHost(s *cryptobyte.String) (h Host, err error) {
	if h.Addr, err = readAddr(s); err != nil {
		return h, err
	}
	if !s.CopyBytes(h.Node[:]) {
		return h, ErrTruncated
	}
	if h.Node.IsZero() {
		return h, ErrMalformed
	}
	return h, nil
}

// A FoundHost is a host that carries what somebody looks for, and how to reach it.
//
//	host | n 1, n proxies
type FoundHost struct {
	Host
	Proxies Proxies // who introduces others to it; none: it is reached directly
}

// Len returns how many bytes the host and its proxies take: at most 109.
func (f *FoundHost) Len() int { return f.Host.Len() + addrsBytes(f.Proxies.List(), ProxiesMax) }

// Proxies are addresses of hosts that introduce others to a hidden one. A value, so that lists of hosts need no memory of
// their own for them.
type Proxies struct {
	addrs [ProxiesMax]netip.AddrPort
	n     uint8
}

// List returns the addresses, at most ProxiesMax; they belong to p.
func (p *Proxies) List() []netip.AddrPort { return p.addrs[:p.n] }

// Add adds one, if there is room and ValidAddr accepts it.
func (p *Proxies) Add(a netip.AddrPort) {
	if p.n < ProxiesMax && ValidAddr(a) {
		p.addrs[p.n] = a
		p.n++
	}
}

// appendFound appends a count and the hosts: at most most, without those that no parser takes.
func appendFound(b []byte, found []FoundHost, most int) []byte {
	at := len(b)
	b = append(b, 0)
	for i := range found {
		f := &found[i]
		if f.valid() && int(b[at]) < most {
			b = append(appendAddr(b, f.Addr), f.Node[:]...)
			b = appendAddrs(b, f.Proxies.List(), ProxiesMax)
			b[at]++
		}
	}
	return b
}

// foundBytes is what appendFound appends.
func foundBytes(found []FoundHost, most int) int {
	size, n := 1, 0
	for i := range found {
		if f := &found[i]; f.valid() && n < most {
			size += f.Len()
			n++
		}
	}
	return size
}

// readFound appends at most most hosts to into.
func readFound(s *cryptobyte.String, into []FoundHost, most uint8) ([]FoundHost, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return into, ErrTruncated
	}
	if n > most {
		return into, ErrTooLong
	}
	for range n {
		var f FoundHost
		var err error
		if f.Host, err = readHost(s); err != nil {
			return into, err
		}
		list, err := readAddrs(s, f.Proxies.addrs[:0], ProxiesMax)
		if err != nil {
			return into, err
		}
		f.Proxies.n = uint8(len(list))
		into = append(into, f)
	}
	return into, nil
}
