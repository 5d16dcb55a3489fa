// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// routesMax is how many default routes are looked at.
const routesMax = 64

// A Path is how this machine reaches the internet in one family.
type Path struct {
	Gateway netip.Addr // the default router, with a zone when link-local
	Local   netip.Addr // the address from which this machine's packets come
	Index   int        // of the interface; 0: unknown
}

// A Route is a default route of the system through a router.
type Route struct {
	Gateway netip.Addr // with a zone when link-local
	Index   int        // of the interface; 0: unknown
	Device  string     // its name; "" when Index says it
	Metric  uint32     // the lowest is used
}

// Where sockets are connected to learn which address the system would send from; nothing is sent there.
var somewhere = [...]netip.AddrPort{
	netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 9),                       // RFC 5737
	netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 15: 1}), 9), // within 2000::/3, RFC 4291
}

// Paths returns this machine's paths, at most one in each family. A path that leads into a tunnel is none: the router at home
// would map a port that the packets do not use.
func Paths() ([]Path, error) {
	routes, err := defaultRoutes()
	if err != nil {
		return nil, fmt.Errorf("find the default router: %w", err)
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return int(int64(a.Metric) - int64(b.Metric)) })
	var paths []Path
	for _, to := range somewhere {
		local, ok := source(to)
		if !ok {
			continue
		}
		for _, r := range routes {
			if r.Gateway.Is4() != to.Addr().Is4() {
				continue
			}
			if p := (Path{Gateway: r.Gateway, Local: local, Index: r.index()}); p.Index == 0 || owns(p.Index, local) {
				paths = append(paths, p)
				break
			}
		}
	}
	return paths, nil
}

// source returns the address from which the system would send.
func source(to netip.AddrPort) (netip.Addr, bool) {
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "udp", to.String())
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = c.Close() }()
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	a := local.AddrPort().Addr().Unmap()
	return a, a.IsGlobalUnicast()
}

func (r Route) index() int {
	if r.Index == 0 && r.Device != "" {
		if d, err := net.InterfaceByName(r.Device); err == nil {
			return d.Index
		}
	}
	return r.Index
}

// owns reports whether an interface has the address.
func owns(index int, a netip.Addr) bool {
	d, err := net.InterfaceByIndex(index)
	if err != nil {
		return false
	}
	addrs, err := d.Addrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(of net.Addr) bool {
		n, ok := of.(*net.IPNet)
		return ok && n.IP.Equal(a.AsSlice())
	})
}

// zoned gives a link-local address the interface's name.
func zoned(a netip.Addr, device string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(device)
	}
	return a
}
