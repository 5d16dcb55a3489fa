// SPDX-License-Identifier: MIT

package mesh

import (
	"bytes"
	"math/bits"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	partnerSilence = haveToPartners + 1500*time.Millisecond // then a partner is no hope any more
	straysMax      = 4                                      // chunks that nobody asked for, before the sender is told
	repeatsMax     = 2                                      // chunks in a row of what is past, that a parent sends
	movesEvery     = 5 * time.Second
	parentBonus    = 60 * time.Millisecond // each parent more costs a HAVE every two seconds
)

// review looks after subscriptions and partners, four times a second.
func (s *Station) review(now mono.Time, out *Output) {
	for _, c := range s.children {
		s.takeUpload(c) // the rate may have changed
	}
	s.trim()
	if !s.leaving {
		s.moved(now, out)
		s.invite(now, out)
	}
	if s.cfg.Role == Source {
		s.noticeSilence(now, out)
	}
	if s.cfg.Role == Source || s.leaving {
		return
	}
	s.dropDead(now, out)
	s.assignClasses(now, out)
	s.moveNear(now, out)
	s.balance(now, out)
	s.doMoves(now, out)
	s.climb(now, out)
	s.keepNear(now, out)
	s.keepPartners(now, out)
	s.updatePlace()
}

// assignClasses finds a parent for each class, and for the manifests, that has none.
func (s *Station) assignClasses(now mono.Time, out *Output) {
	if s.cfg.Role == Source || s.leaving {
		return
	}
	free := uint16(0)
	for c, p := range s.assign {
		if p == nil {
			free |= 1 << c
		}
	}
	if free == 0 && s.manifests != nil {
		return
	}
	var asked [8]*peer
	nAsked := 0
	for part := range wire.PathParts {
		mask := free & (quarter << part)
		if part == wire.PartManifests {
			mask = 0
		}
		if mask == 0 && (part != wire.PartManifests || s.manifests != nil) {
			continue
		}
		if !s.uses(ClassTrees) { // one parent brings all
			mask = free
		}
		n := bits.OnesCount16(mask)
		p := s.bestParent(now, part, n, false)
		if p == nil || !p.near && s.leavesToNear(now, part, n) {
			continue
		}
		for c := range s.assign {
			if mask&(1<<c) != 0 {
				s.assign[c] = p
			}
		}
		p.parent.want |= mask
		free &^= mask
		if part == wire.PartManifests {
			p.parent.wantManifests = true
			s.manifests, p.owedManifests = p, 0
		}
		p.parent.owed = 0
		if nAsked < len(asked) && !slices.Contains(asked[:nAsked], p) {
			asked[nAsked] = p
			nAsked++
		}
	}
	for _, p := range asked[:nAsked] {
		s.sendWant(now, p, s.wantFor(now), out)
	}
	s.updatePlace()
}

// bestParent chooses who shall bring n classes of one part: on the same LAN, near the source, near here, with room; of two
// that can, none brings more than half, unless it is on the LAN. With outside nobody on the LAN is chosen.
func (s *Station) bestParent(now mono.Time, part, n int, outside bool) *peer {
	var best *peer
	bestScore, ties := time.Duration(0), 0
	for _, p := range s.peers {
		if outside && p.near || !s.eligible(now, p, part) {
			continue
		}
		rtt, _ := s.host.RoundTrip(p.id)
		score := rtt/2 + 250*time.Millisecond*time.Duration(p.hops(part))
		if load := bits.OnesCount16(p.parent.want); p.hasNearRoom(n) {
			score -= nearBonus
		} else if part != wire.PartManifests && s.play.begun {
			switch {
			case load+n > wire.Classes/2:
				score += 300*time.Millisecond + 15*time.Millisecond*time.Duration(load)
			case load > 0:
				score -= parentBonus
			}
		}
		if p.have.Epoch != 0 && int(p.have.Free) < n {
			score += 400 * time.Millisecond
		}
		if p.have.Epoch == 0 {
			score += time.Second // nothing is known of it yet
		}
		switch {
		case best == nil || score < bestScore:
			best, bestScore, ties = p, score, 1
		case score == bestScore:
			if ties++; s.rand.IntN(ties) == 0 {
				best = p
			}
		}
	}
	return best
}

// eligible reports whether p may bring a part of the stream.
func (s *Station) eligible(now mono.Time, p *peer, part int) bool {
	if p.gone || p.probeAt != 0 || now < p.parent.refusedUntil || p.have.Leaf || !p.open && !p.dialed ||
		now.Sub(p.heardAt) > partnerSilence || part == wire.PartManifests && now < p.parent.noManifestsUntil {
		return false
	}
	if p.have.Epoch != 0 && p.hops(part) >= hopsMax {
		return false
	}
	if p.have.Epoch != 0 && part < wire.PartManifests && p.have.Parts&(1<<part) == 0 {
		return false
	}
	if p.have.Epoch == 0 && p.open && (p.haveAt != 0 || p.isChild()) {
		return false // it has nothing itself, or nobody knows what
	}
	if e := s.newest(); e != nil && p.have.Epoch != 0 && p.have.Epoch < e.num {
		return false
	}
	if part < wire.PartManifests && p.child.classes&(quarter<<part) != 0 || part == wire.PartManifests && p.child.manifests {
		return false // that would be a loop of two
	}
	if p.path == nil {
		return true // not heard of yet; it will refuse if there is a loop
	}
	way := &p.path.Parts[part]
	if way.Hops == wire.HopsUnknown && !p.isParent() && !p.near {
		return true // only parents and near peers keep it up to date
	}
	return way.Hops < hopsMax && !way.Has(pathID(s.cfg.Self)) && !s.fedByDead(now, way)
}

// mayMove reports whether a part may be moved to q for balance: only to a node that is nearer to the source for this part
// or, of two that are equally near, in one direction of an order that differs from part to part. So two that move at the
// same moment cannot come to feed each other.
func (s *Station) mayMove(q *peer, part int) bool {
	if q.path == nil {
		return false
	}
	theirs, ours := q.path.Parts[part].Hops, s.place.parts[part].Hops
	if theirs != ours {
		return theirs < ours
	}
	order := bytes.Compare(q.node[:], s.cfg.Self[:])
	return part%2 == 0 && order < 0 || part%2 == 1 && order > 0
}

// balance moves a quarter from a parent that brings more than half to another one that has room: first the new one
// pushes, then the old one is told to stop (see pushed).
func (s *Station) balance(now mono.Time, out *Output) {
	if now.Sub(s.play.movedAt) < movesEvery || !s.play.begun || !s.uses(ClassTrees) {
		return
	}
	for _, p := range s.peers {
		if bits.OnesCount16(p.parent.want) <= wire.Classes/2 || p.parent.pending || p.near {
			continue
		}
		for part := range wire.PartManifests {
			mask := p.parent.want & (quarter << part)
			if mask == 0 {
				continue
			}
			q := s.bestParent(now, part, bits.OnesCount16(mask), true)
			if q == nil || q == p || !s.mayMove(q, part) || q.have.Epoch == 0 || int(q.have.Free) < bits.OnesCount16(mask) || q.parent.pending ||
				bits.OnesCount16(q.parent.want|mask) > wire.Classes/2 {
				continue
			}
			s.play.movedAt = now
			q.parent.want |= mask
			s.sendWant(now, q, wire.Want{}, out)
			return
		}
	}
	s.play.movedAt = now.Add(-time.Duration(s.rand.Int64N(int64(movesEvery) / 2)))
}

// pushed is called for each chunk that p sends of its own accord: it takes over the classes that it was newly asked for,
// and the estimate of its arrivals learns.
func (s *Station) pushed(now mono.Time, p *peer, e *epoch, m *manifest, seq uint32, out *Output) {
	if i := s.missOf(e, seq); i >= 0 && s.misses[i].asked == p.id {
		if rtt, dev := s.host.RoundTrip(p.id); now.Sub(s.misses[i].since) < rtt+rtt/2+4*dev+lateness+RepairWait {
			return // the answer to a NACK
		}
	}
	class := seq % wire.Classes
	if p.parent.want&(1<<class) == 0 {
		if p.strays++; p.strays >= straysMax && !p.parent.pending && now.Sub(p.parent.wantAt) > time.Second {
			p.strays = 0
			s.sendWant(now, p, wire.Want{}, out) // it has not heard that this class is brought by another now
		}
		return
	}
	fresh := e.find(seq)
	news := fresh != nil && fresh.data == nil
	live := e.newest != nil && e.newest.Media-m.Media <= 2*wire.ManifestSpan
	if s.assign[class] != p && (news || live) { // not by what it repeats
		s.takeOver(now, p, out)
	}
	old := e.newest != nil && e.newest.Media-m.Media > backlogSpan+time.Second // no backlog reaches so far back
	if p.repeated(e, seq) && old && !news && !p.parent.backlog.brings(now, e, seq) && s.hasOther(now, p) {
		s.leaveStalled(now, p, out)
		return
	}
	if !news {
		return // what is here already is no sign that it advances
	}
	p.parent.owed, p.stalls = 0, 0
	if live {
		p.parent.arrivals[seq%wire.PartManifests].learn(int64(now) - m.releaseTime(int(seq-m.First)))
	}
	s.sawLater(now, p, e, seq)
}

// repeated reports whether p sends what is past, some chunks in a row: a parent pushes in order.
func (p *peer) repeated(e *epoch, seq uint32) bool {
	if p.pushedIn != e.num || seq+2*wire.Classes >= p.pushed {
		p.pushedIn, p.pushed, p.repeats = e.num, seq, 0
		return false
	}
	p.repeats++
	return p.repeats >= repeatsMax
}

// takeOver gives p all classes that it was asked for, and tells the others to stop.
func (s *Station) takeOver(now mono.Time, p *peer, out *Output) {
	p.climbs = 0
	for c := range s.assign {
		if p.parent.want&(1<<c) != 0 {
			s.assign[c] = p
		}
	}
	for _, o := range s.peers {
		if o != p && o.parent.want&p.parent.want != 0 {
			o.parent.want &^= p.parent.want
			o.parent.classes &^= p.parent.want
			s.sendWant(now, o, wire.Want{}, out)
		}
	}
	s.updatePlace()
}
