// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/uplink"
)

const (
	burstSpan        = 20 * time.Millisecond
	lateSpan         = 200 * time.Millisecond // a loop that wakes late sends what the line has missed meanwhile
	burstBytesMin    = 2400                   // two datagrams
	fillPercent      = 97
	waitMax          = 100 * time.Millisecond // of live audio, before subscriptions are refused
	overheadBytesMax = 100                    // of a chunk or manifest on the wire: IPv6, UDP, DATA, message
	usedSpan         = time.Second
	asideSmooth      = 8      // spans
	controlBPS       = 31_000 // of a node that sends no audio

	fastBPS  = 20_000_000             // a line that is not hurt when all children of a chunk are served at once
	fastSpan = 100 * time.Millisecond // as long as that takes it at most
)

// queueFor is how long audio waits at most; then the child has asked elsewhere.
var queueFor = [...]time.Duration{mesh.Push: 2 * time.Second, mesh.Repair: mesh.RepairWait, mesh.Backlog: 2 * time.Second}

// queueMax is how many chunks and manifests wait at most, by priority: pushes for 4,000 children and a few repairs.
var queueMax = [...]int{mesh.Push: 16384, mesh.Repair: 1024, mesh.Backlog: 1024}

// backlogTurns is how many backlog packets may pass a waiting repair. Backlogs go before, because a subscription that never
// catches up keeps everybody below it behind; repairs are never starved.
const backlogTurns = 3

var (
	backlogsFirst = [len(queueMax)]mesh.Priority{mesh.Push, mesh.Backlog, mesh.Repair}
	repairsFirst  = [len(queueMax)]mesh.Priority{mesh.Push, mesh.Repair, mesh.Backlog}
)

// ipBytes is the size of the IP packet around a UDP payload.
func ipBytes(to netip.AddrPort, payload int) int {
	if a := to.Addr(); a.Is4() || a.Is4In6() {
		return payload + 28
	}
	return payload + 48
}

// upload is the upload of a node: what it is estimated to be, what subscriptions have taken of it, a token bucket over everything
// that is sent, and a queue of audio that waits for it.
type upload struct {
	line     uplink.Estimate
	capBPS   int64 // UploadAuto, 0, or the cap
	takenBPS int64
	shedAt   mono.Time // when subscriptions were ended last for lack of it

	tokens int64 // bytes; control may take it below zero
	filled mono.Time
	queue  [len(queueMax)]fifo
	passed int    // backlog packets since the last repair
	Late   uint64 // dropped because they waited too long, or the queue was full

	bytes    uint64 // sent in the current span
	aside    uint64 // of them beside the audio
	spanFrom mono.Time
	usedBPS  int64
	asideBPS int64 // smoothed

	asideLeft int64 // bytes that may go beside the audio before new links have to wait
	asideAt   mono.Time
}

type queued struct {
	station *station
	link    link.ID
	send    mesh.Send
	since   mono.Time
}

func (u *upload) init(now mono.Time, bps int64) {
	u.filled, u.spanFrom = now, now
	u.setCap(now, bps)
	u.tokens = u.burst()
}

// setCap begins with what the cap says; without one, what was learned of the line stays.
func (u *upload) setCap(now mono.Time, bps int64) {
	learned, known := u.line.BPS(), u.line.Known()
	u.capBPS = max(bps, UploadAuto)
	u.line.Reset(now, max(0, u.capBPS)*fillPercent/uplink.PacePercent)
	if known && !u.capped() {
		u.line.Remember(learned)
	}
}

func (u *upload) capped() bool { return u.capBPS >= 0 }

// burst is how many bytes may go out at once. Audio that waits was due when its bytes were earned: on a busy machine the timer, not the
// cap, would else say how much is sent.
func (u *upload) burst() int64 {
	span := burstSpan
	if u.waiting() > 0 {
		span = lateSpan
	}
	return max(burstBytesMin, u.fillBPS()/8*int64(span)/int64(time.Second))
}

// fillBPS is what fills the bucket: as much as does not hurt the line, and a little less than the cap, so that a full bucket does
// not lift any second above it; of a node that gives nothing what it says to its parents.
func (u *upload) fillBPS() int64 {
	bps := u.line.Pace()
	switch {
	case u.capBPS == 0:
		bps = controlBPS
	case u.capped():
		bps = min(bps, u.capBPS*fillPercent/100)
	}
	return max(1, bps)
}

// giveBPS is what subscriptions may take: never what control takes before them.
func (u *upload) giveBPS() int64 {
	fill := u.fillBPS()
	return max(0, min(u.line.Give(), fill-min(u.asideBPS, fill*asidePercent/100)))
}

// Gives implements mesh.Host.
func (n *Node) Gives() bool { return n.up.capBPS != 0 }

// FreeUpload implements mesh.Host.
func (n *Node) FreeUpload() (free, whole int64) {
	whole = n.up.giveBPS() + n.nearTaken()
	free = whole - n.up.takenBPS
	if n.up.saturated() {
		free = min(0, free)
	}
	return free, whole
}

// SpareUpload implements mesh.Host.
func (n *Node) SpareUpload() int64 {
	spare := n.up.fillBPS()
	if n.up.capped() {
		spare = spare * 100 / fillPercent // the bucket is filled with a little less than the cap
	}
	return max(0, spare+n.nearTaken()-n.up.takenBPS)
}

// saturated reports whether live audio waits for upload.
func (u *upload) saturated() bool {
	q := &u.queue[mesh.Push]
	return q.len() > 0 && u.filled.Sub(q.items[q.head].since) > waitMax
}

// Saturated implements mesh.Host.
func (n *Node) Saturated() bool { return n.up.saturated() }

// affords reports whether n bytes may go out at once: then the driver seals and sends them for all peers together.
func (u *upload) affords(now mono.Time, n int) bool {
	u.refill(now)
	switch {
	case u.waiting() > 0:
		return false
	case u.tokens >= int64(n):
		return true
	}
	pace := u.fillBPS()
	return !u.capped() && pace >= fastBPS && u.tokens > -int64(n) && int64(n) <= pace/8*int64(fastSpan)/int64(time.Second)
}

// MayBurst implements mesh.Host.
func (n *Node) MayBurst(mono.Time) bool {
	// Repairs may wait behind it: they would otherwise take every byte that comes free.
	return n.up.queue[mesh.Push].len() == 0 && n.up.queue[mesh.Backlog].len() == 0
}

// TakeUpload implements mesh.Host.
func (n *Node) TakeUpload(bps int64) { n.up.takenBPS += bps }

func (u *upload) refill(now mono.Time) {
	if earned := int64(now.Sub(u.filled)/time.Microsecond) * u.fillBPS() / 8 / 1_000_000; earned > 0 {
		u.tokens = min(u.burst(), u.tokens+earned)
		u.filled = now
	}
}

// charge counts n bytes of IP packets to an address. What stays on the LAN is nothing to the line, unless there is a cap: that is for
// the whole node.
func (n *Node) charge(now mono.Time, to netip.AddrPort, bytes int) {
	if n.up.capped() || !n.nearAddr(to.Addr()) {
		n.up.sent(now, bytes)
	}
}

// sent charges n bytes of IP packets.
func (u *upload) sent(now mono.Time, n int) {
	u.refill(now)
	u.tokens -= int64(n)
	u.roll(now)
	u.bytes += uint64(n)
	u.line.Sent(now, n)
}

// roll keeps the rate of the last full span.
func (u *upload) roll(now mono.Time) {
	if since := now.Sub(u.spanFrom); since >= usedSpan {
		ms := max(1, int64(since/time.Millisecond))
		u.usedBPS = int64(u.bytes) * 8 * int64(time.Second/time.Millisecond) / ms
		u.asideBPS += (int64(u.aside)*8*int64(time.Second/time.Millisecond)/ms - u.asideBPS) / asideSmooth
		u.bytes, u.aside, u.spanFrom = 0, 0, now
	}
}

func (u *upload) push(now mono.Time, st *station, s *mesh.Send, id link.ID) {
	q := &u.queue[s.Priority]
	if q.len() >= queueMax[s.Priority] || u.capBPS == 0 {
		u.Late++
		return
	}
	if s.Priority != mesh.Push && u.holds(st, s, id) {
		return // it is on its way already
	}
	u.refill(now) // what an empty queue did not use does not grow the burst
	q.items = append(q.items, queued{st, id, *s, now})
}

func (u *upload) holds(st *station, s *mesh.Send, id link.ID) bool {
	for p := range u.queue {
		q := &u.queue[p]
		if slices.ContainsFunc(q.items[q.head:], func(o queued) bool { return o.is(st, s, id) }) {
			return true
		}
	}
	return false
}

func (q *queued) is(st *station, s *mesh.Send, id link.ID) bool {
	return q.link == id && q.send.Seq == s.Seq && q.send.Epoch == s.Epoch && q.send.Manifest == s.Manifest && q.station == st
}

// pop returns the next audio to send, if the upload allows any now.
func (u *upload) pop(now mono.Time) (queued, bool) {
	u.refill(now)
	order := backlogsFirst
	if u.passed >= backlogTurns {
		order = repairsFirst
	}
	for _, p := range order {
		for q := &u.queue[p]; q.len() > 0; {
			late := now.Sub(q.items[q.head].since) > queueFor[p]
			if !late && u.tokens <= 0 {
				return queued{}, false
			}
			if next := q.take(); !late {
				switch p {
				case mesh.Backlog:
					u.passed++
				case mesh.Repair:
					u.passed = 0
				}
				return next, true
			}
			u.Late++
		}
	}
	return queued{}, false
}

func (u *upload) waiting() int {
	n := 0
	for p := range u.queue {
		n += u.queue[p].len()
	}
	return n
}

// deadline is when the next queued audio may go out.
func (u *upload) deadline() mono.Time {
	if u.waiting() == 0 || u.capBPS == 0 {
		return mono.Never
	}
	if u.tokens > 0 {
		return u.filled
	}
	wait := (1 - u.tokens) * 8 * int64(time.Second/time.Microsecond) / u.fillBPS()
	return u.filled.Add(time.Duration(wait+1) * time.Microsecond)
}

// forget drops what waits for a station that is left.
func (u *upload) forget(st *station) {
	for p := range u.queue {
		q := &u.queue[p]
		q.items = slices.DeleteFunc(q.items[q.head:], func(o queued) bool { return o.station == st })
		q.head = 0
	}
}

// A fifo is a queue in a slice: what lies before head is gone.
type fifo struct {
	items []queued
	head  int
}

func (q *fifo) len() int { return len(q.items) - q.head }

func (q *fifo) take() queued {
	item := q.items[q.head]
	q.items[q.head] = queued{}
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return item
}
