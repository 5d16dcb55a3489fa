// SPDX-License-Identifier: MIT

package link

import (
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Pace of PING.
const (
	pingEvery  = 10 * time.Second // after this long without sending, or without hearing anything
	pingBusy   = 30 * time.Second // with traffic both ways
	pingSecond = time.Second      // later on the side that did not dial: its PONG keeps it from asking too
	pingSlack  = 2 * time.Second  // how long before that PingDue asks the node to carry it
	pingRetry  = 2 * time.Second  // when nothing at all was heard since the last one
	startPings = 4                // in the first second, the first at once

	silenceMax = 20 * time.Second // without an authentic packet: the link is down

	keepaliveMin = 2 * time.Second
	keepaliveMax = 30 * time.Second

	pingsOutMax = 4 // that a PONG may still answer
)

// pings are the questions for the round-trip time.
type pings struct {
	last mono.Time // when the last one was sent
	left uint8     // of startPings
	at   uint8     // where in out the next one goes
	out  [pingsOutMax]struct {
		sent  mono.Time
		token uint32
		open  bool // not yet answered
	}
}

// startPause is how long after the last PING the next one follows when n of startPings are left: 0, 200, 500 and 1,000 ms
// after Up.
func startPause(n uint8) time.Duration {
	switch n {
	case startPings:
		return 0
	case startPings - 1:
		return 200 * time.Millisecond
	case startPings - 2:
		return 300 * time.Millisecond
	}
	return 500 * time.Millisecond
}

// pingAt is when the next PING is due.
func (l *link) pingAt() mono.Time {
	switch p := &l.pings; {
	case p.left == startPings:
		return l.upSince
	case p.left > 0:
		return p.last.Add(startPause(p.left))
	case l.heard < p.last:
		return p.last.Add(pingRetry)
	case l.active:
		return min(p.last.Add(pingBusy), l.heard.Add(pingEvery), l.sent.Add(l.keepalive()))
	case l.initiator:
		return l.sent.Add(l.keepalive())
	default:
		return l.sent.Add(l.keepalive() + pingSecond)
	}
}

// keepalive is how long the link is silent on this side at most.
func (l *link) keepalive() time.Duration {
	if l.every != 0 {
		return l.every
	}
	return pingEvery
}

// silence is how long it may be silent on the other side: that one may keep it alive as rarely as this one does.
func (l *link) silence() time.Duration { return max(silenceMax, l.keepalive()+silenceMax-pingEvery) }

// SetKeepalive says after how long without sending a link sends something, 2 to 30 s; 0: 10 s.
func (t *Table) SetKeepalive(id ID, every time.Duration) {
	if every != 0 {
		every = min(max(every, keepaliveMin), keepaliveMax)
	}
	if l := t.up(id); l != nil && l.every != every {
		l.every = every
		t.timers.sooner(l)
	}
}

// ping notes a PING that is sent now.
func (t *Table) ping(now mono.Time, l *link) wire.Ping {
	p := &l.pings
	token := t.cfg.Rand.Uint32()
	o := &p.out[p.at]
	o.token, o.sent, o.open = token, now, true
	p.at = (p.at + 1) % pingsOutMax
	p.last = now
	if p.left > 0 {
		p.left--
	}
	l.active = false
	return wire.Ping{Token: token}
}

func (t *Table) sendPing(now mono.Time, l *link, out *Output) {
	var message [wire.PingBytes]byte
	t.seal(now, l, l.addr, t.ping(now, l).Append(message[:0]), out)
	t.timers.sooner(l)
}

// PingDue reports whether the link would like a PING with the next payload: then AppendPing saves a datagram.
func (t *Table) PingDue(now mono.Time, id ID) bool {
	l := t.up(id)
	return l != nil && now >= l.pingAt().Add(-pingSlack)
}

// AppendPing adds a PING to a payload that the node is about to send over the link. It adds nothing when the link is not up
// or when the payload would become longer than PayloadBytesMax.
func (t *Table) AppendPing(now mono.Time, id ID, dst []byte) []byte {
	l := t.up(id)
	if l == nil || len(dst)+wire.PingBytes > PayloadBytesMax {
		return dst
	}
	dst = t.ping(now, l).Append(dst)
	t.timers.sooner(l)
	return dst
}

// sendPong answers a PING to the address that is proven, with a PING of our own when that is due. One datagram gets one
// answer, however many questions it holds.
func (t *Table) sendPong(now mono.Time, l *link, p wire.Ping, out *Output) {
	if t.rx.ponged || l.out.counter >= counterMax {
		return
	}
	t.rx.ponged = true
	var message [2 * wire.PingBytes]byte
	b := wire.Pong{Token: p.Token}.Append(message[:0])
	if now >= l.pingAt() {
		b = t.ping(now, l).Append(b)
		t.timers.sooner(l)
	}
	t.seal(now, l, l.addr, b, out)
}

// pong takes the answer to a PING, once.
func (l *link) pong(now mono.Time, p wire.Pong) {
	for i := range l.pings.out {
		if o := &l.pings.out[i]; o.open && o.token == p.Token {
			l.rtt.sample(now.Sub(o.sent))
			o.open = false
			return
		}
	}
}
