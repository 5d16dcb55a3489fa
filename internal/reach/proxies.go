// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	proxiesWanted = 3
	askedMax      = 5 * time.Second  // then a peer that was asked to be a proxy will not be one
	offerEvery    = 2 * time.Second  // doubles while that brings no proxies
	offersDoubled = 5                // doublings: 64 s
	pickyFor      = 15 * time.Second // that some are missing: so long the third has to be of another network
	wantedMax     = 3 * proxiesWanted
	probesBurst   = 3
	probePortMin  = 1024 // no service of the asker's neighbours is below
	probesEvery   = 20 * time.Second
)

// wanted are hosts that are to be linked so that they become proxies.
type wanted struct {
	hosts  []wire.Host // at most wantedMax, the oldest first
	next   mono.Time   // no further offer is asked for before
	offers int         // that were taken since there were proxies enough
	since  mono.Time   // some are missing; 0: none are
}

// met reports whether a peer is one of them, and takes it out. It may be another node at the same address.
func (w *wanted) met(p *peer) bool {
	n := len(w.hosts)
	w.hosts = slices.DeleteFunc(w.hosts, func(h wire.Host) bool { return h.Node == p.node || h.Addr == p.addr })
	return len(w.hosts) < n
}

// Proxies returns the addresses of the nodes that introduce others to this one, at most 3: the one on the own LAN first, where others
// see it, then the oldest.
func (r *Reach) Proxies(into []netip.AddrPort) []netip.AddrPort {
	for _, p := range r.peers {
		if p.proxy && r.near(p) && len(into) < proxiesWanted {
			into = append(into, p.outside)
		}
	}
	for _, p := range r.peers {
		if p.proxy && !local(p.addr.Addr()) && len(into) < proxiesWanted && wire.ValidAddr(p.addr) {
			into = append(into, p.addr)
		}
	}
	return into
}

// Clients appends candidates that this node can introduce to a peer, or with 0 to itself, and that carry a station.
func (r *Reach) Clients(to PeerID, tag wire.StationTag, into []wire.Candidate) []wire.Candidate {
	asker := r.byID[to]
	for _, p := range r.peers {
		if len(into) == wire.CandidatesMax {
			break
		}
		if !p.client || p == asker || !wire.ValidAddr(p.addr) || !slices.Contains(p.carried, tag) {
			continue
		}
		at := p.addr
		if asker != nil {
			at = r.shownTo(p, asker)
		}
		if at.IsValid() {
			into = append(into, wire.Candidate{Node: p.node, Addr: at, Open: p.open, Hops: wire.HopsUnknown, Free: wire.Classes})
		}
	}
	return into
}

// ClientCount is how many nodes this one introduces to others.
func (r *Reach) ClientCount() int {
	n := 0
	for _, p := range r.peers {
		if p.client {
			n++
		}
	}
	return n
}

// considerProxy asks a peer to be a proxy when one is wanted and the peer can be; it reports whether it did.
func (r *Reach) considerProxy(now mono.Time, p *peer, out *Output) bool {
	if r.open(p.addr) || !p.open || p.asked != 0 {
		return false
	}
	if local(p.addr.Addr()) {
		if !r.near(p) || r.hasNear() {
			return false // of a local address those whom it is to introduce would know nothing
		}
	} else {
		if r.proxies(now, p) >= proxiesWanted {
			return false
		}
		n := r.lacks(now)
		if n[FamilyAny] == 0 && n[FamilyIPv4+Family(familyOf(p.addr))] == 0 {
			return false
		}
	}
	p.asked = now
	r.sayStanding(now, p, out)
	return true
}

// lacks returns how many more proxies are wanted of each family. Who has IPv4 alone can only be introduced by a proxy to which this
// node has a link with IPv4, and likewise with IPv6: a node that needs both keeps one with IPv6, the others with IPv4, as long as
// such are not sought in vain.
func (r *Reach) lacks(now mono.Time) (n [families]int) {
	have := r.proxies(now, nil)
	ip4, ip6 := r.seeks()
	if have >= proxiesWanted || !ip4 && !ip6 {
		return n
	}
	switch {
	case !ip6:
		n[FamilyIPv4] = proxiesWanted - have // those of the other family were let go
		return n
	case !ip4:
		n[FamilyIPv6] = proxiesWanted - have
		return n
	case !r.ways[0].outside.IsValid() || !r.ways[1].outside.IsValid() || r.wanted.since != 0 && now.Sub(r.wanted.since) >= pickyFor:
		n[FamilyAny] = proxiesWanted - have
		return n
	}
	n[FamilyIPv4], n[FamilyIPv6] = proxiesWanted-1, 1
	for _, p := range r.peers {
		if f := FamilyIPv4 + Family(familyOf(p.addr)); p.keep() && n[f] > 0 {
			n[f]--
		}
	}
	return n
}

// proxies is how many peers are proxies, or have been asked; those in the network of like count double, so that the
// failure of one network leaves others, unless others were sought in vain.
func (r *Reach) proxies(now mono.Time, like *peer) int {
	n := 0
	picky := like != nil && (r.wanted.since == 0 || now.Sub(r.wanted.since) < pickyFor)
	for _, p := range r.peers {
		if p.keep() {
			if n++; picky && network(p.addr.Addr()) == network(like.addr.Addr()) {
				n++
			}
		}
	}
	return n
}

// keepProxies replaces those that are gone or refuse.
func (r *Reach) keepProxies(now mono.Time, out *Output) {
	kept := 0
	for _, p := range r.peers {
		switch {
		case p.keep() && local(p.addr.Addr()) && !r.near(p): // not any more
			p.asked, p.proxy, r.changed = 0, false, true
			p.hold = max(p.hold, now.Add(holdFor))
			r.sayStanding(now, p, out)
		case p.proxy:
			kept++
		case p.keep() && now.Sub(p.asked) > askedMax:
			p.refused = true
			p.hold = max(p.hold, now.Add(holdFor))
			r.sayStanding(now, p, out) // a late yes shall not bind it
		}
	}
	ip4, ip6 := r.seeks()
	switch {
	case kept >= proxiesWanted || !ip4 && !ip6:
		r.wanted.offers, r.wanted.since = 0, 0
	case r.wanted.since == 0:
		r.wanted.since = now
	}
	if !ip4 && !ip6 {
		return
	}
	for _, p := range r.peers { // one on the own LAN is asked however many there are
		r.considerProxy(now, p, out)
	}
	if r.proxies(now, nil) < proxiesWanted && now >= r.wanted.next {
		r.wanted.next = now.Add(offerEvery << min(r.wanted.offers, offersDoubled))
		out.Hosts = r.lacks(now)
	}
}

// Offer names hosts that may become proxies, as Output.Hosts asked: they have answered this node, so others reach them.
func (r *Reach) Offer(hosts []wire.Host, out *Output) {
	links := len(out.Links)
	for _, h := range hosts[:min(len(hosts), proxiesWanted)] {
		if r.byNode[h.Node] != nil || h.Node == r.cfg.Self {
			continue
		}
		if len(r.wanted.hosts) >= wantedMax {
			r.wanted.hosts = slices.Delete(r.wanted.hosts, 0, 1)
		}
		r.wanted.hosts = append(r.wanted.hosts, h)
		out.Links = append(out.Links, h)
	}
	if len(out.Links) > links {
		r.wanted.offers++
	}
}

// mayKeep reports whether this node introduces others to one more peer.
func (r *Reach) mayKeep(p *peer) bool {
	all, near := 0, 0
	for _, o := range r.peers {
		if o.client {
			all++
			if network(o.addr.Addr()) == network(p.addr.Addr()) {
				near++
			}
		}
	}
	return r.open(p.addr) && all < clientsMax && near < clientsPerNetwork
}

// probe asks for datagrams from where this node has never sent anything, when it is time to know.
func (r *Reach) probe(now mono.Time, out *Output) {
	if !r.observer.WantsProbe(now) {
		return
	}
	var best *peer
	n := 0
	for _, p := range r.peers {
		if !local(p.addr.Addr()) {
			if n++; r.cfg.Rand.IntN(n) == 0 {
				best = p
			}
		}
	}
	if best == nil {
		return
	}
	r.observer.ProbeSentTo(now, best.addr)
	m := wire.ProbeMe{Token: r.token(), Port: r.observer.TestPort(best.addr)}
	r.tested = m.Token
	out.message(best.id, m.Append)
}

// handleProbeMe sends a PUNCH from the second port, and has a peer in another network send one; to the address where this node sees
// the peer, whatever port it would like.
func (r *Reach) handleProbeMe(now mono.Time, p *peer, m wire.ProbeMe, out *Output) {
	if !p.limit().probes.take(now, probesBurst, probesEvery) || local(p.addr.Addr()) {
		return
	}
	at := p.addr
	if m.Port >= probePortMin {
		at = netip.AddrPortFrom(at.Addr(), m.Port)
	}
	out.Punches = append(out.Punches, Punch{To: at, Token: m.Token, Aside: true})
	r.disturbMeasurement(now)
	var best *peer
	n := 0
	for _, o := range r.peers {
		if o != p && sameSide(o.addr.Addr(), p.addr.Addr()) && o.addr.Addr() != p.addr.Addr() && wire.ValidAddr(p.addr) {
			if n++; r.cfg.Rand.IntN(n) == 0 {
				best = o
			}
		}
	}
	if best != nil {
		probe := wire.Probe{Token: m.Token, Addr: at}
		out.message(best.id, probe.Append)
	}
}

// handleProbe sends one PUNCH for a peer: nobody can have this node send more than a few small datagrams anywhere.
func (r *Reach) handleProbe(now mono.Time, p *peer, m wire.Probe, out *Output) {
	if !p.limit().probes.take(now, probesBurst, probesEvery) || local(m.Addr.Addr()) || !r.openAll.take(now, allBurst, allEvery) {
		return
	}
	r.counts.PunchesSent++
	out.Punches = append(out.Punches, Punch{To: m.Addr, Token: m.Token})
}
