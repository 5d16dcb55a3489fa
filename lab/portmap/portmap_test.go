// SPDX-License-Identifier: MIT

//go:build lab && linux

package portmap_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"streamer/internal/portmap"
)

// A port is mapped by each protocol alone and by all, a stranger's datagram arrives, and the end of the program closes the port.
func TestMapping(t *testing.T) {
	for _, c := range []struct {
		name      string
		router    []string
		protocols []portmap.Protocol
		want      portmap.Protocol
	}{
		{"PCP", []string{"enable_natpmp=yes", "enable_upnp=no"}, []portmap.Protocol{portmap.PCP}, portmap.PCP},
		{"NAT-PMP", []string{"enable_natpmp=yes", "enable_upnp=no"}, []portmap.Protocol{portmap.NATPMP}, portmap.NATPMP},
		{"UPnP", []string{"enable_natpmp=no", "enable_upnp=yes"}, []portmap.Protocol{portmap.UPnP}, portmap.UPnP},
		{"UPnP only router, raced", []string{"enable_natpmp=no", "enable_upnp=yes"}, nil, portmap.UPnP},
		{"raced", []string{"enable_natpmp=yes", "enable_upnp=yes"}, nil, portmap.PCP},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.serve(t, c.router...)
			outside := netip.AddrPortFrom(netip.MustParseAddr(router4), nodePort)
			begun := time.Now()
			n := h.run(t, portmap.Options{Protocols: c.protocols})
			m := n.mapped(t, false, 20*time.Second)
			t.Logf("mapped after %v: %+v", time.Since(begun).Round(time.Millisecond), m)
			if m.Protocol != c.want || m.External != outside {
				t.Errorf("%s maps %v, want %s and %v", m.Protocol, m.External, c.want, outside)
			}
			if !h.says(t, m.External, 2*time.Second) {
				t.Errorf("a stranger gets no answer; the router has\n%s", h.rules(t))
			}
			n.leave(t)
			if rules := h.rules(t); strings.Contains(rules, "8466") {
				t.Errorf("the mapping is still there:\n%s", rules)
			}
			if h.says(t, m.External, 250*time.Millisecond) {
				t.Error("the port is still open")
			}
		})
	}
}
