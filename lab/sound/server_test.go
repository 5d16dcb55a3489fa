// SPDX-License-Identifier: MIT

//go:build lab && linux

package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTime bounds the start of anything on a loaded machine.
const startTime = 30 * time.Second

// A process is a program that runs beside the test and ends with it at the latest.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// Write keeps what the program says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs a program; out may be nil: then what it says is kept.
func start(t *testing.T, env []string, out io.Writer, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if out != nil {
		p.cmd.Stdout = out
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%v (tools/deps.sh names the packages)", err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(func() { p.end(t, syscall.SIGTERM) })
	return p
}

// end sends a signal and waits.
func (p *process) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("%s had to be killed:\n%s", p.cmd.Path, p.said())
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// awaitWords waits until the program has said something.
func (p *process) awaitWords(t *testing.T, words string) {
	t.Helper()
	await(t, fmt.Sprintf("%s says %q", filepath.Base(p.cmd.Path), words), func() error {
		if !strings.Contains(p.said(), words) {
			return errors.New(p.said())
		}
		return nil
	})
}

// await waits until try returns nil. What it waits for happens in other processes, which send no word.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(startTime); ; pass(t, 10*time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s\n%v", startTime, what, err)
		}
	}
}

// pass lets time go by.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// A server is a PulseAudio server with one sink, and what is heard there.
type server struct {
	*process
	rate   int
	socket string
	env    []string

	mu    sync.Mutex
	heard []float32 // interleaved stereo
	rest  []byte
}

// newServer starts a server at the rate of the music, so that it changes nothing.
func newServer(t *testing.T, rate int) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "sound") // the address of a Unix socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &server{rate: rate, socket: filepath.Join(dir, "socket")}
	s.env = []string{
		"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "XDG_CONFIG_HOME=" + dir, "PULSE_SERVER=unix:" + s.socket,
		"DBUS_SESSION_BUS_ADDRESS=disabled:",
	}
	s.run(t)
	return s
}

// run starts the server, and the recorder.
func (s *server) run(t *testing.T) {
	t.Helper()
	s.process = start(t, s.env, nil, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+s.socket,
		"-L", fmt.Sprintf("module-null-sink sink_name=radio format=float32le rate=%d channels=2", s.rate))
	await(t, "the sound server answers", func() error { return s.pactl("info") })
	start(t, s.env, s, "parec", "--raw", "--format=float32le", fmt.Sprintf("--rate=%d", s.rate), "--channels=2", "--latency-msec=20",
		"--device=radio.monitor")
	n := s.samples()
	await(t, "silence is heard", func() error {
		if s.samples() == n {
			return errors.New("the recorder gives nothing")
		}
		return nil
	})
}

func (s *server) pactl(args ...string) error {
	cmd := exec.Command("pactl", args...) //nolint:noctx // it ends by itself
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("pactl %s: %w %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Write takes what the recorder hears.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, b...)
	for ; len(s.rest) >= 4; s.rest = s.rest[4:] {
		s.heard = append(s.heard, math.Float32frombits(binary.LittleEndian.Uint32(s.rest)))
	}
	return len(b), nil
}

func (s *server) samples() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard)
}

// recording is what was heard from a sample on.
func (s *server) recording(from int) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]float32(nil), s.heard[from:]...)
}

// loud tells how much of it is sound, and where the first is.
func loud(samples []float32, rate int) (sound, first time.Duration) {
	const window = 10 * time.Millisecond
	size := 2 * rate / 100
	first = -1
	for i := 0; i+size <= len(samples); i += size {
		for _, v := range samples[i : i+size] {
			if v > 0.003 || v < -0.003 {
				if first < 0 {
					first = time.Duration(i/size) * window
				}
				sound += window
				break
			}
		}
	}
	return sound, first
}

// awaitSound waits until something is heard after sample from.
func (s *server) awaitSound(t *testing.T, from int) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, "sound", func() error {
		if heard, _ := loud(s.recording(from), s.rate); heard == 0 {
			return errors.New("silence")
		}
		return nil
	})
	return time.Since(began)
}
