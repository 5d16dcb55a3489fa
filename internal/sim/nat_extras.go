// SPDX-License-Identifier: MIT

package sim

import (
	"bytes"
	"net/netip"
	"slices"

	"streamer/internal/wire"
)

// extraPort is where a host's further ports begin, extraPorts how many it uses before it takes the first again.
const (
	extraPort  = 20000
	extraPorts = 20000
)

// extras are a host's further ports, as package udp has them.
type extras struct {
	open []extra
	used int
}

// An extra is a further port for one remote address: tried, or kept.
type extra struct {
	port uint16
	to   netip.AddrPort
	data []byte
	kept bool
}

// openExtras opens and closes what a call wants.
func (w *World) openExtras(h *host) {
	for _, x := range w.out.Extras {
		if x.Ports == 0 {
			h.extras.open = slices.DeleteFunc(h.extras.open, func(o extra) bool { return o.to == x.To && !(x.Keep && o.kept) })
			continue
		}
		if slices.ContainsFunc(h.extras.open, func(o extra) bool { return o.to == x.To && o.kept }) {
			continue
		}
		for range x.Ports {
			o := extra{port: uint16(extraPort + h.extras.used), to: x.To, data: wire.Punch{Token: x.Token}.Append(nil)}
			h.extras.used = (h.extras.used + 1) % extraPorts
			h.extras.open = append(h.extras.open, o)
			p := w.net.take(len(o.data))
			w.net.packets[p].data = append(w.net.packets[p].data, o.data...)
			w.transmit(h, o.port, o.to, p)
		}
	}
}

// portTo returns the port from which a host sends to an address.
func (h *host) portTo(to netip.AddrPort) uint16 {
	for i := range h.extras.open {
		if o := &h.extras.open[i]; o.kept && o.to == to {
			return o.port
		}
	}
	return udpPort
}

// receives reports whether a datagram that comes to a further port is received there. The first that is what was sent makes the port
// the one that is kept.
func (e *extras) receives(port uint16, from netip.AddrPort, data []byte) bool {
	i := slices.IndexFunc(e.open, func(o extra) bool { return o.port == port && o.to == from })
	if i < 0 || !e.open[i].kept && !bytes.Equal(e.open[i].data, data) {
		return false
	}
	if !e.open[i].kept {
		e.open[i].kept = true
		e.open = slices.DeleteFunc(e.open, func(o extra) bool { return o.to == from && !o.kept })
	}
	return true
}
