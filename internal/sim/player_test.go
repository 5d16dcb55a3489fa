// SPDX-License-Identifier: MIT

package sim

import (
	"testing"
	"time"
)

// Chunks of 100 ms, by their lag and what is missing before them: how many count as heard on time, and the delay in the end.
func TestPlayer(t *testing.T) {
	const ms = time.Millisecond
	type chunk struct{ lag, missing time.Duration }
	for _, c := range []struct {
		name   string
		chunks []chunk
		onTime int
		delay  time.Duration
	}{
		{"with the past in hand", []chunk{{3000 * ms, 0}, {2900 * ms, 0}, {200 * ms, 0}, {3000 * ms, 0}}, 4, 3000 * ms},
		{"begins live", []chunk{{200 * ms, 0}, {1000 * ms, 0}}, 2, 1000 * ms},
		{"silent for 250 ms", []chunk{{1000 * ms, 0}, {1250 * ms, 0}, {200 * ms, 0}, {200 * ms, 0}, {200 * ms, 0}, {1250 * ms, 0}}, 3, 1250 * ms},
		{"a hole shortens the buffer", []chunk{{1000 * ms, 0}, {200 * ms, 100 * ms}, {900 * ms, 0}}, 3, 900 * ms},
		{"and then there is silence", []chunk{{1000 * ms, 0}, {200 * ms, 100 * ms}, {1000 * ms, 0}, {200 * ms, 0}}, 3, 1000 * ms},
		{"silence while audio goes missing counts once", []chunk{{1000 * ms, 0}, {500 * ms, 800 * ms}}, 2, 500 * ms},
	} {
		var p player
		onTime := 0
		for _, k := range c.chunks {
			if p.hear(k.lag, k.missing, 100*ms) {
				onTime++
			}
		}
		if onTime != c.onTime || p.delay != c.delay {
			t.Errorf("%s: %d of %d on time and a delay of %v, want %d and %v", c.name, onTime, len(c.chunks), p.delay, c.onTime, c.delay)
		}
	}
}
