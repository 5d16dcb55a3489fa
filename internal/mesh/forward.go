// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	cursorPause = 10 * time.Millisecond // how long a backlog waits for upload
	cursorSpan  = 3 * time.Second       // then what is left of a backlog is too late
)

// childState is what this node gives to a peer.
type childState struct {
	classes   uint16
	manifests bool
	takenBPS  int64 // of the upload

	waiting mono.Time // since when it waits for room; 0: it does not
	invited mono.Time // when it was told of room last
	invites int       // how often it was since it got something
	urgent  bool      // it is an orphan

	moving   uint16 // classes that it shall take from movingTo
	movingTo PeerID
	movedAt  mono.Time // when it was asked to; 0 never
	ends     uint16    // classes that end at endsAt
	endsAt   mono.Time

	// The backlog: chunks of mask from (epoch, pos) to the first one that is pushed. It never holds back what is live.
	cursor   *epoch
	pos      uint32
	until    uint32 // in the newest epoch that there was when it began
	untilIn  *epoch
	endAt    mono.Time // when it is given up
	mask     uint16
	sent     *manifest // last one sent by the cursor
	cursorAt mono.Time
}

// covers reports whether the cursor will come to a chunk, so that it need not be pushed.
func (c *childState) covers(e *epoch, seq uint32) bool {
	if c.cursor == nil {
		return false
	}
	after := e.num > c.cursor.num || e == c.cursor && seq >= c.pos
	before := e.num < c.untilIn.num || e == c.untilIn && seq < c.until
	return after && before
}

// pushChunk sends a verified chunk to the subscribers of its class.
func (s *Station) pushChunk(now mono.Time, e *epoch, seq uint32, data []byte, from *peer, out *Output) {
	bit := uint16(1) << (seq % wire.Classes)
	out.send(Send{Priority: Push, Epoch: e.num, Seq: seq, Data: data})
	for _, c := range s.children {
		if c.child.classes&bit == 0 || c == from || c.child.mask&bit != 0 && c.child.covers(e, seq) {
			continue
		}
		out.addPeer(c.id)
	}
	out.dropEmpty()
	s.pushes.add(now, e, seq)
}

// pushedKept is how many pushes are remembered: those of an RTT.
const pushedKept = 32

// recentPushes are the chunks that subscribers were sent last: a NACK for one of them has crossed it.
type recentPushes struct {
	chunks [pushedKept]struct {
		epoch uint32
		seq   uint32
		at    mono.Time
	}
	next uint8
}

func (r *recentPushes) add(now mono.Time, e *epoch, seq uint32) {
	c := &r.chunks[r.next%pushedKept]
	c.epoch, c.seq, c.at = e.num, seq, now
	r.next++
}

// justPushed reports whether a chunk was pushed to a child so short ago that its NACK cannot know.
func (s *Station) justPushed(now mono.Time, p *peer, e *epoch, seq uint32) bool {
	if p.child.classes&(1<<(seq%wire.Classes)) == 0 {
		return false
	}
	rtt, _ := s.host.RoundTrip(p.id)
	for i := range s.pushes.chunks {
		if c := &s.pushes.chunks[i]; c.epoch == e.num && c.seq == seq && c.at != 0 {
			return now.Sub(c.at) < rtt
		}
	}
	return false
}

// pushManifest sends a verified manifest to its subscribers.
func (s *Station) pushManifest(e *epoch, m *manifest, from *peer, out *Output) {
	out.send(Send{Priority: Push, Manifest: true, Epoch: e.num, Seq: m.First, Data: m.raw})
	for _, c := range s.children {
		if c.child.manifests && c != from && !(m.N > 0 && c.child.covers(e, m.First)) {
			out.addPeer(c.id)
		}
	}
	out.dropEmpty()
}

// startCursor begins a backlog of the classes in mask from seq of e on.
func (s *Station) startCursor(now mono.Time, p *peer, e *epoch, seq uint32, mask uint16, out *Output) {
	c := &p.child
	live := s.newest()
	s.sendAhead(p, live, out)
	if e == live && seq >= s.released(e) && c.cursor == nil {
		return // there is no past: all of it will be pushed
	}
	c.untilIn, c.until, c.endAt = live, s.released(live), now.Add(cursorSpan)
	if c.cursor == nil {
		s.cursors = append(s.cursors, p)
	} else if c.cursor.num < e.num || c.cursor == e && c.pos < seq {
		c.mask |= mask // the earlier start serves both
		return
	}
	c.cursor, c.pos, c.cursorAt = e, max(seq, e.base), now
	c.mask |= mask
}

// sendAhead sends a new child the manifests that were pushed before it came, of chunks that are still to come.
func (s *Station) sendAhead(p *peer, e *epoch, out *Output) {
	if !p.child.manifests {
		return
	}
	last := p.child.sent
	for seq := s.released(e); seq < e.next; seq++ {
		sl := e.at(seq)
		if sl == nil || sl.m == nil || sl.m == last {
			continue
		}
		last = sl.m
		out.send(Send{Priority: Push, Manifest: true, Epoch: e.num, Seq: sl.m.First, Data: sl.m.raw})
		out.addPeer(p.id)
	}
}

func (s *Station) endCursor(p *peer) {
	p.child.cursor, p.child.untilIn, p.child.mask, p.child.sent = nil, nil, 0, nil
	if i := slices.Index(s.cursors, p); i >= 0 {
		s.cursors = slices.Delete(s.cursors, i, i+1)
	}
}

// runCursors sends what is due of the backlogs.
func (s *Station) runCursors(now mono.Time, out *Output) {
	for i := 0; i < len(s.cursors); {
		p := s.cursors[i]
		for p.child.cursor != nil && p.child.cursorAt <= now {
			s.stepCursor(now, p, out)
		}
		if p.child.cursor != nil {
			i++
		}
	}
	if n := len(s.cursors); n > 1 { // the one that comes first takes what upload there is
		first := s.cursors[0]
		copy(s.cursors, s.cursors[1:])
		s.cursors[n-1] = first
	}
}

// stepCursor sends the next chunk of a backlog, its manifest before it, and sets the time of the one after.
func (s *Station) stepCursor(now mono.Time, p *peer, out *Output) {
	c := &p.child
	e := c.cursor
	if s.epochFor(e.num) != e || now > c.endAt {
		s.endCursor(p)
		return
	}
	c.pos = max(c.pos, e.base)
	if last := e.num >= c.untilIn.num; c.pos >= e.next || last && c.pos >= c.until {
		if next := s.epochAfter(e); !last && next != nil && next.placed {
			c.cursor, c.pos = next, next.base
			return
		}
		s.endCursor(p)
		return
	}
	if !s.host.MayBurst(now) {
		c.cursorAt = now.Add(cursorPause)
		return
	}
	seq, sl := c.pos, e.at(c.pos)
	c.pos++
	ahead := sl.m != nil && e == c.untilIn && sl.m.First+uint32(sl.m.N) > c.until // startCursor has sent it
	if sl.m != nil && sl.m != c.sent && !ahead && c.manifests {
		c.sent = sl.m
		out.send(Send{Priority: Backlog, Manifest: true, Epoch: e.num, Seq: sl.m.First, Data: sl.m.raw})
		out.addPeer(p.id)
	}
	if sl.data == nil || c.mask&(1<<(seq%wire.Classes)) == 0 {
		return
	}
	out.send(Send{Priority: Backlog, Epoch: e.num, Seq: seq, Data: *sl.data})
	out.addPeer(p.id)
	every := e.chunkInterval() * wire.Classes / time.Duration(bits.OnesCount16(c.mask))
	c.cursorAt = max(c.cursorAt, now.Add(-every)).Add(every / backlogSpeed)
}

// endChild ends a peer's subscription.
func (s *Station) endChild(p *peer) {
	if !p.isChild() && p.child.takenBPS == 0 {
		return
	}
	s.endCursor(p)
	s.host.TakeUpload(-p.child.takenBPS)
	p.child = childState{waiting: p.child.waiting, invited: p.child.invited, invites: p.child.invites, urgent: p.child.urgent}
	if i := slices.Index(s.children, p); i >= 0 {
		s.children = slices.Delete(s.children, i, i+1)
	}
}

// Serves reports whether a peer has a subscription.
func (s *Station) Serves(id PeerID) bool {
	p := s.byID[id]
	return p != nil && p.isChild()
}

// expireChildren ends the subscriptions of those who have been silent and answer no probe, so that nobody can have a stream sent to a
// stranger or to the dead, and so that those who hung on the dead get its place. When this node itself has been standing still they get
// new time: what they said waits to be read.
func (s *Station) expireChildren(now mono.Time, stood time.Duration, out *Output) {
	for i := len(s.children) - 1; i >= 0; i-- {
		p := s.children[i]
		switch {
		case stood > ownStall:
			p.heardAt, p.probeAt = max(p.heardAt, now.Add(-childDoubt)), 0
		case p.probeAt != 0 && now.Sub(p.probeAt) > childProbed+s.probePatience(p):
			s.endChild(p)
		case p.probeAt != 0:
			out.Pings = append(out.Pings, p.id)
		case now.Sub(p.heardAt) > childDoubt:
			s.probeChild(now, p, out)
		}
	}
}

func (s *Station) probeChild(now mono.Time, p *peer, out *Output) {
	p.probeAt = now
	out.Pings = append(out.Pings, p.id)
}

// doubtChildren probes those who have classes of mask and have been quiet for a moment: an orphan that asks for them may have hung on one
// that is dead and holds its place here.
func (s *Station) doubtChildren(now mono.Time, mask uint16, out *Output) {
	for _, p := range s.children {
		if p.child.classes&mask != 0 && p.probeAt == 0 && now.Sub(p.heardAt) > childQuiet {
			s.probeChild(now, p, out)
		}
	}
}
