// SPDX-License-Identifier: MIT

package mesh

import (
	"bytes"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	nearPeersWanted = 8                      // on the same LAN, that a station dials
	nearPartnersMax = 4                      // of them that count as partners: some others are outside
	nearCandsMax    = 32                     // of the candidates
	nearDialsAtOnce = 4                      // beside those of other candidates
	nearFailsMax    = 2                      // whoever tunes in later dials by himself
	nearBonus       = 10 * time.Second       // in a parent's score: above all that counts against it
	nearMovesEvery  = time.Second            // at least, and up to as much again by lot
	nearSayEvery    = 2 * time.Second        // PATH to near peers that are told at each change, too
	nearPatience    = 250 * time.Millisecond // of an orphan with a near one that shall fetch
)

// nearState is what a station knows of its own LAN: peers there are near. Each part of the stream shall come to the LAN once:
// one node fetches it, and the others have it from that one or from each other (docs/protocol/stations.md, near).
type nearState struct {
	moveAt mono.Time // no move to a near parent before
	sayAt  mono.Time // when near peers are told the place again
	lostAt mono.Time // when a near parent was lost; 0 never
}

// SharesLine reports whether this node has the whole stream and is not the first, by node ids, of those on its LAN that have it.
func (s *Station) SharesLine(now mono.Time) bool {
	return s.cfg.Role != Source && s.Fed() && slices.ContainsFunc(s.peers, func(p *peer) bool {
		return p.near && p.open && !p.gone && p.have.Epoch != 0 && now.Sub(p.heardAt) < partnerSilence &&
			bytes.Compare(p.node[:], s.cfg.Self[:]) < 0
	})
}

// AddNear adds a host on the same LAN, which may carry the station or not.
func (s *Station) AddNear(now mono.Time, a netip.AddrPort, node identity.NodeID) {
	if s.cfg.Role == Source {
		return
	}
	n, at := 0, -1
	for i := range s.cands {
		switch c := &s.cands[i]; {
		case c.Addr == a:
			n, at = 0, i
		case c.near:
			n++
		case at < 0 && !c.hint && c.dialing == 0 && len(s.cands) >= candidatesKept:
			at = i // the oldest makes room
		}
	}
	switch {
	case n >= nearCandsMax:
		return
	case at < 0 && len(s.cands) < candidatesKept:
		s.cands = append(s.cands, candidate{})
		at = len(s.cands) - 1
	case at < 0:
		return
	}
	c := &s.cands[at]
	if c.Addr != a {
		*c = candidate{}
	}
	c.Addr, c.Node, c.Free, c.Hops = a, node, wire.Classes, wire.HopsUnknown
	c.near, c.fails, c.gone, c.nextTry = true, 0, 0, now
	s.timers.review = mono.Min(s.timers.review, now)
}

// LocalChanged is called when the node's own addresses are others: who is near may have changed.
func (s *Station) LocalChanged() {
	for _, p := range s.peers {
		p.near = s.host.Near(p.id)
	}
}

// keepNear dials hosts on the LAN, whatever other partners there are, and tells near peers where this node is.
func (s *Station) keepNear(now mono.Time, out *Output) {
	s.cands = slices.DeleteFunc(s.cands, func(c candidate) bool { return c.near && !c.hint && max(c.fails, c.gone) >= nearFailsMax })
	if until := s.near.lostAt.Add(nearPatience); s.near.lostAt != 0 && until > now {
		s.timers.review = mono.Min(s.timers.review, until)
	}
	near, dialing := 0, 0
	for _, p := range s.peers {
		if !p.near {
			continue
		}
		if near++; now >= s.near.sayAt && p.open && !p.gone && !p.isChild() {
			s.sayPath(p, out)
		}
	}
	if now >= s.near.sayAt {
		s.near.sayAt = now.Add(nearSayEvery)
	}
	for i := range s.cands {
		if c := &s.cands[i]; c.near && c.dialing != 0 {
			dialing++
		}
	}
	for i := range s.cands {
		if near+dialing >= nearPeersWanted || dialing >= nearDialsAtOnce {
			return
		}
		if c := &s.cands[i]; c.near && c.dialing == 0 && now >= c.nextTry && !s.isPeer(c) {
			c.dialing = now
			dialing++
			out.Dials = append(out.Dials, Dial{Addr: c.Addr, Node: c.Node})
		}
	}
}

// hasNearRoom reports whether p is on the LAN and has room for n more classes.
func (p *peer) hasNearRoom(n int) bool {
	asked := bits.OnesCount16(p.parent.want &^ p.parent.classes) // p's HAVE may not know of them yet
	return p.near && p.have.Epoch != 0 && p.have.Free > 0 && int(p.have.Free) >= n+asked
}

// moveNear moves what comes from outside the LAN, or by a detour in it, to a near parent, all that it can give at once: first the
// new one pushes, then the old ones are told to stop (see pushed).
func (s *Station) moveNear(now mono.Time, out *Output) {
	s.takeManifests(now, out)
	if !s.play.begun || now < s.near.moveAt {
		return
	}
	var to *peer
	room := 0
	for part := range wire.PathParts {
		mask, manifests := s.movable(part)
		n := bits.OnesCount16(mask)
		if mask == 0 && !manifests {
			continue
		}
		if to == nil {
			if to = s.nearParent(now, part, n); to == nil {
				continue
			}
			room = int(to.have.Free)
		}
		if n > room || !s.mayMoveNear(now, to, part) {
			continue
		}
		room -= n
		to.parent.want |= mask
		to.parent.wantManifests = to.parent.wantManifests || manifests
	}
	if to != nil {
		s.near.moveAt = now.Add(nearMovesEvery + time.Duration(s.rand.Int64N(int64(nearMovesEvery))))
		s.sendWant(now, to, wire.Want{}, out)
	}
}

// movable is what of a part has a parent and is not on its way to another one.
func (s *Station) movable(part int) (mask uint16, manifests bool) {
	if part == wire.PartManifests {
		return 0, s.manifests != nil && !slices.ContainsFunc(s.peers, func(p *peer) bool { return p != s.manifests && p.parent.wantManifests })
	}
	for c := part; c < wire.Classes; c += wire.PartManifests {
		if s.assign[c] != nil {
			mask |= 1 << c
		}
	}
	for _, p := range s.peers {
		for c := part; c < wire.Classes; c += wire.PartManifests {
			if p != s.assign[c] {
				mask &^= p.parent.want & (1 << c)
			}
		}
	}
	return mask, false
}

// comesNear reports whether a part, as far as it comes, comes from the LAN.
func (s *Station) comesNear(part int) bool {
	if part == wire.PartManifests {
		return s.manifests != nil && s.manifests.near
	}
	for c := part; c < wire.Classes; c += wire.PartManifests {
		if p := s.assign[c]; p != nil && !p.near {
			return false
		}
	}
	return true
}

// nearParent chooses the near peer with room to which a part may be moved: the nearest to the source.
func (s *Station) nearParent(now mono.Time, part, n int) *peer {
	var best *peer
	for _, p := range s.peers {
		if p.hasNearRoom(n) && !p.parent.pending && s.mayMoveNear(now, p, part) &&
			(best == nil || p.path.Parts[part].Hops < best.path.Parts[part].Hops) {
			best = p
		}
	}
	return best
}

// mayMoveNear reports whether a part may be moved to the near peer q. One that comes from the LAN already moves to be nearer to
// the source only; whoever is below this node is not.
func (s *Station) mayMoveNear(now mono.Time, q *peer, part int) bool {
	if q.path == nil || q.path.Parts[part].Hops == wire.HopsUnknown || !s.eligible(now, q, part) {
		return false
	}
	if ours := s.place.parts[part].Hops; s.comesNear(part) {
		return ours != wire.HopsUnknown && q.path.Parts[part].Hops+1 < ours
	}
	return s.mayFollow(q, part)
}

// mayFollow reports whether this node, which fetches a part from outside the LAN, may have it from q instead. Of two that fetch
// it the one that fetches fewer parts yields, or else the one with the higher node id, so that they never begin to feed each
// other; it is q's fetcher that counts, which may be another near node. One that cannot give the part to anybody yields to all.
func (s *Station) mayFollow(q *peer, part int) bool {
	fetcher := s.fetcherOf(q, part)
	ours, theirs := 0, 0
	for other := range wire.PathParts {
		if s.place.parts[other].Hops != wire.HopsUnknown && !s.comesNear(other) {
			ours++
		}
		if fetcher.path.Parts[other].Hops != wire.HopsUnknown && s.fetcherOf(fetcher, other) == fetcher {
			theirs++
		}
	}
	if fetcher.source || theirs > ours || theirs == ours && bytes.Compare(fetcher.node[:], s.cfg.Self[:]) < 0 {
		return true
	}
	return s.freeClasses(true) < wire.Classes/wire.PartManifests && !slices.ContainsFunc(s.children, func(c *peer) bool { return c.gets(part) })
}

// fetcherOf is the near peer through which a part comes to q from outside, q itself or the first of those on its way.
func (s *Station) fetcherOf(q *peer, part int) *peer {
	way := &q.path.Parts[part]
	fetcher, hops := q, way.Hops
	for _, p := range s.peers {
		if p.near && p != q && p.path != nil && p.path.Parts[part].Hops < hops && way.Has(pathID(p.node)) {
			fetcher, hops = p, p.path.Parts[part].Hops
		}
	}
	return fetcher
}

// gets reports whether p gets something of a part from this node.
func (p *peer) gets(part int) bool {
	if part == wire.PartManifests {
		return p.child.manifests
	}
	return p.child.classes&(quarter<<part) != 0
}

// takeManifests makes the near peer that has agreed to bring the manifests, too, their parent, and tells the old one to stop.
func (s *Station) takeManifests(now mono.Time, out *Output) {
	old := s.manifests
	if old == nil {
		return
	}
	for _, p := range s.peers {
		if p != old && p.near && p.parent.wantManifests && p.parent.manifests && !p.parent.pending {
			s.manifests, p.owedManifests = p, 0
			old.parent.wantManifests, old.parent.manifests, old.owedManifests = false, false, 0
			s.sendWant(now, old, wire.Want{}, out)
			s.updatePlace()
			return
		}
	}
}

// lostNear notes that a near parent is lost.
func (s *Station) lostNear(now mono.Time) {
	s.near.lostAt = now
	s.timers.review = mono.Min(s.timers.review, now.Add(nearPatience)) // and see keepNear
}

// leavesToNear reports whether a part that a near parent brought until now is better left alone for a moment: another near
// node has lost it too, comes before this one, and will have it from outside at once.
func (s *Station) leavesToNear(now mono.Time, part, n int) bool {
	if s.near.lostAt == 0 || now.Sub(s.near.lostAt) >= nearPatience {
		return false
	}
	for _, p := range s.peers {
		if !p.hasNearRoom(n) || !p.open || p.gone || p.probeAt != 0 || p.have.Leaf || p.path == nil || bytes.Compare(p.node[:], s.cfg.Self[:]) > 0 {
			continue
		}
		if way := &p.path.Parts[part]; way.Hops == wire.HopsUnknown || s.fedByDead(now, way) {
			return true
		}
	}
	return false
}

// partners counts the peers that are not only children. Of those on the LAN only some count, so that there are others, too.
func (s *Station) partners() int {
	near, others := 0, 0
	for _, p := range s.peers {
		switch {
		case p.isChild() && !p.isParent():
		case p.near:
			near++
		default:
			others++
		}
	}
	return others + min(near, nearPartnersMax)
}
