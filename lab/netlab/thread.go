// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

var errEnded = errors.New("netlab: the network was closed")

// A thread is an operating system thread inside a network namespace of its own. The namespace has no name: it lives as
// long as the thread, the sockets and the programs that were made on it.
//
// It is also the parent of the host's programs. Linux sends the parent-death signal when the *thread* that started a
// program ends, so that thread must live as long as the host.
type thread struct {
	tid   int // by which ip(8) finds the namespace
	calls chan func()
	quit  chan struct{}
	done  chan struct{}
}

// newThread starts a thread in a new network namespace.
func newThread() (*thread, error) {
	t := &thread{calls: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	failed := make(chan error, 1)
	go func() {
		defer close(t.done)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			failed <- fmt.Errorf("make network namespace: %w", err)
			return
		}
		t.tid = unix.Gettid()
		failed <- nil
		for {
			select {
			case call := <-t.calls:
				call()
			case <-t.quit:
				return
			}
		}
	}()
	return t, <-failed
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func() error) error {
	failed := make(chan error, 1)
	select {
	case t.calls <- func() { failed <- f() }:
		return <-failed
	case <-t.done:
		return errEnded
	}
}

// end stops the thread. The programs that it started are killed.
func (t *thread) end() {
	close(t.quit)
	<-t.done
}
