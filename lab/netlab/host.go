// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Host is a machine: a network namespace, on the internet with a public IPv4 and IPv6 address, or in a Home. Its programs
// and sockets are real; what they send passes the lines of the host, or of the home's router.
type Host struct {
	Name string

	net    *Network
	thread *thread
	device string

	mu    sync.Mutex
	addrs []netip.Addr // IPv4, then IPv6; the zero Addr where there is none
	procs []*Process
	home  *Home // nil: on the internet

	// The router's; guarded by router.mu.
	tun            int // -1: closed
	up, down       *path
	cut            bool
	sent, received Counts
	sentTo         map[*Host]Traffic
	meter          *meter
}

// A hostPlan says what a host is like.
type hostPlan struct {
	name     string
	device   string
	addrs    []netip.Addr // IPv4, then IPv6; either may be missing
	up, down Line
	home     *Home // nil: on the internet
}

// newHost makes a host that no router knows yet.
func newHost(n *Network, plan hostPlan) (*Host, error) {
	t, err := newThread()
	if err != nil {
		return nil, err
	}
	h := &Host{
		Name: plan.name, net: n, thread: t, device: plan.device, addrs: plan.addrs, home: plan.home, tun: -1,
		sentTo: map[*Host]Traffic{},
		up:     newPath(n.seed, plan.name+" up", plan.up),
		down:   newPath(n.seed, plan.name+" down", plan.down),
	}
	err = t.do(func() error {
		if plan.home != nil {
			return prepareEthernet()
		}
		if h.tun, err = openTUN(h.device); err != nil {
			return err
		}
		return configureDevice(h.device, plan.addrs)
	})
	if err != nil {
		h.close()
		return nil, fmt.Errorf("host %s: %w", plan.name, err)
	}
	return h, nil
}

// close ends the host's programs and gives the namespace up.
func (h *Host) close() {
	h.mu.Lock()
	procs := slices.Clone(h.procs)
	h.mu.Unlock()
	for _, p := range procs {
		p.Kill()
	}
	r := h.net.router
	r.mu.Lock()
	if h.tun >= 0 {
		_ = unix.Close(h.tun)
		h.tun = -1
	}
	r.mu.Unlock()
	h.thread.end()
}

// Dir is the directory of the host's network, where the logs are.
func (h *Host) Dir() string { return h.net.Dir }

// IPv4 is the host's present IPv4 address; in a home, its private one. The zero Addr: it has none.
func (h *Host) IPv4() netip.Addr { return h.address(0) }

// IPv6 is the host's present IPv6 address. The zero Addr: it has none.
func (h *Host) IPv6() netip.Addr { return h.address(1) }

// Home is where the host is; nil: on the internet itself. The home of a router is its carrier.
func (h *Host) Home() *Home {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.home
}

func (h *Host) address(i int) netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addrs[i]
}

// Do runs f on a thread in the host's namespace: sockets that it makes belong to the host and stay there. Calls for one
// host run one after the other.
func (h *Host) Do(f func() error) error { return h.thread.do(f) }

// Dial connects from the host to an IP address and port. It serves as http.Transport.DialContext.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil { // a name would be looked up on some other thread
		return nil, fmt.Errorf("host %s: dial %s: %w", h.Name, address, err)
	}
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// ListenUDP opens a socket on the host.
func (h *Host) ListenUDP(address netip.AddrPort) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		return err
	})
	return conn, err
}

// SetUp changes the line that the host sends on, for packets sent from now on. In a home the line is the router's, as are all
// counts: ask Home.Router.
func (h *Host) SetUp(change func(*Line)) { h.change(&h.up.line, change) }

// SetDown changes the line that the host receives on, for packets that reach it from now on.
func (h *Host) SetDown(change func(*Line)) { h.change(&h.down.line, change) }

func (h *Host) change(l *Line, change func(*Line)) {
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	change(l)
}

// Cut pulls the plug of the host (true) or puts it back. Its programs are not told, as behind a home router whose line
// went down. For a host in a home there is Home.Unplug.
func (h *Host) Cut(cut bool) {
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	h.cut = cut
}

// Move gives the host new addresses in mid-flight, as a laptop that changes networks. Packets to the old ones are lost. For a
// host in a home there is Home.Take.
func (h *Host) Move() error {
	if h.Home() != nil {
		return fmt.Errorf("move host %s: it is in a home", h.Name)
	}
	addrs, err := h.net.addresses(rangeMoved)
	if err != nil {
		return err
	}
	return h.readdress(addrs)
}

// readdress changes the addresses of a host on the internet.
func (h *Host) readdress(addrs []netip.Addr) error {
	h.mu.Lock()
	old := h.addrs
	h.addrs = addrs
	h.mu.Unlock()
	if err := h.Do(func() error { return changeAddresses(h.device, old, addrs) }); err != nil {
		return fmt.Errorf("move host %s: %w", h.Name, err)
	}
	h.net.router.route(h, old, addrs)
	return nil
}

// Sent is what the host sent since it began, lost packets included.
func (h *Host) Sent() Counts {
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	return h.sent
}

// SentTo is what the host sent to one other on the internet since it began, lost packets included.
func (h *Host) SentTo(other *Host) Traffic {
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	return h.sentTo[other]
}

// Received is what arrived at the host since it began.
func (h *Host) Received() Counts {
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	return h.received
}

// Meter begins to look for the busiest window of what the host sends, and returns a function that tells the most bytes
// (of IP packets) in any window so far.
func (h *Host) Meter(window time.Duration) (most func() int) {
	m := &meter{window: window}
	h.net.router.mu.Lock()
	defer h.net.router.mu.Unlock()
	h.meter = m
	return func() int {
		h.net.router.mu.Lock()
		defer h.net.router.mu.Unlock()
		return m.max
	}
}
