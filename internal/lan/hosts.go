// SPDX-License-Identifier: MIT

package lan

import (
	"net/netip"
	"time"

	"streamer/internal/identity"
)

const (
	// HostsMax is how many nodes are remembered; the one that was silent longest makes room.
	HostsMax = 256
	// AddressHostsMax is how many of them may be at one IP address.
	AddressHostsMax = 32

	goneAfter   = 2*beaconEvery + beaconEvery/2 // two beacons were lost, or the node is gone
	reportAgain = 10 * time.Minute              // a node that is still there
)

// hosts remembers who was heard where, so that each node is reported once, at its best address.
type hosts struct {
	byNode map[identity.NodeID]host
}

type host struct {
	addr            netip.AddrPort
	heard, reported time.Time
}

// hear notes a node's beacon and says whether to report the address.
func (h *hosts) hear(now time.Time, node identity.NodeID, addr netip.AddrPort) bool {
	if h.byNode == nil {
		h.byNode = map[identity.NodeID]host{}
	}
	old, known := h.byNode[node]
	present := known && now.Sub(old.heard) < goneAfter
	switch {
	case present && addr == old.addr:
		old.heard = now
		report := now.Sub(old.reported) >= reportAgain
		if report {
			old.reported = now
		}
		h.byNode[node] = old
		return report
	case present && addr.Addr() != old.addr.Addr() && rank(addr.Addr()) >= rank(old.addr.Addr()):
		return false // a second address, or somebody else who says that he is the node
	case !known && !h.room(addr.Addr()):
		return false
	}
	h.byNode[node] = host{addr: addr, heard: now, reported: now}
	return true
}

// room makes room for one more node, and says whether there may be one more at ip.
func (h *hosts) room(ip netip.Addr) bool {
	var oldest identity.NodeID
	var heard time.Time
	there := 0
	for node, e := range h.byNode {
		if e.addr.Addr() == ip {
			there++
		}
		if heard.IsZero() || e.heard.Before(heard) {
			oldest, heard = node, e.heard
		}
	}
	if there >= AddressHostsMax {
		return false
	}
	if len(h.byNode) >= HostsMax {
		delete(h.byNode, oldest)
	}
	return true
}

// rank orders addresses by how far they are good: 0 is best. Link-local ones are good on this link only and cannot be told to
// others.
func rank(ip netip.Addr) int {
	switch {
	case ip.IsLinkLocalUnicast():
		return 2
	case ip.Is6():
		return 1
	default:
		return 0
	}
}
