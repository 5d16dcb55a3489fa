// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"streamer/lab/netlab"
)

// TestStalls holds up one core for 300 ms, and then two at once: it is 300 ms each time. Linux gives those who wait up to 50 ms in each
// of its seconds all the same, of which the 300 ms may touch two.
func TestStalls(t *testing.T) {
	const held, given = 300 * time.Millisecond, 50 * time.Millisecond
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
		if got < held-2*given-20*time.Millisecond || got > all {
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

// A judge notes what Fairly says.
type judge struct {
	testing.TB
	errors []any
}

func (j *judge) Error(args ...any) { j.errors = append(j.errors, args...) }

// Faults that the program made while the machine served are reported at once; others only if they are there each time.
func TestFairly(t *testing.T) {
	for _, c := range []struct {
		name          string
		stood         time.Duration // in each try of 10 s
		faulty        int           // so many tries find a fault
		tries, faults int
	}{
		{"nothing wrong", time.Second, 0, 1, 0},
		{"the program's", 400 * time.Millisecond, 9, 1, 1},
		{"the machine's", 600 * time.Millisecond, 2, 3, 0},
		{"each time", 600 * time.Millisecond, 9, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, j, tries := &netlab.Stalls{}, &judge{TB: t}, 0
				s.Fairly(j, func() (faults []string) {
					tries++
					s.Add(time.Now(), time.Now().Add(c.stood))
					time.Sleep(10 * time.Second)
					if tries <= c.faulty {
						faults = append(faults, "late")
					}
					return faults
				})
				if tries != c.tries || len(j.errors) != c.faults {
					t.Errorf("%d tries, %v; want %d tries and %d faults", tries, j.errors, c.tries, c.faults)
				}
			})
		})
	}
}
