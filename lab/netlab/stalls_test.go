// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"streamer/lab/netlab"
)

// TestStalls holds up one core for 300 ms, and then two at once: it is 300 ms each time. Linux gives those who wait up to 50 ms in a
// second all the same.
func TestStalls(t *testing.T) {
	const held = 300 * time.Millisecond
	s := netlab.WatchStalls(t)
	for cores := 1; cores <= min(2, runtime.NumCPU()); cores++ {
		began := time.Now()
		done := make(chan error)
		for core := range cores {
			go func() { done <- hold(core, began.Add(50*time.Millisecond), held) }()
		}
		for range cores {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for s.Since(began) == 0 && time.Since(began) < 5*time.Second { // the threads that watch have not run yet
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		got, all := s.Since(began), time.Since(began)
		t.Logf("%d cores were held for %v of %v: %v", cores, held, all, got)
		if got < held-100*time.Millisecond || got > all {
			t.Errorf("%d cores were held for %v: %v of %v", cores, held, got, all)
		}
	}
}

// hold keeps a core from everybody else.
func hold(core int, at time.Time, d time.Duration) error {
	runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
	var own unix.CPUSet
	own.Set(core)
	if err := unix.SchedSetaffinity(0, &own); err != nil {
		return err
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}, 0); err != nil {
		return err
	}
	time.Sleep(time.Until(at)) // the cores' time is real
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
	return nil
}
