// SPDX-License-Identifier: MIT

package mesh

import (
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Who is refused for lack of upload waits, and is told when there is room.

const (
	inviteClasses = wire.Classes / 4       // that are free, before somebody who waits is told
	inviteMax     = 20 * time.Second       // of waiting; then it has asked again
	inviteEvery   = 400 * time.Millisecond // doubled each time that the one told could not have it after all
	invitesMax    = 6                      // doublings
	invitesAtOnce = 4
)

// betterWaits reports whether somebody who is worth more than p, and waits, shall have what comes free.
func (s *Station) betterWaits(p *peer, now mono.Time) bool {
	value := p.claim.value(now) * worthMore / 2
	return slices.ContainsFunc(s.peers, func(q *peer) bool {
		return q != p && q.child.waiting != 0 && now.Sub(q.child.waiting) < inviteMax && !q.gone && q.claim.value(now) > value
	})
}

// invite tells those who wait that there is room, the urgent ones first, of the others those first who are worth most, each once;
// and those for whom a child will make room.
func (s *Station) invite(now mono.Time, out *Output) {
	if s.newest() == nil || s.host.Indebted(now) {
		return
	}
	free := s.freeForOthers()
	if s.caughtUp() != 0 {
		free = max(free, s.freeClasses(true))
	}
	for range invitesAtOnce {
		var p *peer
		for _, q := range s.peers {
			if q.child.waiting != 0 && (now.Sub(q.child.waiting) >= inviteMax || q.gone) {
				q.child.waiting = 0
			}
			pause := inviteEvery << min(q.child.invites, invitesMax)
			if q.child.waiting == 0 || q.child.invited != 0 && now.Sub(q.child.invited) < pause || !q.child.urgent && s.sharesOf(q) < inviteClasses {
				continue
			}
			if p == nil || q.child.urgent && !p.child.urgent || q.child.urgent == p.child.urgent && q.claim.value(now) > p.claim.value(now) {
				p = q
			}
		}
		if p == nil {
			return
		}
		room := free
		if !p.child.urgent {
			room = min(free, s.freeForOthers())
		}
		if room < inviteClasses && !s.displaces(now, p) && (s.unfed() == 0 || p.claim.gives < wire.Classes/4) {
			return
		}
		s.sendHaveFree(p, false, max(room, inviteClasses), out)
		p.child.invited = now
		p.child.invites++
		free -= wire.Classes
	}
}
