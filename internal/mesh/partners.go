// SPDX-License-Identifier: MIT

package mesh

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	dialsAtOnce   = 4
	dialTimeout   = 6 * time.Second
	dialBackoff   = time.Second
	dialPause     = 10 * time.Millisecond // between a failure and the next look
	dialBackoffMx = 30 * time.Second
	hintBackoffMx = 2 * time.Second
	dialFailsMax  = 6
	restFor       = 10 * time.Second // who was let go is not dialled again before
)

// Fed reports whether somebody brings the whole stream.
func (s *Station) Fed() bool { return s.cfg.Role == Source || s.fed() && s.newest() != nil }

// keepPartners dials when there are too few partners, and lets go of those that are too many.
func (s *Station) keepPartners(now mono.Time, out *Output) {
	if s.cfg.Role == Source || s.leaving {
		return
	}
	partners, dialing, fed := s.partners(), 0, s.fed()
	hopes := partners
	for i := range s.cands {
		c := &s.cands[i]
		if c.dialing != 0 && now.Sub(c.dialing) > dialTimeout {
			s.dialFailed(now, c)
		}
		if c.dialing != 0 && !c.near {
			dialing++
		}
	}
	limit, wanted := 1, partnersWanted
	if fed {
		if s.timers.hungry = 0; !s.uses(Standbys) {
			wanted = 0
		}
	} else {
		if s.timers.hungry == 0 {
			s.timers.hungry = now
		}
		hopes, limit = s.hopes(), dialsAtOnce // the longer nobody has room the more are asked
		if wanted = partnersMax; !s.play.begun {
			wanted = min(wanted, partnersFirst+int(now.Sub(s.timers.hungry)/partnersMoreEvery))
		}
	}
	for hopes+dialing < wanted && dialing < limit {
		c := s.nextDial(now)
		if c == nil {
			break
		}
		c.dialing = now
		dialing++
		out.Dials = append(out.Dials, Dial{Addr: c.Addr, Node: c.Node, Open: c.Open, Via: c.via, Proxies: c.proxies})
	}
	s.dropSpare(now, partners, out)
	s.askPeers(now, partners, out)
	s.cands = slices.DeleteFunc(s.cands, func(c candidate) bool { return !c.hint && c.fails >= dialFailsMax })
}

// lacking is the quarters that nobody has agreed to bring.
func (s *Station) lacking() (parts uint8) {
	for c := range s.assign {
		if !s.brings(c) {
			parts |= 1 << (c % wire.PartManifests)
		}
	}
	return parts
}

// mayBring reports whether a peer has one of these quarters, or has not said yet what it has; with none, whatever it has will do.
func (p *peer) mayBring(parts uint8) bool {
	return parts == 0 || p.have.Epoch == 0 || p.have.Parts&parts != 0
}

// hopes is how many partners may bring what this node lacks. When a quarter is lost near the source a whole audience lacks it: of any
// number of partners there, none is a hope.
func (s *Station) hopes() int {
	n, lacking := 0, s.lacking()
	for _, p := range s.peers {
		if !p.isChild() && p.mayBring(lacking) {
			n++
		}
	}
	return n
}

// fed reports whether somebody brings every class and the manifests.
func (s *Station) fed() bool {
	return s.manifests != nil && !slices.Contains(s.assign[:], nil)
}

// PeerUp is called when a link that the station asked for is up, or was already.
func (s *Station) PeerUp(now mono.Time, id PeerID, node identity.NodeID, addr netip.AddrPort, out *Output) {
	for i := range s.cands {
		if c := &s.cands[i]; c.Addr == addr || c.Node == node {
			c.dialing, c.fails, c.nextTry = 0, 0, now.Add(dialBackoff)
		}
	}
	p := s.addPeer(now, id, node, addr)
	if p == nil || s.leaving {
		return
	}
	p.dialed = true
	s.sendOpen(p, true, out)
	s.doMoves(now, out)
	s.assignClasses(now, out)
}

func (s *Station) sendOpen(p *peer, reply bool, out *Output) {
	m := wire.Open{Channel: s.cfg.Channel, Reply: reply, Source: s.cfg.Role == Source, Station: s.cfg.Station}
	out.control(p.id, m.Append)
}

// HandleOpen is called when a peer says that it carries the station.
func (s *Station) HandleOpen(now mono.Time, id PeerID, node identity.NodeID, addr netip.AddrPort, m wire.Open, out *Output) {
	p := s.addPeer(now, id, node, addr)
	if p == nil || s.leaving {
		gone := wire.Gone{Station: s.cfg.Station, Leaving: s.leaving}
		out.control(id, gone.Append)
		return
	}
	p.open, p.source, p.heardAt, p.gone = true, m.Source, now, false
	for i := range s.cands {
		if c := &s.cands[i]; c.Addr == addr || c.Node == node {
			c.gone = 0
		}
	}
	if m.Reply {
		s.sendOpen(p, false, out)
		s.sendHave(p, false, out)
		s.sayPlace(p, out)
	}
	s.doMoves(now, out)
}

// HandleGone is called when a peer does not carry the station, or leaves it.
func (s *Station) HandleGone(now mono.Time, id PeerID, m wire.Gone, out *Output) {
	s.addCandidates(now, id, m.Candidates)
	p := s.byID[id]
	if p == nil {
		return
	}
	p.gone = true
	for i := range s.cands {
		if c := &s.cands[i]; c.Addr == p.addr || c.Node == p.node {
			c.gone++
			c.fails = max(c.fails, min(c.gone, dialFailsMax-1)-1) // that the link came up is no success
			s.dialFailed(now, c)
		}
	}
	s.dropPeer(now, p, out)
	out.Idle = append(out.Idle, id)
	s.keepPartners(now, out)
}

// handleHave learns where a peer is in the stream.
func (s *Station) handleHave(now mono.Time, p *peer, m wire.Have, out *Output) {
	p.mapLen = copy(p.mapBits[:], m.Map)
	m.Map = nil
	first := p.haveAt == 0 || p.have.Epoch == 0 && m.Epoch != 0
	if first && p.parent.refusedUntil < now.Add(nothingFor) {
		p.parent.refusedUntil = 0
	}
	p.have, p.haveAt = m, now
	if m.Ask {
		s.sendHave(p, false, out)
	}
	if s.cfg.Role == Source {
		return
	}
	invited := m.Free > 0 && p.parent.full
	if invited {
		p.parent.refusedUntil, p.parent.full, p.parent.refusals, first = 0, false, 0, true // there is room now
	}
	e := s.newest()
	ahead := e == nil && m.Epoch != 0 || e != nil && (m.Epoch > e.num || m.Epoch == e.num && m.Next > e.next)
	if ahead && s.manifests != nil && s.manifests != p && now.Sub(s.timers.progress) > manifestsOverdue &&
		s.manifests.owedManifests == 0 {
		s.manifests.owedManifests = s.timers.progress
	}
	if m.Ended && e != nil && m.Epoch == e.num && e.end == nil {
		p.nackManifest(e.num, m.Next)
		s.timers.manifests = mono.Min(s.timers.manifests, now)
	}
	if first || ahead {
		s.assignClasses(now, out)
	}
	if invited {
		s.climbTo(now, p, out)
	}
}

// sayHave tells parents that the subscription is alive, and other partners where this node is.
func (s *Station) sayHave(now mono.Time, out *Output) {
	toParents, toOthers := now >= s.timers.have, now >= s.timers.haveOthers
	if rank := roomRank(uint8(min(s.freeForOthers(), 255))); toParents && rank != s.saidRank { // who looks for room learns it soon
		s.saidRank, toOthers = rank, true
	}
	if toOthers && s.host.Indebted(now) {
		toOthers, s.timers.haveOthers = false, now.Add(haveToParents)
	}
	if toParents {
		s.timers.have = now.Add(haveToParents)
	}
	if toOthers {
		s.timers.haveOthers = now.Add(haveToPartners)
	}
	if !toParents && !toOthers || s.leaving {
		return
	}
	for _, p := range s.peers {
		if parent := p.isParent(); p.open && !p.gone && (parent && toParents || !parent && !p.isChild() && toOthers) {
			s.sendHave(p, false, out)
		}
	}
}

func (s *Station) sendHave(p *peer, ask bool, out *Output) {
	s.sendHaveFree(p, ask, s.freeForOthers(), out)
}

// sendHaveFree says that there is room for so many classes.
func (s *Station) sendHaveFree(p *peer, ask bool, free int, out *Output) {
	m := wire.Have{Channel: s.cfg.Channel, Leaf: !s.host.Gives(), Ask: ask, Hops: s.place.partHops(), Free: uint8(min(free, 255)), Parts: s.gettable()}
	var bitmap [wire.MapBytesMax]byte
	if e := s.newest(); e != nil && e.placed {
		m.Epoch, m.Next, m.Complete, m.Ended = e.num, e.next, e.complete, e.end != nil
		n := 0
		for i := range min(e.next-e.complete, 8*wire.MapBytesMax) {
			if e.at(e.complete+i).data != nil {
				bitmap[i/8] |= 1 << (i % 8)
				n = int(i/8) + 1
			}
		}
		m.Map = bitmap[:n]
	}
	out.control(p.id, m.Append)
}

// freeForOthers is how many classes a newcomer may hope for.
func (s *Station) freeForOthers() int {
	if s.newest() == nil || s.gettable() == 0 { // HopsUnknown is above hopsMax
		return 0
	}
	free := s.freeClasses(false)
	if s.cfg.Role == Source {
		free = min(free, max(0, sourceClasses-s.Load()))
	}
	return free
}

// handlePeers learns of others, and tells of others.
func (s *Station) handlePeers(now mono.Time, p *peer, m wire.Peers, out *Output) {
	s.addCandidates(now, p.id, m.Candidates)
	if m.Ask {
		var buf [wire.CandidatesMax]wire.Candidate
		answer := wire.Peers{Channel: s.cfg.Channel, Candidates: s.offer(p, buf[:0])}
		out.control(p.id, answer.Append)
	}
}

// askPeers asks one peer for others, now and then, while there are too few.
func (s *Station) askPeers(now mono.Time, partners int, out *Output) {
	if now < s.timers.askPeers || partners >= partnersWanted {
		return
	}
	var one *peer
	n := 0
	for _, p := range s.peers {
		if p.open && !p.gone {
			if n++; s.rand.IntN(n) == 0 {
				one = p
			}
		}
	}
	if one == nil {
		return
	}
	s.timers.askPeers = now.Add(peersAskEvery)
	if partners < 2 {
		s.timers.askPeers = now.Add(peersAskEvery / 4)
	}
	m := wire.Peers{Channel: s.cfg.Channel, Ask: true}
	out.control(one.id, m.Append)
}

// dropSpare lets go of partners above the limit, and of the source when it is not a parent: its links are for those who
// have nobody else.
func (s *Station) dropSpare(now mono.Time, partners int, out *Output) {
	if s.manifests == nil || !s.play.begun && s.cfg.Role == Listener {
		return
	}
	lacking := s.lacking()
	for _, hopeless := range []bool{true, false} {
		for i := len(s.peers) - 1; i >= 0; i-- {
			p := s.peers[i]
			if p.isParent() || p.isChild() || p.near || p.parent.pending || now.Sub(s.timers.progress) > manifestsOverdue || hopeless && p.mayBring(lacking) {
				continue
			}
			if partners > partnersMax || !s.uses(Standbys) || p.source && partners > 2 && !(p.parent.full && s.gives() >= 2*wire.Classes) {
				gone := wire.Gone{Station: s.cfg.Station}
				out.control(p.id, gone.Append)
				out.Idle = append(out.Idle, p.id)
				s.addCandidate(now, candidate{Candidate: s.candidate(p)})
				if !p.source {
					s.letRest(now, p.addr)
				}
				s.dropPeer(now, p, out)
				partners--
			}
		}
	}
}

// letRest has a candidate not dialled again soon.
func (s *Station) letRest(now mono.Time, a netip.AddrPort) {
	for i := range s.cands {
		if c := &s.cands[i]; c.Addr == a {
			c.nextTry = now.Add(restFor)
		}
	}
}

// Leave tells everybody that this node goes, and where else the station may be had.
func (s *Station) Leave(now mono.Time, out *Output) {
	if s.leaving {
		return
	}
	s.leaving = true
	for _, p := range s.peers {
		gone := wire.Gone{Leaving: true, Station: s.cfg.Station}
		var buf [wire.CandidatesMax]wire.Candidate
		gone.Candidates = s.offer(p, buf[:0])
		out.control(p.id, gone.Append)
		out.Idle = append(out.Idle, p.id)
	}
	for len(s.peers) > 0 {
		s.dropPeer(now, s.peers[len(s.peers)-1], out)
	}
}
