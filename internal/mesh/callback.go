// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/mono"
)

const (
	sleptAfter   = 5 * time.Second // that a source was not called
	callBackFor  = time.Second     // after that, links end of which it did not know before
	callBacksMax = 8

	childrenQuiet = haveToParents + time.Second // of a source: it is not they who are gone, all at once
	alonePause    = 2 * time.Second
	aloneFor      = time.Minute // then it is others who are gone
)

// A nap is the last time that a source was not called for long: its machine slept, or the process was stopped.
type nap struct {
	over  mono.Time // 0: there was none
	calls int       // dials because of it
}

// noticeNap is called before the next review is set.
func (s *Station) noticeNap(now mono.Time) {
	if now.Sub(s.timers.review) > sleptAfter && s.nap.over != now {
		s.nap = nap{over: now}
	}
}

// callBack dials a peer whose link has ended because this source slept. Its NAT has forgotten everybody, so those who look for the source
// knock in vain, and its proxies have given it up; but whoever knocks has opened his own NAT for it.
func (s *Station) callBack(now mono.Time, p *peer, out *Output) {
	if s.cfg.Role != Source || s.leaving || !p.open || p.gone {
		return
	}
	s.noticeNap(now)
	if s.nap.over == 0 || now.Sub(s.nap.over) > callBackFor || s.nap.calls >= callBacksMax {
		return
	}
	s.nap.calls++
	out.Dials = append(out.Dials, Dial{Addr: p.addr, Node: p.node, Open: s.host.Open(p.id)})
}

// doubtAt is when the answer to a probe should have come, a little before the parent is lost: introductions that begin then shall name
// the right address.
func (s *Station) doubtAt(p *peer) mono.Time { return p.probeAt.Add(s.probePatience(p) / 2) }

// noticeSilence tells the node when nobody is heard any more: no parent answers, or all were lost a moment ago; of a source, all children
// are quiet. Then it is this node's own line that changed, and peers with whom it talks seldom, as its proxies, must hear where it is now.
func (s *Station) noticeSilence(now mono.Time, out *Output) {
	if now < s.timers.alone || s.leaving {
		return
	}
	quiet := s.cfg.Role != Source && len(s.epochs) > 0 && now.Sub(s.timers.progress) < aloneFor
	for _, p := range s.peers {
		switch {
		case s.cfg.Role == Source && p.isChild():
			if quiet = now.Sub(p.heardAt) >= childrenQuiet; !quiet {
				return
			}
		case s.cfg.Role != Source && p.isParent() && (p.probeAt == 0 || now < s.doubtAt(p)):
			return
		}
	}
	if quiet {
		s.timers.alone = now.Add(alonePause)
		out.Alone = true
	}
}
