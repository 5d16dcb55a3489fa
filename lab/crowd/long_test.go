// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/internal/sim"
)

// asked is the scenario file of a long measurement, with what the environment says instead: LAB_CROWD_SCENARIO (a name or a
// path), LAB_CROWD_INDEX (a resource index, in percent) and LAB_CROWD_KBPS (of the audio).
func asked(t *testing.T, name string, percent int) *sim.File {
	t.Helper()
	if other := os.Getenv("LAB_CROWD_SCENARIO"); other != "" {
		name = other
	}
	f := file(t, name)
	if n := number(t, "LAB_CROWD_INDEX", percent); n > 0 {
		f.ResourceIndex = float64(n) / 100
	}
	if n := number(t, "LAB_CROWD_KBPS", 0); n > 0 {
		f.Bitrate = sim.Rate(n * 1000)
	}
	return f
}

func requireLong(t *testing.T) {
	t.Helper()
	if !long {
		t.Skip("of the long run: LAB_LONG=1")
	}
}

// TestForming: audiences in random order of joining; what the source sends, and when the strong ones are near it.
func TestForming(t *testing.T) {
	requireLong(t)
	var rows strings.Builder
	for _, nodes := range []int{5, 10, 20, 40} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			s := scenario(t, asked(t, "crowd", 0), nodes)
			c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 1)), true)
			last := time.Duration(0)
			for _, seat := range c.seats {
				last = max(last, seat.place.JoinAt)
			}
			c.gather(s.Settled)
			c.begin()
			watch := 45 * time.Second
			pass(t, watch)
			f := c.figures()
			near := "never"
			if since := c.near(); f.Groups[0].Hosts == 0 {
				near = "none there"
			} else if !since.IsZero() {
				near = fmt.Sprintf("%.1f s", max(0, since.Sub(c.began.Add(last)).Seconds()))
			}
			t.Log(f.String())
			c.report()
			row := fmt.Sprintf("| %d | %.2f | %s | %d, %d | %.2f %%, %.2f %% | %d of %d | %.0f ms, %.0f ms | %.0f %% |\n", nodes, f.Egress, near,
				f.Hops50, f.Hops99, 100*f.OnTime, 100*f.Worst, f.Missing, f.Due, f.Lag50, f.Lag99, 100*f.Busy)
			t.Log(row)
			rows.WriteString(row)
		})
	}
	writeSection(t, "forming", `## Who stands where

Listeners of three kinds ([crowd.toml](../../lab/crowd/testdata/crowd.toml)) join in random order within 8 s. Near the source is at most two hops
from it by the longest way; the time is from when the last joined until all of the strong tenth are near and stay so. Figures are of the 45 s that
begin 8 s after the last joined.

| Listeners | Source sends, streams | Strong ones near after | Hops, p50, p99 | Chunks in time, mean, worst | Missing | Lag, p50, p99 | Cores busy |
|---|---|---|---|---|---|---|---|
`+rows.String())
}

// near is since when all strong ones are near the source; zero: they are not.
func (c *crowd) near() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.near
}

// leaveRows are the rows of the table of docs/results/crowd.md that TestLeaves and TestKills share.
func leaveRow(what string, nodes, times int, f *figures) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d of %d, %d | %d | %v, %v, %v | %v, %v | %d | %.2f %%, %.2f %% | %.0f %% |\n", what, nodes, times, len(f.Cost), f.Missing, f.Due, f.Newcomers,
		f.Lost, ms(at(f.Refill, 500)), ms(at(f.Refill, 950)), ms(at(f.Refill, 1000)), ms(at(f.Cost, 500)), ms(at(f.Cost, 950)), f.Unrefilled,
		100*f.OnTime, 100*f.Worst, 100*f.Busy)
}

const leaveHead = `| What | Listeners | Times | Children that lost a parent | Chunks missing, of them by newcomers | Of children, within 6 s | Fed in full again, p50, p95, most | Buffer lost, p50, p95 | Never fed in full | In time, mean, worst | Cores busy |
|---|---|---|---|---|---|---|---|---|---|---|
`

// TestLeavesAndKills: one listener after the other leaves, politely or by kill -9, and another comes.
func TestLeavesAndKills(t *testing.T) {
	requireLong(t)
	nodes, times := number(t, "LAB_CROWD_NODES", 30), number(t, "LAB_CROWD_TIMES", 200)
	kbps := int64(0)
	every := time.Duration(number(t, "LAB_CROWD_EVERY_MS", 1500)) * time.Millisecond
	var rows strings.Builder
	for _, polite := range []bool{true, false} {
		what := "kill -9"
		if polite {
			what = "polite leave"
		}
		t.Run(what, func(t *testing.T) {
			s := scenario(t, asked(t, "crowd", 300), nodes)
			kbps = s.BitrateBPS / 1000
			c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 2)), true)
			c.gather(s.Settled)
			c.begin()
			for i := range times {
				pass(t, time.Until(c.windowFrom().Add(time.Duration(i)*every)))
				c.replace(c.anybody(), polite)
			}
			pass(t, watchFor+2*time.Second)
			f := c.figures()
			t.Log(f.String())
			c.report()
			row := leaveRow(what, nodes, times, &f)
			t.Log(row)
			rows.WriteString(row)
		})
	}
	writeSection(t, "leaves", fmt.Sprintf(`## Leaving and dying

%d listeners, MP3 at %d kbit/s, upload for 3 times the audience. Every %v one of them at random goes, and at once another comes on the
same line: %.0f %% of the audience in a minute.

`, nodes, kbps, every, 100*time.Minute.Seconds()/every.Seconds()/float64(nodes))+leaveHead+rows.String())
}

func (c *crowd) windowFrom() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.from
}

// TestScarce: there is hardly more upload than the audience needs.
func TestScarce(t *testing.T) {
	requireLong(t)
	nodes := number(t, "LAB_CROWD_NODES", 30)
	s := scenario(t, asked(t, "scarce", 0), nodes)
	c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 3)), true)
	c.gather(s.Settled)
	c.begin()
	c.until(s.Duration)
	f := c.figures()
	t.Log(f.String())
	c.report()
	var rows strings.Builder
	for _, g := range f.Groups {
		fmt.Fprintf(&rows, "| %s | %d | %d | %.0f | %.0f %% |\n", g.Name, g.Hosts, g.UploadBPS/1000, g.SentBPS/1000,
			100*g.SentBPS/float64(max(1, g.UploadBPS)))
	}
	writeSection(t, "scarce", fmt.Sprintf(`## Hardly enough upload

The scenario scarce with %d listeners: resource index 1.1. In time %.2f %% of the chunks of the mean listener, %.2f %% of the worst; %d of %d
missing; %.2f %% of all looks found a listener silent, %d never heard anything. Hops %d at the median, %d at most. The source sent %.2f
streams. Cores busy %.0f %%.

| Group | Hosts | Upload, kbit/s | Sent, kbit/s | Used |
|---|---|---|---|---|
%s`, nodes, 100*f.OnTime, 100*f.Worst, f.Missing, f.Due, 100*f.Silent, f.Deaf, f.Hops50, f.Hops99, f.Egress, 100*f.Busy, rows.String()))
}

// TestStall: the machine stands still, with all nodes on it, and all go on as if nothing had been.
func TestStall(t *testing.T) {
	requireLong(t)
	s := scenario(t, asked(t, "crowd", 0), number(t, "LAB_CROWD_NODES", 20))
	c := newCrowd(t, s, uint64(number(t, "LAB_CROWD_SEED", 1)), true)
	c.gather(s.Settled)
	stall := time.Duration(number(t, "LAB_CROWD_STALL_MS", 3000)) * time.Millisecond
	all := append(c.listeners(), c.source)
	t.Logf("everybody stands still for %v", stall)
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, r := range all {
			if err := r.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		if sig == syscall.SIGSTOP {
			pass(t, stall)
		}
	}
	t.Log("everybody goes on")
	pass(t, 15*time.Second)
	c.begin()
	pass(t, 30*time.Second)
	f := c.figures()
	t.Log(f.String())
	c.report()
	if f.Missing > f.Due/100 || f.Silent > 0.01 {
		t.Errorf("15 to 45 s after all stood still for %v, %d of %d chunks are missing, silent for %.4f of the time", stall, f.Missing, f.Due, f.Silent)
	}
}
