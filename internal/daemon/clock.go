// SPDX-License-Identifier: MIT

package daemon

import (
	"time"

	"streamer/internal/mono"
)

const (
	wallEvery = 10 * time.Second       // the node is told what time people have
	wallCheck = time.Second            // and whether somebody set the clock
	wallJump  = 100 * time.Millisecond // a change that it is told at once
)

// A clock is the daemon's time: mono.Time since it was made.
type clock struct{ origin time.Time }

func newClock() clock { return clock{origin: time.Now()} }

func (c clock) now() mono.Time { return mono.Time(time.Since(c.origin)) }

// A wallClock decides when the node must be told the wall clock.
type wallClock struct {
	told   bool
	last   mono.Time
	offset int64 // Unix milliseconds at mono 0, as last told
}

// due says whether to tell it that now is unixMilli.
func (w *wallClock) due(now mono.Time, unixMilli int64) bool {
	offset := unixMilli - int64(time.Duration(now)/time.Millisecond)
	jump := time.Duration(offset-w.offset) * time.Millisecond
	if w.told && now.Sub(w.last) < wallEvery && jump.Abs() < wallJump {
		return false
	}
	w.told, w.last, w.offset = true, now, offset
	return true
}
