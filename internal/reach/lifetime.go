// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// spans are the times of silence that are tried, each just below one that NATs are known to have: 30, 60, 120, 180 s (Linux and
// others), 2 and 5 minutes (RFC 4787 REQ-5: at least, and better). From one to the next is close enough for keepalives.
var spans = [...]time.Duration{8 * time.Second, 13 * time.Second, 18 * time.Second, 28 * time.Second, 40 * time.Second,
	55 * time.Second, 110 * time.Second, 170 * time.Second, 290 * time.Second}

// firstSpan is the place of the span that is tried first: the longest keepalives need it.
const firstSpan = 4

// Pace of a measurement.
const (
	measureSoon   = 10 * time.Second // after the start
	measureNext   = 3 * time.Second  // after one that showed something
	measureAgain  = time.Minute      // after one that showed nothing; doubles
	measureDouble = 5                // doublings: 32 minutes
	measureTries  = 4                // of each of the two PUNCHes that make the path
	measureRetry  = time.Second
	measureSecond = 3 * time.Second  // between them: Linux takes a path for a lasting one when it is used after 2 s
	measureSlack  = 10 * time.Second // behind the span, for WAITED
	measureGrace  = time.Second      // behind WAITED, for the PUNCHes before it
	lostNeeded    = 2                // times that a span must fail: a PUNCH may be lost
)

// Limits of what a node does for those who measure.
const (
	waitsMax    = 16
	waitsBurst  = 2 // of one peer
	waitsEvery  = 10 * time.Second
	waitEchoes  = 8 // PUNCHes of one path that are answered
	waitPunches = 3 // at the end
	waitOpening = 15 * time.Second
)

// Keepalives of the links to proxies.
const (
	keepaliveUsual = 15 * time.Second // while nothing is known
	KeepaliveMax   = 25 * time.Second // so that a router that forgot is noticed soon
	keepaliveMin   = 4 * time.Second
)

// Held is called when a datagram of a peer arrived by a path on which nothing had been sent for a while: so long at least a path
// stays open.
func (o *Observer) Held(from netip.AddrPort, idle time.Duration) {
	from = plain(from)
	f := o.family(from.Addr())
	if !global(from) || idle <= f.lifetime {
		return
	}
	f.lifetime = min(idle, leaseMax)
	if f.lost <= f.lifetime {
		f.lost = 0
	}
}

// Lost is called when a peer sent something by a path on which nothing had been sent for a while, and it did not arrive.
func (o *Observer) Lost(from netip.AddrPort, idle time.Duration) {
	from = plain(from)
	f := o.family(from.Addr())
	if !global(from) || idle <= 0 || f.lost != 0 && idle >= f.lost {
		return
	}
	f.lost = idle
	if f.lifetime >= idle {
		f.lifetime = 0
	}
}

// nextSpan is the silence that is to be tried next; 0: enough is known.
func (f *family) nextSpan() time.Duration {
	below, above := -1, len(spans)
	for i, s := range spans {
		if s <= f.lifetime {
			below = i
		}
		if f.lost != 0 && s >= f.lost {
			above = min(above, i)
		}
	}
	switch {
	case above-below <= 1:
		return 0
	case below < 0 && above == len(spans):
		return spans[firstSpan]
	}
	return spans[(below+above)/2]
}

// keepalive is after how long without a datagram a path that is to stay open needs one.
func (f *family) keepalive() time.Duration {
	if f.lifetime == 0 && f.lost == 0 {
		return keepaliveUsual
	}
	known := f.lifetime
	if known == 0 {
		known = f.lost / 2
	}
	return max(keepaliveMin, min(known*2/3, KeepaliveMax)) // time for PINGs that are lost, one each 2 s
}

// A measurement is that of how long a NAT, or a firewall, remembers a path without traffic, by the node's second port, on which
// there is none otherwise.
type measurement struct {
	next mono.Time // nothing is under way: when to begin. Else: when to PUNCH again
	vain int       // measurements that showed nothing, one after the other
	fail int       // times that the span failed

	via   PeerID // the peer that helps; 0: nothing is under way
	at    netip.AddrPort
	token wire.PunchToken
	span  time.Duration
	tries int
	again bool      // the first PUNCH was answered; the next is the second one
	quiet mono.Time // since when nothing was sent; 0: the path is being made
	end   mono.Time // then it has come to nothing, or with done to the end
	done  bool      // the peer has sent something
}

// measure does what is due for the measurement.
func (r *Reach) measure(now mono.Time, out *Output) {
	m := &r.idle
	switch {
	case !r.cfg.Aside:
	case m.via == 0:
		if now >= m.next {
			r.beginMeasurement(now, out)
		}
	case r.byID[m.via] == nil:
		r.endMeasurement(now, false)
	case m.quiet != 0:
		if now >= m.end {
			if m.done {
				r.failSpan(now)
			} else {
				r.endMeasurement(now, false)
			}
		}
	case now >= m.next:
		if m.tries >= measureTries {
			r.endMeasurement(now, false)
			return
		}
		r.askToWait(now, out)
	}
}

// beginMeasurement asks a peer that others reach, of a family in which they do not reach this node.
func (r *Reach) beginMeasurement(now mono.Time, out *Output) {
	m := &r.idle
	m.next = now.Add(measureNext)
	var best *peer
	n := 0
	for _, p := range r.peers {
		f := r.observer.family(plain(p.addr).Addr())
		if p.open && global(plain(p.addr)) && f.verdict(now) == VerdictHidden && f.nextSpan() != 0 {
			if n++; r.cfg.Rand.IntN(n) == 0 {
				best = p
			}
		}
	}
	if best == nil {
		return
	}
	span := r.observer.family(plain(best.addr).Addr()).nextSpan()
	if span != m.span {
		m.fail = 0
	}
	*m = measurement{vain: m.vain, fail: m.fail, via: best.id, at: plain(best.addr), token: r.token(), span: span}
	r.askToWait(now, out)
}

// askToWait sends the first PUNCH that makes the path, with the request, or the second one.
func (r *Reach) askToWait(now mono.Time, out *Output) {
	m := &r.idle
	m.tries++
	m.next = now.Add(measureRetry)
	ask := wire.Wait{Token: m.token, Seconds: uint16(m.span / time.Second)}
	out.message(m.via, ask.Append)
	out.Punches = append(out.Punches, Punch{To: m.at, Token: m.token, Aside: true})
}

// HandleAside is called when a PUNCH arrives at the node's second port.
func (r *Reach) HandleAside(now mono.Time, from netip.AddrPort, token wire.PunchToken) {
	m := &r.idle
	switch {
	case m.via == 0 || token != m.token || plain(from) != m.at:
	case m.quiet != 0 && now.Sub(m.quiet) >= m.span/2:
		r.observer.Held(m.at, m.span)
		r.endMeasurement(now, true)
	case m.quiet != 0 || m.tries == 0: // one more answer to what was sent twice
	case m.again:
		m.quiet, m.end = now, now.Add(m.span+measureSlack)
	default:
		m.again, m.tries, m.next = true, 0, now.Add(measureSecond)
	}
}

// handleWaited is called when a peer says that it has sent something by the path.
func (r *Reach) handleWaited(now mono.Time, p *peer, w wire.Waited) {
	if m := &r.idle; m.via == p.id && m.token == w.Token && m.quiet != 0 && !m.done && now.Sub(m.quiet) >= m.span/2 {
		m.done, m.end = true, now.Add(measureGrace)
	}
}

// failSpan is called when nothing came.
func (r *Reach) failSpan(now mono.Time) {
	m := &r.idle
	if m.fail++; m.fail >= lostNeeded {
		r.observer.Lost(m.at, m.span)
	}
	r.endMeasurement(now, true)
}

// endMeasurement ends what is under way.
func (r *Reach) endMeasurement(now mono.Time, shown bool) {
	m := &r.idle
	pause, vain := measureNext, 0
	if !shown {
		pause, vain = measureAgain<<min(m.vain, measureDouble), m.vain+1
	}
	*m = measurement{next: now.Add(pause), vain: vain, fail: m.fail, span: m.span}
}

// disturbMeasurement is called when something else is sent from the second port: that may keep the mapping.
func (r *Reach) disturbMeasurement(now mono.Time) {
	if r.idle.via != 0 {
		r.endMeasurement(now, false)
	}
}

// A wait is what this node does for a peer that measures.
type wait struct {
	by      PeerID
	token   wire.PunchToken
	span    time.Duration
	to      netip.AddrPort // where PUNCHes with the token come from; zero: none has come
	due     mono.Time      // to give up; with to: to send something there
	echoes  int
	punches int
}

// handleWait takes a request; a peer has one.
func (r *Reach) handleWait(now mono.Time, p *peer, m wire.Wait) {
	if !global(plain(p.addr)) || slices.ContainsFunc(r.waits, func(w wait) bool { return w.by == p.id && w.token == m.Token }) {
		return
	}
	if !p.limit().waits.take(now, waitsBurst, waitsEvery) {
		return
	}
	r.waits = slices.DeleteFunc(r.waits, func(w wait) bool { return w.by == p.id })
	if len(r.waits) < waitsMax {
		r.waits = append(r.waits, wait{by: p.id, token: m.Token, span: time.Duration(m.Seconds) * time.Second, due: now.Add(waitOpening)})
	}
}

// handleWaitPunch answers a PUNCH of a peer that measures; it reports whether it was one. What comes from another host than the
// peer is none: nobody can aim at a third one.
func (r *Reach) handleWaitPunch(now mono.Time, from netip.AddrPort, m wire.Punch, out *Output) bool {
	i := slices.IndexFunc(r.waits, func(w wait) bool { return w.token == m.Token })
	if i < 0 {
		return false
	}
	w := &r.waits[i]
	if p := r.byID[w.by]; plain(from).Addr() != plain(p.addr).Addr() || w.echoes >= waitEchoes || w.punches > 0 {
		return true
	}
	w.echoes++
	w.to, w.due = from, now.Add(w.span)
	r.punch(from, m.Token, out)
	return true
}

// punchWaits sends what peers that measure wait for.
func (r *Reach) punchWaits(now mono.Time, out *Output) {
	r.waits = slices.DeleteFunc(r.waits, func(w wait) bool {
		return now >= w.due && !w.to.IsValid() || w.punches >= waitPunches
	})
	for i := range r.waits {
		w := &r.waits[i]
		if now < w.due {
			continue
		}
		r.punch(w.to, w.token, out)
		if w.punches++; w.punches == waitPunches {
			done := wire.Waited{Token: w.token}
			out.message(w.by, done.Append)
		}
	}
}

// Keepalive is after how long without traffic a link needs some: shorter than the lifetime of mappings, and longer than usual
// for those that are kept for introductions only. Zero: as ever.
func (r *Reach) Keepalive(now mono.Time, id PeerID) time.Duration {
	p := r.byID[id]
	if p == nil || !global(plain(p.addr)) {
		return 0
	}
	f := r.observer.family(plain(p.addr).Addr())
	switch every := f.keepalive(); {
	case f.verdict(now) == VerdictPublic:
		if p.client {
			return KeepaliveMax // the other side knows its router
		}
		return 0
	case p.proxy || every < linkKeepalive:
		return every
	}
	return 0
}

// linkKeepalive is that of links by themselves.
const linkKeepalive = 10 * time.Second
