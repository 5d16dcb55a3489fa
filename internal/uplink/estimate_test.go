// SPDX-License-Identifier: MIT

package uplink_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/uplink"
)

// A bench is an estimate with children that take all they may, each 40 kbit/s in 20 packets a second, and report
// once a second.
type bench struct {
	uplink.Estimate
	now   mono.Time
	rand  *rand.Rand
	line  int64 // bit/s it carries; 0: any
	kids  int   // at most
	delay func(kid int) time.Duration
	loss  func(kid int) int // per mille
	fell  int
}

const kidBPS = 40_000

func newBench(limit int64) *bench {
	b := &bench{now: mono.Time(time.Second), rand: rand.New(rand.NewPCG(1, 1)), kids: 1000}
	b.Reset(b.now, limit)
	return b
}

func (b *bench) run(seconds int) {
	for range seconds * 20 {
		kids := min(int(b.Give()/kidBPS), b.kids)
		tick := int(b.now / mono.Time(50*time.Millisecond) % 20)
		for kid := range kids {
			b.Sent(b.now, kidBPS/20/8)
			if kid%20 != tick {
				continue
			}
			r := uplink.Report{Peer: uint32(kid + 1), Sent: 20, Delay: time.Millisecond, Measured: true, First: b.now, Last: b.now}
			if b.delay != nil {
				r.Delay = b.delay(kid)
			}
			if b.line > 0 && int64(kids)*kidBPS > b.line {
				r.Delay += 150 * time.Millisecond
			}
			for range r.Sent {
				if b.loss != nil && b.rand.IntN(1000) < b.loss(kid) {
					r.Lost++
				}
			}
			b.Reported(b.now, r)
		}
		if b.Review(b.now, int64(kids)*kidBPS) {
			b.fell++
		}
		b.now = b.now.Add(50 * time.Millisecond)
	}
}

func TestEstimate(t *testing.T) {
	for _, test := range []struct {
		name        string
		limit       int64
		change      func(b *bench)
		least, most int64
		falls       bool
	}{
		{"nothing hurts", 0, func(*bench) {}, 40_000_000, uplink.MostBPS, false},
		{"nobody asks for more", 0, func(b *bench) { b.kids = 8 }, uplink.StartBPS, 1_000_000, false},
		{"a cap", 900_000, func(*bench) {}, 900_000, 900_000, false},
		{"a line", 0, func(b *bench) { b.line = 3_000_000 }, 2_000_000, 4_200_000, true},
		{"a cap above the line", 9_000_000, func(b *bench) { b.line = 3_000_000 }, 2_000_000, 4_200_000, true},
		{"one bad line of a child", 0, func(b *bench) {
			b.delay = func(kid int) time.Duration { return time.Duration(1-min(kid, 1)) * time.Second }
			b.loss = func(kid int) int { return 500 * (1 - min(kid, 1)) }
		}, 40_000_000, uplink.MostBPS, false},
		{"a path that loses", 0, func(b *bench) { b.loss = func(int) int { return 50 } }, 20_000_000, uplink.MostBPS, false},
		{"late packets now and then", 0, func(b *bench) {
			b.delay = func(int) time.Duration { return time.Duration(b.rand.IntN(10)/7) * 80 * time.Millisecond }
		}, 5_000_000, uplink.MostBPS, false},
		{"children whose packets wait a little", 0, func(b *bench) { b.delay = func(int) time.Duration { return 40 * time.Millisecond } },
			uplink.StartBPS, uplink.StartBPS, false},
		{"a policer", 0, func(b *bench) {
			b.loss = func(int) int { return max(0, 1000-3_000_000*1000/max(1, int(b.Used(b.now)))) }
		}, 2_000_000, 4_200_000, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(test.limit)
			test.change(b)
			b.run(60)
			if got := b.BPS(); got < test.least || got > test.most || b.fell > 0 != test.falls {
				t.Errorf("%d bit/s after a minute, fell %d times; want %d to %d", got, b.fell, test.least, test.most)
			}
		})
	}
}

// Others take the line for a while: the estimate falls far, and comes back.
func TestEstimateComesBack(t *testing.T) {
	b := newBench(0)
	b.line = 3_000_000
	b.run(60)
	was := b.BPS()
	b.line = 1
	b.run(30)
	if low := b.BPS(); low > was/4 || low < uplink.LeastBPS {
		t.Errorf("%d bit/s of %d on a line that carries nothing", low, was)
	}
	b.line = 3_000_000
	b.run(300)
	if again := b.BPS(); again < was*6/10 {
		t.Errorf("%d bit/s of %d five minutes later", again, was)
	}
}

func TestEstimateIsRemembered(t *testing.T) {
	b := newBench(0)
	if b.Known() {
		t.Error("an estimate of nothing")
	}
	b.Remember(5_000_000)
	if !b.Known() || b.BPS() != 5_000_000 || b.Pace() != 4_250_000 || b.Give() != 3_900_000 {
		t.Errorf("%d, paced at %d, gives %d", b.BPS(), b.Pace(), b.Give())
	}
	b.Remember(1)
	if b.BPS() != uplink.LeastBPS {
		t.Errorf("%d remembered", b.BPS())
	}
	capped := newBench(1_000_000)
	capped.Remember(5_000_000)
	if capped.BPS() != 1_000_000 {
		t.Errorf("%d with a cap of 1000000", capped.BPS())
	}
}
