// SPDX-License-Identifier: MIT

package mesh

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// fullWait is how long a refused peer should wait, in tenths of a second.
const fullWait = 20

// roundingClasses is how many classes of the reserve may complete a subscription.
const roundingClasses = 2

// caughtUpSpan is how far behind the newest chunk a node may be that takes children.
const caughtUpSpan = 1500 * time.Millisecond

// caughtUpHoles is how many chunks of a quarter may be missing of what such a node has.
const caughtUpHoles = wire.Classes / wire.PartManifests

// liveChunks is how many of the newest chunks show whether a node that plays gets a quarter: with all those that are named and not sent yet.
const liveChunks = (caughtUpHoles + 1) * wire.PartManifests

// tellEvery is how often a peer that is refused is told of others.
const tellEvery = 5 * time.Second

// roomFresh is how lately a peer must have been heard to be offered as one that has room.
const roomFresh = haveToParents + 500*time.Millisecond

// handleWant decides what a peer gets from now on and says so. A Want is absolute, so it may come twice.
func (s *Station) handleWant(now mono.Time, p *peer, w wire.Want, out *Output) {
	p.open, p.asked = true, w.Token
	p.believe(now, &w)
	fresh := w.Classes &^ p.child.classes
	unfed := s.giveUnfed(now, p, fresh, out)
	given, reason := s.admit(now, p, fresh&^unfed, w)
	if given = s.allOrNone(given|unfed, fresh); given != fresh && reason == wire.GrantAll {
		reason = wire.GrantFull
	}
	if reason == wire.GrantFull {
		if given |= s.displace(now, p, fresh&^given&s.canGive(p), out); given == fresh {
			reason = wire.GrantAll
		}
	}
	classes := w.Classes&p.child.classes | given
	manifests := w.Manifests && (p.child.manifests || (classes != 0 || w.Classes == 0) && s.mayGiveManifests(p, classes != 0))
	if w.Manifests && !manifests && reason == wire.GrantAll {
		reason = wire.GrantFull
	}
	if given != 0 {
		p.child.invites = 0
	}
	if p.child.waiting = 0; reason == wire.GrantFull {
		if w.Orphan {
			s.doubtChildren(now, w.Classes&^given, out)
		}
		p.child.waiting, p.child.urgent = now, w.Orphan && !newcomer(&w)
	}
	isNew := !p.isChild()
	if classes == 0 && !manifests {
		s.endChild(p)
	} else {
		s.setChild(p, classes, manifests)
	}
	g := wire.Grant{Channel: s.cfg.Channel, Token: w.Token, Manifests: manifests, Reason: reason, Classes: classes}
	if e := s.newest(); e != nil {
		g.Epoch, g.From, g.Live = e.num, e.next, s.released(e)
	}
	if c := &p.child; w.Backlog && c.cursor != nil && c.cursor.num == w.Epoch {
		c.pos = max(c.pos, w.From) // others make it begin later
	}
	if w.Backlog && (given != 0 || manifests && isNew) {
		e, from := s.backlogStart(w, classes)
		if e != nil {
			if g.Epoch, g.From = e.num, from; e != s.newest() {
				g.Live = math.MaxUint32 // all of it is past
			}
			s.startCursor(now, p, e, from, given, out)
		}
	}
	if reason != wire.GrantAll {
		g.Wait = fullWait
	}
	if (reason != wire.GrantAll || w.Headers) && (p.toldAt == 0 || now.Sub(p.toldAt) > tellEvery) && !s.host.Indebted(now) {
		p.toldAt = now
		var buf [wire.CandidatesMax]wire.Candidate
		g.Candidates = s.offer(p, buf[:0])
	}
	out.control(p.id, g.Append)
	if (isNew || given != 0) && p.isChild() {
		s.sayPlace(p, out)
	}
	if w.Headers && p.isChild() {
		s.sendHeaders(p, out)
	}
	s.runCursors(now, out)
}

// setChild makes the subscription what it is from now on.
func (s *Station) setChild(p *peer, classes uint16, manifests bool) {
	if !p.isChild() {
		s.children = append(s.children, p)
	}
	p.child.classes, p.child.manifests = classes, manifests
	p.child.mask &= classes
	s.takeUpload(p)
}

// takeUpload takes from the node's upload what the subscription costs.
func (s *Station) takeUpload(p *peer) {
	bps := s.classBPS() * int64(bits.OnesCount16(p.child.classes))
	if p.child.manifests {
		bps += s.manifestBPS()
	}
	s.host.TakeUpload(bps - p.child.takenBPS)
	p.child.takenBPS = bps
}

// admit chooses which of the fresh classes p gets.
func (s *Station) admit(now mono.Time, p *peer, fresh uint16, w wire.Want) (uint16, wire.GrantReason) {
	orphan := w.Orphan
	if fresh == 0 {
		return 0, wire.GrantAll
	}
	if !s.host.Gives() {
		return 0, wire.GrantFull
	}
	there := s.caughtUp()
	if s.newest() == nil || s.leaving || w.Backlog && there == 0 {
		return 0, wire.GrantNothing
	}
	reason := wire.GrantAll
	for part := range wire.PartManifests {
		mask := quarter << part
		switch way := &s.place.parts[part]; {
		case fresh&mask == 0:
		case way.Has(pathID(p.node)):
			fresh &^= mask
			reason = wire.GrantLoop
		case way.Hops >= hopsMax, w.Backlog && there&(1<<part) == 0:
			fresh &^= mask
			reason = wire.GrantNothing
		}
	}
	free := s.freeClasses(orphan && !newcomer(&w) || p.near) // what stays on the LAN spares others their upload
	if n := bits.OnesCount16(fresh); free < n && free >= n-roundingClasses {
		free = min(n, s.freeClasses(true)) // not for one class another parent
	}
	free = max(0, free-bits.OnesCount16(s.unfed()&^fresh)) // what nobody has yet goes before what others have
	if s.cfg.Role == Source && !orphan && s.othersHaveRoom(now, p) {
		free = min(free, sourceClasses-s.Load())
	}
	if !orphan {
		free = min(free, s.sharesOf(p))
	}
	if !orphan && !p.near && s.betterWaits(p, now) {
		free = 0
	}
	given := uint16(0)
	whole := p.claim.gives >= wire.Classes/4 // a way for each class is more than a node with children can tell them
	for _, part := range s.rarest() {
		if n := bits.OnesCount16(fresh & (quarter << part)); whole && n > 0 && free < n {
			reason = wire.GrantFull
			continue
		}
		for c := part; c < wire.Classes; c += wire.PartManifests {
			bit := uint16(1) << c
			if fresh&bit == 0 {
				continue
			}
			if s.cfg.Role != Source && !s.brings(c) {
				reason = wire.GrantNothing
				continue
			}
			if free <= 0 {
				return given, wire.GrantFull
			}
			given |= bit
			free--
		}
	}
	return given, reason
}

// newcomer reports whether a Want is of one that has not played yet.
func newcomer(w *wire.Want) bool { return w.Backlog && w.Age == 0 }

// canGive is what of the stream this node has and p is not on the way of.
func (s *Station) canGive(p *peer) (mask uint16) {
	if s.newest() == nil || s.leaving || !s.host.Gives() {
		return 0
	}
	for parts := s.gettable(); parts != 0; parts &= parts - 1 {
		if part := bits.TrailingZeros8(parts); !s.place.parts[part].Has(pathID(p.node)) {
			mask |= quarter << part
		}
	}
	return mask
}

// caughtUp reports for each quarter whether this node has what it would give: one that has only just begun would keep others
// waiting.
func (s *Station) caughtUp() (parts uint8) {
	const all = 1<<wire.PartManifests - 1
	e := s.newest()
	if e == nil {
		return 0
	}
	if s.cfg.Role == Source || e.complete >= e.since(caughtUpSpan) {
		return all
	}
	var holes [wire.PartManifests]int
	from := max(e.complete, e.since(backlogSpan))
	if s.play.begun && e.next > liveChunks { // whoever hung on a dead one, and is fed again, feeds those below at once
		from = max(from, e.next-liveChunks)
	}
	for seq := from; seq < e.next; seq++ {
		if e.at(seq).data == nil {
			holes[seq%wire.PartManifests]++
		}
	}
	for part, n := range holes {
		if n <= caughtUpHoles {
			parts |= 1 << part
		}
	}
	return parts
}

// gettable is which quarters another node may have from this one.
func (s *Station) gettable() (parts uint8) {
	parts = s.caughtUp()
	for c := range wire.Classes {
		if s.cfg.Role != Source && (!s.brings(c) || s.place.parts[c%wire.PartManifests].Hops >= hopsMax) {
			parts &^= 1 << (c % wire.PartManifests)
		}
	}
	return parts
}

// mayGiveManifests reports whether p gets manifests: they cost little, but one's ancestors get none.
func (s *Station) mayGiveManifests(p *peer, child bool) bool {
	return s.host.Gives() && s.newest() != nil && !s.leaving && s.place.parts[wire.PartManifests].Hops < hopsMax &&
		!s.place.parts[wire.PartManifests].Has(pathID(p.node)) && (child || s.freeClasses(true) > 0)
}

// freeClasses is how many more classes of this station the upload carries; a reserve is kept for orphans.
func (s *Station) freeClasses(orphan bool) int {
	if !s.host.Gives() {
		return 0
	}
	free, whole := s.host.FreeUpload()
	if !orphan && s.uses(Reserve) {
		free -= whole * reservePercent / 100
	}
	if !orphan {
		for _, c := range s.cursors {
			free -= s.classBPS() * int64(bits.OnesCount16(c.child.mask)) // what begins shall be there in time
		}
	}
	return int(max(0, min(free/max(1, s.classBPS()), 1<<16)))
}

// Load is how many classes all children together have.
func (s *Station) Load() int {
	n := 0
	for _, c := range s.children {
		n += bits.OnesCount16(c.child.classes)
	}
	return n
}

// othersHaveRoom reports whether anybody but p can take a newcomer that this node sends away.
func (s *Station) othersHaveRoom(now mono.Time, p *peer) bool {
	return slices.ContainsFunc(s.peers, func(o *peer) bool {
		return o != p && o.open && !o.gone && !o.have.Leaf && o.have.Free > 0 && o.have.Nearest() < hopsMax &&
			now.Sub(o.heardAt) < roomFresh
	})
}

// sendHeaders sends what a late joiner's decoder needs before the first frame: header chunks, the event in force, and the
// manifests that name them.
func (s *Station) sendHeaders(p *peer, out *Output) {
	e := p.child.cursor
	if e == nil {
		if e = s.newest(); e == nil {
			return
		}
	}
	var last *manifest
	one := func(seq uint32, sl *slot) {
		if sl.m == nil || sl.data == nil {
			return
		}
		if sl.m != last {
			last = sl.m
			out.send(Send{Priority: Push, Manifest: true, Epoch: e.num, Seq: sl.m.First, Data: sl.m.raw})
			out.addPeer(p.id)
		}
		out.send(Send{Priority: Push, Epoch: e.num, Seq: seq, Data: *sl.data})
		out.addPeer(p.id)
	}
	from := p.child.pos
	if p.child.cursor == nil {
		from = e.next
	}
	for i := range e.head {
		if uint32(i) < from {
			one(uint32(i), &e.head[i])
		}
	}
	if e.eventSeq != wire.NoEvent && e.eventSeq < from {
		one(e.eventSeq, &e.event)
	}
}
