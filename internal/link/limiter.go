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

// A limiter allows a rate of events to each network prefix: /24 of IPv4, /48 of IPv6. It is a leaky bucket that stores when
// the bucket will be empty (the generic cell rate algorithm).
type limiter struct {
	rate   int // per second, and at once
	exempt []netip.Prefix
	seed   uint64 // keeps attackers from choosing whom they share a bucket with
	empty  *[limiterBuckets]mono.Time
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
		l.empty = new([limiterBuckets]mono.Time)
	}
	bucket := &l.empty[l.bucket(a)]
	interval := time.Second / time.Duration(l.rate)
	at := max(*bucket, now)
	if at.Sub(now) > time.Second-interval {
		return false
	}
	*bucket = at.Add(interval)
	return true
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
