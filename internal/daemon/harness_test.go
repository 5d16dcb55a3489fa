// SPDX-License-Identifier: MIT

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/node"
)

// patience is for what takes a moment on a machine that is not busy.
const patience = 20 * time.Second

// A running is a daemon that serves.
type running struct {
	*daemon.Daemon
	ready daemon.Ready
	dir   string     // of data
	stop  func()     // and wait; may be called more than once
	ended chan error // what Run returned
}

// start runs a daemon until the test ends.
func start(t *testing.T, opts daemon.Options) *running {
	t.Helper()
	if opts.DataDir == "" {
		opts.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if opts.HTTP == "" {
		opts.HTTP = "127.0.0.1:0"
	}
	if opts.UploadBPS == 0 {
		opts.UploadBPS = node.UploadAuto
	}
	opts.Announce = []string{}
	opts.Version = "test"
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ready := make(chan daemon.Ready, 1)
	opts.OnReady = func(r daemon.Ready) { ready <- r }
	d, err := daemon.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	r := &running{Daemon: d, dir: opts.DataDir, ended: ended}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(r.stop)
	select {
	case r.ready = <-ready:
	case err := <-ended:
		stopped = true
		cancel()
		t.Fatalf("Run ended at once: %v", err)
	}
	return r
}

// peer is where others reach the daemon.
func (r *running) peer() string { return fmt.Sprintf("127.0.0.1:%d", r.ready.UDP) }

// linkVia is the station's link with one daemon as the only hint.
func (r *running) linkVia(t *testing.T, via *running) identity.Link {
	t.Helper()
	l, err := identity.ParseLink(r.ready.Link)
	if err != nil {
		t.Fatal(err)
	}
	l.Peers = []string{via.peer()}
	return l
}

// makeSound makes a file with ffmpeg that no two seconds of are alike.
func makeSound(t *testing.T, name string, seconds int, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := append([]string{
		"-v", "error", "-f", "lavfi",
		"-i", fmt.Sprintf("aevalsrc=sin(2*PI*(300+97*t)*t)*0.5|sin(2*PI*(500+41*t)*t)*0.5:s=44100:d=%d", seconds),
	}, args...)
	runTool(t, "ffmpeg", "ffmpeg", append(all, path)...)
	return path
}

// runTool runs a program to its end.
func runTool(t *testing.T, debianPackage, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%s is missing: apt-get install %s (make test does)", name, debianPackage)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// client talks to the daemon.
func (r *running) client(t *testing.T) *daemon.Client {
	t.Helper()
	c := daemon.NewClient(r.ready.HTTP)
	t.Cleanup(c.Close)
	return c
}

// A player is an open /listen response.
type player struct{ body io.ReadCloser }

// play opens a station on a daemon until the test ends.
func play(t *testing.T, r *running, id string) *player {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ready.HTTP+"listen/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("listen: %s: %s", res.Status, text)
	}
	return &player{res.Body}
}

func (p *player) read(t *testing.T, n int) []byte {
	t.Helper()
	got := make([]byte, n)
	if n, err := io.ReadFull(p.body, got); err != nil {
		t.Fatalf("listen: %v after %d bytes", err, n)
	}
	return got
}

// record reads n bytes of what a daemon plays, from now.
func record(t *testing.T, r *running, id string, n int) []byte {
	t.Helper()
	p := play(t, r, id)
	defer func() { _ = p.body.Close() }()
	return p.read(t, n)
}
