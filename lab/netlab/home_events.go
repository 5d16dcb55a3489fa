// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// PowerOff stops the router: it forwards nothing, and forgets all mappings. The LAN stays.
func (h *Home) PowerOff() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopMapper()
	return h.Router.Do(func() error {
		if err := forward("0"); err != nil {
			return err
		}
		return run("", "conntrack", "-F") // without the stop before, an old flow may keep its port
	})
}

// PowerOn starts the router again. With other ports it gives no mapping the port that it had: a kind that keeps ports gives
// random ones from now on.
func (h *Home) PowerOn(otherPorts bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if otherPorts {
		h.rules.keepPorts = false
		if h.rules.firstPort += sequenceLength; h.rules.firstPort+sequenceLength > sequenceLast {
			h.rules.firstPort = sequenceFirst
		}
	}
	h.rules.outside = h.Router.IPv4()
	text := "flush ruleset\n" + h.rules.text()
	err := h.Router.Do(func() error {
		if err := run(text, "nft", "-f", "-"); err != nil {
			return err
		}
		if err := run("", "conntrack", "-F"); err != nil {
			return err
		}
		if s := strconv.Itoa(int(h.config.Timeout / time.Second)); h.config.Timeout > 0 {
			for _, name := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
				if err := setNet("netfilter/"+name, s); err != nil {
					return err
				}
			}
		}
		return forward("1")
	})
	if err != nil || !h.config.MapPorts {
		return err
	}
	return h.startMapper()
}

// Reboot is PowerOff and PowerOn.
func (h *Home) Reboot(otherPorts bool) error {
	if err := h.PowerOff(); err != nil {
		return err
	}
	return h.PowerOn(otherPorts)
}

// forward starts or stops to forward in the calling thread's namespace.
func forward(value string) error {
	if err := setNet("ipv4/ip_forward", value); err != nil {
		return err
	}
	if err := setNet("ipv6/conf/all/forwarding", value); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Renumber gives the router new outside addresses, as a provider does by night; hosts with public addresses get new ones,
// too. Packets to the old ones are lost.
func (h *Home) Renumber() error {
	if err := h.renumberRouter(); err != nil {
		return fmt.Errorf("renumber home %s: %w", h.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rules.outside = h.Router.IPv4()
	text := h.rules.text()
	h.stopMapper()
	flush := "flush table inet filter\n"
	if h.config.Kind.nats() {
		flush += "flush table ip nat\n" // the rules; maps stay
	}
	if err := h.Router.Do(func() error { return run(flush+text, "nft", "-f", "-") }); err != nil {
		return err
	}
	if h.config.MapPorts { // the rules for mapped ports went with the others
		if err := h.startMapper(); err != nil {
			return err
		}
	}
	for _, g := range h.guests {
		g.mu.Lock()
		old := h.public(g.addrs)
		kept := g.addrs
		g.mu.Unlock()
		if len(old) == 0 {
			continue
		}
		addrs, err := h.nextAddresses()
		if err != nil {
			return err
		}
		if h.config.Kind != Public {
			addrs[0] = kept[0]
		}
		h.net.router.forgetAddresses(old)
		if err := h.settle(g, addrs); err != nil {
			return err
		}
	}
	return nil
}

// renumberRouter changes the addresses of the router alone.
func (h *Home) renumberRouter() error {
	if c := h.config.Carrier; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		addrs, err := c.nextAddresses()
		if err != nil {
			return err
		}
		return c.settle(h.Router, addrs)
	}
	addrs, err := h.net.addresses(h.outsideRange(true))
	if err != nil {
		return err
	}
	return h.Router.readdress(h.only(addrs))
}

// Expire ends the lease of a host's addresses: it has none until Lease.
func (h *Home) Expire(g *Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.ports[g]; !ok {
		return fmt.Errorf("home %s: host %s is not here", h.Name, g.Name)
	}
	g.mu.Lock()
	old := h.public(g.addrs)
	g.addrs = make([]netip.Addr, 2)
	g.mu.Unlock()
	h.net.router.forgetAddresses(old)
	return g.Do(func() error { return runIP([]string{"addr flush dev " + g.device + " scope global"}) })
}

// Lease gives a host addresses on the LAN that it did not have before.
func (h *Home) Lease(g *Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.ports[g]; !ok {
		return fmt.Errorf("home %s: host %s is not here", h.Name, g.Name)
	}
	addrs, err := h.nextAddresses()
	if err != nil {
		return err
	}
	return h.settle(g, addrs)
}

// Take moves a host of another home to this one, as a telephone that leaves its Wi-Fi: its addresses are this home's.
func (h *Home) Take(g *Host) error {
	from := g.Home()
	if from == nil || from == h {
		return fmt.Errorf("home %s: host %s is not in another home", h.Name, g.Name)
	}
	if err := from.release(g); err != nil {
		return err
	}
	return h.attach(g)
}

// release takes a host off the LAN.
func (h *Home) release(g *Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	port := h.ports[g]
	delete(h.ports, g)
	h.guests = slices.DeleteFunc(h.guests, func(other *Host) bool { return other == g })
	g.mu.Lock()
	old := h.public(g.addrs)
	g.addrs = make([]netip.Addr, 2)
	g.mu.Unlock()
	h.net.router.forgetAddresses(old)
	return h.Router.Do(func() error { return runIP([]string{"link del " + port}) })
}

// Unplug pulls the cable between a host and the LAN (true), or puts it back: the host sees that its device has no carrier.
func (h *Home) Unplug(g *Host, out bool) error {
	h.mu.Lock()
	port, ok := h.ports[g]
	h.mu.Unlock()
	if !ok {
		return fmt.Errorf("home %s: host %s is not here", h.Name, g.Name)
	}
	state := "up"
	if out {
		state = "down"
	}
	return h.Router.Do(func() error { return runIP([]string{"link set " + port + " " + state}) })
}

// forgetAddresses makes the internet lose packets to addresses.
func (r *router) forgetAddresses(addrs []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range addrs {
		delete(r.routes, a)
	}
}
