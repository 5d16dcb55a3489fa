// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// resultsPath is the page of results. LAB_RESULTS names another one. With LAB_STREAMER, LAB_STREAMER_OF says which program it is.
func resultsPath() string {
	if path := os.Getenv("LAB_RESULTS"); path != "" {
		return path
	}
	return filepath.Join("..", "..", "docs", "results", "crowd.md")
}

// sections are the parts of the page, in order. Each test writes its own.
var sections = []string{"forming", "leaves", "scarce", "compare"}

const pageHead = `# A crowd of real nodes

Real programs in network namespaces, one on each host, with the lines, caps, delays and times of joining that the simulator gives
its hosts for the same scenario file and seed ([the lab](../lab.md)). What is lost is what a node itself calls missing: chunks that
passed their play time. Buffer lost is by how much less was ahead of the player at the worst moment.

`

// writeSection puts a test's part into the page when this is the long run.
func writeSection(t *testing.T, name, text string) {
	t.Helper()
	t.Log("\n" + text)
	if !long || t.Failed() && os.Getenv("LAB_RESULTS") == "" {
		return
	}
	program := ""
	if of := os.Getenv("LAB_STREAMER_OF"); of != "" {
		program = ", the program of " + of
	}
	text += fmt.Sprintf("\n%s%s, with `LAB_LONG=1 go test -tags lab -run '^%s$' -count 1 -timeout 1h -v ./lab/crowd/` as root on\n%s.\n\n",
		time.Now().Format("2 January 2006"), program, t.Name(), netlab.Machine())
	old, err := os.ReadFile(resultsPath())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	page := pageHead
	for _, s := range sections {
		begin, end := "<!-- "+s+" -->\n", "<!-- end of "+s+" -->\n"
		part := text
		if s != name {
			var found bool
			if _, part, found = strings.Cut(string(old), begin); !found {
				continue
			}
			part, _, _ = strings.Cut(part, end)
		}
		page += begin + part + end
	}
	if err := os.WriteFile(resultsPath(), []byte(page), 0o644); err != nil {
		t.Error(err)
	}
}
