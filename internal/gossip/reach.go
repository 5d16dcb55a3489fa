// SPDX-License-Identifier: MIT

package gossip

import (
	"net/netip"
	"slices"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// hiddenFlag in Answer.Stations says that the answerer is hidden: it answers since it asked, and is no host to tell others of.
const hiddenFlag = 0x4000

// A standing is how this node can be reached.
type standing struct {
	hidden  bool    // everywhere
	family  [2]bool // from hosts with IPv4, with IPv6
	proxies wire.Proxies
}

// hiddenFrom reports whether a host cannot ask this node, by the family of its address.
func (s *standing) hiddenFrom(a netip.AddrPort) bool {
	if unmap(a).Addr().Is4() {
		return s.family[0]
	}
	return s.family[1]
}

// SetReach says whether this node is hidden, so that strangers cannot ask it, and who introduces others to it then: at most
// wire.ProxiesMax addresses. At first it is not.
func (g *Gossip) SetReach(hidden bool, proxies []netip.AddrPort) {
	g.SetReachOf([2]bool{hidden, hidden}, proxies)
}

// SetReachOf is SetReach where it may differ: hidden in IPv4, in IPv6. Who is reached in one family is a host in that.
func (g *Gossip) SetReachOf(family [2]bool, proxies []netip.AddrPort) {
	hidden := family[0] && family[1]
	g.reach = standing{hidden: hidden, family: family}
	if hidden {
		g.askers.known, g.askers.candidate = nil, candidate{}
	}
	for _, a := range proxies {
		if a = unmap(a); (family[0] || family[1]) && hostAddr(a) {
			g.reach.proxies.Add(a)
		}
	}
}

// tellReach puts into an ask how this node is reached: only proxies that mean something to the host that is asked.
func (g *Gossip) tellReach(a *wire.Ask, to netip.AddrPort) {
	a.Node, a.Hidden = g.cfg.Self, g.reach.hiddenFrom(to)
	if !a.Hidden {
		return
	}
	for _, p := range g.reach.proxies.List() {
		if !isPrivate(p.Addr()) || isPrivate(to.Addr()) {
			a.Proxies = append(a.Proxies, p)
		}
	}
}

// near reports whether a host is on the same LAN, where nobody is hidden: its address is private, in the network in which
// others see this node. Networks of providers (RFC 6598) are none.
func (g *Gossip) near(a netip.AddrPort) bool {
	return onLAN(a.Addr()) && slices.ContainsFunc(g.votes.kept[:], func(v addressVote) bool { return sameLAN(v.you, a) })
}

func sameLAN(a, b netip.AddrPort) bool {
	return onLAN(a.Addr()) && onLAN(b.Addr()) && groupOf(a.Addr()) == groupOf(b.Addr())
}

func onLAN(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() }

// Reachable appends to into at most n hosts that answered this node itself within 10 minutes, random ones: of groups that into
// has not yet as long as there are any, then of other small networks, then of any. It names none of them twice, and leaves out those that
// avoid accepts. A node chooses its proxies from these.
func (g *Gossip) Reachable(now mono.Time, avoid func(wire.Host) bool, into []wire.Host, n int) []wire.Host {
	sec := g.second(now)
	for _, network := range [...]func(netip.AddrPort) group{
		func(a netip.AddrPort) group { return groupOf(a.Addr()) }, voterOf,
		func(netip.AddrPort) group { return kindOther },
	} {
		for ; n > 0; n-- {
			i := g.reachable(sec, func(h wire.Host) bool {
				return avoid != nil && avoid(h) || slices.ContainsFunc(into, func(o wire.Host) bool {
					own := network(h.Addr)
					return o.Node == h.Node || own != kindOther && network(o.Addr) == own
				})
			})
			if i < 0 {
				break
			}
			into = append(into, g.hosts.slots[i].wire())
		}
	}
	return into
}

// reachable returns the place of a random host that answers and that skip does not refuse, -1 if there is none.
func (g *Gossip) reachable(sec uint32, skip func(wire.Host) bool) int {
	best, seen := -1, 0
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if !h.proven(sec, heardSeconds) || h.node.IsZero() || skip(h.wire()) {
			continue
		}
		if seen++; g.cfg.Rand.IntN(seen) == 0 {
			best = i
		}
	}
	return best
}
