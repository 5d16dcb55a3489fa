// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	silenceSuspect = 300 * time.Millisecond // at least; then a ping
	silenceDead    = 200 * time.Millisecond // at least, after the ping
	stallMax       = time.Second            // a parent that is alive and does not advance
	orphanPatience = 2 * time.Second
	rootedPatience = 500 * time.Millisecond // with an orphaned parent, when another is fed by the source
	refusedFor     = 3 * time.Second
	stallRefused   = 2 * time.Second // four times as long with each further stall
	stallsMax      = 3
	refusalsMax    = 4 // doublings of a wait for room
	watchPause     = 20 * time.Millisecond
	ownStall       = 150 * time.Millisecond // of this node, that its parents are not to blame for
)

// watch probes silent parents, leaves those that are dead or do not advance, and repeats Wants without an answer. It sets
// its own next time.
func (s *Station) watch(now mono.Time, out *Output) {
	if now < s.timers.watch || s.leaving {
		return
	}
	if now.Sub(s.timers.watch) > ownStall {
		s.forgive(now)
	}
	for i := len(s.peers) - 1; i >= 0; i-- {
		if p := s.peers[i]; p.parent.pending {
			s.repeatWant(now, p, out)
		} else if p.isParent() {
			s.checkParent(now, p, out)
		}
	}
	s.noticeSilence(now, out)
	next := mono.Min(now.Add(time.Second), s.desertedAt())
	for _, p := range s.peers {
		switch {
		case p.parent.pending:
			next = mono.Min(next, p.parent.wantAt.Add(s.wantRetry(p)))
		case p.isParent() && p.probeAt != 0 && now < s.doubtAt(p):
			next = mono.Min(next, s.doubtAt(p))
		case p.isParent() && p.probeAt != 0:
			next = mono.Min(next, p.probeAt.Add(s.probePatience(p)))
		case p.isParent():
			next = mono.Min(next, p.heardAt.Add(s.silencePatience(p)))
		}
	}
	s.timers.watch = max(next, now.Add(watchPause))
	s.askPositions(now, out)
}

// forgive gives the parents new time when this very node has been standing still: what they sent waits to be read.
func (s *Station) forgive(now mono.Time) {
	for _, p := range s.peers {
		if !p.isParent() {
			continue
		}
		p.heardAt, p.probeAt = now, 0
		if p.parent.owed != 0 {
			p.parent.owed = now
		}
		if p.owedManifests != 0 {
			p.owedManifests = now
		}
	}
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
		s.suspect(now, p)
		s.repairDue(now, out)
	}
	classes := p.parent.owed != 0 && now.Sub(p.parent.owed) > s.stallPatience(now, p)
	manifests := p == s.manifests && p.owedManifests != 0 && now.Sub(p.owedManifests) > p.manifestPatience()
	switch {
	case !classes && !manifests:
	case !s.hasOther(now, p): // better one that stalls than none: perhaps it has not heard
		p.parent.owed, p.owedManifests = 0, 0
		s.sendWant(now, p, s.wantFor(now), out)
	case classes:
		s.leaveStalled(now, p, out)
	default:
		s.moveManifests(now, p, out)
	}
}

// hasOther reports whether anybody but p may bring something of what p brings.
func (s *Station) hasOther(now mono.Time, p *peer) bool {
	for _, q := range s.peers {
		if q == p {
			continue
		}
		for part := range wire.PathParts {
			if s.eligible(now, q, part) {
				return true
			}
		}
	}
	return false
}

// moveManifests has another parent bring the manifests.
func (s *Station) moveManifests(now mono.Time, p *peer, out *Output) {
	s.manifests, p.owedManifests, p.parent.wantManifests = nil, 0, false
	p.parent.noManifestsUntil = now.Add(stallRefused)
	s.sendWant(now, p, wire.Want{}, out)
	s.assignClasses(now, out)
	s.updatePlace()
}

func (p *peer) manifestPatience() time.Duration {
	if p.path != nil && p.path.Parts[wire.PartManifests].Hops == wire.HopsUnknown {
		return orphanPatience
	}
	return stallMax
}

// stallPatience is how long a parent may bring nothing of what it owes: longer while it says that it has lost a parent
// itself and looks for another, lest everybody below it does the same at the same moment.
func (s *Station) stallPatience(now mono.Time, p *peer) time.Duration {
	if p.path == nil {
		return stallMax
	}
	patience := stallMax
	for part := range wire.PartManifests {
		if p.parent.want&(quarter<<part) == 0 || p.path.Parts[part].Hops != wire.HopsUnknown {
			continue
		}
		if s.hasRooted(now, p, part) {
			return rootedPatience
		}
		patience = orphanPatience
	}
	return patience
}

// hasRooted reports whether anybody but p may bring a part and is known to be fed by the source, or is it.
func (s *Station) hasRooted(now mono.Time, p *peer, part int) bool {
	for _, q := range s.peers {
		if q != p && (q.source || q.path != nil && q.isParent() && q.path.Parts[part].Hops != wire.HopsUnknown) && s.eligible(now, q, part) {
			return true
		}
	}
	return false
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
	p.parent.refusedUntil = now.Add(stallRefused << (2 * min(p.stalls, stallsMax)))
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
	if p.near {
		s.lostNear(now)
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
		s.updatePlace()
		s.repairDue(now, out)
	}
}
