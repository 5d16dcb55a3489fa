// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Who stands where. A node with more to give and a longer stay belongs nearer to the source: a parent without room gives it the
// place of a child that is worth less, and that child goes on being fed by the one that came (docs/protocol/stations.md,
// positions).

const (
	givesMax      = 20 * wire.Classes       // more does not count
	ageMin        = 30                      // seconds that everybody is taken to stay
	ageMax        = 30 * 60                 // seconds; more does not count
	worthFar      = 3                       // times as much: then it need not even have room for the one that makes room
	worthMore     = 3                       // halves: how much more than the one that makes room
	movingMax     = 2500 * time.Millisecond // for a child to change to the one that took its place
	movedRest     = 10 * time.Second        // before a child is moved again
	movesMax      = 8                       // that a child has to do at the same time
	climbEvery    = 5 * time.Second         // at least, and up to as much again by lot
	climbEveryMax = 30 * time.Second
	climbAfter    = 2 * time.Second  // of playing
	climbRefused  = 20 * time.Second // doubled with each further refusal
	climbsMax     = 4                // doublings
	sharing       = 2                // other children of a source that give half as much: then none gets more than half of the stream
	reachEvery    = 90 * time.Second // that the same candidate is dialled for its place
	unkeptFor     = 20 * time.Second // a claim that came to nothing is not believed; doubled each time
	unkeptMax     = 6                // doublings
)

// A claim is what a peer says that it would give.
type claim struct {
	gives  uint16 // classes, of all children together
	room   int    // how many of them nobody has yet
	since  mono.Time
	false  mono.Time // until when it is not believed
	unkept int       // how often it came to nothing
}

// value ranks nodes: the more they give and the longer they have stayed the higher.
func (c *claim) value(now mono.Time) int64 {
	if now < c.false {
		return 0
	}
	age := int64(now.Sub(c.since) / time.Second)
	return int64(min(c.gives, givesMax)) * root(min(age+ageMin, ageMax))
}

// root is the integer square root of n, of 0 to 2^31.
func root(n int64) int64 {
	r := int64(0)
	for bit := int64(1) << 15; bit > 0; bit >>= 1 {
		if t := r + bit; t*t <= n {
			r = t
		}
	}
	return r
}

// gives is how many classes this node could give to others.
func (s *Station) gives() uint16 {
	if !s.host.Gives() {
		return 0
	}
	_, whole := s.host.FreeUpload()
	return uint16(min(whole/max(1, s.classBPS()), givesMax))
}

// age is how long this node has played, in units of 8 s.
func (s *Station) age(now mono.Time) uint8 {
	if !s.play.begun {
		return 0
	}
	return uint8(min(now.Sub(s.play.begunAt)/(8*time.Second), 255))
}

// believe takes over what a Want claims.
func (p *peer) believe(now mono.Time, w *wire.Want) {
	p.claim.gives, p.claim.room = w.Gives, int(w.Room)
	if since := now.Add(-time.Duration(w.Age) * 8 * time.Second); p.claim.since == 0 || since < p.claim.since {
		p.claim.since = since
	}
}

// displace gives p classes out of fresh that others have who are worth less, and asks those to take them from p. It goes beyond
// the upload that subscriptions may take by little, and only until they have changed.
func (s *Station) displace(now mono.Time, p *peer, fresh uint16, out *Output) (given uint16) {
	value := p.claim.value(now)
	if p.claim.gives < wire.Classes/2 || s.leaving || p.near || !s.uses(PushDown) {
		return 0
	}
	budget := min(s.overbook(), s.sharesOf(p))
	if !s.uses(ClassTrees) && budget < bits.OnesCount16(fresh) {
		return 0 // one parent brings all
	}
	for budget > 0 && fresh != 0 {
		c := s.leastWorth(now, p, fresh, value)
		if c == nil {
			break
		}
		room := p.claim.room // who makes room shall find some
		gone := room < wire.Classes/4 && value >= worthFar*c.claim.value(now)
		if gone {
			room = wire.Classes
		}
		mask := s.allOrNone(s.quarters(c.child.classes&fresh, min(budget, room)), fresh)
		if mask == 0 {
			break
		}
		fresh &^= mask
		given |= mask
		budget -= bits.OnesCount16(mask)
		if gone { // whoever stands so far below where it belongs is full already; the place that it leaves is free
			c.child.movedAt = now
			s.end(now, c, mask, out)
			continue
		}
		p.claim.room -= bits.OnesCount16(mask)
		c.child.moving, c.child.movingTo, c.child.movedAt = mask, p.id, now
		var one [1]wire.Candidate
		one[0] = s.candidate(p)
		m := wire.Move{Channel: s.cfg.Channel, Classes: mask, Candidates: one[:]}
		out.control(c.id, m.Append)
	}
	return given
}

// sharesOf is how many more classes p may get: where a whole audience hangs on a few children, none of them brings it more than
// half of the stream.
func (s *Station) sharesOf(p *peer) int {
	if s.cfg.Role != Source || p.near || p.claim.gives < wire.Classes/2 {
		return wire.Classes
	}
	alike := 0
	for _, c := range s.children {
		if c != p && 2*c.claim.gives >= p.claim.gives {
			alike++
		}
	}
	if alike < sharing {
		return wire.Classes
	}
	return wire.Classes/2 - bits.OnesCount16(p.child.classes)
}

// displaces reports whether a child will make room for p, who waits.
func (s *Station) displaces(now mono.Time, p *peer) bool {
	return s.uses(PushDown) && p.claim.gives >= wire.Classes/2 && (p.claim.room >= inviteClasses || p.claim.gives >= 2*wire.Classes) && s.sharesOf(p) >= inviteClasses && !s.leaving && !p.near && s.overbook() >= inviteClasses &&
		s.leastWorth(now, p, s.canGive(p)&^p.child.classes, p.claim.value(now)) != nil
}

// climbTo asks a peer that has told of room for what others bring on a longer way.
func (s *Station) climbTo(now mono.Time, p *peer, out *Output) {
	if p.parent.pending || p.near || s.gives() < wire.Classes/2 || !s.uses(Climbing) {
		return
	}
	more := uint16(0)
	for part := range wire.PartManifests {
		mask := quarter << part
		q := s.assign[part]
		if h := s.place.parts[part].Hops; q == nil || q == p || q.near || h == wire.HopsUnknown || p.have.Hops[part]+1 >= h ||
			p.parent.want&mask != 0 || !s.eligible(now, p, part) {
			continue
		}
		more |= mask
	}
	if more = s.allOrNone(s.quarters(more, int(p.have.Free)), 1<<wire.Classes-1); more != 0 {
		p.parent.want |= more
		s.sendWant(now, p, wire.Want{}, out)
	}
}

// overbook is by how many classes more than allowed the upload may be taken for a moment.
func (s *Station) overbook() int {
	if s.host.Saturated() { // what was given too much before is not paid yet
		return 0
	}
	free, whole := s.host.FreeUpload()
	unit := max(1, s.classBPS())
	share := whole / 4
	if s.cfg.Role == Source {
		share = whole * 29 / 100 // two quarters of an upload of two streams: one slow child shall not keep everybody else away
	}
	n := int(min(max(share/unit, wire.Classes/4), wire.Classes)) + int(min(free/unit, wire.Classes))
	for _, c := range s.children {
		n -= bits.OnesCount16(c.child.moving | c.child.ends)
	}
	return n
}

// leastWorth finds the child that has classes of mask and is worth least, by far less than value.
func (s *Station) leastWorth(now mono.Time, but *peer, mask uint16, value int64) *peer {
	var least *peer
	worst := value * 2 / worthMore
	for _, c := range s.children {
		if c == but || c.near || c.child.cursor != nil || c.child.moving|c.child.ends != 0 || c.child.classes&mask == 0 || c.child.movedAt != 0 && now.Sub(c.child.movedAt) < movedRest {
			continue
		}
		if v := c.claim.value(now); v < worst {
			least, worst = c, v
		}
	}
	return least
}

// quarters returns whole quarters of mask, n classes at most: those that the fewest others have from here.
func (s *Station) quarters(mask uint16, n int) (some uint16) {
	for _, part := range s.rarest() {
		if m := mask & (quarter << part); m != 0 && bits.OnesCount16(m) <= n {
			some |= m
			n -= bits.OnesCount16(m)
		}
	}
	return some
}

// moved looks after children that have been asked to change: one that has not is kept, and the one that took its place is not
// believed any more.
func (s *Station) moved(now mono.Time, out *Output) {
	for _, c := range s.children {
		if c.child.moving == 0 {
			continue
		}
		if c.child.moving &= c.child.classes; c.child.moving == 0 {
			c.child.movedAt = 0 // it did, and may be asked again
			continue
		}
		if now.Sub(c.child.movedAt) < movingMax {
			continue
		}
		mask := c.child.moving
		c.child.moving = 0
		if p := s.byID[c.child.movingTo]; p != nil && p.isChild() {
			p.claim.false = now.Add(unkeptFor << min(p.claim.unkept, unkeptMax))
			p.claim.unkept++
			if mask &= p.child.classes; mask != 0 {
				s.end(now, p, mask, out)
			}
		}
	}
	for i := len(s.children) - 1; i >= 0; i-- {
		c := s.children[i]
		if c.child.ends == 0 || now < c.child.endsAt {
			continue
		}
		classes, held := c.child.classes&^c.child.ends, c.child.classes&c.child.ends != 0
		if c.child.ends = 0; held {
			s.leave(c, classes, out)
		}
	}
}

// A move is what a parent has asked this node to do.
type move struct {
	from    PeerID
	node    identity.NodeID
	classes uint16
	until   mono.Time
}

// handleMove is called when a parent asks this node to take classes from another.
func (s *Station) handleMove(now mono.Time, p *peer, m wire.Move, out *Output) {
	m.Classes &= p.parent.want
	if s.cfg.Role == Source || m.Classes == 0 {
		return
	}
	s.addCandidates(now, p.id, m.Candidates)
	if m.Wait != 0 { // it ends in any case
		p.parent.refusedUntil = now.Add(movedRest)
		s.elsewhere(now, p, m.Classes, out)
		return
	}
	if len(m.Candidates) == 0 || len(s.moves) >= movesMax {
		return
	}
	c := &m.Candidates[0]
	s.moves = append(s.moves, move{from: p.id, node: c.Node, classes: m.Classes, until: now.Add(movingMax)})
	if s.doMoves(now, out); slices.ContainsFunc(s.peers, func(q *peer) bool { return q.node == c.Node }) {
		return
	}
	for i := range s.cands {
		if k := &s.cands[i]; k.Node == c.Node && k.dialing == 0 {
			k.dialing = now
			out.Dials = append(out.Dials, Dial{Addr: k.Addr, Node: k.Node, Open: k.Open, Via: k.via, Proxies: k.proxies})
			return
		}
	}
}

// doMoves asks others for what parents want them to bring: first they push, then the parent is told to stop (see pushed).
func (s *Station) doMoves(now mono.Time, out *Output) {
	s.moves = slices.DeleteFunc(s.moves, func(m move) bool {
		from := s.byID[m.from]
		return now > m.until || from == nil || from.parent.want&m.classes == 0
	})
	for _, m := range s.moves {
		mask := m.classes & s.byID[m.from].parent.want
		for _, q := range s.peers {
			if q.node == m.node && q.open && !q.gone && !q.parent.pending && now >= q.parent.refusedUntil && q.parent.want&mask != mask {
				q.parent.want |= mask
				s.sendWant(now, q, wire.Want{Orphan: true}, out)
			}
		}
	}
}

// elsewhere asks others for classes that p will not bring for long.
func (s *Station) elsewhere(now mono.Time, p *peer, mask uint16, out *Output) {
	for part := range wire.PartManifests {
		need := mask & (quarter << part)
		if need == 0 {
			continue
		}
		q := s.bestParent(now, part, bits.OnesCount16(need), false)
		if q == nil || q == p || q.parent.pending {
			continue
		}
		q.parent.want |= need
		s.sendWant(now, q, wire.Want{Orphan: true}, out)
	}
}

// climb asks a peer that is nearer to the source than a parent for what that parent brings.
func (s *Station) climb(now mono.Time, out *Output) {
	if !s.uses(Climbing) || now < s.climbAt || !s.play.begun || now.Sub(s.play.begunAt) < climbAfter {
		return
	}
	every := min(climbEvery+now.Sub(s.play.begunAt)/2, climbEveryMax) // who has played for long stands where it may
	s.climbAt = now.Add(every + time.Duration(s.rand.Int64N(int64(every))))
	if s.gives() < wire.Classes/2 {
		return
	}
	part, hops := -1, uint8(2)
	for i := range wire.PartManifests {
		if p := s.assign[i]; p == nil || p.near {
			continue // it is missing, or it spares the LAN's line
		}
		if h := s.place.parts[i].Hops; h != wire.HopsUnknown && h > hops {
			part, hops = i, h
		}
	}
	if part < 0 {
		if s.gives() >= 2*wire.Classes && !s.fed() {
			s.reachUp(now, 2, out) // the source has a place for who gives so much
		}
		return
	}
	mask := s.treeOf(part)
	var best *peer
	for _, q := range s.peers {
		if q.parent.want&mask != 0 || q.parent.pending || now < q.climbAt || q.near || !s.eligible(now, q, part) || q.have.Epoch == 0 ||
			q.have.Hops[part]+1 >= hops {
			continue
		}
		if best == nil || q.have.Hops[part] < best.have.Hops[part] {
			best = q
		}
	}
	if best == nil {
		s.reachUp(now, hops, out)
		return
	}
	best.climbs = min(best.climbs+1, climbsMax)
	best.climbAt = now.Add(climbRefused << (best.climbs - 1))
	best.parent.want |= mask
	s.sendWant(now, best, wire.Want{}, out)
}

// reachUp dials a candidate that is nearer to the source than any peer.
func (s *Station) reachUp(now mono.Time, hops uint8, out *Output) {
	var best *candidate
	for i := range s.cands {
		c := &s.cands[i]
		if c.dialing != 0 || now < c.nextTry || c.near || c.Hops+1 >= hops || s.isPeer(c) || c.climbed != 0 && now.Sub(c.climbed) < reachEvery {
			continue
		}
		if best == nil || c.Hops < best.Hops {
			best = c
		}
	}
	if best == nil {
		return
	}
	best.dialing, best.climbed = now, now
	out.Dials = append(out.Dials, Dial{Addr: best.Addr, Node: best.Node, Open: best.Open, Via: best.via, Proxies: best.proxies})
	s.climbAt = mono.Min(s.climbAt, now.Add(climbEvery/4))
}
