// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
	"streamer/lab/netlab"
)

var (
	streamer string // path of the program under test
	long     = os.Getenv("LAB_LONG") != ""
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := netlab.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	if streamer = os.Getenv("LAB_STREAMER"); streamer != "" { // one of another version
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "streamer-lab-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	streamer = filepath.Join(dir, "streamer")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: build streamer: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// file reads a scenario: one of testdata, or one that ships.
func file(t *testing.T, name string) *sim.File {
	t.Helper()
	path := filepath.Join("testdata", name+".toml")
	if strings.HasSuffix(name, ".toml") {
		path = name
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f, ok := sim.Find(name)
		if !ok {
			t.Fatalf("no scenario %q ships, and %v", name, err)
		}
		return f
	}
	f, err := sim.ParseFile(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// scenario is a file's scenario for a number of nodes.
func scenario(t *testing.T, f *sim.File, nodes int) sim.Scenario {
	t.Helper()
	s, err := f.Scenario(nodes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// number is what an environment variable says, or otherwise.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// pass lets time go by while the nodes play.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
