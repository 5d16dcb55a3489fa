// SPDX-License-Identifier: MIT

//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package portmap

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/route"
)

// routeScoped is RTF_IFSCOPE of macOS: a default route of another interface than the one in use.
const routeScoped = 0x1000000

func defaultRoutes() ([]Route, error) {
	b, err := route.FetchRIB(syscall.AF_UNSPEC, route.RIBTypeRoute, 0)
	if err != nil {
		return nil, err
	}
	messages, err := route.ParseRIB(route.RIBTypeRoute, b)
	if err != nil {
		return nil, err
	}
	var list []Route
	for _, m := range messages {
		r, ok := m.(*route.RouteMessage)
		if !ok || len(list) == routesMax || r.Flags&(syscall.RTF_UP|syscall.RTF_GATEWAY) != syscall.RTF_UP|syscall.RTF_GATEWAY ||
			r.Flags&routeScoped != 0 || len(r.Addrs) <= syscall.RTAX_NETMASK || !whole(r.Addrs[syscall.RTAX_NETMASK]) {
			continue
		}
		to, gateway := address(r.Addrs[syscall.RTAX_DST]), address(r.Addrs[syscall.RTAX_GATEWAY])
		if !to.IsUnspecified() || !gateway.IsValid() || gateway.Is4() != to.Is4() {
			continue
		}
		if d, err := net.InterfaceByIndex(r.Index); err == nil {
			gateway = zoned(gateway, d.Name)
		}
		list = append(list, Route{Gateway: gateway, Index: r.Index})
	}
	return list, nil
}

// whole reports whether a mask leaves out nothing: 0.0.0.0/0 is a default route, 0.0.0.0/1 is not.
func whole(mask route.Addr) bool {
	a := address(mask)
	return !a.IsValid() || a.IsUnspecified()
}

func address(a route.Addr) netip.Addr {
	switch a := a.(type) {
	case *route.Inet4Addr:
		return netip.AddrFrom4(a.IP)
	case *route.Inet6Addr:
		return netip.AddrFrom16(a.IP)
	}
	return netip.Addr{}
}
