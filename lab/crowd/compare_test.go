// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
)

// play lets a scenario happen, as far as the lab can, and returns the figures.
func (c *crowd) play() figures {
	c.t.Helper()
	c.gather(c.s.Settled)
	c.begin()
	for {
		at, do := c.next()
		if at >= c.s.Duration {
			break
		}
		c.until(at)
		do()
	}
	c.until(c.s.Duration)
	return c.figures()
}

// next is what happens next: a fault, or one listener's end by churn. The end of sessions is memoryless, so that the next of
// all is drawn from now on, and may be forgotten when a fault comes first.
func (c *crowd) next() (at time.Duration, do func()) {
	now := time.Since(c.began)
	at, do = c.s.Duration, func() {}
	for i := range c.s.Faults {
		if c.struck <= i && c.s.Faults[i].At < at {
			at, do = c.s.Faults[i].At, func() { c.strike(&c.s.Faults[i]); c.struck = i + 1 }
			break
		}
	}
	if churn := &c.s.Churn; churn.Permille > 0 && (churn.Until == 0 || now < churn.Until) {
		mean := float64(time.Minute) * 1000 / float64(churn.Permille) / float64(max(1, len(c.listeners())))
		if goes := max(now, churn.From) + time.Duration(c.random.ExpFloat64()*mean); goes < at && (churn.Until == 0 || goes < churn.Until) {
			at, do = goes, func() {
				if r := c.anybody(); r != nil {
					c.replace(r, c.random.IntN(1000) < churn.Polite)
				}
			}
		}
	}
	return at, do
}

// strike has a fault happen.
func (c *crowd) strike(f *sim.Fault) {
	if f.Kind != sim.FaultCrash && f.Kind != sim.FaultLeave || f.Network.IsValid() {
		c.t.Fatalf("the lab's crowds know no fault %v", f.Kind)
	}
	able := c.listeners()
	able = slices.DeleteFunc(able, func(r *running) bool { return f.Group != "" && c.s.Groups[r.seat.place.Group].Name != f.Group })
	c.random.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
	if f.Feeding {
		slices.SortStableFunc(able, func(a, b *running) int { return len(b.last.Children) - len(a.last.Children) })
	}
	count := f.Count
	if f.Permille > 0 {
		count = len(able) * f.Permille / 1000
	}
	for _, r := range able[:min(count, len(able))] {
		c.part(r, f.Kind == sim.FaultLeave)
	}
}

// simulate runs the scenario in the simulator of the program under test, with the same seed.
func simulate(t *testing.T, f *sim.File, nodes int, seed uint64) sim.Result {
	t.Helper()
	dir := t.TempDir()
	path, out := filepath.Join(dir, filepath.Base(strings.TrimSuffix(f.Name, ".toml"))+".toml"), filepath.Join(dir, "result.json")
	if err := os.WriteFile(path, f.Text(), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"sim", path, "--nodes", fmt.Sprint(nodes), "--seed", fmt.Sprint(seed), "--json", out}
	if f.ResourceIndex > 0 {
		args = append(args, "--index", fmt.Sprint(f.ResourceIndex))
	}
	said, _ := exec.CommandContext(t.Context(), streamer, args...).CombinedOutput() // fails when the run does, and that is a figure
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var all []sim.Result
	if err := json.Unmarshal(b, &all); err != nil {
		var one sim.Result
		if json.Unmarshal(b, &one) != nil {
			t.Fatalf("%v: %s", err, b)
		}
		all = []sim.Result{one}
	}
	return all[0]
}

// TestCompare plays scenarios in the simulator and in the lab, with the same hosts, and puts the figures side by side. The nodes
// know the source alone, without gossip, as in the simulator.
func TestCompare(t *testing.T) {
	requireLong(t)
	nodes, seed := number(t, "LAB_CROWD_NODES", 30), uint64(number(t, "LAB_CROWD_SEED", 1))
	names := []string{"static", "churn", "crash"}
	if other := os.Getenv("LAB_CROWD_SCENARIO"); other != "" {
		names = strings.Split(other, ",")
	}
	var text strings.Builder
	fmt.Fprintf(&text, "## The same in the simulator\n\nScenarios that ship, with %d listeners and seed %d: the same groups, lines, delays and times of joining.\n", nodes, seed)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f := file(t, name)
			if n := number(t, "LAB_CROWD_INDEX", 0); n > 0 {
				f.ResourceIndex = float64(n) / 100
			}
			runs := []sim.Result{simulate(t, f, nodes, seed)}
			for other := range uint64(simSeeds) {
				runs = append(runs, simulate(t, f, nodes, seed+1+other))
			}
			c := newCrowd(t, scenario(t, f, nodes), seed, false)
			l := c.play()
			t.Log(l.String())
			c.report()
			table := compared(runs, &l)
			t.Log("\n" + table)
			fmt.Fprintf(&text, "\n### %s: %s\n\n%s", name, f.About, table)
		})
	}
	writeSection(t, "compare", text.String()+differences)
}

const differences = `
What differs by itself. Within the play delay are in the simulator the chunks that came within 3 s after their release; in the lab it
is the share of looks, one a second, that found the newest chunk which is there with all before it released within 3 s, so that
one chunk late holds those behind it back. At its play time: in the simulator a player plays what comes, and its silence counts; in the lab
it is what nodes did not give up. Missing are in the simulator the chunks that never came, in the lab those that passed their play
time, which a newcomer sets by what it gets first. Lag in the simulator is that of each chunk; in the lab it is the age of that newest chunk,
and so more by the time between chunks. The start in the lab contains that of the process, and is known to 100 ms. Refill in
both is how much of the buffer the loss of a parent cost at the worst; in the lab buffers are looked at five times a second and move by a
chunk's length by themselves.
`

// simSeeds is how many more runs of the simulator there are, with the next seeds: how far apart runs are by themselves.
const simSeeds = 8

// compared is a table of the figures of the simulator, the first of them with the lab's seed, and of the lab.
func compared(runs []sim.Result, l *figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| | Simulator, same seed | Simulator, %d seeds: least, median, most | Lab |\n|---|---|---|---|\n", len(runs))
	row := func(what, format string, of func(r *sim.Result) float64, lab float64) {
		var all []float64
		for i := range runs {
			all = append(all, of(&runs[i]))
		}
		fmt.Fprintf(&b, "| %s | "+format+" | "+format+", "+format+", "+format+" | "+format+" |\n", what, all[0], at(all, 0), at(all, 500), at(all, 1000), lab)
	}
	type r = *sim.Result
	row("within the play delay, mean, %", "%.2f", func(r r) float64 { return 100 * r.WithinMean }, 100*l.Within)
	row("the same of the worst listener, %", "%.2f", func(r r) float64 { return 100 * r.WithinP1 }, 100*l.WithinWorst)
	row("at its play time, mean, %", "%.2f", func(r r) float64 { return 100 * r.OnTimeMean }, 100*l.OnTime)
	row("chunks missing", "%.0f", func(r r) float64 { return float64(r.Missing) }, float64(l.Missing))
	row("hops, p50", "%.0f", func(r r) float64 { return float64(r.HopsP50) }, float64(l.Hops50))
	row("hops, p99", "%.0f", func(r r) float64 { return float64(r.HopsP99) }, float64(l.Hops99))
	row("lag, p50, ms", "%.0f", func(r r) float64 { return float64(r.LagP50MS) }, l.Lag50)
	row("lag, p99, ms", "%.0f", func(r r) float64 { return float64(r.LagP99MS) }, l.Lag99)
	row("startup, p50, ms", "%.0f", func(r r) float64 { return r.StartupP50MS }, millis(at(l.Startup, 500)))
	row("startup, p95, ms", "%.0f", func(r r) float64 { return r.StartupP95MS }, millis(at(l.Startup, 950)))
	if runs[0].Refills+len(l.Cost) > 0 {
		row("children that lost a parent", "%.0f", func(r r) float64 { return float64(r.Refills) }, float64(len(l.Cost)))
		row("refill, p50, ms of the buffer", "%.0f", func(r r) float64 { return r.RefillP50MS }, millis(at(l.Cost, 500)))
		row("refill, p95, ms of the buffer", "%.0f", func(r r) float64 { return r.RefillP95MS }, millis(at(l.Cost, 950)))
	}
	row("source sends, streams", "%.2f", func(r r) float64 { return r.SourceEgress }, l.Egress)
	row("overhead, %", "%.1f", func(r r) float64 { return 100 * r.Overhead }, 100*l.Overhead)
	row("duplicates, %", "%.2f", func(r r) float64 { return 100 * r.Duplicates }, 100*l.Duplicates)
	row("repaired, %", "%.2f", func(r r) float64 { return 100 * r.Repaired }, 100*l.Repaired)
	for i, g := range l.Groups {
		row(fmt.Sprintf("%s: kbit/s sent by each of %d, of %d", g.Name, g.Hosts, g.UploadBPS/1000), "%.0f",
			func(r r) float64 { return r.Classes[i].SentBPS / 1000 }, g.SentBPS/1000)
	}
	fmt.Fprintf(&b, "\nOf the machine's cores %.0f %% were busy, with other work too, and %.0f %% taken by its other guests; one of them stood still for %.1f %% of the\ntime, %v at most.\n",
		100*l.Busy, 100*l.Stolen, 100*l.Still, ms(l.Longest))
	return b.String()
}

func millis(d time.Duration) float64 { return float64(d.Milliseconds()) }
