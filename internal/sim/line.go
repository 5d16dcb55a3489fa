// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/mono"
)

// What IP and UDP add to a datagram.
const (
	ipv4Bytes = 20 + 8
	ipv6Bytes = 40 + 8
)

// ipBytes returns how long the IP packet of a datagram from or to an address is.
func ipBytes(a netip.AddrPort, data []byte) int {
	if a.Addr().Is6() {
		return len(data) + ipv6Bytes
	}
	return len(data) + ipv4Bytes
}

// A Line is what connects a host to the internet. Rates are in bit/s of IP packets.
type Line struct {
	UpBPS, DownBPS int64         // 0: no limit
	Queue          time.Duration // what each direction buffers at its rate; 0: QueueDefault
	DelayMin       time.Duration // one way to the middle of the internet; each host draws its own
	DelayMax       time.Duration
}

// QueueDefault is the depth of a line's queue when its scenario names none: an ordinary home router.
const QueueDefault = 200 * time.Millisecond

// A pipe is one direction of a line: a rate and a queue in front of it.
type pipe struct {
	bps   int64
	depth time.Duration
	free  mono.Time // when the last admitted packet has passed
}

// admit queues a packet and says when its last bit has passed, or false when the queue is full.
func (p *pipe) admit(now mono.Time, bytes int) (mono.Time, bool) {
	if p.bps == 0 {
		return now, true
	}
	start := max(now, p.free)
	if start.Sub(now) > p.depth {
		return 0, false
	}
	p.free = start.Add(time.Duration(int64(bytes) * 8 * int64(time.Second) / p.bps))
	return p.free, true
}

// A Path is what the internet does between any two hosts.
type Path struct {
	Jitter      time.Duration // each datagram is later by 0 to this
	LossPPM     uint32        // datagrams lost of a million
	LossBurst   uint32        // mean length of a run of losses at one receiver; 0 and 1: independent
	ReorderPPM  uint32        // datagrams held back of a million
	ReorderHold time.Duration // by this
}

const million = 1_000_000

// lossState is a receiver's side of a Gilbert-Elliott channel.
type lossState struct {
	bad bool
	at  mono.Time // of the last datagram
}

// burstOver is without a datagram as long as no burst lasts: one that counts datagrams alone would go on for half a minute for a host that
// hears one a second.
const burstOver = time.Second

// lost decides about one datagram. In the bad state all are lost, and the share of time in it is LossPPM.
func (p *Path) lost(now mono.Time, s *lossState, r *rand.Rand) bool {
	over := now.Sub(s.at) >= burstOver
	s.at = now
	if p.LossPPM == 0 {
		s.bad = false
		return false
	}
	if p.LossBurst <= 1 {
		return r.Uint32N(million) < p.LossPPM
	}
	switch {
	case over:
		s.bad = r.Uint32N(million) < p.LossPPM
	case s.bad:
		s.bad = r.Uint32N(p.LossBurst) != 0
	default:
		// enter = leave * p/(1-p), leave = 1/burst
		enter := uint64(million) * uint64(p.LossPPM) / (uint64(p.LossBurst) * uint64(million-min(p.LossPPM, million-1)))
		s.bad = r.Uint64N(million) < enter
	}
	return s.bad
}

// delay draws what one datagram waits beside the two hosts' own delays.
func (p *Path) delay(r *rand.Rand) time.Duration {
	var d time.Duration
	if p.Jitter > 0 {
		d = time.Duration(r.Int64N(int64(p.Jitter)))
	}
	if p.ReorderPPM > 0 && r.Uint32N(million) < p.ReorderPPM {
		d += p.ReorderHold
	}
	return d
}
