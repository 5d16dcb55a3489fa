// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"streamer/internal/sim"
)

// findDiscovery returns a scenario of gossip that ships.
func findDiscovery(name string) (sim.DiscoveryBuiltin, bool) {
	for _, b := range sim.DiscoveryBuiltins() {
		if b.Name == name {
			return b, true
		}
	}
	return sim.DiscoveryBuiltin{}, false
}

// discovery runs a scenario of gossip and writes what it gave.
func (c *simCmd) discovery(p *program, b sim.DiscoveryBuiltin) error {
	o := sim.DiscoveryOptions{
		Scenario: b.Make(c.Nodes[0]), Seed: c.Seed[0],
		Repeat: fmt.Sprintf("streamer sim %s --nodes %d --seed %d", b.Name, c.Nodes[0], c.Seed[0]),
	}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Progress = func(done, total time.Duration) {
			fmt.Fprintf(f, "\r%s: %v of %v ", b.Name, done.Round(time.Second), total)
		}
	}
	r, err := sim.RunDiscovery(p.ctx, o)
	if err != nil {
		return err
	}
	if o.Progress != nil {
		fmt.Fprint(p.stderr, "\r\x1b[K")
	}
	if c.JSON == "" {
		return r.Table(p.stdout)
	}
	j, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return c.write(p, append(j, '\n'))
}
