// SPDX-License-Identifier: MIT

package reach

import (
	"time"

	"streamer/internal/mono"
)

// A limit is a token bucket of events.
type limit struct {
	left   int
	filled mono.Time
}

// take reports whether one more event is allowed, of burst at once and one each every.
func (l *limit) take(now mono.Time, burst int, every time.Duration) bool {
	l.fill(now, burst, every)
	if l.left <= 0 {
		return false
	}
	l.left--
	return true
}

func (l *limit) fill(now mono.Time, burst int, every time.Duration) {
	if earned := int(now.Sub(l.filled) / every); earned > 0 {
		l.left = min(burst, l.left+min(earned, burst))
		l.filled = now
	}
}

// share takes from a peer's own limit and from that of all. Who took much lately leaves up to half of the latter to the others.
func share(now mono.Time, own *limit, burst int, every time.Duration, all *limit) bool {
	if !own.take(now, burst, every) {
		return false
	}
	all.fill(now, allBurst, allEvery)
	if all.left <= (burst-1-own.left)*allBurst/(2*burst) {
		return false
	}
	all.left--
	return true
}
