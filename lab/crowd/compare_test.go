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
			r := simulate(t, f, nodes, seed)
			c := newCrowd(t, scenario(t, f, nodes), seed, false)
			l := c.play()
			t.Log(l.String())
			c.report()
			table := compared(&r, &l)
			t.Log("\n" + table)
			fmt.Fprintf(&text, "\n### %s: %s\n\n%s", name, f.About, table)
		})
	}
	writeSection(t, "compare", text.String()+differences)
}

const differences = `
What differs by itself. A chunk is on time in the simulator when it came within 3 s; in the lab when it came before its play time,
3 s after its release, as the node itself counts. Lag in the simulator is that of each chunk; in the lab it is the age, when
somebody looks, of the newest chunk that is there with all before it, and so more by the time between chunks and by what the
broadcaster's file reader hands over at once. The start in the lab contains that of the process, and is known to 100 ms. Refill in
both is how much of the buffer the loss of a parent cost at the worst; in the lab buffers are looked at ten times a second and move by a
chunk's length by themselves.
`

// compared is a table of the figures of both.
func compared(r *sim.Result, l *figures) string {
	var b strings.Builder
	b.WriteString("| | Simulator | Lab |\n|---|---|---|\n")
	row := func(what, format string, sim, lab []any) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", what, fmt.Sprintf(format, sim...), fmt.Sprintf(format, lab...))
	}
	type v = []any
	row("chunks on time, mean, worst", "%.2f %%, %.2f %%", v{100 * r.OnTimeMean, 100 * r.OnTimeP1}, v{100 * l.OnTime, 100 * l.Worst})
	row("chunks missing or late", "%d", v{r.Missing + r.Late}, v{l.Missing})
	row("hops, p50, p99", "%d, %d", v{r.HopsP50, r.HopsP99}, v{l.Hops50, l.Hops99})
	row("lag, p50, p99, ms", "%d, %d", v{r.LagP50MS, r.LagP99MS}, v{int(l.Lag50), int(l.Lag99)})
	row("startup, p50, p95, ms", "%.0f, %.0f", v{r.StartupP50MS, r.StartupP95MS}, v{millis(at(l.Startup, 500)), millis(at(l.Startup, 950))})
	if r.Refills+len(l.Cost) > 0 {
		row("children that lost a parent", "%d", v{r.Refills}, v{len(l.Cost)})
		row("refill, p50, p95, ms of the buffer", "%.0f, %.0f", v{r.RefillP50MS, r.RefillP95MS}, v{millis(at(l.Cost, 500)), millis(at(l.Cost, 950))})
	}
	row("source sends, streams", "%.2f", v{r.SourceEgress}, v{l.Egress})
	row("overhead", "%.1f %%", v{100 * r.Overhead}, v{100 * l.Overhead})
	row("duplicates, repaired", "%.2f %%, %.2f %%", v{100 * r.Duplicates, 100 * r.Repaired}, v{100 * l.Duplicates, 100 * l.Repaired})
	for i, g := range l.Groups {
		if i < len(r.Classes) {
			row(fmt.Sprintf("%s: sent by each of %d, of %d kbit/s", g.Name, g.Hosts, g.UploadBPS/1000), "%.0f", v{r.Classes[i].SentBPS / 1000}, v{g.SentBPS / 1000})
		}
	}
	return b.String()
}

func millis(d time.Duration) float64 { return float64(d.Milliseconds()) }
