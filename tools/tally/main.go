// SPDX-License-Identifier: MIT

// Command tally reads the events of `go test -json`, shows what a person wants to see of them, and counts.
//
//	go test -json ./... | tally -log FILE    show results as they come; keep the events in FILE; exit 1 on a failure
//	tally -sum [-status N] FILE...           print "N passed, N failed" for all files; exit 1 on a failure
//
// A test with subtests counts as its subtests, a fuzz target as one. A package that fails without a failing test (it
// does not build, it panics) counts as one failure. What is run again (rerun) counts as it came out last. It keeps nothing beside the log and trusts no exit code but the
// events' own; -status adds one failure when a command around the tests failed and no event says so.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	logPath := flag.String("log", "", "keep the events in this file")
	sum := flag.Bool("sum", false, "count the events in the files named")
	status := flag.Int("status", 0, "exit status of the command that ran the tests")
	flag.Parse()

	var failed bool
	var err error
	if *sum {
		failed, err = sumFiles(os.Stdout, flag.Args(), *status)
	} else {
		failed, err = show(os.Stdout, os.Stdin, *logPath)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

// show prints the events of r for a person and copies them to the file at logPath, when it is given.
func show(w io.Writer, r io.Reader, logPath string) (failed bool, err error) {
	if logPath != "" {
		f, err := os.Create(logPath)
		if err != nil {
			return false, err
		}
		defer f.Close()
		r = io.TeeReader(r, f)
	}
	c := newCounter(w)
	if err := c.read(r); err != nil {
		return false, err
	}
	passed, failures := c.counts()
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, failures, c.skipped())
	return failures > 0, nil
}

// sumFiles prints the last line of a run.
func sumFiles(w io.Writer, paths []string, status int) (failed bool, err error) {
	var passed, failures int
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return false, err
		}
		c := newCounter(io.Discard)
		err = c.read(f)
		f.Close()
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
		p, n := c.counts()
		passed, failures = passed+p, failures+n
	}
	if failures == 0 && (status != 0 || passed == 0) {
		failures = 1
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", passed, failures)
	return failures > 0, nil
}
