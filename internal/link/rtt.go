// SPDX-License-Identifier: MIT

package link

import "time"

// rttMax is above every round-trip time that is believed.
const rttMax = 30 * time.Second

// rtt is a round-trip time and its deviation as in RFC 6298 section 2, in integers.
type rtt struct {
	smoothed  time.Duration // 0: not measured
	deviation time.Duration
}

// sample takes one measurement. Those of less than a microsecond count as one.
func (r *rtt) sample(d time.Duration) {
	d = min(max(d, time.Microsecond), rttMax)
	if r.smoothed == 0 {
		r.smoothed, r.deviation = d, d/2
		return
	}
	// (2.3) RTTVAR <- (1 - beta) * RTTVAR + beta * |SRTT - R'|, then SRTT <- (1 - alpha) * SRTT + alpha * R',
	// with alpha = 1/8 and beta = 1/4.
	r.deviation += ((r.smoothed - d).Abs() - r.deviation) / 4
	r.smoothed += (d - r.smoothed) / 8
}
