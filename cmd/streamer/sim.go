// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"streamer/internal/sim"
)

type simCmd struct {
	Scenario   string        `arg:"" optional:"" help:"Name of a scenario that ships, of a stream or (spread, silence, split, eclipse, hidden, gather) of gossip; without any, all of a stream."`
	Nodes      int           `env:"-" default:"100" help:"Hosts beside the source."`
	Seed       uint64        `env:"-" default:"1" help:"Equal seeds give equal runs."`
	Duration   time.Duration `env:"-" help:"Stop the scenario earlier, faults after it left out."`
	Bitrate    rate          `env:"-" help:"Of the audio, like 128k."`
	Homes      string        `env:"-" placeholder:"KINDS" help:"Of nat: kinds of home with their weights, like port-restricted:2,symmetric-random."`
	SourceHome string        `env:"-" placeholder:"KIND" default:"port-restricted" help:"Of nat: the kind of home that the broadcaster has."`
	Matrix     int           `env:"-" default:"0" help:"Of nat: instead, so many runs of each pair of kinds of home, all unless --homes names some."`
	Explain    int           `env:"-" default:"0" help:"Tell of so many listeners why their first late or missing chunk was late or missing."`
	JSON       string        `env:"-" placeholder:"FILE" help:"Write the results as JSON; - for standard output."`
	Trace      string        `env:"-" placeholder:"FILE" help:"Write a JSON line for each call, datagram and notice."`
}

// Run runs the simulator.
func (c *simCmd) Run(p *program) (err error) {
	which := sim.Builtins()
	if b, ok := findDiscovery(c.Scenario); ok {
		return c.discovery(p, b)
	}
	if c.Matrix > 0 {
		return c.matrix(p)
	}
	if c.Scenario != "" {
		b, ok := sim.Find(c.Scenario)
		if !ok {
			return usageError{withHint(fmt.Errorf("no scenario %q", c.Scenario), "the scenarios are %s", scenarioNames())}
		}
		which = []sim.Builtin{b}
	}
	var trace io.Writer
	if c.Trace != "" {
		f, createErr := os.Create(c.Trace)
		if createErr != nil {
			return fmt.Errorf("write the trace: %w", createErr)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		trace = f
	}
	var results []sim.Result
	var failed []string
	for _, b := range which {
		r, runErr := c.one(p, b, trace)
		if runErr != nil {
			return runErr
		}
		results = append(results, r)
		if len(r.Failures) > 0 {
			failed = append(failed, b.Name)
		}
	}
	if err = c.writeJSON(p, results); err != nil {
		return err
	}
	if len(failed) > 0 {
		return withHint(fmt.Errorf("what must always hold did not in: %s", strings.Join(failed, ", ")),
			"the report above names nodes and times, and the command that repeats each run")
	}
	return nil
}

// one runs one scenario and prints its table.
func (c *simCmd) one(p *program, b sim.Builtin, trace io.Writer) (sim.Result, error) {
	s, err := c.make(b)
	if err != nil {
		return sim.Result{}, err
	}
	if c.Duration > 0 {
		s = s.Until(c.Duration)
	}
	if c.Bitrate > 0 {
		s.BitrateBPS = int64(c.Bitrate)
	}
	o := sim.Options{Seed: c.Seed, Trace: trace, Explain: c.Explain, Repeat: c.repeat(b.Name)}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Progress = func(done, total time.Duration) {
			fmt.Fprintf(f, "\r%s: %v of %v ", b.Name, done.Round(time.Second), total)
		}
	}
	w, err := sim.New(s, o)
	if err != nil {
		return sim.Result{}, usageError{fmt.Errorf("scenario %s: %w", b.Name, err)}
	}
	r, err := w.Run(p.ctx)
	if err != nil {
		return sim.Result{}, err
	}
	if o.Progress != nil {
		fmt.Fprint(p.stderr, "\r\x1b[K")
	}
	if c.JSON == "-" {
		return r, nil
	}
	if err = r.Table(p.stdout); err != nil {
		return sim.Result{}, fmt.Errorf("print the results: %w", err)
	}
	_, err = fmt.Fprintln(p.stdout)
	return r, err
}

// repeat is the command that repeats a run.
func (c *simCmd) repeat(scenario string) string {
	cmd := fmt.Sprintf("streamer sim %s --nodes %d --seed %d", scenario, c.Nodes, c.Seed)
	if c.Duration > 0 {
		cmd += fmt.Sprintf(" --duration %v", c.Duration)
	}
	if c.Homes != "" {
		cmd += " --homes " + c.Homes
	}
	if scenario == "nat" && c.SourceHome != natSource {
		cmd += " --source-home " + c.SourceHome
	}
	if c.Bitrate > 0 {
		cmd += fmt.Sprintf(" --bitrate %d", int64(c.Bitrate))
	}
	return cmd
}

// writeJSON writes one object for one scenario, a list for several.
func (c *simCmd) writeJSON(p *program, results []sim.Result) error {
	if c.JSON == "" {
		return nil
	}
	var all any = results
	if len(results) == 1 {
		all = results[0]
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return c.write(p, append(b, '\n'))
}

// write writes where --json says.
func (c *simCmd) write(p *program, b []byte) (err error) {
	if c.JSON == "-" {
		_, err = p.stdout.Write(b)
	} else {
		err = os.WriteFile(c.JSON, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// scenarioNames lists what Scenario may be.
func scenarioNames() string {
	var names []string
	for _, b := range sim.Builtins() {
		names = append(names, b.Name)
	}
	for _, b := range sim.DiscoveryBuiltins() {
		names = append(names, b.Name)
	}
	return strings.Join(names, ", ")
}
