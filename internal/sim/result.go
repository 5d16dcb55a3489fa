// SPDX-License-Identifier: MIT

package sim

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"streamer/internal/mono"
)

// A Result is what a run measured, and under which conditions. Shares are between 0 and 1. A chunk is on time when a listener who plays
// without a pause from his first one on heard it (see player); lag is the time from its publication to its arrival.
type Result struct {
	Scenario   string     `json:"scenario"`
	About      string     `json:"about"`
	Seed       uint64     `json:"seed"`
	Repeat     string     `json:"repeat,omitempty"` // the command
	Conditions Conditions `json:"conditions"`

	OnTimeMean   float64 `json:"on_time_mean"`
	OnTimeP1     float64 `json:"on_time_p1"`  // of the listener below which 1 % of all are
	WithinMean   float64 `json:"within_mean"` // chunks that came within the play delay after their publication
	WithinP1     float64 `json:"within_p1"`
	Missing      uint64  `json:"missing"`    // audio chunks that listeners never got, of those due
	Late         uint64  `json:"late"`       // silence of those who waited for audio, in chunks
	Duplicates   float64 `json:"duplicates"` // chunks received again / chunks received
	Repaired     float64 `json:"repaired"`   // chunks that came on request / chunks received
	HopsP50      int     `json:"hops_p50"`
	HopsP99      int     `json:"hops_p99"`
	LagP50MS     int     `json:"lag_p50_ms"`
	LagP99MS     int     `json:"lag_p99_ms"`
	DelayP50MS   float64 `json:"play_delay_p50_ms"` // from publication to being heard, of each listener when it went or the run ended
	DelayP99MS   float64 `json:"play_delay_p99_ms"`
	StartupP50MS float64 `json:"startup_p50_ms"` // from tuning in to the first audio
	StartupP95MS float64 `json:"startup_p95_ms"`
	RefillP50MS  float64 `json:"refill_p50_ms"` // of the buffer, that the loss of a parent cost
	RefillP95MS  float64 `json:"refill_p95_ms"`
	Refills      int     `json:"refills"`
	RefillLost   uint64  `json:"refill_lost"`   // chunks that these children did not get on time, of those from 0.5 s before to 3 s after
	RefillHurt   uint64  `json:"refill_hurt"`   // children that lost any
	Replaced     int     `json:"replaced"`      // listeners, by churn
	Ended        int     `json:"ended"`         // listeners that heard the end of the stream
	SourceEgress float64 `json:"source_egress"` // bytes of IP packets that the source sent / bytes of audio
	Overhead     float64 `json:"overhead"`      // bytes of IP packets that anybody sent / bytes of chunks that anybody received - 1

	Kinds []Kind `json:"kinds"` // what the bytes that were sent are for, the most first

	WallS        float64 `json:"wall_s"`
	BytesPerNode uint64  `json:"bytes_per_node"`
	Events       uint64  `json:"events"`
	Datagrams    uint64  `json:"datagrams"` // delivered
	Lost         uint64  `json:"lost"`      // by the internet
	Dropped      uint64  `json:"dropped"`   // by full queues and hosts that are down
	Checked      uint64  `json:"checked"`   // chunks pushed in the sight of the checkers: those of nodes without a cap, and what anybody sent to impostors
	Witnessed    uint64  `json:"witnessed"` // chunks and manifests that honest nodes sent to impostors, likewise checked
	Lies         uint64  `json:"lies"`      // payloads that hostile nodes changed or invented
	Looping      uint64  `json:"looping"`   // hosts found in a loop, over all samples
	Trace        string  `json:"trace"`     // SHA-256

	Happened []Happening `json:"happened,omitempty"`
	Classes  []Class     `json:"classes"`

	NAT *NATResult `json:"nat,omitempty"` // where boxes stand between hosts

	Failures  []string  `json:"failures"`
	Broken    []Failure `json:"-"` // the same
	Explained []string  `json:"explained,omitempty"`
	Pictures  Pictures  `json:"-"`
}

// Conditions are what a figure is worth nothing without.
type Conditions struct {
	Nodes         int     `json:"nodes"`
	DurationS     float64 `json:"duration_s"`
	BitrateBPS    int64   `json:"bitrate_bps"`
	PlayDelayMS   int64   `json:"play_delay_ms"` // of within_mean
	Loss          float64 `json:"loss"`
	LossBurst     uint32  `json:"loss_burst"`
	ResourceIndex float64 `json:"resource_index"`          // upload offered / needed, in bytes of IP packets; 0: some offer no limit
	IndexMeasured float64 `json:"resource_index_measured"` // likewise, with the overhead that the run had
	Churn         float64 `json:"churn"`                   // share of the audience replaced in a minute
	SettledS      float64 `json:"settled_s"`               // figures are from then on
	Faults        string  `json:"faults"`
	Without       string  `json:"without"` // mechanisms, joined by +
}

// A Happening is something that happened to a gathered audience, and what those who were there before it had in that time and
// the windowAfter that follow.
type Happening struct {
	What      string  `json:"what"`
	AtS       float64 `json:"at_s"`
	Again     int     `json:"again,omitempty"` // so many times more; figures are of all together
	OnTime    float64 `json:"on_time"`
	Due       uint64  `json:"due"` // chunks
	againS    []float64
	Newcomers int `json:"newcomers,omitempty"`
	// How long those waited for their first audio; one that never had any, so far.
	StartupP50MS float64 `json:"startup_p50_ms,omitempty"`
	StartupP95MS float64 `json:"startup_p95_ms,omitempty"`
	StartupP99MS float64 `json:"startup_p99_ms,omitempty"`
}

// A Class is a group of hosts and what became of its upload.
type Class struct {
	Name      string  `json:"name"`
	Hosts     int     `json:"hosts"`
	UploadBPS int64   `json:"upload_bps"` // -1: without a cap
	SentBPS   float64 `json:"sent_bps"`   // IP packets of everything, by the mean host while it was up
	Used      float64 `json:"used"`       // of its upload; 0: it has no cap
}

// A Kind is a kind of bytes on the wire, as package wire names it.
type Kind struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // bytes that honest nodes sent / bytes of chunks that anybody received
}

// result adds up the figures.
func (w *World) result() Result {
	m := &w.measure
	r := Result{
		Scenario: w.scenario.Name, About: w.scenario.About, Seed: w.seed, Repeat: w.options.Repeat, Conditions: w.conditions(),
		Missing: m.missing, Late: m.late, Looping: m.looping, Checked: w.count.forwarded, Witnessed: w.count.witnessed, Lies: m.lies,
		HopsP50: percentile(m.hops[:], 500), HopsP99: percentile(m.hops[:], 990),
		LagP50MS: percentile(m.lag[:], 500), LagP99MS: percentile(m.lag[:], 990),
		Refills: len(m.refills), RefillLost: m.lost.chunks, RefillHurt: m.lost.children, Ended: m.ended,
		Events: w.count.events, Datagrams: w.count.delivered, Lost: w.count.lost, Dropped: w.count.dropped,
		Trace: w.trace.digest(), Failures: []string{},
	}
	r.OnTimeMean, r.OnTimeP1 = meanAndWorst(m.shares)
	r.WithinMean, r.WithinP1 = meanAndWorst(m.within)
	delays := sorted(m.delays)
	r.DelayP50MS, r.DelayP99MS = durationAt(delays, 500), durationAt(delays, 990)
	startup, refills := m.waits(mono.Time(w.scenario.Settled), mono.Never), sorted(m.refills)
	if len(startup) == 0 {
		startup = m.waits(0, mono.Never)
	}
	r.StartupP50MS, r.StartupP95MS = durationAt(startup, 500), durationAt(startup, 950)
	r.RefillP50MS, r.RefillP95MS = durationAt(refills, 500), durationAt(refills, 950)
	r.Duplicates = ratio(m.repeated, m.received)
	r.Repaired = ratio(m.repaired, m.received)
	var audio uint64
	for i := max(0, w.published.at(mono.Time(w.scenario.Settled))); i < len(w.published.chunks); i++ {
		audio += uint64(len(w.published.chunks[i].Data))
	}
	r.SourceEgress = ratio(m.sourceIP, audio)
	r.Replaced = m.replaced
	r.Happened, r.Classes = m.happened(), w.classes()
	r.Overhead = ratio(m.allIP, m.payload) - 1
	r.Kinds = m.kindShares()
	r.Conditions.IndexMeasured = r.Conditions.ResourceIndex * wirePercent / 100 / max(1, 1+r.Overhead)
	for _, f := range w.failures {
		r.Failures = append(r.Failures, f.String())
		r.Broken = append(r.Broken, f)
	}
	for _, f := range w.explained {
		r.Explained = append(r.Explained, f.String())
	}
	return r
}

// meanAndWorst returns the mean of listeners' shares and that of the first percentile; it sorts them.
func meanAndWorst(shares []share) (mean, p1 float64) {
	if len(shares) == 0 {
		return 0, 0
	}
	slices.SortFunc(shares, func(a, b share) int { return cmp.Compare(a.onTime*b.due, b.onTime*a.due) })
	for _, s := range shares {
		mean += s.ratio()
	}
	return mean / float64(len(shares)), shares[len(shares)/100].ratio()
}

func (w *World) conditions() Conditions {
	s := &w.scenario
	var faults []string
	for i := 0; i < len(s.Faults); {
		f, times := &s.Faults[i], 1
		for i++; i < len(s.Faults) && s.Faults[i].Again; i++ {
			times++
		}
		text := fmt.Sprintf("%v at %v", f.Kind, f.At)
		if times > 1 {
			text += fmt.Sprintf(" and %d times more", times-1)
		}
		faults = append(faults, text)
	}
	return Conditions{
		Nodes: s.Nodes, DurationS: s.Duration.Seconds(), BitrateBPS: s.BitrateBPS, PlayDelayMS: s.PlayDelay.Milliseconds(),
		Loss: float64(s.Path.LossPPM) / million, LossBurst: s.Path.LossBurst, ResourceIndex: w.resourceIndex(),
		Churn: float64(s.Churn.Permille) / 1000, SettledS: s.Settled.Seconds(),
		Faults: strings.Join(faults, ", "), Without: strings.Join(s.Without.Names(), "+"),
	}
}

// happened says what each thing that happened did to those who were there, and how newcomers fared.
func (m *measure) happened() []Happening {
	var all []Happening
	for i := range m.windows {
		v := &m.windows[i]
		h := Happening{What: v.what, AtS: v.from.Seconds(), Again: len(v.again), Due: v.due}
		for _, at := range v.again {
			h.againS = append(h.againS, at.Seconds())
		}
		if v.due > 0 {
			h.OnTime = v.ratio()
		}
		if v.arrivals != nil {
			waits := m.waits(mono.Time(v.from), mono.Time(v.to-windowAfter)+1)
			h.Newcomers = len(waits)
			h.StartupP50MS, h.StartupP95MS, h.StartupP99MS = durationAt(waits, 500), durationAt(waits, 950), durationAt(waits, 990)
		}
		all = append(all, h)
	}
	return all
}

// classes says what became of each group's upload.
func (w *World) classes() []Class {
	all := make([]Class, len(w.scenario.Groups))
	for i := range all {
		g, tally := &w.scenario.Groups[i], &w.measure.classes[i]
		all[i] = Class{Name: g.Name, UploadBPS: g.UploadBPS}
		if tally.samples > 0 {
			all[i].SentBPS = float64(tally.sent) * 8 / (float64(tally.samples) * samplePeriod.Seconds())
		}
		if g.UploadBPS > 0 {
			all[i].Used = all[i].SentBPS / float64(g.UploadBPS)
		}
	}
	for i := 1; i <= w.scenario.Nodes; i++ {
		all[w.hosts[i].class].Hosts++
	}
	return all
}

// resourceIndex is the upload that all offer over what all need: the rate of the audio and a tenth for what goes with it.
func (w *World) resourceIndex() float64 {
	var offered int64
	for i := range w.hosts[:w.scenario.Nodes+1] {
		g := w.hosts[i].group
		up := g.UploadBPS
		if up < 0 || g.Line.UpBPS > 0 && g.Line.UpBPS < up {
			up = g.Line.UpBPS
			if up == 0 {
				return 0
			}
		}
		offered += up
	}
	return float64(offered) / (float64(w.scenario.Nodes) * float64(w.scenario.BitrateBPS) * wirePercent / 100)
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Err returns what the checkers found, or nil.
func (r *Result) Err() error {
	if len(r.Failures) == 0 {
		return nil
	}
	return fmt.Errorf("scenario %s with seed %d failed:\n  %s\nrepeat it with: %s", r.Scenario, r.Seed,
		strings.Join(r.Failures, "\n  "), r.Repeat)
}

// Table writes the result for people.
func (r *Result) Table(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	c := &r.Conditions
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("scenario", "%s, seed %d: %d nodes, %v s, %d kbit/s, play delay %d ms, loss %.1f %%, resource index %.2f", r.Scenario,
		r.Seed, c.Nodes, c.DurationS, c.BitrateBPS/1000, c.PlayDelayMS, 100*c.Loss, c.ResourceIndex)
	if c.Faults != "" {
		row("faults", "%s", c.Faults)
	}
	if c.Without != "" {
		row("without", "%s", c.Without)
	}
	row("chunks on time", "%.4f %% mean, %.4f %% worst 1 %% of listeners; %d missing, %d of silence", 100*r.OnTimeMean, 100*r.OnTimeP1,
		r.Missing, r.Late)
	row("heard", "%.0f ms after publication median, %.0f ms p99; %.4f %% of the chunks came within %d ms", r.DelayP50MS, r.DelayP99MS, 100*r.WithinMean, c.PlayDelayMS)
	row("lag", "%d ms median, %d ms p99", r.LagP50MS, r.LagP99MS)
	row("hops", "%d median, %d p99", r.HopsP50, r.HopsP99)
	row("startup", "%.0f ms median, %.0f ms p95", r.StartupP50MS, r.StartupP95MS)
	for i := range r.Happened {
		h := &r.Happened[i]
		when := fmt.Sprintf("at %.0f s", h.AtS)
		if h.Again > 0 {
			when += fmt.Sprintf(" and %d times more", h.Again)
		}
		row(h.What, "%s: %.4f %% on time for those who were there, until 10 s after", when, 100*h.OnTime)
		if h.Newcomers > 0 {
			row("", "%d newcomers waited %.0f ms median, %.0f ms p95, %.0f ms p99", h.Newcomers, h.StartupP50MS, h.StartupP95MS, h.StartupP99MS)
		}
	}
	if r.Replaced > 0 {
		row("churn", "%.0f %% a minute, %d replaced", 100*c.Churn, r.Replaced)
	}
	for i := range r.Classes {
		k := &r.Classes[i]
		row("upload", "%s: %d hosts sent %.0f kbit/s in the mean, %.0f %% of what they have", k.Name, k.Hosts, k.SentBPS/1000, 100*k.Used)
	}
	row("refill", "%.0f ms median, %.0f ms p95, of %d children that lost a parent; %d chunks not on time, of %d children", r.RefillP50MS,
		r.RefillP95MS, r.Refills, r.RefillLost, r.RefillHurt)
	row("source sends", "%.2f x the audio", r.SourceEgress)
	row("overhead", "%.1f %% of the audio; duplicates %.2f %%, repaired %.2f %%", 100*r.Overhead, 100*r.Duplicates, 100*r.Repaired)
	row("sent", "%s %% of the audio", r.kindsText())
	if r.Lies > 0 {
		row("hostile nodes", "%d payloads changed or invented; %d chunks checked as honest nodes forwarded them, %d messages as they came to hostile ones",
			r.Lies, r.Checked, r.Witnessed)
	}
	row("run", "%.1f s, %d events, %d datagrams, %d lost, %d dropped, %d bytes a node", r.WallS, r.Events, r.Datagrams, r.Lost,
		r.Dropped, r.BytesPerNode)
	if r.NAT != nil {
		r.NAT.rows(row)
	}
	row("trace", "%s", r.Trace)
	for _, f := range r.Explained {
		row("", "%s", f)
	}
	for _, f := range r.Failures {
		row("FAILED", "%s", f)
	}
	if len(r.Failures) > 0 {
		row("repeat", "%s", r.Repeat)
	}
	return t.Flush()
}
