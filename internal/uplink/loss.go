// SPDX-License-Identifier: MIT

package uplink

import (
	"slices"

	"streamer/internal/mono"
)

// losses tell a policer, which drops what is above its rate and queues nothing, from a path that loses packets whatever is sent:
// a policer begins to lose when more is sent than it was proven to carry.
type losses struct {
	since  mono.Time // of the window
	judged bool      // base is known
	base   int64     // per mille, of the path
	proven int64     // rate in use that lost no more than base
	news   int       // windows in a row with more loss, at a rate that is not
	above  int       // windows in a row with more loss, at a rate that is proven
	was    int64     // per mille before such a cut
	more   int       // cuts after it, because it has helped and some loss was left
	undo   int64     // the estimate before a cut that may have been for nothing; 0 none
}

// isqrt is the square root, rounded down.
func isqrt(n int64) (r int64) {
	for (r+1)*(r+1) <= n {
		r++
	}
	return r
}

// judgeLoss looks at the packets of a window, when there are enough; it reports whether the line is hurt.
func (e *Estimate) judgeLoss(now mono.Time) bool {
	l := &e.loss
	sent, lost := e.tally()
	if sent == 0 {
		return false
	}
	permille, usual := lost*1000/sent, e.usualLoss()
	heavy := sent >= heavyWindow && lost >= lossLeast && min(permille, 2*usual) >= l.base+lossHeavy
	if !heavy && sent < lossWindow && (sent < heavyWindow || now.Sub(l.since) < lossTime) {
		return false
	}
	l.since = now
	for i := range e.peers {
		e.peers[i].sent, e.peers[i].lost = 0, 0
	}
	used := e.Used(now)
	expected := sent * l.base / 1000
	more := lost >= lossLeast && lost > expected+sent*lossMargin/1000+2*isqrt(expected)
	if more && used > l.proven*21/20 && usual > l.base {
		l.news++
	} else {
		l.news = 0
	}
	switch {
	case heavy && now.Sub(e.cutAt) < settle: // of before
		return true
	case heavy || l.news >= newsLeast && (l.judged || permille >= lossFirst):
		carried := used / 1000 * (1000 - permille + min(l.base, permille))
		if rate := e.rate(now); rate > 0 {
			carried = min(carried, rate)
		}
		l.judged, l.proven, l.undo, l.was, l.news, l.more = true, carried, e.bps, permille, 0, 0
		e.cut(now, max(carried*95/100, e.bps/2))
		return true
	case l.news > 0:
		return true // neither up nor down
	case more && l.judged:
		if l.above++; l.above >= 2 && permille*2 <= l.was && l.more < moreMost { // the cut has helped
			l.above = 0
			l.more++
			e.cut(now, e.bps*9/10)
		} else if l.above >= 2 { // it is the path, or the path has become worse
			l.base, l.above = permille, 0
			if l.undo != 0 {
				e.bps, e.ceiling, l.undo = e.clamp(max(e.bps, l.undo)), 0, 0
			}
		}
		return true // neither up nor down
	case !l.judged:
		l.judged, l.base = true, permille
	case permille < l.base:
		l.base -= (l.base - permille + 1) / 2
	}
	if permille <= l.base+lossNone {
		l.proven = max(l.proven, used)
	}
	l.above, l.undo = 0, 0
	return false
}

// usualLoss is what half of the children lose at least, per mille.
func (e *Estimate) usualLoss() int64 {
	var all [peersMax]int64
	n := 0
	for i := range e.peers {
		if h := &e.peers[i]; h.sent > 0 {
			all[n] = int64(h.lost) * 1000 / int64(h.sent)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	slices.Sort(all[:n])
	return all[(n-1)/2]
}

// tally adds up the packets of the window, but for the peer that lost the largest share: its own line may be bad.
func (e *Estimate) tally() (sent, lost int64) {
	worst := -1
	for i := range e.peers {
		h := &e.peers[i]
		sent, lost = sent+int64(h.sent), lost+int64(h.lost)
		if h.sent > 0 && (worst < 0 || int64(h.lost)*int64(e.peers[worst].sent) > int64(e.peers[worst].lost)*int64(h.sent)) {
			worst = i
		}
	}
	if h := worst; h >= 0 && int64(e.peers[h].sent) < sent {
		sent, lost = sent-int64(e.peers[h].sent), lost-int64(e.peers[h].lost)
	}
	return sent, lost
}
