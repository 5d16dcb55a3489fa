// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// interruptible starts a node and returns it once it serves, with the lines of its standard error.
func interruptible(t *testing.T) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "streamer", "run", "--no-open", "--port", "0", "--http", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "STREAMER_DATA_DIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if s := bufio.NewScanner(stdout); !s.Scan() || !strings.HasPrefix(s.Text(), "page") {
		t.Fatalf("the first line is %q, want the page's address", s.Text())
	}
	return cmd, bufio.NewScanner(stderr)
}

func TestInterruptLeavesPolitely(t *testing.T) {
	cmd, stderr := interruptible(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var said []string
	for stderr.Scan() {
		said = append(said, stderr.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0; it said %q", err, said)
	}
}

func TestSecondInterruptQuitsAtOnce(t *testing.T) {
	cmd, stderr := interruptible(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	leaving := false
	for !leaving && stderr.Scan() {
		leaving = strings.HasPrefix(stderr.Text(), "leaving")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != exitInterrupted {
		t.Errorf("got %v, want exit code %d", exit, exitInterrupted)
	}
}
