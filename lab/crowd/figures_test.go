// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"streamer/lab/netlab"
)

// A window is the time that figures are of.
type window struct {
	from   time.Time
	near   time.Time // since when all strong nodes are near the source; zero: they are not
	source netlab.Counts
	sent   []netlab.Counts // of each seat
	busy   [3]uint64
}

// figures are what the simulator measures too, as far as the nodes of the lab and the router tell.
type figures struct {
	Took          time.Duration
	Lives         int
	OnTime, Worst float64 // share of chunks that were there in time: of the mean listener, of the worst
	Within        float64 // share of looks at which nothing was missing but the last PlayDelay: of the mean listener
	WithinWorst   float64
	Due, Missing  uint64
	Newcomers     uint64  // chunks missing of those who came in the window
	Silent        float64 // share of looks that found a listener without audio ahead
	Deaf          int     // listeners that never heard anything
	Hops50        int
	Hops99        int
	Lag50, Lag99  float64 // ms
	Startup       []time.Duration
	Refill        []time.Duration // until all classes come from others
	Cost          []time.Duration // of the buffer
	Unrefilled    int             // children that were not fed all classes while they were watched
	Lost          uint64          // chunks of children whose parent went
	Egress        float64         // bytes that the source sent / bytes of audio
	Overhead      float64
	Duplicates    float64
	Repaired      float64
	Groups        []groupFigures
	Busy, Stolen  float64 // of the machine's cores
	Still         float64 // share of the time in which a core did not serve
	Longest       time.Duration
}

type groupFigures struct {
	Name      string
	Hosts     int
	UploadBPS int64
	SentBPS   float64
}

// begin begins the figures: what was before was a beginning.
func (c *crowd) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.from, c.window.source, c.window.busy = time.Now(), c.source.host.Sent(), busy()
	c.window.sent = nil
	for _, s := range c.seats {
		c.window.sent = append(c.window.sent, s.host.Sent())
	}
	c.refills = nil
	for _, r := range append(c.lives, c.source) {
		r.base = r.last
		r.hops, r.lags, r.looks, r.silences = nil, nil, 0, 0
	}
	if c.window.sent == nil {
		return
	}
	c.lives = slices.DeleteFunc(c.lives, func(r *running) bool { return !r.alive() })
}

// figures are those since begin.
func (c *crowd) figures() figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.window
	f := figures{Took: time.Since(w.from), Lives: len(c.lives), Worst: 1}
	var received, repaired, duplicate, payload, sent uint64
	var hops []int
	var lags, within []float64
	looks, silences, heard := 0, 0, 0
	rate := c.rate()
	for _, r := range c.lives {
		got, missing := r.last.Chunks.Received-r.base.Chunks.Received, r.last.Chunks.Missing-r.base.Chunks.Missing
		received, f.Missing, f.Due = received+got, f.Missing+missing, f.Due+got+missing
		repaired += r.last.Chunks.Repaired - r.base.Chunks.Repaired
		duplicate += r.last.Chunks.Duplicate - r.base.Chunks.Duplicate
		payload += r.last.Bytes.PayloadIn - r.base.Bytes.PayloadIn
		hops, lags = append(hops, r.hops...), append(lags, r.lags...)
		looks, silences = looks+r.looks, silences+r.silences
		if len(r.lags) > 0 {
			within = append(within, c.within(r.lags))
		}
		due, tuned := got+missing, c.tuned(r)
		if r.heard < 0 && tuned > 0 {
			f.Deaf++
		}
		// One that is cut off does not know what it misses; what is on its way it will.
		if owed := uint64(tuned.Seconds() * rate); due+uint64(owedSlack.Seconds()*rate) < owed {
			f.Missing, f.Due = f.Missing+owed-due, f.Due+owed-due
			missing, due = missing+owed-due, owed
		}
		if due == 0 {
			continue
		}
		if r.began.After(w.from) {
			f.Newcomers += missing
		}
		share := 1 - ratio(missing, due)
		heard++
		f.OnTime += share
		f.Worst = min(f.Worst, share)
		if r.heard >= 0 {
			f.Startup = append(f.Startup, r.heard)
		}
	}
	f.OnTime /= float64(max(1, heard))
	for _, share := range within {
		f.Within += share / float64(len(within))
	}
	f.WithinWorst = at(within, 0)
	f.Silent = ratio(uint64(silences), uint64(looks))
	f.Hops50, f.Hops99 = at(hops, 500), at(hops, 990)
	f.Lag50, f.Lag99 = at(lags, 500), at(lags, 990)
	source := c.source.host.Sent().Sub(w.source).Bytes
	sent = source
	f.Groups = c.groups(&sent)
	audio := f.Took.Seconds() * float64(c.s.BitrateBPS) / 8
	f.Egress = float64(source) / audio
	f.Overhead = ratio(sent, payload) - 1
	f.Duplicates, f.Repaired = ratio(duplicate, received), ratio(repaired, received)
	for _, r := range c.refills {
		f.Lost += r.lost
		f.Cost = append(f.Cost, r.cost)
		if r.took < 0 {
			f.Unrefilled++
			continue
		}
		f.Refill = append(f.Refill, r.took)
	}
	f.Busy, f.Stolen = load(w.busy, busy())
	f.Still, f.Longest = c.stalls.Since(w.from).Seconds()/f.Took.Seconds(), c.stalls.Longest(w.from)
	return f
}

// within is the share of lags that are no longer than the play delay.
func (c *crowd) within(lags []float64) float64 {
	n := 0
	for _, lag := range lags {
		if lag <= millis(c.s.PlayDelay) {
			n++
		}
	}
	return ratio(uint64(n), uint64(len(lags)))
}

// owedSlack is how long chunks may be on their way before a node that has heard nothing of them is taken to miss them.
const owedSlack = 6 * time.Second

// rate is how many chunks the station has in a second, by the size of those that listeners got.
func (c *crowd) rate() float64 {
	var got, bytes uint64
	for _, r := range c.lives {
		got, bytes = got+r.last.Chunks.Received, bytes+r.last.Bytes.PayloadIn
	}
	if got == 0 {
		return 1 // somebody is owed something
	}
	return float64(c.s.BitrateBPS) / 8 / (float64(bytes) / float64(got))
}

// tuned is for how long of the window a node should have heard the station.
func (c *crowd) tuned(r *running) time.Duration {
	from, to := r.began.Add(startupGrace), r.at
	if r.alive() {
		to = time.Now()
	}
	if r.heard >= 0 {
		from = r.began.Add(r.heard)
	}
	if from.Before(c.window.from) {
		from = c.window.from
	}
	return max(0, to.Sub(from))
}

// groups are the figures of each group; what all have sent is added to sent.
func (c *crowd) groups(sent *uint64) []groupFigures {
	groups := make([]groupFigures, len(c.s.Groups))
	for i, s := range c.seats {
		bytes := s.host.Sent().Sub(c.window.sent[i]).Bytes
		*sent += bytes
		g := &groups[s.place.Group]
		g.Hosts++
		g.SentBPS += float64(bytes) * 8 / time.Since(c.window.from).Seconds()
	}
	for i := range groups {
		groups[i].Name, groups[i].UploadBPS = c.s.Groups[i].Name, c.s.Groups[i].UploadBPS
		groups[i].SentBPS /= float64(max(1, groups[i].Hosts))
	}
	return groups
}

func ratio(a, b uint64) float64 { return float64(a) / float64(max(b, 1)) }

// at is the permille-th of a list; the zero value of none.
func at[T cmp.Ordered](list []T, permille int) (v T) {
	if len(list) == 0 {
		return v
	}
	list = slices.Sorted(slices.Values(list))
	return list[min(len(list)*permille/1000, len(list)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// busy is what the machine's cores did so far: work, theft by the machine's other guests, all, in ticks.
func busy() (ticks [3]uint64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(line) {
		var n uint64
		if _, err := fmt.Sscan(field, &n); err != nil || i > 8 {
			continue
		}
		ticks[2] += n
		switch i { // cpu user nice system idle iowait irq softirq steal
		case 4, 5:
		case 8:
			ticks[1] += n
		default:
			ticks[0] += n
		}
	}
	return ticks
}

func load(from, to [3]uint64) (work, stolen float64) {
	all := to[2] - from[2]
	return ratio(to[0]-from[0], all), ratio(to[1]-from[1], all)
}

// String says everything in one paragraph.
func (f *figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d listeners: on time %.4f mean, %.4f worst; within the play delay %.4f mean, %.4f worst; %d of %d chunks missing, %d of them by newcomers; silent %.4f, never heard %d; hops %d p50 %d p99; "+
		"lag %.0f p50 %.0f p99 ms; startup %v p50 %v p95; egress %.2f; overhead %.3f duplicates %.4f repaired %.4f",
		f.Took.Round(time.Second), f.Lives, f.OnTime, f.Worst, f.Within, f.WithinWorst, f.Missing, f.Due, f.Newcomers, f.Silent, f.Deaf, f.Hops50, f.Hops99, f.Lag50, f.Lag99,
		ms(at(f.Startup, 500)), ms(at(f.Startup, 950)), f.Egress, f.Overhead, f.Duplicates, f.Repaired)
	fmt.Fprintf(&b, "; refill %v p50 %v p95 of %d, %d not refilled, cost %v p50 %v p95, %d chunks lost", ms(at(f.Refill, 500)), ms(at(f.Refill, 950)),
		len(f.Cost), f.Unrefilled, ms(at(f.Cost, 500)), ms(at(f.Cost, 950)), f.Lost)
	for _, g := range f.Groups {
		fmt.Fprintf(&b, "; %s: %d hosts sent %.0f of %d kbit/s", g.Name, g.Hosts, g.SentBPS/1000, g.UploadBPS/1000)
	}
	fmt.Fprintf(&b, "; cores %.0f %% busy, %.0f %% stolen; one stood still for %.1f %% of the time, at most %v", 100*f.Busy, 100*f.Stolen, 100*f.Still,
		ms(f.Longest))
	return b.String()
}
