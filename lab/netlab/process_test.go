// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/lab/netlab"
)

func TestProcess(t *testing.T) {
	n := netlab.New(t, 1)
	h := n.Host(t, "a", netlab.Line{}, netlab.Line{})
	start := func(name string, args ...string) *netlab.Process {
		t.Helper()
		p, err := h.Start(netlab.Command{Name: name, Args: args})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := start("addresses", "ip", "-brief", "address")
	if err := p.Wait(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(p.Log)
	if err != nil || !strings.Contains(string(log), h.IPv4().String()) || !strings.Contains(string(log), h.IPv6().String()) {
		t.Errorf("a program on the host sees %q (%v), want its addresses %v and %v", log, err, h.IPv4(), h.IPv6())
	}

	p = start("failing", "sh", "-c", "exit 3")
	if err := p.Wait(10 * time.Second); err == nil || err.Error() != "exit status 3" {
		t.Errorf("a failing program: %v", err)
	}

	p = start("sleeping", "sleep", "1000")
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGTERM} {
		if err := p.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Wait(10 * time.Second); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("a terminated program: %v", err)
	}
	p.Kill() // of a dead one is nothing
}

// TestKilledLabLeavesNothing kills a process that has a network with programs in it.
func TestKilledLabLeavesNothing(t *testing.T) {
	const helper = "LAB_TEST_KILLED"
	if os.Getenv(helper) != "" {
		n := netlab.New(t, 1)
		home := n.Home(t, "home", netlab.HomeConfig{Kind: netlab.FullCone})
		for _, h := range []*netlab.Host{n.Host(t, "a", netlab.Line{}, netlab.Line{}), home.Router, home.Host(t, "b")} {
			if _, err := h.Start(netlab.Command{Name: h.Name, Args: []string{"sleep", "1000"}}); err != nil {
				t.Fatal(err)
			}
			err := h.Do(func() error {
				ns, err := os.Readlink("/proc/thread-self/ns/net")
				fmt.Println("namespace", ns)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("ready")
		select {}
	}

	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledLabLeavesNothing$")
	cmd.Env = append(os.Environ(), helper+"=1", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	namespaces := map[string]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		if ns, ok := strings.CutPrefix(lines.Text(), "namespace "); ok {
			namespaces[ns] = true
		}
	}
	if before := processesIn(t, namespaces); len(namespaces) != 3 || before < 3 {
		t.Errorf("%d namespaces with %d processes, want 3 with 3 or more", len(namespaces), before)
	}
	if err = cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for range time.Tick(10 * time.Millisecond) {
		left := processesIn(t, namespaces)
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left in the namespaces of a killed lab", left)
		}
	}

	// The directory is there until the next network begins, which leaves a kept one and strangers alone.
	kept, stranger := filepath.Join(temp, "streamer-lab-999999999-kept"), filepath.Join(temp, "streamer-lab-notes")
	for _, dir := range []string{kept, stranger} {
		if err = os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err = os.WriteFile(filepath.Join(kept, "keep"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	n := netlab.New(t, 1)
	dirs, err := filepath.Glob(filepath.Join(temp, "*"))
	if want := []string{n.Dir, kept, stranger}; err != nil || !slices.Equal(dirs, slices.Sorted(slices.Values(want))) {
		t.Errorf("directories after the next start: %q (%v), want %q", dirs, err, want)
	}
}

// processesIn counts the threads whose network namespace is one of the given. A namespace with no thread, no socket and
// no name is gone.
func processesIn(t *testing.T, namespaces map[string]bool) (count int) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if ns, err := os.Readlink(l); err == nil && namespaces[ns] { // an error is a process that just ended
			count++
		}
	}
	return count
}
