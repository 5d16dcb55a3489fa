// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
)

// An event is one line of `go test -json` (`go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
	Elapsed    float64
}

// A test names one test or subtest; name is empty for the package itself.
type test struct{ pkg, name string }

// counter collects outcomes; output is kept until its test passes.
type counter struct {
	w       io.Writer
	outcome map[test]string
	output  map[test]*strings.Builder
	parent  map[test]bool // has subtests that count
}

func newCounter(w io.Writer) *counter {
	return &counter{
		w: w, outcome: map[test]string{}, output: map[test]*strings.Builder{}, parent: map[test]bool{},
	}
}

func (c *counter) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			c.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *counter) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(c.w, line) // the go command's own words
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "run":
		c.forget(t)
	case "build-output":
		fmt.Fprint(c.w, e.Output)
	case "output":
		c.keep(t, e.Output)
	case "pass", "skip":
		c.finish(t, e)
	case "fail":
		c.finish(t, e)
		if b := c.output[t]; b != nil {
			fmt.Fprint(c.w, b.String())
		}
		delete(c.output, t)
	}
}

// forget drops what an earlier run of a test and its subtests came to.
func (c *counter) forget(t test) {
	if strings.Contains(t.name, "/") || c.outcome[t] == "" {
		return
	}
	for o := range c.outcome {
		if o.pkg == t.pkg && (o.name == t.name || strings.HasPrefix(o.name, t.name+"/")) {
			delete(c.outcome, o)
			delete(c.parent, o)
		}
	}
}

// keep stores output, which is worth reading only when its test fails.
func (c *counter) keep(t test, text string) {
	b := c.output[t]
	if b == nil {
		b = new(strings.Builder)
		c.output[t] = b
	}
	b.WriteString(text)
}

// finish notes an outcome and marks the parent, whose own outcome then says nothing new.
func (c *counter) finish(t test, e event) {
	if e.Action != "fail" {
		delete(c.output, t)
	}
	if t.name == "" {
		c.outcome[t] = e.Action
		if e.Action != "skip" {
			fmt.Fprintf(c.w, "%-4s %-40s %7.1fs\n", e.Action, e.Package, e.Elapsed)
		}
		return
	}
	if strings.HasPrefix(t.name, "Fuzz") && strings.Contains(t.name, "/") {
		return // a seed of a fuzz target
	}
	c.outcome[t] = e.Action
	if e.Action != "skip" {
		for name := range ancestors(t.name) {
			c.parent[test{t.pkg, name}] = true
		}
	}
	if e.Action == "skip" {
		fmt.Fprintf(c.w, "skip %s %s\n", t.pkg, t.name)
	}
}

// counts returns the numbers of passed and failed tests.
func (c *counter) counts() (passed, failed int) {
	blamed := map[string]bool{} // packages with a failed test
	below := map[test]bool{}    // tests with a failed subtest
	for t, outcome := range c.outcome {
		if t.name == "" || outcome != "fail" {
			continue
		}
		blamed[t.pkg] = true
		for name := range ancestors(t.name) {
			below[test{t.pkg, name}] = true
		}
	}
	for t, outcome := range c.outcome {
		switch {
		case t.name == "":
			if outcome == "fail" && !blamed[t.pkg] {
				failed++
			}
		case outcome == "fail" && !below[t]:
			failed++
		case outcome == "pass" && !c.parent[t]:
			passed++
		}
	}
	return passed, failed
}

func (c *counter) skipped() (n int) {
	for t, outcome := range c.outcome {
		if t.name != "" && outcome == "skip" {
			n++
		}
	}
	return n
}

// ancestors yields the names of the tests that the named one is a subtest of. A subtest's own name may have slashes, so
// some of them may not exist.
func ancestors(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name, '/') {
			name = name[:i]
			if !yield(name) {
				return
			}
		}
	}
}
