// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	resolveTime   = 5 * time.Second
	resolveAtOnce = 16
	addressesEach = 4 // of one name
	announcedMax  = 4 // peers in a link
)

// addresses returns those HOST:PORT that need no name server.
func addresses(hosts []string) []netip.AddrPort {
	var list []netip.AddrPort
	for _, h := range hosts {
		if a, err := netip.ParseAddrPort(h); err == nil && len(list) < tunePeersMax {
			list = append(list, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		}
	}
	return list
}

// resolve looks hosts up, all within resolveTime. Those that no name server knows come back in unknown.
func resolve(ctx context.Context, hosts []string) (found []netip.AddrPort, unknown []string) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	answers := make([][]netip.AddrPort, len(hosts))
	slots := make(chan struct{}, resolveAtOnce)
	var all sync.WaitGroup
	for i, h := range hosts {
		slots <- struct{}{}
		all.Go(func() {
			answers[i] = resolveOne(ctx, h)
			<-slots
		})
	}
	all.Wait()
	for i, list := range answers {
		if len(list) == 0 {
			unknown = append(unknown, hosts[i])
		}
		for _, a := range list {
			if !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	return found, unknown
}

func resolveOne(ctx context.Context, hostPort string) []netip.AddrPort {
	if list := addresses([]string{hostPort}); list != nil {
		return list
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	var list []netip.AddrPort
	for _, ip := range ips[:min(len(ips), addressesEach)] {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
	}
	return list
}

// ownPeers is where others may find this machine, for the links of one's own station: its public addresses or else its
// private ones, or else, without a network, itself.
func ownPeers(port int) []string {
	var public, private []netip.Addr
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			switch ip = ip.Unmap(); {
			case !ip.IsGlobalUnicast():
			case ip.IsPrivate():
				private = append(private, ip)
			default:
				public = append(public, ip)
			}
		}
	}
	list := public
	if len(list) == 0 {
		list = private
	}
	if len(list) == 0 {
		list = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() }) // IPv4 first
	var peers []string
	for _, ip := range list[:min(len(list), announcedMax)] {
		peers = append(peers, netip.AddrPortFrom(ip, uint16(port)).String())
	}
	return peers
}
