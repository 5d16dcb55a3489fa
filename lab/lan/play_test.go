// SPDX-License-Identifier: MIT

//go:build lab && linux

package lan_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"streamer/internal/demo"
)

// TestPlayOnALAN: a broadcaster and a listener on a LAN without a seed, without a router and without the internet. The listener
// knows a name and nothing else.
func TestPlayOnALAN(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	streamer := filepath.Join(dir, "streamer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	music := filepath.Join(dir, demo.FileName)
	if err := os.WriteFile(music, demo.Music(), 0o600); err != nil {
		t.Fatal(err)
	}
	lan := newBridge(t)
	studio, kitchen := newBox(t), newBox(t)
	for at, addr := range map[*box]string{studio: "192.168.7.1/24", kitchen: "192.168.7.2/24"} {
		lan.plug(t, at, "eth0", addr)
		at.ip(t, "link set lo up")
		up(t, at, "eth0")
	}
	studio.run(t, streamer, "broadcast", music, "--name", "Village Radio", "--data-dir", filepath.Join(dir, "studio"),
		"--http", "127.0.0.1:0", "--no-dht", "--no-open")
	heard := filepath.Join(dir, "heard.mp3")
	began := time.Now()
	kitchen.run(t, streamer, "listen", "village radio", "--output", heard, "--data-dir", filepath.Join(dir, "kitchen"),
		"--http", "127.0.0.1:0", "--no-dht", "--no-open")

	const enough = 60_000 // bytes: six seconds at 80 kbit/s
	var got []byte
	for deadline := began.Add(30 * time.Second); len(got) < enough; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s the listener has %d bytes", len(got))
		}
		if len(got) == 0 {
			if got, _ = os.ReadFile(heard); len(got) > 0 {
				t.Logf("the first audio came %v after the listener's start", time.Since(began).Round(time.Millisecond))
			}
		}
		got, _ = os.ReadFile(heard)
	}
	if part := got[:enough/2]; !bytes.Contains(append(demo.Music(), demo.Music()...), part) {
		t.Error("what was heard is not what was sent")
	}
}

// run starts a command in the box and ends it with the test.
func (b *box) run(t *testing.T, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := b.do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("%s: %v\n%s", args[1], err, said.String())
		}
	})
}
