// SPDX-License-Identifier: MIT

package uplink_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/uplink"
)

// A line of 600 kbit/s has a second of queue, and drops what does not fit. What it carried is found at once, however much was
// sent: far more, or less while the queue empties. Who alone says that packets took ages is not believed.
func TestDeliveryRate(t *testing.T) {
	const (
		line   = 600_000
		packet = 600
		kids   = 4
	)
	for _, c := range []struct {
		name  string
		rate  func(at time.Duration) int // in bit/s
		liars int
	}{
		{"twice as much", func(time.Duration) int { return 2 * line }, 0},
		{"a queue that empties", func(at time.Duration) int {
			if at < 800*time.Millisecond {
				return 2 * line
			}
			return line / 3
		}, 0},
		{"a liar", func(time.Duration) int { return 2 * line }, 1},
	} {
		var e uplink.Estimate
		begun := mono.Time(time.Hour)
		e.Reset(begun, 0)
		var reports [kids]uplink.Report
		var arrived [kids]mono.Time // the first packet of a report
		free, next := begun, begun  // when the line has sent what waits; when the next report is due
		fell := false
		dice := rand.New(rand.NewPCG(1, 2))
		for now := begun; now.Sub(begun) < 5*time.Second && !fell; {
			kid := dice.IntN(kids)
			r := &reports[kid]
			e.Sent(now, packet)
			r.Sent++
			free = max(free, now)
			if wait := free.Sub(now); wait < time.Second {
				free = free.Add(packet * 8 * time.Second / line)
				if !r.Measured {
					*r = uplink.Report{Peer: uint32(kid + 1), Sent: r.Sent, Lost: r.Lost, Measured: true, First: now, Delay: wait}
					arrived[kid] = free
				}
				r.Delay, r.Last, r.Took = min(r.Delay, wait), now, free.Sub(arrived[kid])
				switch {
				case kid < c.liars:
					r.Took *= 20
				case c.liars > 0:
					r.Took = 0 // nobody else can tell
				}
			} else {
				r.Lost++
			}
			now = now.Add(packet * 8 * time.Second / time.Duration(c.rate(now.Sub(begun))))
			if now < next.Add(600*time.Millisecond) {
				continue
			}
			next = now
			for i := range reports {
				e.Reported(now, reports[i])
				reports[i] = uplink.Report{}
			}
			fell = e.Review(now, e.Give())
		}
		if got := e.BPS(); !fell || got < line*85/100 || got > line*21/20 {
			t.Errorf("%s: %d bit/s of %d", c.name, got, line)
		}
	}
}
