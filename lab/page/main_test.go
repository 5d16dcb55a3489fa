// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"streamer/lab/browser"
)

var (
	builds   string // a directory of this run: what is made once for all tests
	streamer string // path of the program under test
	chromium *browser.Browser
	studio   *node // plays sweeps as studioName
)

// long tells whether the long measurements run too (`make lab-long`).
var long = os.Getenv("LAB_LONG") != ""

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "streamer-lab-page-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	builds = dir
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() { _ = chromium.Close() }()
	defer studio.kill()
	return m.Run()
}

// prepare makes what all tests share: the program, the music, the station and the browser.
func prepare(ctx context.Context) error {
	if streamer = os.Getenv("LAB_STREAMER"); streamer == "" { // one of another version
		streamer = filepath.Join(builds, "streamer")
		build := exec.CommandContext(ctx, "go", "build", "-o", streamer, "../../cmd/streamer")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build streamer: %w\n%s", err, out)
		}
	}
	if err := makeSweeps(ctx, filepath.Join(builds, "sweeps")); err != nil {
		return err
	}
	var err error
	if studio, err = launch(filepath.Join(builds, "studio"), "broadcast", filepath.Join(builds, "sweeps"), "--name", studioName,
		"--genre", "Laboratory, Sine", "--description", "A tone that rises."); err != nil {
		return err
	}
	if chromium, err = browser.Start(ctx, filepath.Join(builds, "chromium"), []string{"HOME=" + builds},
		"--host-resolver-rules=MAP *.test 127.0.0.1"); err != nil {
		studio.kill()
		return err
	}
	return nil
}

// await waits until done says so. What it waits for happens in other processes, which send no word: it looks every few
// milliseconds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	const limit = time.Minute
	for began := time.Now(); !done(); {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}
