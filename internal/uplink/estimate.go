// SPDX-License-Identifier: MIT

// Package uplink estimates what a node's line carries upwards, from what those who get its audio report: the delay of packets
// as LEDBAT uses it (RFC 6817), and their loss for lines that queue nothing. It sends nothing and reads no clock; an Estimate
// belongs to the node that made it. Integers only: equal calls give equal results.
//
// The rules and their reasons are in docs/protocol/stations.md, section 14, and docs/decisions/0012-upload.md.
package uplink

import (
	"time"

	"streamer/internal/mono"
)

// StartBPS is what a line is taken for of which nothing is known: four streams of 128 kbit/s.
const StartBPS = 800_000

// Limits of the estimate, in bit/s.
const (
	LeastBPS = 64_000
	MostBPS  = 1_000_000_000_000
)

// PacePercent is the share of the estimate that is sent at most; GivePercent what subscriptions may take of it.
const (
	PacePercent = 85
	GivePercent = 78
)

const (
	target     = 50 * time.Millisecond // of queueing delay: above that the line is hurt
	calm       = 25 * time.Millisecond // below that it is not
	reviewTime = 500 * time.Millisecond
	reportAge  = 3500 * time.Millisecond // then a report says nothing any more
	peersMax   = 64                      // whose last reports are kept
	settle     = 1500 * time.Millisecond // after a cut, reports are of packets from before it
	busyShare  = 60                      // percent of the estimate in use, or
	fullShare  = 90                      // of what subscriptions may take, or
	roomLeast  = 40_000                  // bit/s, less than a quarter of a stream, left of it: else its growth would be a guess
	holdTime   = 15 * time.Second        // how long the rate that hurt is not tried again, doubled each time that it hurts again
	holdMax    = 4                       // so often
	spans      = 4                       // of reviewTime/2, of which the rate in use is known
	idleAfter  = 30 * time.Second        // without reports, before a low estimate is forgiven
	forgiven   = 256_000                 // up to here, in bit/s: room for somebody who reports
	grave      = 4 * target              // one look is enough
	emptyMax   = 5 * time.Second         // for a queue to get shorter at a rate below what the line delivered

	lossWindow  = 100 // packets at least, whose loss is judged
	lossTime    = 4 * time.Second
	lossLeast   = 5
	lossMargin  = 40 // per mille above what the path loses anyway: a policer
	newsLeast   = 2  // windows in a row
	moreMost    = 4
	lossNone    = 10  // so much more is none
	lossHeavy   = 200 // per mille: at once
	lossFirst   = 80  // in the first window, of which nobody knows what the path loses
	heavyWindow = 30  // packets
)

// A Report is what one child said of the packets since its report before.
type Report struct {
	Peer     uint32
	Sent     uint32 // packets
	Lost     uint32
	Delay    time.Duration // the least that one waited in queues
	Measured bool          // Delay is known, and so is the rest

	First, Last mono.Time     // when the first and the last of the packets was sent of which it tells
	Took        time.Duration // from the arrival of the one to that of the other
}

type heard struct {
	peer       uint32
	at         mono.Time
	delay      time.Duration
	sent, lost uint32 // in this window
	measured   bool
	rate       int64 // in bit/s at which the line delivered; 0 unknown
}

// An Estimate is of one line.
type Estimate struct {
	bps     int64
	limit   int64 // never above; 0 none
	ceiling int64 // rate that was carried when more hurt; 0 unknown
	cutAt   mono.Time
	again   int  // times that it hurt again soon
	known   bool // bps rests on something

	bytes  [spans]uint64
	spanAt mono.Time // when bytes[0] began

	peers    []heard // at most peersMax
	reports  bool    // since the last review
	heardAt  mono.Time
	reviewAt mono.Time
	hurts    int           // reviews in a row above the target
	cutDelay time.Duration // at the last cut, and while it falls since then
	fine     time.Duration // delay when it was below the target last
	fineAt   mono.Time
	loss     losses
	marks    marks
}

// Reset makes an estimate of a line of which nothing is known, with a hard limit of bps, 0 for none.
func (e *Estimate) Reset(now mono.Time, limit int64) {
	*e = Estimate{bps: StartBPS, limit: limit, spanAt: now, reviewAt: now.Add(reviewTime), heardAt: now, cutAt: now.Add(-settle)}
	e.loss.since = now
	if limit > 0 {
		e.bps = limit
	}
}

// Remember takes an earlier estimate, or a measurement, of the same line.
func (e *Estimate) Remember(bps int64) {
	e.bps, e.known = e.clamp(bps), true
	e.ceiling = e.bps
}

// BPS is the estimate, in bit/s of IP packets.
func (e *Estimate) BPS() int64 { return e.bps }

// Known reports whether the estimate rests on reports of this line, and not on hope.
func (e *Estimate) Known() bool { return e.known }

// Pace is the most to send: more than subscriptions may take while nothing ever hurt, so that repair and newcomers need not wait.
func (e *Estimate) Pace() int64 {
	if e.ceiling == 0 && e.limit == 0 {
		return e.bps / 100 * PacePercent * 2
	}
	return e.bps / 100 * PacePercent
}

// Give is what subscriptions may take.
func (e *Estimate) Give() int64 { return e.bps / 100 * GivePercent }

// Sent counts bytes of IP packets that leave.
func (e *Estimate) Sent(now mono.Time, bytes int) {
	e.roll(now)
	e.bytes[0] += uint64(bytes)
	e.marks.add(now, bytes)
}

const spanTime = reviewTime / 2

func (e *Estimate) roll(now mono.Time) {
	for n := 0; now.Sub(e.spanAt) >= spanTime; n++ {
		if n == spans {
			e.spanAt = now
			return
		}
		copy(e.bytes[1:], e.bytes[:])
		e.bytes[0], e.spanAt = 0, e.spanAt.Add(spanTime)
	}
}

// Used is the rate in bit/s over the last three quarters of a second.
func (e *Estimate) Used(now mono.Time) int64 {
	e.roll(now)
	var sum uint64
	for _, b := range e.bytes[1:] {
		sum += b
	}
	return int64(sum) * 8 * int64(time.Second) / int64((spans-1)*spanTime)
}

// Reported takes a report. Call Review now and then.
func (e *Estimate) Reported(now mono.Time, r Report) {
	h := e.slot(now, r.Peer)
	h.at = now
	e.reports, e.heardAt = true, now
	if r.Measured && r.First < e.cutAt {
		return // of before
	}
	if r.Measured {
		h.delay, h.measured, h.rate = r.Delay, true, e.delivered(r)
	}
	h.sent += r.Sent
	h.lost += min(r.Lost, r.Sent)
}

// slot finds where a peer's reports are kept: the oldest gives way.
func (e *Estimate) slot(now mono.Time, peer uint32) *heard {
	oldest := 0
	for i := range e.peers {
		if e.peers[i].peer == peer {
			return &e.peers[i]
		}
		if e.peers[i].at < e.peers[oldest].at {
			oldest = i
		}
	}
	if len(e.peers) < peersMax {
		oldest = len(e.peers)
		e.peers = append(e.peers, heard{})
	}
	e.peers[oldest] = heard{peer: peer, at: now}
	return &e.peers[oldest]
}

// Review looks at what was reported; it does nothing when it was called less than half a second ago. Subscriptions have taken
// so many bit/s. It reports whether the estimate fell.
func (e *Estimate) Review(now mono.Time, taken int64) (fell bool) {
	if now < e.reviewAt {
		return false
	}
	e.reviewAt = now.Add(reviewTime)
	if !e.reports {
		e.forgive(now)
		return false
	}
	e.reports = false
	before := e.bps
	delay, measured := e.delay(now)
	switch {
	case measured && delay > target:
		e.hurts++
	case measured:
		e.hurts, e.fine, e.fineAt, e.cutDelay = 0, delay, now, 0
	}
	switch {
	case e.judgeLoss(now):
	case e.hurts >= 2 || measured && delay > grave:
		e.hurt(now, delay)
	case measured && delay < calm:
		e.grow(now, taken)
	}
	return e.bps < before
}

// forgive lifts an estimate that is so low that nobody is left who could report.
func (e *Estimate) forgive(now mono.Time) {
	if now.Sub(e.heardAt) < idleAfter {
		return
	}
	e.heardAt = now
	if most := min(e.most(), forgiven); e.bps < most {
		e.bps, e.ceiling = min(most, 2*e.bps), 0
	}
	e.hurts = 0
}

// delay is how much packets wait in this line's queue: what more than half of all that reported lately say at least. One alone that
// says more has a line of its own that is full.
func (e *Estimate) delay(now mono.Time) (time.Duration, bool) {
	var all [peersMax]time.Duration
	n := 0
	for i := range e.peers {
		h := &e.peers[i]
		if !h.measured || now.Sub(h.at) > reportAge {
			continue
		}
		at := n
		for ; at > 0 && all[at-1] > h.delay; at-- {
			all[at] = all[at-1]
		}
		all[at] = h.delay
		n++
	}
	if n == 0 {
		return 0, false
	}
	return all[(n-1)/2], true
}

// hurt takes the estimate back to what the line carries. Where a queue grows, that is what is sent, less what stays in the queue and
// what does not fit into it; once it has been cut, it is cut again if the queue does not get shorter.
func (e *Estimate) hurt(now mono.Time, delay time.Duration) {
	if e.cutDelay != 0 && delay < e.cutDelay*9/10 {
		e.cutDelay = delay // it empties
		return
	}
	rate := e.rate(now)
	if rate > 0 && e.cutDelay != 0 && e.bps/100*PacePercent < rate && now.Sub(e.cutAt) < emptyMax {
		return // it will empty
	}
	carried := max(rate, e.bps/2) // who lies of it halves the estimate, at most
	switch {
	case rate == 0:
		carried = e.guessed(now, delay)
	case e.cutDelay != 0: // less than it delivered was too much: others send, too
		carried = carried / 100 * PacePercent
	}
	e.cut(now, min(e.bps, carried)*95/100)
	e.cutDelay = delay
}

// guessed is what the line carries as far as can be said without its rate: what is sent, less what the queue grows by and what was lost.
func (e *Estimate) guessed(now mono.Time, delay time.Duration) int64 {
	carried := e.Used(now)
	if e.cutDelay != 0 {
		carried = min(carried, e.bps*PacePercent/100)
	} else if span := max(now.Sub(e.fineAt), reviewTime); e.hurts > 0 && span < 4*time.Second {
		carried = carried / 1000 * int64(span) / (int64(span+max(0, delay-e.fine)) / 1000)
	}
	if sent, lost := e.tally(); sent >= heavyWindow {
		carried -= carried / sent * lost
	}
	return carried
}

// cut lowers the estimate to a rate that the line is known to carry.
func (e *Estimate) cut(now mono.Time, bps int64) {
	if e.ceiling != 0 && now.Sub(e.cutAt) < 4*e.hold() {
		if now.Sub(e.cutAt) >= e.hold() {
			e.again = min(e.again+1, holdMax)
		}
	} else {
		e.again = 0
	}
	e.bps = e.clamp(min(bps, e.bps))
	e.ceiling, e.cutAt, e.known, e.hurts = e.bps, now, true, 0
	for i := range e.peers {
		e.peers[i] = heard{peer: e.peers[i].peer, at: e.peers[i].at}
	}
	e.loss.since = now
}

// grow lifts the estimate: quickly while nothing has ever hurt, slowly towards and beyond what did; and only where what it allows is
// used, so that there is news of it.
func (e *Estimate) grow(now mono.Time, taken int64) {
	used, full := e.Used(now), taken*100 >= e.Give()*fullShare || e.Give()-taken < roomLeast
	switch {
	case used*100 < e.bps*busyShare && !full:
		return
	case e.ceiling == 0:
		e.bps = e.clamp(max(e.bps, min(e.bps*5/4, max(used*100/busyShare, taken*100/GivePercent*5/4))))
	case e.bps < e.ceiling*9/10:
		e.bps = e.clamp(e.bps + e.bps/20)
	case now.Sub(e.cutAt) < e.hold():
		e.bps = e.clamp(max(e.bps, min(e.bps+e.bps/100, e.ceiling)))
	case full:
		e.bps = e.clamp(e.bps + e.bps/100)
	}
	e.known = true
}

// hold is how long the rate that hurt is not tried again.
func (e *Estimate) hold() time.Duration { return holdTime << e.again }

func (e *Estimate) most() int64 {
	if e.limit > 0 {
		return e.limit
	}
	return MostBPS
}

func (e *Estimate) clamp(bps int64) int64 { return max(min(bps, e.most()), min(LeastBPS, e.most())) }
