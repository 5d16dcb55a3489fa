// SPDX-License-Identifier: MIT

package mesh

import (
	"net/netip"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// A candidate is an address where the station may be had.
type candidate struct {
	wire.Candidate
	hint    bool             // the user's: never forgotten
	near    bool             // on the LAN: keepNear dials it
	gone    int              // times that it said GONE
	via     PeerID           // who told of it and may introduce this node to it; 0 none
	proxies []netip.AddrPort // who else may; at most proxiesMax
	dialing mono.Time
	nextTry mono.Time
	fails   int
	climbed mono.Time // when it was last dialled for its place
}

func (s *Station) addHint(a netip.AddrPort) {
	for i := range s.cands {
		if s.cands[i].Addr == a {
			s.cands[i].hint, s.cands[i].nextTry = true, 0
			return
		}
	}
	if len(s.cands) < candidatesKept {
		s.cands = append(s.cands, candidate{Candidate: wire.Candidate{Addr: a}, hint: true})
	}
}

// proxiesMax is how many proxies of one host are remembered.
const proxiesMax = 3

// addCandidates remembers what a peer has told.
func (s *Station) addCandidates(now mono.Time, via PeerID, list []wire.Candidate) {
	for _, c := range list {
		s.addCandidate(now, candidate{Candidate: c, via: via})
	}
}

// addCandidate remembers where the station may be had.
func (s *Station) addCandidate(now mono.Time, c candidate) {
	if c.Node == s.cfg.Self || !c.Addr.IsValid() || c.Addr.Port() == 0 || c.Addr.Addr().IsUnspecified() || c.Addr.Addr().IsMulticast() {
		return
	}
	for i := range s.cands {
		if old := &s.cands[i]; old.Addr == c.Addr {
			if c.Node.IsZero() { // who it is, is known
				c.Node, c.Open = old.Node, old.Open
			}
			old.Candidate = c.Candidate
			if c.via != 0 {
				if old.via == 0 && !c.Open && old.dialing != 0 { // knocking does not help: be introduced
					old.dialing, old.nextTry = 0, now
					s.timers.review = mono.Min(s.timers.review, now)
				}
				old.via = c.via
			}
			if len(c.proxies) > 0 {
				old.proxies = c.proxies
			}
			return
		}
	}
	if len(s.cands) < candidatesKept {
		s.cands = append(s.cands, c)
		return
	}
	worst := -1
	for i := range s.cands {
		if k := &s.cands[i]; !k.hint && k.dialing == 0 && (worst < 0 || k.fails > s.cands[worst].fails) {
			worst = i
		}
	}
	if worst >= 0 {
		c.nextTry = now
		s.cands[worst] = c
	}
}

// AddFound adds a host of which others say that it carries the station; node is zero when nobody said who it is. Proxies are
// where one is introduced to it; with none it is reached directly.
func (s *Station) AddFound(now mono.Time, a netip.AddrPort, node identity.NodeID, proxies []netip.AddrPort) {
	c := candidate{Candidate: wire.Candidate{Addr: a, Node: node, Free: wire.Classes, Hops: wire.HopsUnknown}}
	c.proxies = append(c.proxies, proxies[:min(len(proxies), proxiesMax)]...)
	s.addCandidate(now, c)
	s.timers.review = mono.Min(s.timers.review, now)
}

// nextDial chooses the next candidate: never one that is a peer already; hints and those with room first.
func (s *Station) nextDial(now mono.Time) *candidate {
	best, bestRank, ties := -1, 0, 0
	for i := range s.cands {
		c := &s.cands[i]
		if c.dialing != 0 || now < c.nextTry || c.near && !c.hint || s.isPeer(c) {
			continue
		}
		rank := roomRank(c.Free) + 1
		switch {
		case c.fails > 2 || c.Source && s.manifests != nil:
			rank = 1 // the links of the source are for those who have nobody else
		case c.hint && c.fails == 0:
			rank = roomRanks + 2
		}
		switch {
		case rank > bestRank:
			best, bestRank, ties = i, rank, 1
		case rank == bestRank:
			if ties++; s.rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	if best < 0 || bestRank == 1 && s.manifests != nil && s.cands[best].Source {
		return nil
	}
	return &s.cands[best]
}

func (s *Station) isPeer(c *candidate) bool {
	for _, p := range s.peers {
		if p.addr == c.Addr || c.Node != (identity.NodeID{}) && p.node == c.Node {
			return true
		}
	}
	return false
}

func (s *Station) dialFailed(now mono.Time, c *candidate) {
	c.dialing = 0
	c.fails++
	longest := dialBackoffMx
	if (c.hint || c.Source || c.gone > 0) && (s.manifests == nil || now.Sub(s.timers.progress) > manifestsOverdue) {
		longest = hintBackoffMx // there may be nobody else
	}
	c.nextTry = now.Add(min(dialBackoff<<min(c.fails-1, 5), longest))
}

// DialFailed is called when a dial that the station asked for came to nothing.
func (s *Station) DialFailed(now mono.Time, addr netip.AddrPort) {
	for i := range s.cands {
		if c := &s.cands[i]; c.Addr == addr && c.dialing != 0 {
			s.dialFailed(now, c)
			s.timers.review = mono.Min(s.timers.review, now.Add(dialPause))
		}
	}
}
