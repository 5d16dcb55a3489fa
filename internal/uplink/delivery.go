// SPDX-License-Identifier: MIT

package uplink

import (
	"slices"
	"time"

	"streamer/internal/mono"
)

const (
	markTime      = 50 * time.Millisecond
	marksKept     = 96                     // of them: reports of longer ago say nothing
	deliveryLeast = 250 * time.Millisecond // between arrivals, for a rate
)

// marks are how much had been sent when: the last one is of now.
type marks struct {
	bytes [marksKept]uint64 // in all, at the end of each span of markTime
	span  int64             // the last one, counted from the beginning of the clock
}

func (m *marks) add(now mono.Time, bytes int) {
	span, was := int64(now)/int64(markTime), m.bytes[m.span%marksKept]
	for i := range min(span-m.span, marksKept) {
		m.bytes[(span-i)%marksKept] = was
	}
	m.span = max(span, m.span)
	m.bytes[m.span%marksKept] += uint64(bytes)
}

// until is how much had been sent at a time.
func (m *marks) until(at mono.Time) (bytes uint64, ok bool) {
	span := int64(at) / int64(markTime)
	if span <= m.span-marksKept+1 || span > m.span || span < 1 {
		return 0, false
	}
	before, after := m.bytes[(span-1)%marksKept], m.bytes[span%marksKept]
	return before + (after-before)*uint64(int64(at)%int64(markTime))/uint64(markTime), true
}

// delivered is the rate in bit/s at which the line carried what was sent between two packets that a report tells of: what waits in a
// queue leaves it one after the other, so all that was sent between them, to whomever, arrived between them, but for what was lost (as
// in draft-cheng-iccrg-delivery-rate-estimation). It is the line's rate when both had to wait.
func (e *Estimate) delivered(r Report) int64 {
	if !r.Measured || r.Delay < target || r.Took < deliveryLeast || r.Sent == 0 {
		return 0
	}
	first, ok := e.marks.until(r.First)
	last, ok2 := e.marks.until(r.Last)
	if !ok || !ok2 {
		return 0
	}
	arrived := int64(last-first) * int64(r.Sent-min(r.Lost, r.Sent)) / int64(r.Sent)
	return arrived * 8 * 1000 / r.Took.Milliseconds()
}

// rate is what the line delivered lately by half of the reports that can tell; 0 when none can, or one alone.
func (e *Estimate) rate(now mono.Time) int64 {
	var all [peersMax]int64
	n, measured := 0, 0
	for i := range e.peers {
		h := &e.peers[i]
		if !h.measured || now.Sub(h.at) > reportAge {
			continue
		}
		if measured++; h.rate > 0 {
			all[n] = h.rate
			n++
		}
	}
	if n == 0 || n == 1 && measured > 1 {
		return 0
	}
	slices.Sort(all[:n])
	return all[(n-1)/2]
}
