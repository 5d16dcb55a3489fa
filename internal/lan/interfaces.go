// SPDX-License-Identifier: MIT

package lan

import (
	"fmt"
	"net"
	"net/netip"
)

// interfacesMax is how many interfaces are used; Linux lets a socket join 20 groups.
const interfacesMax = 16

// An Interface is a device with its addresses.
type Interface struct {
	Device   net.Interface
	Prefixes []netip.Prefix // each the device's own address, with the length of its network
}

// Interfaces returns the machine's interfaces that are up and can multicast. Tunnels and loopback are no LAN.
func Interfaces() ([]Interface, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	const wanted, unwanted = net.FlagUp | net.FlagMulticast, net.FlagLoopback | net.FlagPointToPoint
	var list []Interface
	for _, d := range devices {
		if d.Flags&wanted != wanted || d.Flags&unwanted != 0 || len(list) == interfacesMax {
			continue
		}
		addrs, err := d.Addrs()
		if err != nil {
			continue // it has just gone
		}
		i := Interface{Device: d}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				ip, _ := netip.AddrFromSlice(n.IP)
				ones, _ := n.Mask.Size()
				i.Prefixes = append(i.Prefixes, netip.PrefixFrom(ip.Unmap(), ones))
			}
		}
		list = append(list, i)
	}
	return list, nil
}

// Addresses returns the machine's addresses, those of tunnels included and those of loopback not, and the networks of its LANs.
func Addresses() (addrs []netip.Addr, networks []netip.Prefix, err error) {
	list, err := Interfaces()
	if err != nil {
		return nil, nil, err
	}
	for _, i := range list {
		for _, p := range i.Prefixes {
			networks = append(networks, p.Masked())
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, nil, fmt.Errorf("list own addresses: %w", err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.IsLoopback() {
				addrs = append(addrs, ip.Unmap())
			}
		}
	}
	return addrs, networks, nil
}

// has reports whether the interface has an address of the family.
func (i Interface) has(f family) bool {
	for _, p := range i.Prefixes {
		if p.Addr().Is4() == (f == ipv4Family) {
			return true
		}
	}
	return false
}

// attached reports whether an address, without a zone, belongs to the interface's networks.
func (i Interface) attached(ip netip.Addr) bool {
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		return true
	}
	for _, p := range i.Prefixes {
		if p.Masked().Contains(ip) {
			return true
		}
	}
	return false
}

// routable returns an IPv6 address of the interface that is not link-local, if it has one.
func (i Interface) routable() (netip.Addr, bool) {
	for _, p := range i.Prefixes {
		if ip := p.Addr(); ip.Is6() && !ip.IsLinkLocalUnicast() {
			return ip, true
		}
	}
	return netip.Addr{}, false
}
