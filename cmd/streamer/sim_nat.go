// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"streamer/internal/sim"
)

// natSource is the broadcaster's home when --source-home does not say.
const natSource = "port-restricted"

// make returns a scenario as the flags have it.
func (c *simCmd) make(f *sim.File, v simVariant) (sim.Scenario, error) {
	if f.Name == "nat" && (c.Homes != "" || c.SourceHome != natSource) {
		mix := sim.MixDefault()
		if c.Homes != "" {
			var err error
			if mix, err = sim.MixOf(c.Homes); err != nil {
				return sim.Scenario{}, err
			}
		}
		return sim.NATHomes(v.nodes, c.SourceHome, mix)
	}
	if c.Bitrate > 0 { // uploads that are told as multiples of it follow
		f.Bitrate = sim.Rate(c.Bitrate)
	}
	if v.index > 0 {
		f.ResourceIndex = v.index
	}
	if v.churn >= 0 {
		f.SetChurn(v.churn)
	}
	switch v.without {
	case "":
	case "none":
		f.Without = nil
	default:
		f.Without = strings.Split(v.without, "+")
	}
	return f.Scenario(v.nodes)
}

// matrix runs every pair of kinds of home.
func (c *simCmd) matrix(p *program) error {
	kinds := sim.HomeKinds()
	if c.Homes != "" {
		mix, err := sim.MixOf(c.Homes)
		if err != nil {
			return usageError{err}
		}
		kinds = kinds[:0]
		for _, m := range mix {
			kinds = append(kinds, m.Kind)
		}
	}
	o := sim.Options{Seed: c.Seed[0]}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Progress = func(done, total time.Duration) { fmt.Fprintf(f, "\r%d of %d pairs ", done, total) }
	}
	cells, err := sim.NATMatrix(p.ctx, kinds, c.Matrix, o)
	if err != nil {
		return err
	}
	if c.JSON == "" {
		return sim.NATMatrixTable(p.stdout, cells)
	}
	b, err := json.MarshalIndent(cells, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return c.write(p, append(b, '\n'))
}
