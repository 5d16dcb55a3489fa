// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"
	"time"

	"streamer/internal/mono"
)

// limiterBuckets bounds the memory. Prefixes that fall into one bucket share its allowance, so that all buckets together
// bound the work too: 32 x 20 handshakes per second cost less than half of a core, and the audio goes on.
const limiterBuckets = 32

// A limiter allows a rate of events to each network prefix: /24 of IPv4, /48 of IPv6. It has leaky buckets that store when
// they will be empty (the generic cell rate algorithm).
type limiter struct {
	rate   int // per second, and at once
	exempt []netip.Prefix
	seed   uint64 // keeps attackers from choosing whom they share a bucket with
	empty  *[limiterBuckets]meter
}

// A meter is a leaky bucket: when it will be empty.
type meter mono.Time

// take takes one event of at most rate per second, and at once; a negative rate allows any.
func (m *meter) take(now mono.Time, rate int) bool {
	if rate < 0 {
		return true
	}
	interval := time.Second / time.Duration(rate)
	at := max(mono.Time(*m), now)
	if at.Sub(now) > time.Second-interval {
		return false
	}
	*m = meter(at.Add(interval))
	return true
}

// allow takes one event from a.
func (l *limiter) allow(now mono.Time, a netip.Addr) bool {
	if l.rate < 0 {
		return true
	}
	for _, p := range l.exempt {
		if p.Contains(a) {
			return true
		}
	}
	if l.empty == nil {
		l.empty = new([limiterBuckets]meter)
	}
	return l.empty[l.bucket(a)].take(now, l.rate)
}

// bucket is FNV-1a over the prefix, begun with the seed, and mixed so that the low bits depend on all.
func (l *limiter) bucket(a netip.Addr) uint64 {
	ip := a.As16()
	prefix := ip[:6]
	if a.Is4() {
		prefix = ip[10:15] // ::ffff: and 24 bits
	}
	h := l.seed
	for _, b := range prefix {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	h ^= h >> 32
	return (h * 0x9e3779b97f4a7c15) >> 32 % limiterBuckets
}
