// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A Command is a program to start on a host.
type Command struct {
	Name   string   // of its log file; unique in the network
	Args   []string // the program, found in PATH, and its arguments
	Env    []string // beside PATH and HOME
	Stdin  *os.File // nil: nothing to read
	Stdout *os.File // nil: the log
}

// A Process is a running program. It dies with the test process.
type Process struct {
	Name string
	Log  string // path of what it wrote to standard error and, unless the Command said otherwise, standard output
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; valid once done is closed
}

// Start starts a program on the host.
func (h *Host) Start(c Command) (*Process, error) {
	path, err := exec.LookPath(c.Args[0])
	if err != nil {
		return nil, fmt.Errorf("start %s on host %s: %w", c.Name, h.Name, err)
	}
	p := &Process{Name: c.Name, Log: filepath.Join(h.net.Dir, c.Name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()

	p.cmd = exec.CommandContext(context.Background(), path, c.Args[1:]...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.net.Dir}, c.Env...)
	p.cmd.Dir = h.net.Dir
	p.cmd.Stderr, p.cmd.Stdout = log, log
	if c.Stdin != nil {
		p.cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		p.cmd.Stdout = c.Stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := h.Do(p.cmd.Start); err != nil { // on the host's thread: the child is in its namespace
		return nil, fmt.Errorf("start %s on host %s: %w", c.Name, h.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	h.mu.Lock()
	h.procs = append(h.procs, p)
	h.mu.Unlock()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal: syscall.SIGTERM, SIGSTOP, SIGCONT and so on. A process that ended is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL, with all of its process group, and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its group's id may be somebody else's by now
		return
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
}

// Wait waits for the process to end and returns what os/exec says about it.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("%s did not end within %v", p.Name, timeout)
	}
}
