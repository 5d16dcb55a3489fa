// SPDX-License-Identifier: MIT

package lan

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"streamer/internal/identity"
)

// What tests count with.
const (
	AnswersAtOnce = answersAtOnce
	HeardAtOnce   = heardAtOnce
	GoneAfter     = goneAfter
	ReportAgain   = reportAgain
)

// Hosts is hosts.
type Hosts struct{ hosts }

// Hear is hear.
func (h *Hosts) Hear(now time.Time, node identity.NodeID, addr netip.AddrPort) bool {
	return h.hear(now, node, addr)
}

// Known is how many nodes are remembered.
func (h *Hosts) Known() int { return len(h.byNode) }

// An Ear is a listener without multicast: tests say what it hears, and it answers from a socket on loopback.
type Ear struct {
	l     *listener
	radio *radio
}

// NewEar makes a listener on interfaces.
func NewEar(t *testing.T, cfg Config, interfaces []Interface, found func(netip.AddrPort, identity.NodeID)) *Ear {
	t.Helper()
	own, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	return &Ear{
		l: &listener{
			cfg: cfg, found: found, interfaces: interfaces,
			heard:   rate.NewLimiter(heardPerSec, heardAtOnce),
			answers: rate.NewLimiter(answersPerSec, answersAtOnce),
		},
		radio: &radio{own: own},
	}
}

// Receive hands in a datagram that came by the interface of that index; 0: the system does not say which.
func (e *Ear) Receive(now time.Time, from netip.AddrPort, index int, datagram []byte) {
	e.l.receive(now, packet{radio: e.radio, from: from, index: index, data: datagram})
}
