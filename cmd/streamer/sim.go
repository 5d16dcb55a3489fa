// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"streamer/internal/sim"
)

type simCmd struct {
	Scenario   string        `arg:"" optional:"" help:"A scenario file, or the name of a scenario that ships (--list); without any, all of a stream that ship."`
	List       bool          `env:"-" help:"List the scenarios that ship."`
	Print      string        `env:"-" placeholder:"NAME" help:"Print the file of a scenario that ships: a start for one of your own."`
	Nodes      []int         `env:"-" default:"100" help:"Hosts beside the source; several, like 100,1000, are a run each."`
	Seed       []uint64      `env:"-" default:"1" placeholder:"SEED,..." help:"Equal seeds give equal runs; several, like 1,2,3, are a run each, and their mean."`
	Duration   time.Duration `env:"-" help:"Stop the scenario earlier, faults after it left out."`
	Index      []float64     `env:"-" placeholder:"RI,..." help:"Instead of the scenario's resource index: a run with each."`
	Churn      []float64     `env:"-" placeholder:"PERCENT,..." help:"Instead of the scenario's: of the audience replaced in a minute, a run with each."`
	Without    []string      `env:"-" placeholder:"NAME,..." help:"Leave a mechanism out in all nodes: classes, climbing, pushdown, standbys or reserve; several are a run each, none is one with all of them, and a+b leaves out two."`
	Bitrate    rate          `env:"-" help:"Of the audio, like 128k."`
	Homes      string        `env:"-" placeholder:"KINDS" help:"Of nat: kinds of home with their weights, like port-restricted:2,symmetric-random."`
	SourceHome string        `env:"-" placeholder:"KIND" default:"port-restricted" help:"Of nat: the kind of home that the broadcaster has."`
	Matrix     int           `env:"-" default:"0" help:"Of nat: instead, so many runs of each pair of kinds of home, all unless --homes names some."`
	Explain    int           `env:"-" default:"0" help:"Tell of so many listeners why their first late or missing chunk was late or missing."`
	JSON       string        `env:"-" placeholder:"FILE" help:"Write the results as JSON; - for standard output."`
	HTML       string        `env:"-" name:"html" placeholder:"FILE" help:"Write a page with plots: continuity, lag, hops, upload, the forest."`
	Trace      string        `env:"-" placeholder:"FILE" help:"Write a JSON line for each call, datagram and notice."`
}

// Run runs the simulator.
func (c *simCmd) Run(p *program) error {
	switch b, ok := findDiscovery(c.Scenario); {
	case c.List:
		return c.list(p)
	case c.Print != "":
		return c.print(p)
	case ok:
		return c.discovery(p, b)
	case c.Matrix > 0:
		return c.matrix(p)
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	return c.all(p, files)
}

// list tells the scenarios that ship.
func (c *simCmd) list(p *program) error {
	t := tabwriter.NewWriter(p.stdout, 0, 4, 2, ' ', 0)
	for _, name := range sim.Builtins() {
		f, _ := sim.Find(name)
		fmt.Fprintf(t, "%s\t%s\n", name, f.About)
	}
	for _, b := range sim.DiscoveryBuiltins() {
		fmt.Fprintf(t, "%s\tgossip: %s\n", b.Name, b.Doc)
	}
	return t.Flush()
}

func (c *simCmd) print(p *program) error {
	f, ok := sim.Find(c.Print)
	if !ok {
		return usageError{withHint(fmt.Errorf("no scenario file %q ships", c.Print), "those that do are %s", strings.Join(sim.Builtins(), ", "))}
	}
	_, err := p.stdout.Write(f.Text())
	return err
}

// files returns the scenarios that are to be run.
func (c *simCmd) files() ([]*sim.File, error) {
	if c.Scenario == "" {
		var all []*sim.File
		for _, name := range sim.Builtins() {
			f, _ := sim.Find(name)
			all = append(all, f)
		}
		return all, nil
	}
	if f, ok := sim.Find(c.Scenario); ok {
		return []*sim.File{f}, nil
	}
	if filepath.Ext(c.Scenario) != ".toml" && !strings.ContainsRune(c.Scenario, filepath.Separator) {
		return nil, usageError{withHint(fmt.Errorf("no scenario %q", c.Scenario), "the scenarios are %s, or a file NAME.toml", scenarioNames())}
	}
	file, err := os.Open(c.Scenario)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, sim.FileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	f, err := sim.ParseFile(c.Scenario, text)
	if err != nil {
		return nil, usageError{withHint(err, "docs/scenarios.md has all keys; `streamer sim --print churn` is an example")}
	}
	return []*sim.File{f}, nil
}

// all runs scenarios, one after the other.
func (c *simCmd) all(p *program, files []*sim.File) (err error) {
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
	for _, f := range files {
		for _, v := range c.variants() {
			r, runErr := c.one(p, f, v, trace)
			if runErr != nil {
				return runErr
			}
			results = append(results, r)
			if len(r.Failures) > 0 {
				failed = append(failed, f.Name)
			}
		}
	}
	if len(results) > 1 && c.JSON != "-" {
		if err = sim.WriteSummary(p.stdout, results); err != nil {
			return fmt.Errorf("print the results: %w", err)
		}
	}
	if err = c.writeJSON(p, results); err != nil {
		return err
	}
	if err = c.writePage(results); err != nil {
		return err
	}
	if len(failed) > 0 {
		return withHint(fmt.Errorf("what must always hold did not in: %s", strings.Join(failed, ", ")),
			"the report above names nodes and times, and the command that repeats each run")
	}
	return nil
}

// A simVariant is what flags say instead of the scenario; 0: nothing. Churn is in percent a minute, below 0: nothing.
type simVariant struct {
	nodes        int
	seed         uint64
	index, churn float64
	without      string // as --without has it
}

// variants returns all that the flags ask for.
func (c *simCmd) variants() (all []simVariant) {
	indexes, churns := c.Index, c.Churn
	if len(indexes) == 0 {
		indexes = []float64{0}
	}
	if len(churns) == 0 {
		churns = []float64{-1}
	}
	withouts := c.Without
	if len(withouts) == 0 {
		withouts = []string{""}
	}
	for _, n := range c.Nodes {
		for _, index := range indexes {
			for _, churn := range churns {
				for _, without := range withouts {
					for _, seed := range c.Seed {
						all = append(all, simVariant{n, seed, index, churn, without})
					}
				}
			}
		}
	}
	return all
}

// one runs one scenario and prints its table.
func (c *simCmd) one(p *program, f *sim.File, v simVariant, trace io.Writer) (sim.Result, error) {
	s, err := c.make(f, v)
	if err != nil {
		return sim.Result{}, usageError{err}
	}
	if c.Duration > 0 {
		s = s.Until(c.Duration)
	}
	o := sim.Options{Seed: v.seed, Trace: trace, Explain: c.Explain, Repeat: c.repeat(f.Name, v), Progress: p.progress(f.Name)}
	w, err := sim.New(s, o)
	if err != nil {
		return sim.Result{}, usageError{fmt.Errorf("scenario %s: %w", f.Name, err)}
	}
	r, err := w.Run(p.ctx)
	if o.Progress != nil {
		fmt.Fprint(p.stderr, "\r\x1b[K")
	}
	if err != nil {
		return sim.Result{}, err
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

// progressCells is how wide a progress bar is.
const progressCells = 30

// progress returns what draws a bar of a run on the terminal; nil where standard error is none.
func (p *program) progress(name string) func(done, total time.Duration) {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	begun := time.Now()
	return func(done, total time.Duration) {
		cells := int(progressCells * done / max(total, 1))
		spent := time.Since(begun)
		left := time.Duration(float64(spent) * float64(total-done) / float64(max(done, 1)))
		fmt.Fprintf(f, "\r%s [%s%s] %v of %v, %v so far, about %v to go \x1b[K", name, strings.Repeat("=", cells),
			strings.Repeat(" ", progressCells-cells), done.Round(time.Second), total.Round(time.Second), spent.Round(time.Second),
			left.Round(time.Second))
	}
}

// repeat is the command that repeats a run.
func (c *simCmd) repeat(scenario string, v simVariant) string {
	cmd := fmt.Sprintf("streamer sim %s --nodes %d --seed %d", scenario, v.nodes, v.seed)
	if v.index > 0 {
		cmd += fmt.Sprintf(" --index %v", v.index)
	}
	if v.churn >= 0 {
		cmd += fmt.Sprintf(" --churn %v", v.churn)
	}
	if v.without != "" {
		cmd += " --without " + v.without
	}
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

// writePage writes one page about all runs.
func (c *simCmd) writePage(results []sim.Result) error {
	if c.HTML == "" {
		return nil
	}
	var page bytes.Buffer
	if err := sim.WritePage(&page, results); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if err := os.WriteFile(c.HTML, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
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
	names := sim.Builtins()
	for _, b := range sim.DiscoveryBuiltins() {
		names = append(names, b.Name)
	}
	return strings.Join(names, ", ")
}
