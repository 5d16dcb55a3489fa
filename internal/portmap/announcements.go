// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// announcePause is between two looks that a router's announcements cause.
const announcePause = time.Second

// listen calls nudge when the router tells all of the LAN that it has begun anew or has another address (RFC 6886 §3.2.1,
// RFC 6887 §14.1.3), until ctx ends. What it says is not read: it is asked. Where the port cannot be had, the look of every
// minute must do.
func listen(ctx context.Context, p Path, nudge func()) {
	device, err := net.InterfaceByIndex(p.Index)
	if err != nil {
		return
	}
	network, group := "udp4", netip.AddrFrom4([4]byte{224, 0, 0, 1})
	if p.Gateway.Is6() {
		network, group = "udp6", netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 1})
	}
	conn, err := net.ListenMulticastUDP(network, device, net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, announcePort)))
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	b := make([]byte, responseBytesMax)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		_, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if from.Addr().Unmap() != p.Gateway || from.Port() != serverPort {
			continue
		}
		nudge()
		pause.Reset(announcePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}
