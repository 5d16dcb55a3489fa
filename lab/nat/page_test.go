// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"streamer/lab/netlab"
)

// A tally counts the meetings that were written down.
type tally struct {
	permitted, direct, all, silent int
	took, punching                 []time.Duration
	packets                        []uint64
}

// cell is what came of one pair, as text.
func (c *tally) cell(list []meeting) string {
	met, mute := 0, 0
	for _, m := range list {
		if m.direct {
			met++
			c.took, c.punching, c.packets = append(c.took, m.took), append(c.punching, m.punching), append(c.packets, m.packets)
		}
		if !m.audio {
			mute++
		}
	}
	text := fmt.Sprintf("%d/%d", met, len(list))
	if len(list) > 0 && list[0].permitted() {
		c.permitted, c.direct = c.permitted+len(list), c.direct+met
		text = "**" + text + "**"
	}
	if mute > 0 {
		text += fmt.Sprintf(" %d silent", mute)
	}
	c.all, c.silent = c.all+len(list), c.silent+mute
	return text
}

// table is the sum of all.
func (c *tally) table() string {
	var b strings.Builder
	slices.Sort(c.took)
	slices.Sort(c.punching)
	slices.Sort(c.packets)
	fmt.Fprintf(&b, `
| What | |
|---|---|
| permitted pairs that met | %d of %d runs |
| pairs with audio | %d of %d runs |
`, c.direct, c.permitted, c.all-c.silent, c.all)
	if len(c.took) > 0 {
		at := func(list []time.Duration, percent int) time.Duration {
			return list[(len(list)-1)*percent/100].Round(time.Millisecond)
		}
		fmt.Fprintf(&b, `| from the listener's start to being fed by the broadcaster, median, 95th percentile, most | %v, %v, %v |
| the same from the first packet between the two | %v, %v, %v |
| IP packets between the two until then, median, 95th percentile, most | %d, %d, %d |
`, at(c.took, 50), at(c.took, 95), at(c.took, 100), at(c.punching, 50), at(c.punching, 95), at(c.punching, 100),
			c.packets[(len(c.packets)-1)/2], c.packets[(len(c.packets)-1)*95/100], c.packets[len(c.packets)-1])
	}
	return b.String()
}

// matrixPage is docs/results/nat.md.
func matrixPage(results map[pair][]meeting, runs int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Through NATs and firewalls

A broadcaster behind one router (rows), a listener behind another (columns), %d public hosts in the world, round trips of 40 ms,
%d runs of each pair, each with new nodes and new routers. [The lab](../lab.md) proves what each router does before. A cell says in
how many runs the broadcaster fed the listener itself, of how many; **bold** where that has to be always, since the two may meet by
RFC 4787 and by port prediction; there the public hosts carry no audio. The rest plays by way of others, or not at all: then there
is a "silent" in the cell.

`, worldHosts, runs)
	b.WriteString("| |")
	for i := range places() {
		fmt.Fprintf(&b, " %d |", i+1)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(places())) + "\n")
	var sum tally
	for i, a := range places() {
		fmt.Fprintf(&b, "| %d %s |", i+1, a.name)
		for _, c := range places() {
			fmt.Fprintf(&b, " %s |", sum.cell(results[pair{a, c}]))
		}
		b.WriteString("\n")
	}
	b.WriteString(sum.table())
	fmt.Fprintf(&b, "\n%s, with `LAB_LONG=1 LAB_NAT_RUNS=%d go test -tags lab -timeout 3h -run '^TestMatrix$' -count 1 -v ./lab/nat/` as root on\n%s.\n",
		time.Now().Format("2 January 2006"), runs, netlab.Machine())
	return b.String()
}
