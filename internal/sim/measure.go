// SPDX-License-Identifier: MIT

package sim

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
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

func (s *share) count(onTime bool) {
	s.due++
	if onTime {
		s.onTime++
	}
}

// measure collects the figures of a run.
type measure struct {
	lag      lagTable
	hops     [hopsMost + 1]uint64
	shares   []share         // of each life of each honest listener
	within   []share         // likewise, that came within the play delay
	delays   []time.Duration // of each life of a listener that heard something: from publication to its being heard
	startups []startup
	classes  []classTally // of each group
	series   []share      // of all listeners, for each second of the run
	audience []int        // listeners that were up, likewise
	windows  []window
	replaced int
	refills  []time.Duration
	lost     lostChunks // of those that lost a parent
	watched  []int32    // hosts with a refill
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

	kinds [wire.Kinds]uint64 // bytes of IP packets that honest nodes sent, as they count them
}

func (m *measure) hop(n int) { m.hops[min(n, hopsMost)]++ }

// A startup is how long a listener waited for its first audio, or has waited so far.
type startup struct {
	joined mono.Time
	took   time.Duration
	heard  bool
}

// A classTally is what the hosts of one group did.
type classTally struct {
	sent    uint64 // bytes of IP packets
	samples uint64 // that found a host up: one for each host and sample
}

// A window is the time from something that happens on, and who was there before.
type window struct {
	what     string
	from     time.Duration
	to       time.Duration
	again    []time.Duration // when a fault is repeated
	arrivals *Arrivals       // nil: a fault
	share
}

// windowAfter is how long after something its effect is looked at.
const windowAfter = 10 * time.Second

// openWindows makes a window for each thing that happens once the audience has gathered.
func (w *World) openWindows() {
	s := &w.scenario
	w.measure.classes = make([]classTally, len(s.Groups))
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.Again && len(w.measure.windows) > 0 {
			last := &w.measure.windows[len(w.measure.windows)-1]
			last.to = f.At + f.For + windowAfter
			last.again = append(last.again, f.At)
			continue
		}
		w.measure.windows = append(w.measure.windows, window{what: f.Kind.String(), from: f.At, to: f.At + f.For + windowAfter})
	}
	for i := range s.Arrivals {
		if a := &s.Arrivals[i]; a.At >= s.Settled && a.At > firstJoin {
			w.measure.windows = append(w.measure.windows, window{
				what: "arrivals", from: a.At, to: a.last(s.Nodes) + windowAfter, arrivals: a,
			})
		}
	}
}

// settled begins the figures: what was before was a beginning.
func (w *World) settled() {
	old := &w.measure
	w.measure = measure{
		classes: make([]classTally, len(old.classes)), windows: old.windows, startups: old.startups, watched: old.watched,
		lost: old.lost, replaced: old.replaced, lies: old.lies, series: old.series, audience: old.audience,
	}
	var before measure
	for i := range w.hosts {
		if w.hosts[i].stays() {
			before.add(&w.hosts[i], w.now)
		}
	}
	// What those that are up have counted so far is taken off before it is added, when they end.
	w.measure.received -= before.received
	w.measure.repaired -= before.repaired
	w.measure.repeated -= before.repeated
	w.measure.payload -= before.payload
	for k := range before.kinds {
		w.measure.kinds[k] -= before.kinds[k]
	}
}

// inSeries counts a chunk that one listener was owed in its second.
func (m *measure) inSeries(at mono.Time, onTime bool) {
	second := int(at / 1e9)
	for len(m.series) <= second {
		m.series = append(m.series, share{})
	}
	m.series[second].count(onTime)
}

// due counts a chunk that one listener was owed once figures had begun.
func (m *measure) due(e *ear, at mono.Time, onTime bool) {
	for i := range m.windows {
		if v := &m.windows[i]; e.joined <= mono.Time(v.from) && at >= mono.Time(v.from) && at < mono.Time(v.to) {
			v.count(onTime)
		}
	}
}

// waits returns how long listeners that joined within a time waited for their first audio, sorted; those that still wait do
// so since they joined.
func (m *measure) waits(from, to mono.Time) []time.Duration {
	var d []time.Duration
	for _, s := range m.startups {
		if s.joined >= from && s.joined < to {
			d = append(d, s.took)
		}
	}
	slices.Sort(d)
	return d
}

// add takes over the counters of a node that is about to end.
func (m *measure) add(h *host, now mono.Time) {
	if h.liar != nil {
		return
	}
	status := h.node.Status(now)
	for k := range m.kinds {
		m.kinds[k] += status.Counters.Links.Out[k].Bytes
	}
	for _, t := range status.Tuned {
		if h.index == sourceIndex {
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
	if h.class >= 0 {
		w.measure.classes[h.class].sent += uint64(size)
	}
	if h.index == sourceIndex {
		w.measure.sourceIP += uint64(size)
	}
	w.trace.sent(w.now, h.index, to, data)
	w.checkSent(h, h.sent.add(w.now, size), h.sent10.addLong(w.now, size))
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
