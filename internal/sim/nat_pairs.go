// SPDX-License-Identifier: MIT

package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// A pair is two homes, or public hosts, that tried to reach each other.
type pair struct {
	tried   mono.Time // the first PUNCH of an introduction
	dialled mono.Time // the first INIT: a dial that nobody knows of came through, perhaps too late
	linked  mono.Time // the first DATA in the second direction; mono.Never: not yet
	punch   int       // PUNCHes
	heard   [2]bool   // DATA from the lower line, from the higher one
}

// A NATResult is what a run with homes measured.
type NATResult struct {
	Kinds []NATKindResult `json:"kinds"`
	Pairs []NATPairResult `json:"pairs"`
	Boxes NATBoxResult    `json:"boxes"`
	Never []string        `json:"never,omitempty"` // hosts that never played, with their kinds

	PlayedMeanS float64 `json:"played_mean_s"` // from tuning in to the first audio
	PlayedP50S  float64 `json:"played_p50_s"`
	PlayedMaxS  float64 `json:"played_max_s"`
	SeedAtS     float64 `json:"seed_at_s"` // when the seeds vanished; 0 never
	AfterMean   float64 `json:"after_mean"`
	AfterMin    float64 `json:"after_min"` // share of chunks on time since then, of the worst listener
}

// NATKindResult is about the listeners in one kind of home.
type NATKindResult struct {
	Kind      string  `json:"kind"`
	Listeners int     `json:"listeners"`
	Played    int     `json:"played"`
	P50S      float64 `json:"p50_s"` // from tuning in to the first audio
	MaxS      float64 `json:"max_s"`
	OnTime    float64 `json:"on_time"` // mean share of chunks on time
	OnTimeMin float64 `json:"on_time_min"`
}

// NATPairResult is about all pairs of homes of two kinds that tried to reach each other.
type NATPairResult struct {
	A, B      string
	Permitted string   `json:"permitted"` // yes, predicted, no, or never: no family of addresses in common
	Tried     int      `json:"tried"`     // pairs of homes that were introduced or linked
	Linked    int      `json:"linked"`    // of these, pairs between which data went both ways
	P50S      float64  `json:"p50_s"`     // from the first try to data both ways
	MaxS      float64  `json:"max_s"`
	Punches   int      `json:"punches"`
	Missed    []string `json:"missed,omitempty"` // numbers of hosts that never linked though permitted; some
}

// NATBoxResult counts packets of all boxes.
type NATBoxResult struct {
	Out     uint64 `json:"out"`
	In      uint64 `json:"in"`
	Refused uint64 `json:"refused"` // from outside, not let in
	Full    uint64 `json:"full"`    // from inside, dropped by a full box
	Entries int    `json:"entries"` // in the fullest box at the end
}

// missedMax is how many pairs that should have linked are told of each kind of pair.
const missedMax = 4

// pairOf returns the pair of two lines, and which of them a is; nil for one and the same.
func (w *World) pairOf(a, b int32) (*pair, int) {
	if a == b {
		return nil, 0
	}
	side := 0
	if a > b {
		a, b, side = b, a, 1
	}
	p := w.pairs[[2]int32{a, b}]
	if p == nil {
		p = &pair{tried: mono.Never, dialled: mono.Never, linked: mono.Never}
		w.pairs[[2]int32{a, b}] = p
	}
	return p, side
}

// pairSent notes a try to reach another home.
func (w *World) pairSent(from *host, r route, data []byte) {
	if len(data) == 0 {
		return
	}
	typ := wire.DatagramType(data[0] & 15)
	if typ != wire.DatagramPunch && typ != wire.DatagramInit {
		return
	}
	line, ok := w.nat.lineTo(r.next)
	if i, isBox := r.next.box(); isBox && !ok {
		// A carrier's box: the home is known when the port is mapped, let in or not.
		b := &w.nat.boxes[i]
		if m, mapped := b.mapped(r.to); mapped {
			line, ok = w.nat.lineTo(w.nat.realms[w.nat.inner[i]].members[b.mappings[m].key.inside.Addr()])
		}
	}
	if !ok {
		return
	}
	p, _ := w.pairOf(from.line, line)
	if p == nil {
		return
	}
	if typ == wire.DatagramInit {
		p.dialled = min(p.dialled, w.now)
		return
	}
	p.punch++
	// The first PUNCH of a token may be a test of somebody's filter, the second is for an introduction.
	token := punchKey{line: from.line, to: line}
	copy(token.token[:], data[1:])
	if first, again := w.punches[token]; again {
		p.tried = min(p.tried, first)
	} else {
		w.punches[token] = w.now
	}
}

// A punchKey is a token that a line has sent to another.
type punchKey struct {
	token    wire.PunchToken
	line, to int32
}

// pairDelivered notes data that came from another home.
func (w *World) pairDelivered(sender int32, to *host, data []byte) {
	if len(data) == 0 || wire.DatagramType(data[0]&15) != wire.DatagramData {
		return
	}
	p, side := w.pairOf(w.hosts[sender].line, to.line)
	if p == nil || p.linked != mono.Never {
		return
	}
	p.heard[side] = true
	if p.heard[0] && p.heard[1] {
		p.linked = w.now
		p.tried = min(p.tried, p.dialled, w.now)
	}
}

// natResult adds up what is known of homes; nil: there are none.
func (w *World) natResult() *NATResult {
	if w.nat == nil {
		return nil
	}
	r := &NATResult{}
	for i := range w.nat.boxes {
		b := &w.nat.boxes[i]
		r.Boxes.Out += b.count.out
		r.Boxes.In += b.count.in
		r.Boxes.Refused += b.count.refused
		r.Boxes.Full += b.count.full
		r.Boxes.Entries = max(r.Boxes.Entries, b.entries)
	}
	w.natListeners(r)
	w.natPairs(r)
	return r
}

// natListeners measures listeners by the kinds of their homes.
func (w *World) natListeners(r *NATResult) {
	var gone mono.Time
	for i := range w.scenario.Faults {
		if f := &w.scenario.Faults[i]; f.Kind == FaultSeeds {
			gone = mono.Time(f.At)
		}
	}
	r.SeedAtS = time.Duration(gone).Seconds()
	var all []time.Duration
	r.AfterMin = 1
	listeners := 0
	for g := range w.scenario.Groups {
		group := &w.scenario.Groups[g]
		k := NATKindResult{Kind: group.Name, OnTimeMin: 1}
		var startup []time.Duration
		for i := range w.hosts {
			h := &w.hosts[i]
			if h.group != group || !h.isUp() {
				continue
			}
			k.Listeners++
			e := &h.ear
			if e.started == mono.Never {
				r.Never = append(r.Never, fmt.Sprintf("%d (%s)", i, group.Name))
			} else {
				startup = append(startup, e.started.Sub(e.joined))
			}
			onTime := w.heard(e)
			k.OnTime += onTime
			k.OnTimeMin = min(k.OnTimeMin, onTime)
			if gone > 0 {
				after := *e
				after.joined = max(e.joined, gone)
				share := w.heard(&after)
				r.AfterMean += share
				r.AfterMin = min(r.AfterMin, share)
			}
		}
		if k.Listeners == 0 {
			continue
		}
		listeners += k.Listeners
		k.Played = len(startup)
		k.OnTime /= float64(k.Listeners)
		all = append(all, startup...)
		startup = sorted(startup)
		k.P50S, k.MaxS = durationAt(startup, 500)/1000, durationAt(startup, 1000)/1000
		r.Kinds = append(r.Kinds, k)
	}
	r.AfterMean /= float64(max(1, listeners))
	all = sorted(all)
	r.PlayedP50S, r.PlayedMaxS = durationAt(all, 500)/1000, durationAt(all, 1000)/1000
	for _, d := range all {
		r.PlayedMeanS += d.Seconds() / float64(len(all))
	}
}

// heard is the share of what was due that came within the play delay, since it is reaching others that is in question here: nothing for who
// never played.
func (w *World) heard(e *ear) float64 {
	due, _, within := w.dues(e)
	switch {
	case e.started == mono.Never:
		return 0
	case due == 0:
		return 1
	}
	return ratio(within, due)
}

// natPairs measures pairs of homes by their kinds.
func (w *World) natPairs(r *NATResult) {
	index := map[[2]string]int{}
	times := map[[2]string][]time.Duration{}
	keys := make([][2]int32, 0, len(w.pairs))
	for k := range w.pairs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]int32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, k := range keys {
		p := w.pairs[k]
		if p.tried == mono.Never {
			continue
		}
		a, b := w.hosts[k[0]].group, w.hosts[k[1]].group
		if a.Name > b.Name {
			a, b = b, a
		}
		permitted := a.Home.permits(&b.Home)
		name := [2]string{a.Name, b.Name}
		if w.sameCarrier(k[0], k[1]) {
			name[1], permitted = b.Name+" (of the same carrier)", "no"
		}
		i, ok := index[name]
		if !ok {
			i = len(r.Pairs)
			index[name] = i
			r.Pairs = append(r.Pairs, NATPairResult{A: name[0], B: name[1], Permitted: permitted})
		}
		q := &r.Pairs[i]
		q.Tried++
		q.Punches += p.punch
		if p.linked != mono.Never {
			q.Linked++
			times[name] = append(times[name], p.linked.Sub(p.tried))
		} else if (q.Permitted == "yes" || q.Permitted == "predicted") && len(q.Missed) < missedMax {
			q.Missed = append(q.Missed, fmt.Sprintf("%d-%d at %v", k[0], k[1], time.Duration(p.tried).Round(time.Millisecond)))
		}
	}
	for name, i := range index {
		t := sorted(times[name])
		r.Pairs[i].P50S, r.Pairs[i].MaxS = durationAt(t, 500)/1000, durationAt(t, 1000)/1000
	}
	slices.SortFunc(r.Pairs, func(a, b NATPairResult) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
}

// sameCarrier reports whether two homes are customers of one carrier whose box does not let them meet.
func (w *World) sameCarrier(a, b int32) bool {
	outer := func(host int32) int32 {
		if g := w.nat.realms[w.hosts[host].realm].gates[0]; g >= 0 {
			return w.nat.outer[g]
		}
		return public
	}
	in := outer(a)
	return in != public && in == outer(b) && !w.nat.boxes[w.nat.realms[in].gates[0]].Hairpin
}

// permits says whether hosts of two homes can link directly.
func (h *Home) permits(o *Home) string {
	has4 := func(h *Home) bool { return len(h.NAT) > 0 || !h.IPv6 }
	has6 := func(h *Home) bool { return h.IPv6 || len(h.NAT) == 0 }
	switch {
	case has6(h) && has6(o):
		return "yes"
	case !has4(h) || !has4(o):
		return "never"
	}
	a, b := h.whole(), o.whole()
	switch permitted, predicted := Permits(&a, &b); {
	case permitted && predicted:
		return "predicted"
	case permitted:
		return "yes"
	}
	return "no"
}

// whole returns a NAT that behaves for IPv4 as all boxes of a home together.
func (h *Home) whole() NAT {
	if len(h.NAT) == 0 {
		return NAT{Mapped: true}
	}
	n := h.NAT[0]
	for _, o := range h.NAT[1:] {
		n.Mapped = n.Mapped && o.Mapped
		n.Filter = max(n.Filter, o.Filter)
		n.Mapping = max(n.Mapping, o.Mapping)
		n.Ports = o.Ports
	}
	return n
}

// rows writes the result for people.
func (r *NATResult) rows(row func(name, format string, args ...any)) {
	row("first audio", "%.2f s mean, %.2f s median, %.2f s last", r.PlayedMeanS, r.PlayedP50S, r.PlayedMaxS)
	for _, k := range r.Kinds {
		row("  "+k.Kind, "%d of %d played, first audio %.2f s median, %.2f s last, chunks on time %.3f %% mean, %.3f %% worst", k.Played,
			k.Listeners, k.P50S, k.MaxS, 100*k.OnTime, 100*k.OnTimeMin)
	}
	if r.SeedAtS > 0 {
		row("without the seed", "since %.0f s: %.3f %% on time mean, %.3f %% worst", r.SeedAtS, 100*r.AfterMean, 100*r.AfterMin)
	}
	if len(r.Never) > 0 {
		row("never played", "%s", strings.Join(r.Never, ", "))
	}
	for _, p := range r.Pairs {
		line := fmt.Sprintf("permitted: %s; %d of %d linked, %.2f s median, %.2f s last, %d PUNCH", p.Permitted, p.Linked, p.Tried, p.P50S,
			p.MaxS, p.Punches)
		if len(p.Missed) > 0 {
			line += "; missed: " + strings.Join(p.Missed, ", ")
		}
		row("  "+p.A+" - "+p.B, "%s", line)
	}
	row("boxes", "%d packets out, %d in, %d refused, %d dropped by full boxes; %d entries in the fullest", r.Boxes.Out, r.Boxes.In,
		r.Boxes.Refused, r.Boxes.Full, r.Boxes.Entries)
}
