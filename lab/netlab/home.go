// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Home is a router, of the kind that stands in homes, and the hosts of its LAN. On the LAN multicast works, and everybody
// has the same private addresses as the people next door.
type Home struct {
	Name   string
	Router *Host // outside: its address, lines, counts, and Cut, when the home is not behind a carrier

	net    *Network
	config HomeConfig
	lan    netip.Prefix // IPv4 inside
	mu     sync.Mutex
	rules  rules
	guests []*Host
	ports  map[*Host]string // names of the devices on the bridge
	given  int              // addresses on the LAN
	mapper *Process         // miniupnpd; nil: the router maps no ports, or is off
}

// HomeConfig says what a home is like.
type HomeConfig struct {
	Kind     Kind
	Hairpin  bool          // NATs only: hosts of the LAN reach each other by outside addresses
	Timeout  time.Duration // of mappings, seconds; 0: 30 s, and 2 minutes when both ends have sent
	MapPorts bool          // the router is a NAT, not behind a carrier, and maps ports for hosts that ask
	Carrier  *Home         // the router is on this one's LAN, and has IPv4 alone; nil: it is on the internet
	Up, Down Line          // of the router on the internet
}

const guestsMax = 200 // hosts on one LAN

// The LANs: that of a home, and what a carrier gives to homes (RFC 6598).
var (
	homeLAN    = netip.MustParsePrefix("192.168.1.0/24")
	carrierLAN = netip.MustParsePrefix("100.64.0.0/24")
)

// Home adds a home without hosts.
func (n *Network) Home(tb testing.TB, name string, c HomeConfig) *Home {
	tb.Helper()
	return n.mustHome(tb, name, homeLAN, c)
}

// Carrier adds a router whose LAN is for other homes (HomeConfig.Carrier), and for telephones.
func (n *Network) Carrier(tb testing.TB, name string, c HomeConfig) *Home {
	tb.Helper()
	return n.mustHome(tb, name, carrierLAN, c)
}

func (n *Network) mustHome(tb testing.TB, name string, lan netip.Prefix, c HomeConfig) *Home {
	tb.Helper()
	h, err := n.newHome(name, lan, c)
	if err != nil {
		tb.Fatalf("home %s: %v", name, err)
	}
	return h
}

func (n *Network) newHome(name string, lan netip.Prefix, c HomeConfig) (*Home, error) {
	if c.Carrier != nil && !c.Kind.nats() {
		return nil, fmt.Errorf("a router that is %v cannot be behind a carrier", c.Kind)
	}
	if c.MapPorts && (c.Carrier != nil || !c.Kind.nats()) {
		return nil, fmt.Errorf("a router that is %v, or behind a carrier, maps no ports", c.Kind)
	}
	h := &Home{Name: name, net: n, config: c, lan: lan, ports: map[*Host]string{}}
	h.rules = rules{
		kind: c.Kind, keepPorts: true, hairpin: c.Hairpin && c.Kind.nats(), inside: lan, firstPort: sequenceFirst, timeout: c.Timeout,
		mapPorts: c.MapPorts,
	}
	plan := hostPlan{name: name, device: wanDevice, up: c.Up, down: c.Down, home: c.Carrier, addrs: make([]netip.Addr, 2)}
	if c.Carrier == nil {
		addrs, err := n.addresses(h.outsideRange(false))
		if err != nil {
			return nil, err
		}
		plan.addrs = h.only(addrs)
	}
	var err error
	if h.Router, err = newHost(n, plan); err != nil {
		return nil, err
	}
	n.add(h.Router)
	if c.Carrier != nil {
		if err = c.Carrier.attach(h.Router); err != nil {
			return nil, err
		}
	} else {
		n.router.route(h.Router, nil, plan.addrs)
	}
	if err = h.Router.Do(h.prepareRouter); err != nil {
		return nil, err
	}
	return h, h.PowerOn(false)
}

// only leaves the families that the home has.
func (h *Home) only(addrs []netip.Addr) []netip.Addr {
	addrs = slices.Clone(addrs)
	for i, has := range []bool{h.config.Kind.HasIPv4(), h.config.Kind.HasIPv6() && h.config.Carrier == nil} {
		if !has {
			addrs[i] = netip.Addr{}
		}
	}
	return addrs
}

// prepareRouter makes the bridge of the LAN. It runs on the router's thread.
func (h *Home) prepareRouter() error {
	err := runIP([]string{
		"link add " + lanDevice + " type bridge mcast_snooping 0",
		"link set " + lanDevice + " addrgenmode none",
		"link set " + lanDevice + " up",
		fmt.Sprintf("addr add %v/%d dev %s", h.lan.Addr().Next(), h.lan.Bits(), lanDevice),
		"addr add fe80::1/64 dev " + lanDevice + " nodad",
	})
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"ipv4/conf/all/send_redirects": "0", "ipv4/conf/" + lanDevice + "/send_redirects": "0",
		// Frames between hosts of the LAN are no business of its NAT.
		"bridge/bridge-nf-call-iptables": "0", "bridge/bridge-nf-call-ip6tables": "0",
	} {
		if err := setNet(name, value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Behaviour is what others should see of the home, its carrier included.
func (h *Home) Behaviour() Behaviour {
	b := h.config.Kind.Behaviour()
	if h.config.Kind.nats() {
		b.Hairpin = h.config.Hairpin
	}
	if h.config.Carrier != nil {
		return b.Behind(h.config.Carrier.Behaviour())
	}
	return b
}

// Outside is the outermost router: the home's, or its carrier's. The internet sees its addresses, except those of hosts with
// public ones.
func (h *Home) Outside() *Host {
	if h.config.Carrier != nil {
		return h.config.Carrier.Outside()
	}
	return h.Router
}

// Kind is what the home's own router does.
func (h *Home) Kind() Kind { return h.config.Kind }

// MapsPorts tells whether the home's router maps ports for hosts that ask.
func (h *Home) MapsPorts() bool { return h.config.MapPorts }

// Host adds a host to the home's LAN.
func (h *Home) Host(tb testing.TB, name string) *Host {
	tb.Helper()
	g, err := newHost(h.net, hostPlan{name: name, device: hostDevice, addrs: make([]netip.Addr, 2), home: h})
	if err == nil {
		h.net.add(g)
		err = h.attach(g)
	}
	if err != nil {
		tb.Fatalf("home %s: %v", h.Name, err)
	}
	return g
}

// attach connects a machine to the LAN and gives it addresses.
func (h *Home) attach(g *Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	addrs, err := h.nextAddresses()
	if err != nil {
		return err
	}
	port := fmt.Sprintf("%s.%d", lanDevice, h.given)
	err = h.Router.Do(func() error {
		return runIP([]string{
			fmt.Sprintf("link add %s mtu %d type veth peer name %s mtu %d netns %d", port, packetBytesMax, g.device, packetBytesMax, g.thread.tid),
			fmt.Sprintf("link set %s master %s up", port, lanDevice),
		})
	})
	if err != nil {
		return err
	}
	h.guests, h.ports[g] = append(h.guests, g), port
	return h.settle(g, addrs)
}

// settle gives a machine on the LAN its addresses, in place of those that it had, and sees to it that they are reached.
func (h *Home) settle(g *Host, addrs []netip.Addr) error {
	g.mu.Lock()
	g.addrs, g.home = addrs, h
	g.mu.Unlock()
	gateway := h.lan.Addr().Next()
	lines := []string{"addr flush dev " + g.device + " scope global", "link set " + g.device + " up"}
	var routes []string // of the router
	if a := addrs[0]; a.IsValid() {
		bits := h.lan.Bits()
		if !h.lan.Contains(a) {
			bits = 32
			routes = append(routes, fmt.Sprintf("route replace %v/32 dev %s", a, lanDevice))
		}
		lines = append(lines, fmt.Sprintf("addr add %v/%d dev %s", a, bits, g.device),
			fmt.Sprintf("route replace default via %v dev %s onlink", gateway, g.device))
	}
	if a := addrs[1]; a.IsValid() {
		lines = append(lines, fmt.Sprintf("addr add %v/64 dev %s nodad", a, g.device),
			fmt.Sprintf("route replace ::/0 via fe80::1 dev %s", g.device))
		routes = append(routes, fmt.Sprintf("route replace %v/128 dev %s", a, lanDevice))
	}
	if err := g.Do(func() error { return runIP(lines) }); err != nil {
		return err
	}
	if len(routes) == 0 {
		return nil
	}
	if err := h.Router.Do(func() error { return runIP(routes) }); err != nil {
		return err
	}
	h.net.router.route(h.Router, nil, h.public(addrs))
	return nil
}

// public leaves those addresses that the internet knows.
func (h *Home) public(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !a.IsValid() || h.lan.Contains(a) })
}

// nextAddresses are a new guest's.
func (h *Home) nextAddresses() ([]netip.Addr, error) {
	h.given++
	if h.given > guestsMax {
		return nil, fmt.Errorf("more than %d hosts on a LAN", guestsMax)
	}
	addrs := make([]netip.Addr, 2)
	last := byte(h.given + 9)
	switch {
	case h.config.Kind == Public:
		public, err := h.net.addresses(rangeFirst)
		if err != nil {
			return nil, err
		}
		addrs[0] = public[0]
	case h.config.Kind.HasIPv4():
		b := h.lan.Addr().As4()
		b[3] = last
		addrs[0] = netip.AddrFrom4(b)
	}
	if prefix := h.Router.IPv6(); prefix.IsValid() && h.lan == homeLAN {
		b := prefix.As16()
		b[15] = last
		addrs[1] = netip.AddrFrom16(b)
	}
	return addrs, nil
}

// prepareEthernet gets the calling thread's namespace ready for a device of a LAN: no waiting for addresses, which are given
// by hand.
func prepareEthernet() error {
	for _, name := range []string{"accept_dad", "accept_ra"} {
		if err := setNet("ipv6/conf/default/"+name, "0"); err != nil {
			return err
		}
	}
	return runIP([]string{"link set lo up"})
}

// setNet sets a value of the calling thread's namespace.
func setNet(name, value string) error {
	return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644)
}

// run runs a program to its end in the calling thread's namespace.
func run(stdin string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
