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
	silenceSuspect = 300 * time.Millisecond                 // at least; then a ping
	silenceDead    = 200 * time.Millisecond                 // at least, after the ping
	partnerSilence = haveToPartners + 1500*time.Millisecond // then a partner is no hope any more
	stallMax       = time.Second                            // a parent that is alive and does not advance
	orphanPatience = 2 * time.Second
	refusedFor     = 3 * time.Second
	loopFor        = 5 * time.Second
	nothingFor     = time.Second
	stallRefused   = 20 * time.Second // doubled with each further stall
	stallsMax      = 5
	wantRetryMin   = 100 * time.Millisecond
	wantTriesMax   = 2 // repetitions
	watchPause     = 20 * time.Millisecond
	straysMax      = 4 // chunks that nobody asked for, before the sender is told
	movesEvery     = 5 * time.Second
	settleTime     = 3 * time.Second // before subscriptions are moved for balance
	orphanAfter    = 600 * time.Millisecond
	newcomerRetry  = 400 * time.Millisecond // a newcomer that nobody takes asks again soon, then as an orphan
	headersGrace   = 400 * time.Millisecond
	resumeAfter    = 2500 * time.Millisecond // without progress, before the past is skipped as at the start
)

// review looks after subscriptions and partners, four times a second.
func (s *Station) review(now mono.Time, out *Output) {
	s.expireChildren(now)
	for _, c := range s.children {
		s.takeUpload(c) // the rate may have changed
	}
	s.trim()
	if s.cfg.Role == Source || s.leaving {
		return
	}
	s.dropDead(now, out)
	s.assignClasses(now, out)
	s.balance(now, out)
	s.keepPartners(now, out)
	s.updatePlace(out)
}

// watch probes silent parents, leaves those that are dead or do not advance, and repeats Wants without an answer. It sets
// its own next time.
func (s *Station) watch(now mono.Time, out *Output) {
	if now < s.timers.watch || s.leaving {
		return
	}
	for i := len(s.peers) - 1; i >= 0; i-- {
		if p := s.peers[i]; p.parent.pending {
			s.repeatWant(now, p, out)
		} else if p.isParent() {
			s.checkParent(now, p, out)
		}
	}
	next := now.Add(time.Second)
	for _, p := range s.peers {
		switch {
		case p.parent.pending:
			next = mono.Min(next, p.parent.wantAt.Add(s.wantRetry(p)))
		case p.isParent() && p.probeAt != 0:
			next = mono.Min(next, p.probeAt.Add(s.probePatience(p)))
		case p.isParent():
			next = mono.Min(next, p.heardAt.Add(s.silencePatience(p)))
		}
	}
	s.timers.watch = max(next, now.Add(watchPause))
	s.askPositions(now, out)
}

// silencePatience is how long a parent may be silent before it is probed.
func (s *Station) silencePatience(p *peer) time.Duration {
	gap := s.newest().chunkInterval() * wire.Classes / time.Duration(max(1, bits.OnesCount16(p.parent.classes)))
	return max(silenceSuspect, min(3*gap, time.Second))
}

// probePatience is how long a probe may go unanswered.
func (s *Station) probePatience(p *peer) time.Duration {
	rtt, dev := s.host.RoundTrip(p.id)
	return max(silenceDead, 2*rtt+4*dev)
}

func (s *Station) checkParent(now mono.Time, p *peer, out *Output) {
	if p.probeAt != 0 && now.Sub(p.probeAt) >= s.probePatience(p) {
		s.loseParent(now, p, out)
		return
	}
	if p.probeAt == 0 && now.Sub(p.heardAt) >= s.silencePatience(p) {
		p.probeAt = now
		out.Pings = append(out.Pings, p.id)
		s.expedite(now, p)
		s.repairDue(now, out)
	}
	if p.parent.owed != 0 && now.Sub(p.parent.owed) > p.stallPatience() {
		s.leaveStalled(now, p, out)
	} else if p == s.manifests && p.owedManifests != 0 && now.Sub(p.owedManifests) > p.manifestPatience() {
		s.moveManifests(now, p, out)
	}
}

// moveManifests has another parent bring the manifests.
func (s *Station) moveManifests(now mono.Time, p *peer, out *Output) {
	s.manifests, p.owedManifests, p.parent.wantManifests = nil, 0, false
	p.parent.noManifestsUntil = now.Add(stallRefused)
	s.sendWant(now, p, wire.Want{}, out)
	s.assignClasses(now, out)
	s.updatePlace(out)
}

func (p *peer) manifestPatience() time.Duration {
	if p.path != nil && p.path.Parts[wire.PartManifests].Hops == wire.HopsUnknown {
		return orphanPatience
	}
	return stallMax
}

// stallPatience is how long a parent may bring nothing of what it owes: longer while it says that it has lost a parent
// itself and looks for another, lest everybody below it does the same at the same moment.
func (p *peer) stallPatience() time.Duration {
	if p.path != nil {
		for part := range wire.PartManifests {
			if p.parent.want&(quarter<<part) != 0 && p.path.Parts[part].Hops == wire.HopsUnknown {
				return orphanPatience
			}
		}
	}
	return stallMax
}

// askPositions asks all partners where they are when nothing has come for a while: is it the source that is silent, or
// only my parents?
func (s *Station) askPositions(now mono.Time, out *Output) {
	if s.manifests == nil || now.Sub(s.timers.progress) <= manifestsOverdue || now.Sub(s.timers.asked) <= stallMax {
		return
	}
	s.timers.asked = now
	for _, p := range s.peers {
		if p.open && !p.gone {
			s.sendHave(p, true, out)
		}
	}
}

// leaveStalled leaves a parent that is alive and does not advance, for longer each time: it may lie about what it has.
func (s *Station) leaveStalled(now mono.Time, p *peer, out *Output) {
	s.loseParent(now, p, out)
	p.parent.refusedUntil = now.Add(stallRefused << min(p.stalls, stallsMax))
	p.stalls++
}

// loseParent takes everything from a parent and has others bring it.
func (s *Station) loseParent(now mono.Time, p *peer, out *Output) {
	if !p.isParent() {
		return
	}
	if !s.leaving {
		s.goUp(now, p, out)
	}
	s.expedite(now, p)
	for c := range s.assign {
		if s.assign[c] == p {
			s.assign[c] = nil
		}
	}
	if s.manifests == p {
		s.manifests = nil
		s.timers.manifests = mono.Min(s.timers.manifests, now)
	}
	wasAlive := p.probeAt == 0
	p.parent = parentState{refusedUntil: now.Add(refusedFor), token: p.parent.token, wantAt: now}
	p.owedManifests = 0
	if wasAlive && s.byID[p.id] == p && !s.leaving {
		s.sendWant(now, p, wire.Want{}, out)
	}
	if !s.leaving {
		s.assignClasses(now, out)
		s.updatePlace(out)
		s.repairDue(now, out)
	}
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
	n := 0
	for part := range wire.PathParts {
		mask := free & (quarter << part)
		if part == wire.PartManifests {
			mask = 0
		}
		if mask == 0 && (part != wire.PartManifests || s.manifests != nil) {
			continue
		}
		p := s.bestParent(now, part, bits.OnesCount16(mask))
		if p == nil {
			continue
		}
		for c := range s.assign {
			if mask&(1<<c) != 0 {
				s.assign[c] = p
			}
		}
		p.parent.want |= mask
		if part == wire.PartManifests {
			p.parent.wantManifests = true
			s.manifests, p.owedManifests = p, 0
		}
		p.parent.owed = 0
		if n < len(asked) && !slices.Contains(asked[:n], p) {
			asked[n] = p
			n++
		}
	}
	for _, p := range asked[:n] {
		s.sendWant(now, p, s.wantFor(now), out)
	}
	s.updatePlace(out)
}

// wantFor says where a subscription to classes without a parent begins: for a newcomer a few seconds ago; for one who has
// lost a parent now, because NACK brings what is missing; after a long interruption where the interruption began.
func (s *Station) wantFor(now mono.Time) wire.Want {
	w := wire.Want{Orphan: s.play.begun || s.play.orphanSince != 0 && now.Sub(s.play.orphanSince) > orphanAfter}
	e := s.newest()
	switch {
	case e == nil || !e.placed || e.newest == nil:
		w.Backlog, w.Headers = true, true
		w.Epoch, w.From = s.play.hintEpoch, s.play.hintFrom
	case !s.play.begun && s.cfg.Role == Listener:
		w.Backlog, w.Headers, w.Epoch, w.From = true, !e.headComplete(), e.num, s.playFrontier(e)
	case now.Sub(s.timers.progress) > resumeAfter:
		w.Backlog, w.Epoch, w.From = true, e.num, e.next
	}
	w.Back = uint16(backlogSpan / time.Millisecond)
	return w
}

// sendWant sends what p is wanted for; the rest of w says where it begins.
func (s *Station) sendWant(now mono.Time, p *peer, w wire.Want, out *Output) {
	ps := &p.parent
	ps.token++
	w.Channel, w.Token, w.Classes, w.Manifests = s.cfg.Channel, ps.token, ps.want, ps.wantManifests
	ps.wantFlags, ps.pending, ps.wantAt, ps.tries = w, true, now, 0
	s.timers.watch = mono.Min(s.timers.watch, now.Add(s.wantRetry(p)))
	if w.Headers {
		rtt, dev := s.host.RoundTrip(p.id)
		ps.headersUntil = now.Add(max(headersGrace, 2*rtt+4*dev))
	}
	out.control(p.id, w.Append)
}

// wantRetry is how long a Want waits for its answer.
func (s *Station) wantRetry(p *peer) time.Duration {
	rtt, dev := s.host.RoundTrip(p.id)
	return max(wantRetryMin, rtt+4*dev) << p.parent.tries
}

// repeatWant repeats a Want that was not answered, and gives up a peer that never answers.
func (s *Station) repeatWant(now mono.Time, p *peer, out *Output) {
	ps := &p.parent
	if now.Sub(ps.wantAt) < s.wantRetry(p) {
		return
	}
	if ps.tries++; ps.tries > wantTriesMax {
		ps.pending = false
		if p.isParent() {
			p.probeAt = now
			s.loseParent(now, p, out)
		}
		return
	}
	ps.wantAt = now
	if !p.open {
		s.sendOpen(p, true, out)
	}
	out.control(p.id, ps.wantFlags.Append)
}

// handleGrant learns what a parent gives.
func (s *Station) handleGrant(now mono.Time, p *peer, g wire.Grant, out *Output) {
	for _, c := range g.Candidates {
		s.addCandidate(now, c)
	}
	ps := &p.parent
	if !ps.pending || g.Token != ps.token || s.cfg.Role == Source {
		return
	}
	ps.pending = false
	ps.classes, ps.manifests = g.Classes&ps.want, g.Manifests && ps.wantManifests
	if g.Epoch != 0 && ps.wantFlags.Backlog && bits.OnesCount16(g.Classes) >= wire.Classes/4 {
		ps.from = g.From
		s.startAt(now, g, out)
	}
	if ps.classes == ps.want && ps.manifests == ps.wantManifests {
		if p.isParent() {
			s.play.orphanSince = 0
		}
		s.updatePlace(out)
		return
	}
	refused := max(refusedFor, time.Duration(g.Wait)*100*time.Millisecond)
	switch g.Reason {
	case wire.GrantLoop:
		refused = loopFor
	case wire.GrantNothing:
		refused = nothingFor // a Have will tell when it has something
	case wire.GrantAll, wire.GrantFull:
		p.have.Free = 0
	}
	if !s.play.begun {
		refused = min(refused, newcomerRetry)
	}
	ps.refusedUntil = now.Add(refused)
	for c := range s.assign {
		if s.assign[c] == p && ps.classes&(1<<c) == 0 {
			s.assign[c] = nil
		}
	}
	if s.manifests == p && !ps.manifests {
		s.manifests = nil
	}
	ps.want, ps.wantManifests = ps.classes, ps.manifests
	if s.play.orphanSince == 0 {
		s.play.orphanSince = now
	}
	s.keepPartners(now, out)
	s.assignClasses(now, out)
	s.updatePlace(out)
}

// startAt notes where a newcomer's backlog begins. A parent that cannot give more of the past makes it begin later.
func (s *Station) startAt(now mono.Time, g wire.Grant, out *Output) {
	e := s.epochFor(g.Epoch)
	if e == nil || !e.placed {
		if g.Epoch != s.play.hintEpoch || g.From > s.play.hintFrom {
			s.play.hintEpoch, s.play.hintFrom = g.Epoch, g.From
			s.startLater(now, g, out)
		}
		return
	}
	if !s.play.begun && !s.settled() && e == s.newest() && g.From > e.base && g.From <= e.next && s.epochs[s.play.at] == e {
		e.dropTo(g.From)
	}
}

// startLater tells the parents whose backlog begins earlier that nobody needs so much of the past.
func (s *Station) startLater(now mono.Time, g wire.Grant, out *Output) {
	for _, p := range s.peers {
		if ps := &p.parent; ps.classes != 0 && !ps.pending && ps.from < g.From {
			ps.from = g.From
			s.sendWant(now, p, wire.Want{Backlog: true, Epoch: g.Epoch, From: g.From, Back: uint16(backlogSpan / time.Millisecond)}, out)
		}
	}
}

// bestParent chooses who shall bring n classes of one part: near the source, near here, with room; of two that can, none
// brings more than half.
func (s *Station) bestParent(now mono.Time, part, n int) *peer {
	var best *peer
	bestScore, ties := time.Duration(0), 0
	for _, p := range s.peers {
		if !s.eligible(now, p, part) {
			continue
		}
		rtt, _ := s.host.RoundTrip(p.id)
		score := rtt/2 + 250*time.Millisecond*time.Duration(p.have.Hops)
		if load := bits.OnesCount16(p.parent.want); part != wire.PartManifests && s.play.begun {
			if score += 15 * time.Millisecond * time.Duration(load); load+n > wire.Classes/2 {
				score += 300 * time.Millisecond
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
	if p.have.Epoch != 0 && p.have.Hops >= hopsMax {
		return false
	}
	if p.have.Epoch == 0 && p.open && p.haveAt != 0 {
		return false // it says that it has nothing itself
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
	if way.Hops == wire.HopsUnknown && !p.isParent() {
		return true // only parents keep it up to date
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
	if now.Sub(s.play.movedAt) < movesEvery || !s.play.begun {
		return
	}
	for _, p := range s.peers {
		if bits.OnesCount16(p.parent.want) <= wire.Classes/2 || p.parent.pending {
			continue
		}
		for part := range wire.PartManifests {
			mask := p.parent.want & (quarter << part)
			if mask == 0 {
				continue
			}
			q := s.bestParent(now, part, bits.OnesCount16(mask))
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
		if rtt, dev := s.host.RoundTrip(p.id); now.Sub(s.misses[i].since) < rtt+rtt/2+4*dev+lateness {
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
	if s.assign[class] != p {
		s.takeOver(now, p, out)
	}
	if fresh := e.find(seq); fresh == nil || fresh.data != nil {
		return // what is here already is no sign that it advances
	}
	p.parent.owed, p.stalls = 0, 0
	if e.newest != nil && e.newest.Media-m.Media <= 2*wire.ManifestSpan {
		p.parent.arrivals[seq%wire.PartManifests].learn(int64(now) - m.releaseTime(int(seq-m.First)))
	}
	s.sawLater(now, p, e, seq)
}

// takeOver gives p all classes that it was asked for, and tells the others to stop.
func (s *Station) takeOver(now mono.Time, p *peer, out *Output) {
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
	s.updatePlace(out)
}
