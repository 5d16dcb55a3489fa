// SPDX-License-Identifier: MIT

package sim

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
)

// lagLongest is the longest lag that is told from longer ones.
const lagLongest = 30 * time.Second

// hopsMost is the most hops that are told from more.
const hopsMost = 64

// A lagTable counts lags by the millisecond.
type lagTable [lagLongest/time.Millisecond + 1]uint64

func (t *lagTable) add(lag time.Duration) { t[min(max(lag, 0), lagLongest)/time.Millisecond]++ }

// percentile returns the index below which permille of all counts are.
func percentile(counts []uint64, permille uint64) int {
	var total, sum uint64
	for _, n := range counts {
		total += n
	}
	for i, n := range counts {
		if sum += n; sum > 0 && sum*1000 >= total*permille {
			return i
		}
	}
	return 0
}

// A share is how much of what was due to one listener came on time.
type share struct{ onTime, due uint64 }

func (s share) ratio() float64 { return float64(s.onTime) / float64(s.due) }

// measure collects the figures of a run.
type measure struct {
	lag      lagTable
	hops     [hopsMost + 1]uint64
	shares   []share // of each life of each honest listener
	startup  []time.Duration
	refills  []time.Duration
	watched  []int32 // hosts with a refill
	late     uint64
	missing  uint64
	looping  uint64
	lies     uint64 // payloads that hostile nodes changed or invented
	ended    int    // ears that heard the end of the stream
	received uint64 // chunks, all honest nodes but the source
	repaired uint64
	repeated uint64
	payload  uint64 // bytes of chunks, likewise
	sourceIP uint64 // bytes that the source sent
	allIP    uint64 // bytes that everybody sent
}

func (m *measure) hop(n int) { m.hops[min(n, hopsMost)]++ }

// add takes over the counters of a node that is about to end.
func (m *measure) add(h *host, now mono.Time) {
	for _, t := range h.node.Status(now).Tuned {
		if h.index == sourceIndex || h.liar != nil {
			continue
		}
		m.received += t.Chunks.Received
		m.repaired += t.Chunks.Repaired
		m.repeated += t.Chunks.Duplicate
		m.payload += t.Bytes.PayloadIn
	}
}

// meterSent counts a datagram that h sends.
func (w *World) meterSent(h *host, to netip.AddrPort, data []byte) {
	size := ipBytes(to, data)
	h.wireOut += uint64(size)
	w.measure.allIP += uint64(size)
	if h.index == sourceIndex {
		w.measure.sourceIP += uint64(size)
	}
	w.trace.sent(w.now, h.index, to, data)
	w.checkSent(h, h.sent.add(w.now, size))
}

// durationAt returns the permille-th of sorted durations in milliseconds.
func durationAt(sorted []time.Duration, permille int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)*permille/1000, len(sorted)-1)
	return float64(sorted[i]/time.Microsecond) / 1000
}

func sorted(d []time.Duration) []time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d
}
