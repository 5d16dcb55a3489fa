// SPDX-License-Identifier: MIT

package udp

import (
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addrPort reads what the kernel wrote: a sockaddr_in or a sockaddr_in6.
func addrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := portBytes(&sa.Port)
	switch sa.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port.uint16())
	case unix.AF_INET6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.Scope_id != 0 && a.Is6() {
			a = a.WithZone(zoneName(sa.Scope_id))
		}
		return netip.AddrPortFrom(a, port.uint16())
	default:
		return netip.AddrPort{}
	}
}

// networkPort is a port as it lies in a sockaddr: big-endian.
type networkPort [2]byte

func portBytes(p *uint16) *networkPort { return (*networkPort)(unsafe.Pointer(p)) }

func (p *networkPort) uint16() uint16 { return uint16(p[0])<<8 | uint16(p[1]) }
func (p *networkPort) set(v uint16)   { p[0], p[1] = byte(v>>8), byte(v) }

// putSockaddr writes an address in the socket's own family and returns its length. An IPv6 address on an IPv4 socket stays
// IPv6: the system refuses it.
func putSockaddr(sa *unix.RawSockaddrInet6, to netip.AddrPort, v4 bool) uint32 {
	*sa = unix.RawSockaddrInet6{}
	portBytes(&sa.Port).set(to.Port())
	if a := to.Addr().Unmap(); v4 && a.Is4() {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		in.Family = unix.AF_INET
		in.Addr = a.As4()
		return unix.SizeofSockaddrInet4
	}
	sa.Family = unix.AF_INET6
	sa.Addr = to.Addr().As16()
	if z := to.Addr().Zone(); z != "" {
		sa.Scope_id = zoneIndex(z)
	}
	return unix.SizeofSockaddrInet6
}

// zoneName is how a received link-local address names its interface: by number, which needs no look-up.
func zoneName(index uint32) string { return strconv.FormatUint(uint64(index), 10) }

func zoneIndex(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	return 0
}
