// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
)

const (
	autoUploadBPS   = 2_000_000 // taken for subscriptions until the upload is measured
	givePercent     = 95        // of the cap, for subscriptions; the rest is for control and repair
	burstSpan       = 20 * time.Millisecond
	burstBytesMin   = 3000
	queueMax        = 4096
	queueFor        = 2 * time.Second // then it is too late: the child asks elsewhere
	usedSpan        = time.Second
	priorities      = 3
	dearestPriority = mesh.Push
)

// ipBytes is the size of the IP packet around a UDP payload.
func ipBytes(to netip.AddrPort, payload int) int {
	if a := to.Addr(); a.Is4() || a.Is4In6() {
		return payload + 28
	}
	return payload + 48
}

// uplink is the upload of a node: what subscriptions have taken of it and, when there is a cap, a token bucket over
// everything that is sent and a queue of audio that waits for it.
type uplink struct {
	capBPS   int64 // UploadAuto, 0, or the cap
	takenBPS int64

	tokens int64 // bytes; control may take it below zero
	filled mono.Time
	queue  [priorities][]queued
	length int
	Late   uint64 // dropped because they waited too long, or the queue was full

	bytes    uint64 // sent in the current span
	spanFrom mono.Time
	usedBPS  int64
}

type queued struct {
	station *station
	link    link.ID
	send    mesh.Send
	since   mono.Time
}

func (u *uplink) init(now mono.Time, bps int64) {
	u.filled, u.spanFrom = now, now
	u.setCap(bps)
	u.tokens = u.burst()
}

func (u *uplink) setCap(bps int64) { u.capBPS = max(bps, UploadAuto) }

func (u *uplink) capped() bool { return u.capBPS >= 0 }

// burst is how many bytes may go out at once.
func (u *uplink) burst() int64 {
	return max(burstBytesMin, u.capBPS/8*int64(burstSpan)/int64(time.Second))
}

// Gives implements mesh.Host.
func (n *Node) Gives() bool { return n.up.capBPS != 0 }

// FreeUpload implements mesh.Host.
func (n *Node) FreeUpload() (free, whole int64) {
	whole = n.up.capBPS * givePercent / 100
	if !n.up.capped() {
		whole = autoUploadBPS
	}
	return max(0, whole-n.up.takenBPS), whole
}

// TakeUpload implements mesh.Host.
func (n *Node) TakeUpload(bps int64) { n.up.takenBPS += bps }

func (u *uplink) refill(now mono.Time) {
	if !u.capped() {
		return
	}
	if earned := int64(now.Sub(u.filled)/time.Microsecond) * u.capBPS / 8 / 1_000_000; earned > 0 {
		u.tokens = min(u.burst(), u.tokens+earned)
		u.filled = now
	}
}

// sent charges n bytes of IP packets.
func (u *uplink) sent(now mono.Time, n int) {
	if u.capped() {
		u.refill(now)
		u.tokens -= int64(n)
	}
	u.roll(now)
	u.bytes += uint64(n)
}

// roll keeps the rate of the last full span.
func (u *uplink) roll(now mono.Time) {
	if since := now.Sub(u.spanFrom); since >= usedSpan {
		u.usedBPS = int64(u.bytes) * 8 * int64(time.Second/time.Millisecond) / max(1, int64(since/time.Millisecond))
		u.bytes, u.spanFrom = 0, now
	}
}

func (u *uplink) push(now mono.Time, st *station, s *mesh.Send, id link.ID) {
	if u.length >= queueMax || u.capBPS == 0 {
		u.Late++
		return
	}
	u.length++
	u.queue[s.Priority] = append(u.queue[s.Priority], queued{st, id, *s, now})
}

// pop returns the next audio to send, if the upload allows any now.
func (u *uplink) pop(now mono.Time) (queued, bool) {
	if u.length == 0 {
		return queued{}, false
	}
	u.refill(now)
	for p := dearestPriority; p < priorities; p++ {
		for len(u.queue[p]) > 0 {
			q := u.queue[p][0]
			late := now.Sub(q.since) > queueFor
			if !late && u.tokens <= 0 {
				return queued{}, false
			}
			u.queue[p] = slices.Delete(u.queue[p], 0, 1)
			u.length--
			if !late {
				return q, true
			}
			u.Late++
		}
	}
	return queued{}, false
}

// deadline is when the next queued audio may go out.
func (u *uplink) deadline() mono.Time {
	if u.length == 0 || u.capBPS <= 0 {
		return mono.Never
	}
	if u.tokens > 0 {
		return u.filled
	}
	wait := (1 - u.tokens) * 8 * int64(time.Second/time.Microsecond) / u.capBPS
	return u.filled.Add(time.Duration(wait+1) * time.Microsecond)
}

// forget drops what waits for a station that is left.
func (u *uplink) forget(st *station) {
	for p := range u.queue {
		before := len(u.queue[p])
		u.queue[p] = slices.DeleteFunc(u.queue[p], func(q queued) bool { return q.station == st })
		u.length -= before - len(u.queue[p])
	}
}
