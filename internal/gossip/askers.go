// SPDX-License-Identifier: MIT

package gossip

import (
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Hidden nodes are counted among those who ask: they ask as often as others that listen, or do not, as they do. An ask can be
// forged, so now and then the node asks one of its askers back, at once, while the NAT of a hidden one still lets the question
// in. Those that answered are a random choice of all nodes; each answer of this node brings one of them, since nobody asks a
// hidden node, and so that each node knows the choices of many.
const (
	askerTurns   = 8      // in one turn of so many an asker is asked back
	askerSeconds = 20     // after its ask, at most
	askerFresh   = 5 * 60 // one that answered within this time need not be asked again
	askersOfMax  = 8      // one asker is kept for so many of Config.HostsMax
	toldOfMax    = 1      // and one that an answer brought
	askersLeast  = 8      // at least
	askersMost   = 125    // and at most
	toldMost     = 250
)

// An asker is one that answered, 40 bytes.
type asker struct {
	addr   [16]byte
	port   uint16
	hidden bool
	seen   uint32          // second of its answer
	tuned  wire.StationTag // one of those that it is tuned to; 0 none
}

func (a *asker) addrPort() netip.AddrPort { return proxy{a.addr, a.port}.addrPort() }

// A toldAsker is one that an answer brought, 24 bytes.
type toldAsker struct {
	voter   group           // of the answerer
	tuned   wire.StationTag // 0 none
	sec     uint32
	of      uint8 // of how many it was chosen
	hidden  bool
	byTuned bool // the answerer is tuned to something
}

// A candidate is the asker that is asked back next.
type candidate struct {
	wire.Host
	hidden, tuned bool
	order         uint64
	sec           uint32
}

// askers are who asked, and who others say asked them.
type askers struct {
	key       sipKey
	hostsMax  int
	candidate candidate
	round     uint64
	known     []asker
	told      []toldAsker
	next      int // place of the next told one
}

// consider makes an asker the candidate, unless it answered lately, if a keyed hash puts its small network first: all networks have
// the same chance, however often they ask.
func (s *askers) consider(sec uint32, from netip.AddrPort, ask *wire.Ask, hidden bool) {
	c := candidate{wire.Host{Addr: from, Node: ask.Node}, hidden, len(ask.Tuned) > 0, s.key.words(10, s.round, uint64(voterOf(from))), sec}
	if old := &s.candidate; old.Addr.IsValid() && c.order > old.order && sec-old.sec <= askerSeconds || s.knows(sec, &c) {
		return
	}
	s.candidate = c
}

// take returns the candidate and begins to choose another.
func (s *askers) take(sec uint32) (candidate, bool) {
	c := s.candidate
	s.candidate = candidate{}
	s.round++
	return c, c.Addr.IsValid() && sec-c.sec <= askerSeconds
}

// knows reports whether the candidate answered lately.
func (s *askers) knows(sec uint32, c *candidate) bool {
	for i := range s.known {
		if k := &s.known[i]; k.addrPort() == c.Addr {
			return sec-k.seen <= askerFresh && k.hidden == c.hidden && (k.tuned != 0) == c.tuned
		}
	}
	return false
}

// add takes an asker that answered. It takes the place of the oldest when there are too many.
func (s *askers) add(a asker) {
	oldest := 0
	for i := range s.known {
		if k := &s.known[i]; k.addr == a.addr && k.port == a.port {
			*k = a
			return
		} else if k.seen < s.known[oldest].seen {
			oldest = i
		}
	}
	if len(s.known) < max(askersLeast, min(askersMost, s.hostsMax/askersOfMax)) {
		s.known = append(s.known, a)
		return
	}
	s.known[oldest] = a
}

// hear takes an asker that an answer brought.
func (s *askers) hear(sec uint32, from netip.AddrPort, a *wire.Answer) {
	t := toldAsker{voterOf(from), a.Asker.Tuned, sec, a.Asker.Of, a.Asker.Hidden, len(a.Tuned) > 0}
	if len(s.told) < max(askersLeast, min(toldMost, s.hostsMax/toldOfMax)) {
		s.told = append(s.told, t)
		return
	}
	s.told[s.next%len(s.told)] = t
	s.next = (s.next + 1) % len(s.told)
}

// askBack asks the candidate, if that is to be done, and reports whether that was in place of a random host. A hidden one is asked
// beside it: or open nodes would ask each other less than hidden ones ask them, and count too many of these.
func (g *Gossip) askBack(now mono.Time, out *Output) bool {
	sec := g.second(now)
	c, ok := g.askers.take(sec)
	if !ok {
		return false
	}
	i := g.hosts.find(c.Addr)
	if i < 0 {
		h := host{node: c.Node, addr: c.Addr.Addr().As16(), port: c.Addr.Port()}
		g.askHost(now, &h, pendingAsker, out)
		return !c.hidden
	}
	if h := &g.hosts.slots[i]; !c.hidden && h.proven(sec, askerFresh) {
		g.noteAskedBack(sec, c.Addr, false, h.tuned[:])
		return false
	}
	if !g.hosts.ready(i, sec) {
		return false
	}
	g.ask(now, i, pendingAsker, out)
	return true
}

// noteAskedBack notes that an asker is there and what it is tuned to.
func (g *Gossip) noteAskedBack(sec uint32, at netip.AddrPort, hidden bool, tuned []wire.StationTag) {
	g.askers.add(asker{addr: at.Addr().As16(), port: at.Port(), hidden: hidden, seen: sec, tuned: g.oneOf(tuned)})
}

// oneOf returns a random tag, 0 when there is none.
func (g *Gossip) oneOf(tags []wire.StationTag) wire.StationTag {
	n := 0
	for n < len(tags) && tags[n] != 0 {
		n++
	}
	if n == 0 {
		return 0
	}
	return tags[g.cfg.Rand.IntN(n)]
}

// tellAsker returns a random one of the nodes that asked this one and answered within 20 minutes, if this one is a host. A hidden node
// knows no random ones.
func (g *Gossip) tellAsker(sec uint32) (a wire.Asker) {
	if g.reach.hidden || g.cfg.Self.IsZero() {
		return a
	}
	n := 0
	for i := range g.askers.known {
		k := &g.askers.known[i]
		if sec-k.seen > voteSeconds {
			continue
		}
		if n++; g.cfg.Rand.IntN(n) == 0 {
			a = wire.Asker{Hidden: k.hidden, Tuned: k.tuned}
		}
	}
	if n > 0 { // in a large network those that are kept are few of all
		a.Of = uint8(min(max(n, g.hosts.fresh), wire.AskersMax))
	}
	return a
}
