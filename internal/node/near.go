// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Limits of what a node knows of its own LAN.
const (
	LocalMax     = 64 // own addresses, and own prefixes, of a LocalCommand
	nearHostsMax = 64 // hosts on the LAN; the oldest makes room
	gossipShared = 64 // bytes a second, where another node on the LAN asks as often as ever
	lanBits      = 64 // of the prefix of an IPv6 LAN with public addresses (RFC 4291)
)

// LocalCommand says where the node's machine is: Addrs are its addresses, Prefixes the networks that it is attached to without
// a router between (not those of tunnels). At most 64 of each count. It comes at the start, and when they change.
type LocalCommand struct {
	Addrs    []netip.Addr
	Prefixes []netip.Prefix
	Port     uint16 // UDP, of the node; 0 unknown
}

func (LocalCommand) command() {}

// local is the node's surroundings.
type local struct {
	known    bool
	addrs    []netip.Addr
	prefixes []netip.Prefix
	hosts    []wire.Host // on the LAN, the oldest first
	shared   mono.Time   // since when others on the LAN carry the same, and come before this node; 0: they do not
}

// sharedAfter is how long that must be so before asks become rare: first a node gets to know its stations and hosts.
const sharedAfter = 30 * time.Second

// setLocal takes the node's addresses and networks.
func (n *Node) setLocal(now mono.Time, c LocalCommand) {
	l := &n.local
	if l.known && !slices.Equal(l.addrs, c.Addrs[:min(len(c.Addrs), LocalMax)]) {
		n.tellMoved()
	}
	l.known = true
	l.addrs = append(l.addrs[:0], c.Addrs[:min(len(c.Addrs), LocalMax)]...)
	n.meeting.reach.Observer().SetLocal(now, l.addrs, c.Port)
	l.prefixes = l.prefixes[:0]
	for _, p := range c.Prefixes[:min(len(c.Prefixes), LocalMax)] {
		if p.IsValid() {
			l.prefixes = append(l.prefixes, p.Masked())
		}
	}
	l.hosts = slices.DeleteFunc(l.hosts, func(h wire.Host) bool { return !l.near(h.Addr.Addr()) })
	for _, st := range n.stations {
		st.LocalChanged()
	}
}

// tellMoved has all peers hear this node from its new address, if it has one, at once: those that it sends nothing else, as its
// proxies, would go on telling others of the old one.
func (n *Node) tellMoved() {
	for id := range n.links.All() {
		n.pending(id).moved = true
	}
}

// Near implements mesh.Host.
func (n *Node) Near(p mesh.PeerID) bool {
	info, ok := n.links.Peer(link.ID(p))
	return ok && (n.local.near(info.Addr.Addr()) || n.turnsBack(info))
}

// turnsBack reports whether a link goes to a host on the LAN by way of the router, which sends it back (hairpinning): the peer is at
// the outside address of this node, and the LAN brought the same node. The address alone would say little: behind a carrier-grade NAT many
// strangers have it.
func (n *Node) turnsBack(info link.Info) bool {
	a := info.Addr.Addr().Unmap()
	outside := n.meeting.reach.Outside(a).Addr()
	return a == outside && !slices.Contains(n.local.addrs, outside) &&
		slices.ContainsFunc(n.local.hosts, func(h wire.Host) bool { return h.Node == info.NodeID })
}

// near reports whether packets to an address reach it without a router: it is this machine's, or it is in one of the networks
// here and of a kind that homes and offices use. Public IPv4 networks are left out: they are those of data centres, where
// neighbours are strangers; so are IPv6 networks above the size of one LAN.
func (l *local) near(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !l.known {
		return false
	}
	if a.IsLoopback() || slices.Contains(l.addrs, a) {
		return true
	}
	if a.Is4() && !a.IsPrivate() && !a.IsLinkLocalUnicast() {
		return false
	}
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool {
		return p.Contains(a) && (a.Is4() || a.IsPrivate() || p.Bits() >= lanBits)
	})
}

// noteSharing looks whether others on the LAN carry all that this node carries, and come before it.
func (n *Node) noteSharing(now mono.Time) {
	shares := len(n.stations) > 0 && !slices.ContainsFunc(n.stations, func(st *station) bool { return !st.SharesLine(now) })
	switch l := &n.local; {
	case !shares:
		l.shared = 0
	case l.shared == 0:
		l.shared = now
	}
}

// sharesLine reports whether this node has settled as one of several behind a router: they share what gossip may cost.
func (n *Node) sharesLine(now mono.Time) bool {
	return n.local.shared != 0 && now.Sub(n.local.shared) > sharedAfter
}

// meetNear remembers a host that the LAN brought, and tells the stations: it may carry any of them.
func (n *Node) meetNear(now mono.Time, h wire.Host) {
	l := &n.local
	if !l.near(h.Addr.Addr()) || h.Node == n.cfg.Key.Public() || h.Node == (identity.NodeID{}) {
		return
	}
	l.hosts = slices.DeleteFunc(l.hosts, func(o wire.Host) bool { return o.Node == h.Node || o.Addr == h.Addr })
	if len(l.hosts) >= nearHostsMax {
		l.hosts = slices.Delete(l.hosts, 0, 1)
	}
	l.hosts = append(l.hosts, h)
	if id, linked := n.links.Find(h.Node); linked && n.Near(mesh.PeerID(id)) {
		for _, st := range n.stations {
			st.LocalChanged() // the link may be older than that is known
		}
	}
	for _, st := range n.stations {
		st.AddNear(now, h.Addr, h.Node)
	}
}

// tellNear tells a station that has just been tuned in of the hosts on the LAN, the newest first.
func (n *Node) tellNear(now mono.Time, st *station) {
	for _, h := range slices.Backward(n.local.hosts) {
		st.AddNear(now, h.Addr, h.Node)
	}
}
