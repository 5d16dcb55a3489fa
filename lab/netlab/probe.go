// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// A Prober finds out how a router behaves, as RFC 5780 does: from outside, with two addresses of two ports each. All its
// sockets are in the test process, so no protocol is needed: what arrives at one is known to the others.
type Prober struct {
	v4, v6 [4]*net.UDPConn // address 1 port 1, address 1 port 2, address 2 port 1, address 2 port 2
}

const (
	probeWait = 2 * time.Second        // for what should arrive: the machine may be busy
	probeNone = 400 * time.Millisecond // for what should not
	probeTry  = 3                      // flows to look at ports
)

// NewProber opens the sockets on two hosts of the internet. It serves one probe at a time.
func NewProber(a, b *Host) (*Prober, error) {
	p := &Prober{}
	for i, h := range []*Host{a, a, b, b} {
		for _, s := range []struct {
			at   netip.Addr
			conn **net.UDPConn
		}{{h.IPv4(), &p.v4[i]}, {h.IPv6(), &p.v6[i]}} {
			conn, err := h.ListenUDP(netip.AddrPortFrom(s.at, 0))
			if err != nil {
				p.Close()
				return nil, err
			}
			*s.conn = conn
		}
	}
	return p, nil
}

// Close closes the sockets.
func (p *Prober) Close() {
	for i := range p.v4 {
		for _, conn := range []*net.UDPConn{p.v4[i], p.v6[i]} {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
}

// Behaviour probes the router in front of a host of a home. The mate is another host of the same home, for hairpinning.
func (p *Prober) Behaviour(h, mate *Host) (Behaviour, error) {
	servers := &p.v4
	if !h.IPv4().IsValid() {
		servers = &p.v6
	}
	var b Behaviour
	var err error
	if b.Mapping, b.Ports, err = mapping(servers, h); err != nil {
		return b, fmt.Errorf("mapping: %w", err)
	}
	if b.Filtering, err = filtering(servers, h); err != nil {
		return b, fmt.Errorf("filtering: %w", err)
	}
	if b.Hairpin, err = hairpin(servers[0], h, mate); err != nil {
		return b, fmt.Errorf("hairpin: %w", err)
	}
	return b, nil
}

// Lives tells whether a mapping that was made by one packet to the outside, and answered there, still lets the same server
// in after a pause.
func (p *Prober) Lives(h *Host, pause time.Duration) (bool, error) {
	c, err := h.ListenUDP(netip.AddrPortFrom(h.IPv4(), 0))
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	outside, err := send(c, p.v4[0])
	if err != nil {
		return false, err
	}
	if ok, err := passes(p.v4[0], c, outside, probeWait); err != nil || !ok {
		return false, errors.Join(err, fmt.Errorf("no answer came in: %v", ok))
	}
	if ok, err := passes(p.v4[0], c, outside, 0); err != nil || ok { // empty
		return false, errors.Join(err, fmt.Errorf("an answer came twice: %v", ok))
	}
	<-time.After(pause)
	return passes(p.v4[0], c, outside, probeNone)
}

// mapping sends from one socket to all servers and compares the ports that they see; then from others, in a row.
func mapping(servers *[4]*net.UDPConn, h *Host) (Dependence, Ports, error) {
	c, err := h.ListenUDP(netip.AddrPortFrom(own(servers, h), 0))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = c.Close() }()
	var seen [4]netip.AddrPort
	for i, s := range servers {
		if seen[i], err = send(c, s); err != nil {
			return 0, 0, err
		}
	}
	d := EndpointIndependent
	switch {
	case seen[0] == seen[1] && seen[2] == seen[3] && seen[0] != seen[2]:
		d = AddressDependent
	case seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2]:
		d = AddressAndPortDependent
	case seen[0] != seen[1] || seen[0] != seen[2] || seen[0] != seen[3]:
		return 0, 0, fmt.Errorf("the servers see %v", seen)
	}
	kept, next := 0, 0
	var before netip.AddrPort
	for i := range probeTry {
		f, err := h.ListenUDP(netip.AddrPortFrom(own(servers, h), 0))
		if err != nil {
			return 0, 0, err
		}
		at, err := send(f, servers[0])
		local := f.LocalAddr().(*net.UDPAddr).AddrPort()
		_ = f.Close()
		if err != nil {
			return 0, 0, err
		}
		if at.Port() == local.Port() {
			kept++
		}
		if i > 0 && at.Port() == before.Port()+1 {
			next++
		}
		before = at
	}
	switch {
	case kept == probeTry:
		return d, PortsKept, nil
	case next == probeTry-1:
		return d, PortsSequential, nil
	}
	return d, PortsRandom, nil
}

// own is the host's address in the servers' family.
func own(servers *[4]*net.UDPConn, h *Host) netip.Addr {
	if address(servers[0]).Addr().Is4() {
		return h.IPv4()
	}
	return h.IPv6()
}

// filtering sends to one server, and looks who else gets in by the mapping that this made.
func filtering(servers *[4]*net.UDPConn, h *Host) (Dependence, error) {
	c, err := h.ListenUDP(netip.AddrPortFrom(own(servers, h), 0))
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	outside, err := send(c, servers[0])
	if err != nil {
		return 0, err
	}
	var in [3]bool
	for i, from := range []*net.UDPConn{servers[2], servers[1], servers[0]} {
		wait := probeNone
		if i == 2 {
			wait = probeWait
		}
		if in[i], err = passes(from, c, outside, wait); err != nil {
			return 0, err
		}
	}
	switch {
	case !in[2] || in[0] && !in[1]:
		return 0, fmt.Errorf("let in: a stranger %v, another port %v, the server itself %v", in[0], in[1], in[2])
	case in[0]:
		return EndpointIndependent, nil
	case in[1]:
		return AddressDependent, nil
	}
	return AddressAndPortDependent, nil
}

// hairpin lets two hosts of one home send to each other's outside addresses, both in turn so that no filter is in the way.
// The address by which the second sees the first must be the outside one, too (RFC 4787, REQ-9).
func hairpin(server *net.UDPConn, h, mate *Host) (bool, error) {
	var conns [2]*net.UDPConn
	var outside [2]netip.AddrPort
	for i, from := range []*Host{h, mate} {
		at := from.IPv4()
		if address(server).Addr().Is6() {
			at = from.IPv6()
		}
		c, err := from.ListenUDP(netip.AddrPortFrom(at, 0))
		if err != nil {
			return false, err
		}
		defer func() { _ = c.Close() }()
		if outside[i], err = send(c, server); err != nil {
			return false, err
		}
		conns[i] = c
	}
	if ok, err := passes(conns[0], conns[1], outside[1], probeNone); err != nil || ok {
		return ok, err
	}
	return passes(conns[1], conns[0], outside[0], probeNone)
}

// send sends a datagram from a client to a server and returns where the server saw it come from.
func send(c, server *net.UDPConn) (netip.AddrPort, error) {
	token := tokenOf(c)
	deadline := time.Now().Add(probeWait)
	b := make([]byte, 100)
	for time.Now().Before(deadline) {
		if _, err := c.WriteToUDPAddrPort(token, address(server)); err != nil {
			return netip.AddrPort{}, err
		}
		_ = server.SetReadDeadline(time.Now().Add(probeWait / 2))
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return netip.AddrPort{}, err
			}
			if string(b[:n]) == string(token) {
				return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
			}
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%v does not reach %v", c.LocalAddr(), server.LocalAddr())
}

// passes tells whether a datagram to an outside address arrives at a client within a time.
func passes(from, c *net.UDPConn, to netip.AddrPort, within time.Duration) (bool, error) {
	token := tokenOf(from)
	if within > 0 {
		if _, err := from.WriteToUDPAddrPort(token, to); err != nil {
			return false, err
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 100)
	for {
		n, _, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if string(b[:n]) == string(token) {
			return true, nil
		}
	}
}

// tokenOf is what a socket says: where it is.
func tokenOf(c *net.UDPConn) []byte { return []byte(c.LocalAddr().String()) }

func address(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
