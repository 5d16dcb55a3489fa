// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"streamer/lab/netlab"
)

var (
	builds   string // a directory of this run: what is made once for all scenarios
	streamer string // path of the program under test
)

// long tells whether the long measurements run too (`make lab-long`).
var long = os.Getenv("LAB_LONG") != ""

// settle is how long a party is left alone after everybody has audio: those who tuned in last still get their seconds of the
// past, of which some comes too late where upload is short.
const settle = 10 * time.Second

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := netlab.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	for _, tool := range []struct{ name, debian string }{{"ffmpeg", "ffmpeg"}, {"curl", "curl"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %s is missing: install the Debian package %s\n", tool.name, tool.debian)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "streamer-lab-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	builds = dir
	streamer = filepath.Join(dir, "streamer")
	if path := os.Getenv("LAB_STREAMER"); path != "" { // for one of another version
		streamer = path
		return m.Run()
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", streamer, "../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: build streamer: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// beside lets a test go beside others in the short run: it mostly waits. The long run measures one at a time, as the short one does
// where a second decides.
func beside(t *testing.T) {
	t.Helper()
	if !long {
		t.Parallel()
	}
}

// await waits until done says so. What it waits for happens in other processes, which send no word: it looks every few
// milliseconds.
func await(t *testing.T, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		pass(t, 5*time.Millisecond)
	}
	return time.Since(began)
}

// pass lets time go by while the nodes play.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
