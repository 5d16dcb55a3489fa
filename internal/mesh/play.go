// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	startPatience = 800 * time.Millisecond // for the first chunk of all, before it is given up
	startWhole    = time.Second            // of audio without a hole that nobody fills is what a newcomer begins with
	startTries    = 2                      // NACKs unanswered: nobody fills it
	startSlack    = time.Second            // that a player may have to wait for a hole, once: longer is worse than the hole
	headPatience  = 5 * time.Second        // for the header chunks, before a newer epoch is taken
	tailPatience  = 600 * time.Millisecond // for somebody to have got the last chunks of a source that vanished
	clockJump     = 10 * time.Second       // in the source's wall clock that is not lateness
)

// playState is the place where the application is in the stream. Its clock follows the source's wall clock, so that
// epochs and pauses need no care: chunk c is due at offset + c.chunkTime.
type playState struct {
	at       int       // index of the epoch that is being delivered
	next     uint32    // next chunk to deliver
	open     bool      // NoticeEpoch has been given for epochs[at]
	ended    bool      // NoticeEnded has been given for epochs[at]
	offset   int64     // mono nanoseconds minus the source's wall nanoseconds, play delay included
	arrival  int64     // the same for the arrival of manifests, the lowest seen
	floor    int64     // the lowest offset that the start allows, 0 none
	known    bool      // offset and arrival are valid
	begun    bool      // the first chunk has been delivered
	begunAt  mono.Time // when it was
	since    mono.Time // when epochs[at] began to be waited for
	waitFrom mono.Time // when the first chunk of all began to be waited for
	event    uint32    // last event given from beside the window
	due      mono.Time

	orphanSince         mono.Time // since when some class was refused; 0 none
	movedAt             mono.Time // when a subscription was last moved for balance
	hintEpoch, hintFrom uint32    // where the backlog begins, as a parent says

	gapSeq   uint32
	gapCount uint32
}

func (ps *playState) init(now mono.Time) {
	ps.since, ps.due, ps.event = now, mono.Never, wire.NoEvent
}

// learn moves the play clock with a manifest that has just arrived.
func (ps *playState) learn(now mono.Time, m *manifest) {
	wall := m.Wall * int64(time.Millisecond)
	arrival := int64(now) - wall
	if !ps.known {
		ps.known, ps.arrival = true, arrival
		ps.offset = arrival + int64(playDelay)
		return
	}
	switch d := arrival - ps.arrival; {
	case d < 0: // faster than ever
		ps.arrival = arrival
	case d > int64(clockJump): // the source's clock was set, or everything was late: the next one shows
		ps.arrival, ps.floor = arrival, 0
	default: // clocks drift: 100 ppm are 8 s a day
		ps.arrival += d / 64
	}
	ps.offset = ps.arrival + int64(playDelay)
	if ps.floor != 0 {
		ps.floor -= max(0, ps.floor-ps.offset) / 1024 // half of it in three minutes
		ps.offset = max(ps.offset, ps.floor)
	}
}

// begin starts the clock with the first chunk of all: the player begins to play it now.
func (ps *playState) begin(now mono.Time, chunkTime int64) {
	ps.floor = int64(now.Add(startSlack)) - chunkTime
	ps.offset = max(ps.offset, ps.floor)
	ps.waitFrom, ps.begun, ps.begunAt = 0, true, now
}

// played moves the clock when a chunk is given after its time: the player has waited for it, and plays what follows that much later.
func (ps *playState) played(now mono.Time, chunkTime int64) {
	if late := int64(now) - chunkTime; late > ps.offset && late < ps.arrival+int64(resumeSpan) {
		ps.floor, ps.offset = late, late
	}
}

// deadline is when chunk seq of e must be there, Never when nothing after it is known.
func (s *Station) deadline(e *epoch, seq uint32) mono.Time {
	for ; seq < e.next; seq++ {
		if sl := e.at(seq); sl != nil && sl.m != nil {
			return mono.Time(sl.m.chunkTime(int(seq-sl.m.First)) + s.play.offset)
		}
	}
	if e.end != nil {
		return mono.Time(e.end.chunkTime(0) + s.play.offset)
	}
	if next := s.epochAfter(e); next != nil && next.newest != nil {
		return mono.Time(next.newest.chunkTime(0) + s.play.offset)
	}
	return mono.Never
}

// tailDeadline is when the end of an epoch is given up that is missing altogether while the next epoch runs: a source that
// vanished had signed those chunks and not sent them, and comes back without knowing of them.
func (s *Station) tailDeadline(e *epoch, seq uint32) mono.Time {
	next := s.epochAfter(e)
	if next == nil || next.prev == e.num || !s.play.begun {
		return mono.Never
	}
	for ; seq < e.next; seq++ {
		if e.at(seq).data != nil {
			return mono.Never
		}
	}
	return next.opened.Add(tailPatience)
}

// epochAfter returns the epoch that follows e, or nil.
func (s *Station) epochAfter(e *epoch) *epoch {
	for i := 1; i < len(s.epochs); i++ {
		if s.epochs[i-1] == e {
			return s.epochs[i]
		}
	}
	return nil
}

// deliver gives the application what is next, and gives up what is too late.
func (s *Station) deliver(now mono.Time, out *Output) {
	s.play.due = mono.Never
	if s.leaving {
		return
	}
	for s.play.at < len(s.epochs) {
		e := s.epochs[s.play.at]
		if !s.openForPlay(now, e, out) {
			if s.play.at == len(s.epochs)-1 || now.Sub(s.play.since) < headPatience {
				return
			}
			s.nextEpoch(now) // its header cannot be had any more
			continue
		}
		s.deliverEpoch(now, e, out)
		s.flushGap(e, out)
		if s.play.due != mono.Never || !s.epochDone(e) {
			return
		}
		if last := s.play.at == len(s.epochs)-1; last {
			if e.end != nil && !s.play.ended {
				s.play.ended = true
				s.notice(out, Notice{Kind: NoticeEnded, Epoch: e.num, Seq: e.next})
			}
			return
		}
		s.nextEpoch(now)
	}
}

func (s *Station) nextEpoch(now mono.Time) {
	s.play.at++
	s.play.open, s.play.ended, s.play.event, s.play.since = false, false, wire.NoEvent, now
}

// openForPlay gives NoticeEpoch, the header chunks and the event in force, as soon as they are there.
func (s *Station) openForPlay(now mono.Time, e *epoch, out *Output) bool {
	if s.play.open {
		return true
	}
	if !e.placed || !e.headComplete() || len(e.head) == 0 {
		return false
	}
	s.play.open, s.play.next = true, e.base
	if !s.play.begun {
		s.play.waitFrom = now
	}
	s.notice(out, Notice{Kind: NoticeEpoch, Epoch: e.num})
	for i := range e.head {
		s.chunkNotice(out, e, uint32(i), &e.head[i])
	}
	s.play.next = max(s.play.next, uint32(len(e.head)))
	return true
}

// deliverEpoch gives all that is there in order, and skips what is past its deadline.
func (s *Station) deliverEpoch(now mono.Time, e *epoch, out *Output) {
	s.deliverEvent(e, out)
	if !s.play.begun && !s.findBeginning(now, e) {
		return
	}
	if e.base > s.play.next {
		s.gap(s.play.next, e.base-s.play.next)
		s.play.next = e.base
	}
	for s.play.next < e.next {
		seq := s.play.next
		sl := e.at(seq)
		if sl.data == nil {
			due := min(s.deadline(e, seq), s.tailDeadline(e, seq))
			if first := s.play.waitFrom; first != 0 {
				due = max(due, first.Add(startPatience))
			}
			if due > now {
				s.play.due = due
				return
			}
			if s.play.begun && now.Sub(due) < resumeSpan && !s.hasLater(e, seq) {
				s.play.due = due.Add(resumeSpan) // the player is silent in any case
				return
			}
			if s.play.begun { // before that nothing is missing: the newcomer begins later
				s.gap(seq, 1)
			}
			s.play.next++
			e.giveUp(s.play.next)
			continue
		}
		s.flushGap(e, out)
		if !s.play.begun {
			s.play.begin(now, sl.m.chunkTime(int(seq-sl.m.First)))
		}
		s.play.played(now, sl.m.chunkTime(int(seq-sl.m.First)))
		s.chunkNotice(out, e, seq, sl)
		s.play.next++
	}
}

// hasLater reports whether there is something to play behind chunk seq of e, or its end.
func (s *Station) hasLater(e *epoch, seq uint32) bool {
	if e.end != nil || e != s.newest() {
		return true
	}
	for seq++; seq < e.next; seq++ {
		if e.at(seq).data != nil {
			return true
		}
	}
	return false
}

// findBeginning moves a newcomer on to the chunk that it begins with: what follows is whole for a second, or its holes will be filled.
// Before that chunk nothing is missing. A hole that its askers did not get filled means that those who have the past are busy; what is
// live they send first. It reports whether delivery may go on.
func (s *Station) findBeginning(now mono.Time, e *epoch) bool {
	s.play.next = max(s.play.next, e.base)
	patience := s.play.waitFrom.Add(startPatience)
	if now < patience && !s.settled() {
		s.play.due = patience
		return false
	}
	whole := uint32(startWhole / e.chunkInterval())
	begin, found := s.play.next, false
	for seq := begin; seq < e.next && !found; seq++ {
		switch {
		case e.at(seq).data == nil && s.unfilled(e, seq):
			begin = seq + 1
		case seq-begin >= whole:
			found = true
		}
	}
	switch {
	case begin == s.play.next: // whole from the first chunk on
	case now < patience:
		s.play.due = patience
		return false
	case begin < e.next:
		s.play.next = begin
		e.giveUp(begin)
	case now < patience.Add(startPatience): // what is live will come
		s.play.due = patience.Add(startPatience)
		return false
	}
	return true
}

// unfilled reports whether NACKs for a chunk have brought nothing.
func (s *Station) unfilled(e *epoch, seq uint32) bool {
	i := s.missOf(e, seq)
	return i >= 0 && s.misses[i].tries >= startTries
}

// settled reports whether most classes have a parent that has said where it begins.
func (s *Station) settled() bool {
	if s.cfg.Role == Source {
		return true
	}
	n := 0
	for _, p := range s.assign {
		if p != nil && !p.parent.pending {
			n++
		}
	}
	return n == wire.Classes
}

// deliverEvent gives the event in force when it is older than what the window holds.
func (s *Station) deliverEvent(e *epoch, out *Output) {
	if e.eventSeq == wire.NoEvent || e.eventSeq >= e.base || e.event.data == nil || e.eventSeq == s.play.event {
		return
	}
	if s.play.event == wire.NoEvent || e.eventSeq > s.play.event {
		s.chunkNotice(out, e, e.eventSeq, &e.event)
	}
}

// epochDone reports whether nothing more comes in e: its end is signed, the next epoch names its end, or a newer epoch
// runs and what is known of e has been delivered.
func (s *Station) epochDone(e *epoch) bool {
	if s.play.next < e.next {
		return false
	}
	if s.play.at == len(s.epochs)-1 {
		return e.end != nil
	}
	return true // what the next epoch says of the end of this one has extended it
}

func (s *Station) gap(seq, count uint32) {
	if s.play.gapCount == 0 {
		s.play.gapSeq = seq
	}
	s.play.gapCount += count
}

func (s *Station) flushGap(e *epoch, out *Output) {
	if n := s.play.gapCount; n > 0 {
		s.play.gapCount = 0
		s.counts.Missing += uint64(n)
		s.notice(out, Notice{Kind: NoticeGap, Epoch: e.num, Seq: s.play.gapSeq, Count: n})
	}
}

func (s *Station) chunkNotice(out *Output, e *epoch, seq uint32, sl *slot) {
	i := int(seq - sl.m.First)
	if sl.m.Kinds[i] == kindEvent {
		s.play.event = seq
	}
	s.notice(out, Notice{Kind: NoticeChunk, Epoch: e.num, Seq: seq, Chunk: sl.m.Kinds[i], Start: sl.m.Media + sl.m.offset(i),
		Duration: sl.m.Duration / time.Duration(sl.m.N), Data: *sl.data})
}

// notice gives the application a notice; a relay has no application.
func (s *Station) notice(out *Output, n Notice) {
	if s.cfg.Role != Relay {
		out.Notices = append(out.Notices, n)
	}
}

// bufferAhead is the contiguous audio between the play clock and the next chunk to deliver.
func (s *Station) bufferAhead(now mono.Time) time.Duration {
	if !s.play.known || s.play.at >= len(s.epochs) || !s.play.open {
		return 0
	}
	e := s.epochs[s.play.at]
	if s.play.next == e.base || e.newest == nil {
		return 0
	}
	sl := e.at(s.play.next - 1)
	if sl == nil || sl.m == nil {
		return 0
	}
	end := sl.m.chunkTime(int(s.play.next-sl.m.First)) + s.play.offset
	return max(0, time.Duration(end-int64(now)))
}
