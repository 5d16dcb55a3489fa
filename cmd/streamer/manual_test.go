// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The manual page names every command, in bold.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/streamer.1")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&commands{}, kong.Vars{"http": defaultHTTP, "source": defaultSource})
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if words := strings.Fields(strings.ReplaceAll(line, `", "`, " ")); len(words) > 1 && (words[0] == ".B" || words[0] == ".BR") {
			for _, w := range words[1:] {
				named[w] = true
			}
		}
	}
	for _, command := range parser.Model.Children {
		if !command.Hidden && !named[command.Name] {
			t.Errorf("packaging/streamer.1 does not name %q", command.Name)
		}
	}
}
