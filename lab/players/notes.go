// SPDX-License-Identifier: MIT

package players

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// lineBytesMax is the longest line that is read; what a player says beyond it is dropped.
const lineBytesMax = 64 << 10

// stopTime is how long a player may take to end after it was asked to.
const stopTime = 3 * time.Second

// notes is what happens during one run. Any goroutine may write.
type notes struct {
	mu     sync.Mutex
	began  time.Time
	first  time.Duration // for what is no sound
	played time.Duration // likewise
	titles []string
	errors []string
	ended  bool
}

func (n *notes) title(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s = strings.TrimSpace(s); s != "" && (len(n.titles) == 0 || n.titles[len(n.titles)-1] != s) {
		n.titles = append(n.titles, s)
	}
}

func (n *notes) fault(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s = strings.TrimSpace(s); s != "" && len(n.errors) < errorsMax {
		n.errors = append(n.errors, s)
	}
}

func (n *notes) report() Report {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Report{FirstSound: n.first, Played: n.played, Titles: n.titles, Errors: n.errors, Ended: n.ended}
}

// program runs a player for the time of the job, and gives every line that it says to line. Whether it fails is told by
// what it says; that it ends early is noted.
func (j job) program(ctx context.Context, line func(string), name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, j.time)
	defer cancel()
	cmd := command(ctx, name, args...)
	cmd.Env = append(os.Environ(), j.card.env...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	var reading sync.WaitGroup
	reading.Go(func() { lines(r, line) })
	err := cmd.Run()
	_ = w.Close() // never fails
	reading.Wait()
	if cmd.Process == nil {
		return err
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	if ctx.Err() == nil {
		j.mu.Lock()
		j.ended = true
		j.mu.Unlock()
		if err != nil {
			j.fault(name + ": " + err.Error())
		}
	}
	return nil
}

// command prepares a process that is interrupted, then killed, when ctx ends; its children get the same.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopTime
	return cmd
}

// lines calls line for every line of r, whether it ends in \n or in the \r of a progress display.
func lines(r io.Reader, line func(string)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, lineBytesMax)
	s.Split(func(b []byte, end bool) (int, []byte, error) {
		if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			return i + 1, b[:i], nil
		}
		if len(b) >= lineBytesMax-1 || end && len(b) > 0 {
			return len(b), b, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		line(s.Text())
	}
	_, _ = io.Copy(io.Discard, r) // so that the player does not block
}
