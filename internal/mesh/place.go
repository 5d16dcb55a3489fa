// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	grandparentsMax = 4
	placeEvery      = 250 * time.Millisecond
	placeSlowly     = time.Second // with no upload to spare
	aboveEvery      = 5 * time.Second
	deadFor         = 2 * time.Second // a way through a dead node is not taken
)

// placeState is where this node is between the source and its children: for each part of the stream the hops to the
// source and the ancestors, as docs/protocol/stations.md tells children.
type placeState struct {
	parts   [wire.PathParts]wire.PathPart
	changed bool // and not all have been told
}

func pathID(id identity.NodeID) wire.PathID { return wire.PathID(id[:4]) }

func (pl *placeState) init(source bool) {
	for i := range pl.parts {
		if pl.parts[i].Hops = wire.HopsUnknown; source {
			pl.parts[i].Hops = 0
		}
	}
}

// hops is the longest way to the source of any part that reaches this node.
func (pl *placeState) hops() uint8 {
	hops, known := uint8(0), false
	for i := range wire.PartManifests {
		if h := pl.parts[i].Hops; h != wire.HopsUnknown {
			hops, known = max(hops, h), true
		}
	}
	if !known {
		return wire.HopsUnknown
	}
	return hops
}

// partHops is the way of each quarter.
func (pl *placeState) partHops() (hops [wire.PartManifests]uint8) {
	for i := range hops {
		hops[i] = pl.parts[i].Hops
	}
	return hops
}

// updatePlace works out the place from the parents' and tells the children when it has changed.
func (s *Station) updatePlace() {
	if s.cfg.Role == Source {
		return
	}
	var parts [wire.PathParts]wire.PathPart
	for i := range parts {
		parts[i].Hops = wire.HopsUnknown
	}
	for c, p := range s.assign {
		if s.brings(c) {
			follow(&parts[c%wire.PartManifests], p, c%wire.PartManifests)
		}
	}
	if s.manifests != nil && s.manifests.parent.manifests {
		follow(&parts[wire.PartManifests], s.manifests, wire.PartManifests)
	}
	if parts == s.place.parts {
		return
	}
	for i := range parts {
		if (parts[i].Hops == wire.HopsUnknown) != (s.place.parts[i].Hops == wire.HopsUnknown) {
			s.timers.place = 0 // whether a way leads here at all is told at once
		}
	}
	s.place.parts = parts
	s.place.changed = true
}

// tellPlace tells children, and near peers, the place when it has changed: not more often than they can use.
func (s *Station) tellPlace(now mono.Time, out *Output) {
	if !s.place.changed || now < s.timers.place {
		return
	}
	every := placeEvery
	if s.host.Indebted(now) {
		every = placeSlowly
	}
	s.place.changed, s.timers.place = false, now.Add(every)
	above := now >= s.timers.above
	if above {
		s.timers.above = now.Add(aboveEvery)
	}
	for _, c := range s.children {
		s.sayPath(c, out)
		if above {
			s.sayAbove(c, out)
		}
	}
	for _, p := range s.peers {
		if p.near && p.open && !p.gone && !p.isChild() {
			s.sayPath(p, out)
		}
	}
}

// brings reports whether a parent has agreed to bring class c.
func (s *Station) brings(c int) bool {
	p := s.assign[c]
	return p != nil && p.parent.classes&(1<<c) != 0
}

// sayPlace tells a child, or one who may become a child, how the stream reaches this node.
func (s *Station) sayPlace(p *peer, out *Output) {
	s.sayPath(p, out)
	if p.isChild() {
		s.sayAbove(p, out)
	}
}

// sayAbove tells a child where it may go should this node die.
func (s *Station) sayAbove(p *peer, out *Output) {
	var buf [wire.CandidatesMax]wire.Candidate
	above := wire.Peers{Channel: s.cfg.Channel, Candidates: buf[:0]}
	for _, o := range s.peers { // where the child may go should this node die
		if o.isParent() && (p.near || !o.near) && o.open && len(above.Candidates) < grandparentsMax {
			above.Candidates = append(above.Candidates, s.candidate(o))
		}
	}
	if len(above.Candidates) > 0 {
		out.control(p.id, above.Append)
	}
}

// sayPath tells a peer the way of each part to this node.
func (s *Station) sayPath(p *peer, out *Output) {
	m := wire.Path{Channel: s.cfg.Channel, Parts: s.place.parts}
	out.control(p.id, m.Append)
}

// goUp dials the source when one of its own children has died under this node: there it has room for orphans, while all
// others that this node knows may have been fed by the dead one too.
func (s *Station) goUp(now mono.Time, lost *peer, out *Output) {
	copy(s.recent[1:], s.recent[:])
	s.recent[0] = lostParent{pathID(lost.node), now}
	if lost.have.Nearest() != 1 {
		return
	}
	for i := range s.cands {
		if c := &s.cands[i]; c.Source && c.dialing == 0 && !s.isPeer(c) {
			c.dialing = now
			out.Dials = append(out.Dials, Dial{Addr: c.Addr, Node: c.Node})
		}
	}
}

// A lostParent is one that died lately: those who are fed by it are no help now.
type lostParent struct {
	id wire.PathID
	at mono.Time
}

// fedByDead reports whether a way leads through a parent that this node has lost lately.
func (s *Station) fedByDead(now mono.Time, way *wire.PathPart) bool {
	for _, l := range s.recent {
		if l.at != 0 && now.Sub(l.at) < deadFor && way.Has(l.id) {
			return true
		}
	}
	return false
}

// handlePath learns how the stream reaches a peer, and leaves it for those parts that reach it through this node.
func (s *Station) handlePath(now mono.Time, p *peer, m *wire.Path, out *Output) {
	if p.path == nil {
		p.path = new(wire.Path)
	}
	*p.path = *m
	for part := range p.have.Hops { // children are not sent HAVE
		p.have.Parts &^= 1 << part
		if p.have.Hops[part] = m.Parts[part].Hops; p.have.Hops[part] != wire.HopsUnknown {
			p.have.Parts |= 1 << part
		}
	}
	if s.cfg.Role == Source {
		return
	}
	self := pathID(s.cfg.Self)
	dropped := false
	for part := range m.Parts {
		tooLong := m.Parts[part].Hops != wire.HopsUnknown && m.Parts[part].Hops >= hopsMax
		if !m.Parts[part].Has(self) && !tooLong {
			continue
		}
		if part == wire.PartManifests {
			if s.manifests == p {
				s.manifests, p.parent.wantManifests, dropped = nil, false, true
			}
			continue
		}
		for c := part; c < wire.Classes; c += wire.PartManifests {
			if s.assign[c] == p {
				s.assign[c], dropped = nil, true
			}
			dropped = dropped || p.parent.want&(1<<c) != 0
			p.parent.want &^= 1 << c
		}
	}
	if dropped {
		p.parent.classes &= p.parent.want
		p.parent.refusedUntil = now.Add(loopFor)
		s.sendWant(now, p, wire.Want{}, out)
	}
	if dropped || p.near { // a near orphan may have found a way
		s.assignClasses(now, out)
	}
	s.updatePlace()
}

// follow adds to a part the way through p: its ancestors and itself.
func follow(to *wire.PathPart, p *peer, part int) {
	if p.path == nil || p.path.Parts[part].Hops == wire.HopsUnknown {
		to.Add(pathID(p.node))
		return
	}
	from := &p.path.Parts[part]
	for _, id := range from.IDs[:from.N] {
		to.Add(id)
	}
	to.Add(pathID(p.node))
	if hops := from.Hops + 1; to.Hops == wire.HopsUnknown || hops > to.Hops {
		to.Hops = hops
	}
}
