// SPDX-License-Identifier: MIT

package portmap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	ssdpPort          = 1900
	ssdpBytesMax      = 2048 // of an answer
	ssdpEvery         = 500 * time.Millisecond
	ssdpTries         = 6 // 3 s in all
	ssdpWait          = 1 // seconds within which a device should answer (MX)
	ssdpHops          = 2 // UPnP Device Architecture 1.1 §1.3.2
	locationsMax      = 8
	locationBytesMax  = 256
	searchTargetCount = 2
)

// search looks for the gateway's description by SSDP, at the gateway itself and by multicast on its link, and calls found with
// where answers say that it is, until one is good. Only the gateway is believed.
func search(ctx context.Context, p Path, found func(*url.URL) bool) error {
	conn, err := openSearch(p)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	seen := map[string]bool{}
	b := make([]byte, ssdpBytesMax)
	err = errSilent
	for range ssdpTries {
		if failed := ask(conn, p); failed != nil {
			return failed
		}
		_ = conn.SetReadDeadline(time.Now().Add(ssdpEvery))
		for ctx.Err() == nil {
			n, from, failed := conn.ReadFromUDPAddrPort(b)
			var timeout net.Error
			if errors.As(failed, &timeout) && timeout.Timeout() {
				break
			}
			if failed != nil {
				continue // an ICMP message of the one asked directly; the deadline ends this
			}
			if from.Addr().Unmap() != p.Gateway {
				continue
			}
			location, failed := ParseLocation(b[:n], p.Gateway)
			if failed != nil {
				err = failed
				continue
			}
			if seen[location.String()] || len(seen) == locationsMax {
				continue
			}
			seen[location.String()] = true
			if found(location) {
				return nil
			}
			err = errNoService
		}
		if failed := ctx.Err(); failed != nil {
			return failed
		}
	}
	return err
}

// errNoService says that the router has UPnP, but nothing that opens ports.
var errNoService = errors.New("the router offers no port mapping by UPnP")

// openSearch opens a socket whose multicast leaves by the gateway's link.
func openSearch(p Path) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Local, 0)))
	if err != nil {
		return nil, fmt.Errorf("open a port for UPnP: %w", err)
	}
	// Without the device nothing goes out by multicast, and the gateway is asked directly, which most answer.
	device, err := net.InterfaceByIndex(p.Index)
	if err != nil {
		return conn, nil
	}
	if p.Gateway.Is4() {
		c := ipv4.NewPacketConn(conn)
		_ = c.SetMulticastTTL(ssdpHops)
		_ = c.SetMulticastInterface(device)
	} else {
		c := ipv6.NewPacketConn(conn)
		_ = c.SetMulticastHopLimit(ssdpHops)
		_ = c.SetMulticastInterface(device)
	}
	return conn, nil
}

// ask sends a search for each version of the gateway device. Nothing but a socket that cannot send at all is an error.
func ask(conn *net.UDPConn, p Path) error {
	to := []netip.Addr{p.Gateway}
	if p.Index != 0 {
		group := netip.AddrFrom4([4]byte{239, 255, 255, 250})
		if p.Gateway.Is6() {
			group = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x0c})
		}
		to = append(to, group)
	}
	var failed error
	sent := 0
	for _, ip := range to {
		host := netip.AddrPortFrom(ip.WithZone(""), ssdpPort)
		for version := 1; version <= searchTargetCount; version++ {
			text := fmt.Sprintf("M-SEARCH * HTTP/1.1\r\nHOST: %v\r\nMAN: \"ssdp:discover\"\r\nMX: %d\r\n"+
				"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:%d\r\n\r\n", host, ssdpWait, version)
			if _, err := conn.WriteToUDPAddrPort([]byte(text), netip.AddrPortFrom(ip, ssdpPort)); err != nil {
				failed = err
			} else {
				sent++
			}
		}
	}
	if sent == 0 {
		return failed
	}
	return nil
}

// Errors of ParseLocation.
var (
	ErrSSDP      = errors.New("portmap: not an answer to a UPnP search")
	ErrElsewhere = errors.New("portmap: UPnP leads to another host than the router")
)

// ParseLocation reads an SSDP answer: an HTTP/1.1 response with a LOCATION of at most 256 bytes. It refuses what does not lead to
// the gateway's own address over HTTP: an answer may come from anybody on the LAN, and must not make this node ask others.
func ParseLocation(b []byte, gateway netip.Addr) (*url.URL, error) {
	if len(b) > ssdpBytesMax {
		return nil, ErrTooLong
	}
	r, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(b), len(b)), nil)
	if err != nil || r.StatusCode != http.StatusOK {
		return nil, ErrSSDP
	}
	_ = r.Body.Close()
	text := r.Header.Get("LOCATION")
	if text == "" || len(text) > locationBytesMax {
		return nil, ErrSSDP
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, ErrSSDP
	}
	return u, checkURL(u, gateway)
}

// checkURL refuses all but the gateway's own address.
func checkURL(u *url.URL, gateway netip.Addr) error {
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || u.Scheme != "http" || u.User != nil || ip.Unmap().WithZone("") != gateway.WithZone("") {
		return ErrElsewhere
	}
	return nil
}
