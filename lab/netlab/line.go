// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// queueBytesDefault is what waits for a limited line when Line.QueueBytes does not say: 250 ms at 2 Mbit/s.
const queueBytesDefault = 64 << 10

// A Line is one direction of a host's access to the internet. The zero Line is perfect. A packet from a to b goes through
// a's up line and b's down line, so a delay of 25 ms on every up line makes round trips of 50 ms.
type Line struct {
	Delay      time.Duration // one way, always
	Jitter     time.Duration // 0 to Jitter more, uniform; packets keep their order
	Loss       float64       // share of packets that vanish, 0 to 1
	Burst      float64       // mean number of packets lost in a row (Gilbert-Elliott); up to 1 means independent losses
	Reorder    float64       // share of packets held back by ReorderBy, while those behind them overtake
	ReorderBy  time.Duration
	Duplicate  float64 // share of packets that arrive twice
	RateBPS    int64   // bit/s of IP packets; 0 is no limit
	QueueBytes int     // waiting for RateBPS, the rest is dropped; 0 means 64 KiB
}

// A fate is what a line decided about one packet.
type fate struct {
	drop   dropReason // dropNot: it arrives
	due    int64      // when it leaves the line, in nanoseconds of the router's clock
	copies int        // 1, or 2 for a duplicate
}

// A path is the state of a Line. The router owns it.
type path struct {
	line Line
	rng  *rand.Rand
	bad  bool  // Gilbert-Elliott: losing
	free int64 // when a limited line has sent all that waits
	last int64 // due time of the newest packet that was not held back: the next ones come after it
}

func newPath(seed uint64, name string, line Line) *path {
	h := fnv.New64a()
	h.Write([]byte(name))
	return &path{line: line, rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// pass decides about a packet of size bytes that enters the line at now. It draws the same number of random values for
// every packet, so that a change of one property leaves the others' sequence as it was.
func (p *path) pass(now int64, size int) fate {
	loss, jitter, reorder, duplicate := p.rng.Float64(), p.rng.Float64(), p.rng.Float64(), p.rng.Float64()
	l := &p.line
	due := now
	if l.RateBPS > 0 {
		start := max(now, p.free)
		sending := int64(size) * 8 * int64(time.Second) / l.RateBPS
		queued := (start - now) * l.RateBPS / 8 / int64(time.Second)
		limit := l.QueueBytes
		if limit == 0 {
			limit = queueBytesDefault
		}
		if queued > 0 && queued+int64(size) > int64(limit) {
			return fate{drop: dropQueue}
		}
		p.free = start + sending
		due = p.free
	}
	if p.loses(loss) {
		return fate{drop: dropLoss}
	}
	due += int64(l.Delay) + int64(jitter*float64(l.Jitter))
	if reorder < l.Reorder {
		due += int64(l.ReorderBy)
	} else {
		due = max(due, p.last)
		p.last = due
	}
	f := fate{due: due, copies: 1}
	if duplicate < l.Duplicate {
		f.copies = 2
	}
	return f
}

// loses tells whether the packet with the random value u (0 to 1) is lost.
func (p *path) loses(u float64) bool {
	l := &p.line
	if l.Burst <= 1 || l.Loss <= 0 || l.Loss >= 1 {
		return u < l.Loss
	}
	// Gilbert-Elliott, all packets of the bad state lost: the bad state lasts Burst packets, the good one as long as makes
	// the share of lost packets Loss.
	if p.bad {
		p.bad = u >= 1/l.Burst
	} else {
		p.bad = u < l.Loss/(l.Burst*(1-l.Loss))
	}
	return p.bad
}
