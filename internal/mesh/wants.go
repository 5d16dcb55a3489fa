// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	loopFor       = 5 * time.Second
	nothingFor    = time.Second
	wantRetryMin  = 100 * time.Millisecond
	wantTriesMax  = 2 // repetitions
	orphanAfter   = 600 * time.Millisecond
	newcomerRetry = 400 * time.Millisecond // a newcomer that nobody takes asks again soon, then as an orphan
	headersGrace  = 400 * time.Millisecond
	beginning     = 4 * time.Second         // of playing, in which a quarter may come later than the others
	resumeAfter   = 1200 * time.Millisecond // without progress, before the past is skipped as at the start
)

// wantFor says where a subscription to classes without a parent begins: for a newcomer a few seconds ago; for one who has
// lost a parent now, because NACK brings what is missing; after a long interruption where the interruption began.
func (s *Station) wantFor(now mono.Time) wire.Want {
	w := wire.Want{Orphan: s.play.begun || s.play.orphanSince != 0 && now.Sub(s.play.orphanSince) > orphanAfter}
	e, back := s.newest(), backlogSpan
	switch {
	case e == nil || !e.placed || e.newest == nil:
		w.Backlog, w.Headers = true, true
		w.Epoch, w.From = s.play.hintEpoch, s.play.hintFrom
	case !s.play.begun && s.cfg.Role == Listener:
		w.Backlog, w.Headers, w.Epoch, w.From = true, !e.headComplete(), e.num, s.playFrontier(e)
	case s.cfg.Role == Listener && now.Sub(s.play.begunAt) < beginning && s.play.at < len(s.epochs) && s.epochs[s.play.at] == e:
		w.Backlog, w.Epoch, w.From = true, e.num, s.playFrontier(e) // it began with less than the whole stream
	case now.Sub(s.timers.progress) > resumeAfter:
		w.Backlog, w.Epoch, w.From = true, e.num, e.next
		back = max(back, min(time.Duration(s.play.offset-s.play.arrival), resumeSpan)) // what is older comes too late
	}
	w.Back = uint16(back / time.Millisecond)
	return w
}

// sendWant sends what p is wanted for; the rest of w says where it begins.
func (s *Station) sendWant(now mono.Time, p *peer, w wire.Want, out *Output) {
	ps := &p.parent
	ps.token++
	w.Channel, w.Token, w.Classes, w.Manifests = s.cfg.Channel, ps.token, ps.want, ps.wantManifests
	w.Gives, w.Age, w.Room = s.gives(), s.age(now), uint8(min(s.freeClasses(true), 255))
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
	s.addCandidates(now, p.id, g.Candidates)
	ps := &p.parent
	unasked := !ps.pending && g.Reason == wire.GrantFull && g.Classes&ps.want != ps.want // its upload does not carry more any more
	if !ps.pending && !unasked || g.Token != ps.token || s.cfg.Role == Source {
		return
	}
	ps.pending = false
	ps.classes, ps.manifests = g.Classes&ps.want, g.Manifests && ps.wantManifests
	if !unasked && g.Epoch != 0 && ps.wantFlags.Backlog && bits.OnesCount16(g.Classes) >= wire.Classes/4 {
		ps.from = g.From
		ps.backlog = backlog{g.Epoch, g.Live, now.Add(s.backlogPatience(now))}
		s.startAt(now, g, out)
	}
	if ps.classes == ps.want && ps.manifests == ps.wantManifests {
		ps.refusals = 0
		if p.isParent() {
			s.play.orphanSince = 0
		}
		s.updatePlace()
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
	if ps.full = g.Reason == wire.GrantFull; ps.full { // it tells when it has room
		refused = max(refused, time.Duration(g.Wait)*100*time.Millisecond<<min(ps.refusals, refusalsMax))
		ps.refusals++
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
	s.updatePlace()
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
