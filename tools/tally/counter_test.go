// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		name           string
		events         string
		passed, failed int
	}{
		{"one of each", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}`, 1, 1},
		{"subtests stand for their parent", `
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA/y/deep"}
{"Action":"fail","Package":"p","Test":"TestA/y"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, 1, 1},
		{"a parent that fails by itself", `
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, 1, 1},
		{"seeds of a fuzz target count once", `
{"Action":"pass","Package":"p","Test":"FuzzA/seed#0"}
{"Action":"pass","Package":"p","Test":"FuzzA/seed#1"}
{"Action":"pass","Package":"p","Test":"FuzzA"}
{"Action":"pass","Package":"p"}`, 1, 0},
		{"a package that does not build", `
{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p"}
{"Action":"pass","Package":"q","Test":"TestA"}
{"Action":"pass","Package":"q"}`, 1, 1},
		{"a subtest with a slash in its name", `
{"Action":"pass","Package":"p","Test":"TestA/x/y"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`, 1, 0},
		{"a test that is run again", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestA/2"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/1"}
{"Action":"pass","Package":"p","Test":"TestA/1"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`, 1, 1},
		{"not an event", "go: nothing to test\n", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCounter(new(strings.Builder))
			if err := c.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if passed, failed := c.counts(); passed != tt.passed || failed != tt.failed {
				t.Errorf("got %d passed, %d failed; want %d, %d", passed, failed, tt.passed, tt.failed)
			}
		})
	}
}

func TestSumLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(path, []byte(`{"Action":"pass","Package":"p","Test":"TestA"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		paths  []string
		status int
		want   string
	}{
		{[]string{path, path}, 0, "2 passed, 0 failed\n"},
		{[]string{path}, 2, "1 passed, 1 failed\n"}, // a check beside the tests failed
		{nil, 0, "0 passed, 1 failed\n"},            // nothing ran: that is no success
	} {
		var out strings.Builder
		failed, err := sumFiles(&out, tt.paths, tt.status)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != tt.want || failed == strings.HasSuffix(tt.want, " 0 failed\n") {
			t.Errorf("sum of %v with status %d: got %q, failed %v; want %q", tt.paths, tt.status, got, failed, tt.want)
		}
	}
}

func TestShowPrintsTheOutputOfFailuresOnly(t *testing.T) {
	var out strings.Builder
	failed, err := show(&out, strings.NewReader(`
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"loud\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`), "")
	if err != nil || !failed {
		t.Fatalf("failed %v, err %v", failed, err)
	}
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
		t.Errorf("got:\n%s", got)
	}
}
