// SPDX-License-Identifier: MIT

package portmap

import (
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

// adaptersBytes is more than Windows needs for the adapters of a home computer; it says how much more when it is not.
const (
	adaptersBytes    = 16 << 10
	adaptersBytesMax = 1 << 20
)

func defaultRoutes() ([]Route, error) {
	var b []byte
	for size := uint32(adaptersBytes); ; {
		b = make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&b[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, windows.GAA_FLAG_INCLUDE_GATEWAYS, 0, first, &size)
		if err == nil {
			break
		}
		if err != windows.ERROR_BUFFER_OVERFLOW || size <= uint32(len(b)) || size > adaptersBytesMax {
			return nil, fmt.Errorf("list network adapters: %w", err)
		}
	}
	var list []Route
	for a := (*windows.IpAdapterAddresses)(unsafe.Pointer(&b[0])); a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp || a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK {
			continue
		}
		for g := a.FirstGatewayAddress; g != nil && len(list) < routesMax; g = g.Next {
			ip, ok := netip.AddrFromSlice(g.Address.IP())
			if !ok {
				continue
			}
			r := Route{Gateway: ip.Unmap(), Index: int(a.IfIndex), Metric: a.Ipv4Metric}
			if r.Gateway.Is6() {
				r.Index, r.Metric = int(a.Ipv6IfIndex), a.Ipv6Metric
				r.Gateway = zoned(r.Gateway, strconv.Itoa(r.Index))
			}
			list = append(list, r)
		}
	}
	return list, nil
}
