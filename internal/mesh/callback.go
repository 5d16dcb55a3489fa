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

	alonePause = 2 * time.Second
	aloneFor   = time.Minute // then it is others who are gone
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

// noticeSilence tells the node when nobody is heard any more: no parent answers, or all were lost a moment ago; of a source, no child
// answers. Then it is this node's own line that changed, and peers with whom it talks seldom, as its proxies, must hear where it is now.
func (s *Station) noticeSilence(now mono.Time, out *Output) {
	if s.leaving {
		return
	}
	var silent bool
	if s.cfg.Role == Source {
		silent = s.deserted(now, out)
	} else {
		silent = s.orphaned(now)
	}
	if silent && now >= s.timers.alone {
		s.timers.alone = now.Add(alonePause)
		out.Alone = true
	}
}

// orphaned reports whether no parent answers, or none is left, for at most a minute.
func (s *Station) orphaned(now mono.Time) bool {
	for _, p := range s.peers {
		if p.isParent() && (p.probeAt == 0 || now < s.doubtAt(p)) {
			return false
		}
	}
	return len(s.epochs) > 0 && now.Sub(s.timers.progress) < aloneFor
}

// deserted reports whether no child of a source is heard, or the last ones were lost like that, for at most a minute. When all have been
// quiet for a moment the one that was heard last is asked. If it is only that one that is gone, no harm is done: all are asked then.
func (s *Station) deserted(now mono.Time, out *Output) bool {
	d := &s.desertion
	last := s.childHeard()
	switch {
	case last == nil:
		return d.since != 0 && now.Sub(d.since) < aloneFor
	case now.Sub(last.heardAt) < childQuiet:
		*d = desertion{}
	case d.asked == 0:
		d.asked = now
		out.Pings = append(out.Pings, last.id)
	case now >= s.desertedAt() && d.since == 0:
		d.since = now
	}
	return d.since != 0
}

// A desertion is when all children of a source went quiet.
type desertion struct {
	asked mono.Time // the last that was heard; 0: one was heard a moment ago
	since mono.Time // that it did not answer in time; 0: it may
}

// desertedAt is when a source must look again whether its children are there.
func (s *Station) desertedAt() mono.Time {
	if s.cfg.Role != Source || s.desertion.since != 0 {
		return mono.Never
	}
	last := s.childHeard()
	switch {
	case last == nil:
		return mono.Never
	case s.desertion.asked == 0:
		return last.heardAt.Add(childQuiet)
	}
	return s.desertion.asked.Add(s.probePatience(last))
}

// childHeard is the child that was heard last; nil when there is none.
func (s *Station) childHeard() (last *peer) {
	for _, p := range s.children {
		if last == nil || p.heardAt > last.heardAt {
			last = p
		}
	}
	return last
}
