// SPDX-License-Identifier: MIT

// Command rerun runs `go test -json` and passes its events on. Tests that failed while the machine's other guests took its processors
// away are run once more at the end, one by one, when the machine serves: they measured the guests. What fails then has failed, and so
// has what failed on a machine that served. `tally` counts a test's last outcome.
//
//	rerun [-C DIR] [-stolen PERCENT] [-within DURATION] go test -json ARGUMENTS PACKAGES
//
// It knows what is taken from /proc/stat and, as root, from threads of its own that are served late; elsewhere than on Linux nothing is
// run again.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	calmFor = 10 * time.Second
	calmMax = 3 * time.Minute // to wait for it
)

func main() {
	dir := flag.String("C", ".", "directory to run in")
	stolen := flag.Int("stolen", 5, "percent of the processors that must be taken, or of the time that one must stand still, for a test to be run again")
	within := flag.Duration("within", 6*time.Minute, "no test is run again later than this after the end of the first run")
	flag.Parse()
	if flag.NArg() < 3 || flag.Arg(0) != "go" || flag.Arg(1) != "test" || flag.Arg(2) != "-json" {
		fmt.Fprintln(os.Stderr, "rerun: say what to run: rerun [flags] go test -json ARGUMENTS PACKAGES")
		os.Exit(2)
	}
	s := watchSteal()
	r := &run{dir: *dir, command: flag.Args(), out: os.Stdout}
	failed, err := r.first()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rerun:", err)
		os.Exit(2)
	}
	ok := true
	ended := time.Now()
	for _, f := range failed {
		share := s.share(f.from, f.to)
		if f.name == "" || share < *stolen || time.Since(ended) > *within {
			ok = false
			continue
		}
		fmt.Fprintf(os.Stdout, "rerun: %d %% was taken from the tests while %s %s failed: once more\n", share, f.pkg, f.name)
		s.awaitCalm(*stolen)
		again, err := r.again(f)
		if err != nil || len(again) > 0 {
			ok = false
		}
	}
	if !ok {
		os.Exit(1)
	}
}

// A failure is a test of the top level that failed, and when it ran; without a name it is the package itself.
type failure struct {
	pkg, name string
	from, to  time.Time
}

// A run runs a command.
type run struct {
	dir     string
	command []string
	out     io.Writer
}

// first runs all, and returns what failed.
func (r *run) first() ([]failure, error) { return r.execute(r.command) }

// again runs one test.
func (r *run) again(f failure) ([]failure, error) {
	return r.execute(append(arguments(r.command), "-count", "1", "-run", "^"+f.name+"$", f.pkg))
}

// arguments are a command's words without packages and without what names tests.
func arguments(command []string) (words []string) {
	for i := 0; i < len(command); i++ {
		switch w := command[i]; {
		case w == "-run" || w == "-count":
			i++ // and what follows
		case w == "go" || w == "test" || strings.HasPrefix(w, "-"):
			words = append(words, w)
			if i+1 < len(command) && takesValue(w) {
				i++
				words = append(words, command[i])
			}
		}
	}
	return words
}

// takesValue tells whether the flag's value is the next word.
func takesValue(w string) bool {
	switch w {
	case "-tags", "-timeout", "-p", "-parallel":
		return true
	}
	return false
}

// execute runs a command, passes its events on, and returns what failed in it. A command that fails without a failed test, for instance
// because nothing can be built, is a failure without a name.
func (r *run) execute(command []string) (failed []failure, err error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stderr = r.dir, os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	failed, err = read(io.TeeReader(events, r.out))
	if exit := cmd.Wait(); exit != nil && len(failed) == 0 {
		failed = append(failed, failure{})
	}
	return failed, err
}

// read finds the failures among events.
func read(events io.Reader) (failed []failure, err error) {
	type test struct{ pkg, name string }
	began, blamed := map[test]time.Time{}, map[string]bool{}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		var e struct {
			Time                          time.Time
			Action, Package, Test, Output string
		}
		if json.Unmarshal(line, &e) == nil {
			t := test{e.Package, e.Test}
			switch {
			case e.Action == "output" && strings.HasPrefix(e.Output, "panic: "): // tests behind it were not run
				failed = append(failed, failure{pkg: e.Package})
				blamed[e.Package] = true
			case strings.Contains(e.Test, "/"):
			case e.Action == "run":
				began[t] = e.Time
			case e.Action == "fail" && e.Test != "":
				blamed[e.Package] = true
				failed = append(failed, failure{e.Package, e.Test, began[t], e.Time})
			case e.Action == "fail" && !blamed[e.Package]: // it does not build, or it panicked
				failed = append(failed, failure{pkg: e.Package})
			}
		}
		if err == io.EOF {
			return failed, nil
		}
		if err != nil {
			return failed, err
		}
	}
}
