// SPDX-License-Identifier: MIT

package sim

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// natMatrixTime is how long each pair is watched. The listener comes after natJoinAt.
const natMatrixTime = 14 * time.Second

// natMatrixSeeds is how many hosts introduce them: ports of sequential mappings are foreseen from what several peers see.
const natMatrixSeeds = 3

// A NATCell is what became of all runs of one pair of homes: a broadcaster, a listener, and hosts that introduce them.
type NATCell struct {
	Source    string   `json:"source"`
	Listener  string   `json:"listener"`
	Permitted string   `json:"permitted"` // as in NATPairResult
	Runs      int      `json:"runs"`
	Linked    int      `json:"linked"`
	Played    int      `json:"played"`   // linked, or carried by another host
	LinkP50S  float64  `json:"link_p50"` // from the introduction to data both ways
	LinkMaxS  float64  `json:"link_max"`
	AudioP50S float64  `json:"audio_p50"` // from tuning in to the first audio
	AudioMaxS float64  `json:"audio_max"`
	Punches   int      `json:"punches"` // of all runs
	Missed    []uint64 `json:"missed,omitempty"`
	Failed    []string `json:"failed,omitempty"` // what must always hold and did not, silence aside
}

// NATMatrix runs every pair of kinds of home some times, with the seeds from o.Seed on.
func NATMatrix(ctx context.Context, kinds []string, runs int, o Options) ([]NATCell, error) {
	var cells []NATCell
	for _, source := range kinds {
		for _, listener := range kinds {
			c := NATCell{Source: source, Listener: listener}
			var links, audio []time.Duration
			for i := range runs {
				r, err := natCell(ctx, source, listener, Options{Seed: o.Seed + uint64(i)})
				if err != nil {
					return nil, err
				}
				l, a := c.add(&r, o.Seed+uint64(i))
				links, audio = append(links, l...), append(audio, a...)
			}
			links, audio = sorted(links), sorted(audio)
			c.LinkP50S, c.LinkMaxS = durationAt(links, 500)/1000, durationAt(links, 1000)/1000
			c.AudioP50S, c.AudioMaxS = durationAt(audio, 500)/1000, durationAt(audio, 1000)/1000
			cells = append(cells, c)
			if o.Progress != nil {
				o.Progress(time.Duration(len(cells)), time.Duration(len(kinds)*len(kinds)))
			}
		}
	}
	return cells, nil
}

// natCell runs one pair once.
func natCell(ctx context.Context, source, listener string, o Options) (Result, error) {
	s, err := NATHomes(1, source, []Share{{listener, 1}})
	if err != nil {
		return Result{}, err
	}
	s.Duration, s.Faults, s.Seeds = natMatrixTime, nil, natMatrixSeeds
	w, err := New(s, o)
	if err != nil {
		return Result{}, err
	}
	return w.Run(ctx)
}

// add takes over one run.
func (c *NATCell) add(r *Result, seed uint64) (links, audio []time.Duration) {
	c.Runs++
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	linked := false
	for i := range r.NAT.Pairs {
		p := &r.NAT.Pairs[i]
		if p.A == seedGroup || p.B == seedGroup {
			continue
		}
		c.Punches += p.Punches
		if linked = p.Linked > 0; linked {
			links = append(links, seconds(p.P50S))
			c.Linked++
		}
	}
	if !linked {
		c.Missed = append(c.Missed, seed)
	}
	if len(r.NAT.Never) == 0 {
		c.Played++
		audio = append(audio, seconds(r.NAT.PlayedP50S))
	}
	a, _ := HomeOf(c.Source)
	b, _ := HomeOf(c.Listener)
	c.Permitted = a.permits(&b)
	for _, f := range r.Broken {
		if f.Check != checkSilence.String() {
			c.Failed = append(c.Failed, fmt.Sprintf("seed %d: %v", seed, f))
		}
	}
	return links, audio
}

// NATMatrixTable writes cells as a table in Markdown: a row for each broadcaster, a column for each listener.
func NATMatrixTable(to io.Writer, cells []NATCell) error {
	columns := 0
	for columns < len(cells) && cells[columns].Source == cells[0].Source {
		columns++
	}
	var b strings.Builder
	b.WriteString("| broadcaster \\ listener |")
	for i := range columns {
		fmt.Fprintf(&b, " %s |", cells[i].Listener)
	}
	b.WriteString("\n|" + strings.Repeat("---|", columns+1))
	for i := range cells {
		if i%columns == 0 {
			fmt.Fprintf(&b, "\n| **%s** |", cells[i].Source)
		}
		fmt.Fprintf(&b, " %s |", cells[i].words())
	}
	b.WriteString("\n")
	cellMisses(&b, cells)
	_, err := io.WriteString(to, b.String())
	return err
}

// words says in a few words what became of a pair.
func (c *NATCell) words() string {
	var parts []string
	if c.Played < c.Runs {
		parts = append(parts, fmt.Sprintf("**%d silent**", c.Runs-c.Played))
	}
	switch {
	case c.Linked > 0 && c.Linked < c.Runs:
		parts = append(parts, fmt.Sprintf("%d of %d, %.0f ms", c.Linked, c.Runs, 1000*c.LinkP50S))
	case c.Linked > 0:
		parts = append(parts, fmt.Sprintf("%.0f ms", 1000*c.LinkP50S))
	default:
		parts = append(parts, "by another")
	}
	return strings.Join(append(parts, fmt.Sprintf("%.1f s", c.AudioP50S)), ", ")
}

// cellMisses tells of the permitted pairs that did not always link, and of what failed.
func cellMisses(to *strings.Builder, cells []NATCell) {
	linked, runs := map[string]int{}, map[string]int{}
	for i := range cells {
		c := &cells[i]
		linked[c.Permitted] += c.Linked
		runs[c.Permitted] += c.Runs
		if c.Linked < c.Runs && (c.Permitted == "yes" || c.Permitted == "predicted") {
			fmt.Fprintf(to, "\n%s - %s, permitted %s: not with seeds %v\n", c.Source, c.Listener, c.Permitted, c.Missed)
		}
		for _, f := range c.Failed {
			fmt.Fprintf(to, "\n%s - %s FAILED: %s\n", c.Source, c.Listener, f)
		}
	}
	fmt.Fprintf(to, "\nLinked: %d of %d runs of permitted pairs, %d of %d where ports have to be foreseen, %d of %d of others.\n",
		linked["yes"], runs["yes"], linked["predicted"], runs["predicted"], linked["no"], runs["no"])
}
