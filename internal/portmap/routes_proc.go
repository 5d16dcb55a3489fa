// SPDX-License-Identifier: MIT

package portmap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// Flags of a Linux route, from linux/route.h.
const (
	routeUp      = 1
	routeGateway = 2
)

// ParseRoutes4 finds the default routes through a router in Linux's /proc/net/route:
//
//	Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
//	eth0  00000000    0101A8C0 0003 0      0   100    00000000 ...
//
// The digits are those of the address read as a number in the machine's byte order.
func ParseRoutes4(table []byte) []Route {
	var list []Route
	for line := range bytes.Lines(table) {
		f := bytes.Fields(line)
		if len(f) < 8 || len(list) == routesMax || string(f[1]) != "00000000" || string(f[7]) != "00000000" {
			continue
		}
		gateway, err := hex.DecodeString(string(f[2]))
		if err != nil || len(gateway) != 4 || !usable(f[3]) {
			continue
		}
		metric, err := strconv.ParseUint(string(f[6]), 10, 32)
		if err != nil {
			continue
		}
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], binary.NativeEndian.Uint32(gateway))
		list = append(list, Route{Gateway: netip.AddrFrom4(a), Device: string(f[0]), Metric: uint32(metric)})
	}
	return list
}

// ParseRoutes6 does the same for /proc/net/ipv6_route, whose addresses are in network byte order:
//
//	destination 32 | length 2 | source 32 | length 2 | next hop 32 | metric 8 | references 8 | use 8 | flags 8 | device
func ParseRoutes6(table []byte) []Route {
	var list []Route
	for line := range bytes.Lines(table) {
		f := bytes.Fields(line)
		if len(f) != 10 || len(list) == routesMax || string(f[1]) != "00" || string(f[3]) != "00" || !usable(f[8]) {
			continue
		}
		gateway, err := hex.DecodeString(string(f[4]))
		if err != nil || len(gateway) != 16 {
			continue
		}
		metric, err := strconv.ParseUint(string(f[5]), 16, 32)
		if err != nil {
			continue
		}
		device := string(f[9])
		a := zoned(netip.AddrFrom16([16]byte(gateway)), device)
		if a.IsUnspecified() || a.Is4In6() {
			continue
		}
		list = append(list, Route{Gateway: a, Device: device, Metric: uint32(metric)})
	}
	return list
}

// usable reads a route's flags: that it is up and has a router.
func usable(flags []byte) bool {
	v, err := strconv.ParseUint(string(flags), 16, 32)
	return err == nil && v&(routeUp|routeGateway) == routeUp|routeGateway
}
