// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A DiscoveryResult is what a run of a DiscoveryScenario measured. Shares are in permille.
type DiscoveryResult struct {
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
	Repeat   string `json:"repeat,omitempty"` // the command

	Nodes           int     `json:"nodes"`
	Hostile         int     `json:"hostile"`
	HostileNetworks int     `json:"hostile_networks"`
	Stations        int     `json:"stations"`
	HostsMax        int     `json:"hosts_max"`
	DurationS       float64 `json:"duration_s"`
	LossPermille    int     `json:"loss_permille"`
	ChurnPermille   int     `json:"churn_permille_per_minute"`
	Warm            bool    `json:"warm"`

	New      Spread `json:"new"`       // from the signature of a new station to a node's knowing it
	Off      Spread `json:"off"`       // from signing off to a node's showing it
	Healed   Spread `json:"healed"`    // from the end of a partition to knowing the other half's new stations
	Offline  Spread `json:"offline"`   // from a source's death to a node's showing its station offline
	Gone     Spread `json:"gone"`      // from a source's death to a node's having forgotten its station
	JoinedIn Spread `json:"joined_in"` // from a newcomer's start to knowing all stations; unmet: not within 5 minutes

	HeardP50       int `json:"heard_p50"`        // Heard / truth, for stations with at least 1 % of all listeners
	HeardOffP50    int `json:"heard_off_p50"`    // Heard off from what the hosts that answered are tuned to now
	AudienceOffP50 int `json:"audience_off_p50"` // estimate of the audience off from the truth
	AudienceOffP90 int `json:"audience_off_p90"`
	SizeP50        int `json:"size_p50"`     // estimate of the number of nodes / truth
	SizeOffP50     int `json:"size_off_p50"` // estimate of the number of nodes off from the truth
	SizeOffP90     int `json:"size_off_p90"`
	Top10P50       int `json:"top10_p50"` // stations of a node's first ten that belong there
	DeadMax        int `json:"dead_max"`  // stations on the air that one node shows offline, at most
	LiedP50        int `json:"lied_p50"`  // estimate for the station that hostile nodes claim / all nodes
	LiedP90        int `json:"lied_p90"`

	Judged         int `json:"judged"` // honest nodes that were looked at
	Eclipsed       int `json:"eclipsed"`
	HostileHostP50 int `json:"hostile_host_p50"` // share of hostile hosts among those that answer a node
	HostileHostP99 int `json:"hostile_host_p99"`

	BytesPerS    float64 `json:"bytes_per_s"` // of IP packets that a node sent, in the last minute
	ExchangesPer float64 `json:"exchanges_per_s"`
	FailedShare  int     `json:"failed_permille"`
	BytesPerNode uint64  `json:"bytes_per_node"` // of memory
	Events       uint64  `json:"events"`
	WallS        float64 `json:"wall_s"`
}

// Spread is how long something took on all nodes, in seconds.
type Spread struct {
	Count int     `json:"count"` // nodes and stations
	Unmet int     `json:"unmet"` // of those that lived to the end
	P50S  float64 `json:"p50_s"`
	P95S  float64 `json:"p95_s"`
	P99S  float64 `json:"p99_s"`
	AllS  float64 `json:"all_s"`
}

func spreadOf(d []time.Duration, unmet int) Spread {
	d = slices.Sorted(slices.Values(d))
	if len(d) == 0 {
		return Spread{Unmet: unmet}
	}
	at := func(permille int) float64 { return d[(len(d)-1)*permille/1000].Seconds() }
	return Spread{len(d), unmet, at(500), at(950), at(990), d[len(d)-1].Seconds()}
}

// result adds up the figures.
func (d *discovery) result() DiscoveryResult {
	m, s := &d.measure, &d.s
	l, e := &m.listeners, &m.eclipse
	r := DiscoveryResult{
		Scenario: s.Name, Seed: d.seed, Nodes: s.Nodes, Hostile: len(d.nodes) - s.Nodes, HostileNetworks: s.HostileNetworks,
		Stations: s.Stations, HostsMax: s.HostsMax, DurationS: s.Duration.Seconds(), LossPermille: s.LossPPM / 1000,
		ChurnPermille: s.ChurnPermille, Warm: s.Warm,
		New: spreadOf(m.times[watchNew], m.unmet(d, watchNew)), Off: spreadOf(m.times[watchOff], m.unmet(d, watchOff)),
		Healed:  spreadOf(m.times[watchHealed], m.unmet(d, watchHealed)),
		Offline: spreadOf(m.offline, 0), Gone: spreadOf(m.gone, 0), JoinedIn: spreadOf(m.joinedAll, m.joinLate),
		HeardP50: permilleAt(l.heard, 500), HeardOffP50: permilleAt(l.heardOff, 500),
		AudienceOffP50: permilleAt(l.audience, 500), AudienceOffP90: permilleAt(l.audience, 900),
		SizeP50: permilleAt(l.sizes, 500), SizeOffP50: permilleAt(l.size, 500), SizeOffP90: permilleAt(l.size, 900), Top10P50: permilleAt(l.top, 500),
		DeadMax: permilleAt(l.dead, 1000), LiedP50: permilleAt(l.lied, 500), LiedP90: permilleAt(l.lied, 900),
		Judged: e.nodes, Eclipsed: e.eclipsed, HostileHostP50: permilleAt(e.hostile, 500), HostileHostP99: permilleAt(e.hostile, 990),
		Events: m.events,
	}
	if span := d.now.Sub(m.steadyAt).Seconds(); m.steadyAt > 0 && span > 0 {
		honest := float64(s.Nodes - s.Seeds)
		r.BytesPerS = float64(m.bytes-m.steadyBytes) / span / honest
		r.ExchangesPer = float64(m.exchanges-m.steadyExchanges) / span / float64(s.Nodes)
	}
	r.FailedShare = int(m.failed * 1000 / max(1, m.failed+m.exchanges))
	if s.MeasureMemory {
		heap := heapBytes()
		r.BytesPerNode = (heap - min(heap, m.heapStart)) / uint64(len(d.nodes))
	}
	return r
}

func permilleAt(v []int, permille int) int {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[(len(v)-1)*permille/1000]
}

// Table writes the result for people.
func (r *DiscoveryResult) Table(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	spread := func(name string, s Spread) {
		if s.Count+s.Unmet > 0 {
			row(name, "%.1f s median, %.1f s 95 %%, %.1f s 99 %%, %.1f s all of %d; %d never", s.P50S, s.P95S, s.P99S, s.AllS, s.Count, s.Unmet)
		}
	}
	start := "cold"
	if r.Warm {
		start = "warm"
	}
	row("scenario", "%s, seed %d: %d nodes, %s, %d hostile in %d networks, %d stations, %v s, %d hosts each, loss %.1f %%, churn %.1f %% a minute",
		r.Scenario, r.Seed, r.Nodes, start, r.Hostile, r.HostileNetworks, r.Stations, r.DurationS, r.HostsMax, float64(r.LossPermille)/10, float64(r.ChurnPermille)/10)
	spread("a new station known", r.New)
	spread("signed off shown", r.Off)
	spread("halves one again", r.Healed)
	spread("silent shown offline", r.Offline)
	spread("silent forgotten", r.Gone)
	spread("newcomer knows all", r.JoinedIn)
	if r.Judged > 0 {
		row("listeners heard", "%.1f %% of the truth; off by %.1f %% from what those heard are tuned to", tenth(r.HeardP50), tenth(r.HeardOffP50))
		row("audience estimate", "off by %.1f %% median, %.1f %% p90; network size %.1f %% of the truth, off by %.1f %%, %.1f %%; %d of the first 10 stations right; at most %d stations wrongly offline",
			tenth(r.AudienceOffP50), tenth(r.AudienceOffP90), tenth(r.SizeP50), tenth(r.SizeOffP50), tenth(r.SizeOffP90), r.Top10P50, r.DeadMax)
		row("eclipsed", "%d of %d honest nodes; hostile among those that answer: %.1f %% median, %.1f %% p99", r.Eclipsed, r.Judged,
			tenth(r.HostileHostP50), tenth(r.HostileHostP99))
	}
	if r.LiedP90 > 0 {
		row("claimed listeners", "%.1f %% of all nodes median, %.1f %% p90", tenth(r.LiedP50), tenth(r.LiedP90))
	}
	row("traffic", "%.0f B/s sent by a node, %.2f exchanges/s begun; %.1f %% of asks failed", r.BytesPerS, r.ExchangesPer, tenth(r.FailedShare))
	row("run", "%.1f s, %d events, %d bytes a node", r.WallS, r.Events, r.BytesPerNode)
	return t.Flush()
}

func tenth(permille int) float64 { return float64(permille) / 10 }
