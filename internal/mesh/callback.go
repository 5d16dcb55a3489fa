// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/mono"
)

const (
	sleptAfter   = childSilenceMax // that a source was not called
	callBackFor  = time.Second     // after that, links end of which it did not know before
	callBacksMax = 8
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
