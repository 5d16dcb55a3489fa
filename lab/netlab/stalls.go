// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stallTick  = 2 * time.Millisecond
	stallLeast = 10 * time.Millisecond // later than this was no stall

	fairTries = 3
	fairShare = 20 // a machine that stood still for a twentieth of a try, or more, did not serve
	calmFor   = 5 * time.Second
	calmWait  = time.Minute
)

// A Stalls notes when the machine stood still, so that a test with a limit of its own can leave out what was the machine's and not
// the program's. On each core a thread of usual priority wants to run every 2 ms; from when it should have to when it did, if that
// is more than 10 ms, the core did not serve.
type Stalls struct {
	mu   sync.Mutex
	list []stall
}

type stall struct{ from, to time.Time }

// WatchStalls watches until the test ends.
func WatchStalls(t testing.TB) *Stalls {
	t.Helper()
	var cores unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cores); err != nil {
		t.Fatalf("ask for the cores: %v", err)
	}
	s := &Stalls{}
	quit := make(chan struct{})
	var ended sync.WaitGroup
	failed := make(chan error, cores.Count())
	for core, left := 0, cores.Count(); left > 0; core++ {
		if cores.IsSet(core) {
			left--
			ended.Go(func() { failed <- s.watch(core, quit) })
		}
	}
	t.Cleanup(func() {
		close(quit)
		ended.Wait()
		for range cores.Count() {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

// watch looks at one core.
func (s *Stalls) watch(core int, quit <-chan struct{}) error {
	runtime.LockOSThread() // and never unlock: the thread, which is bound to the core, ends with the goroutine
	var own unix.CPUSet
	own.Set(core)
	if err := unix.SchedSetaffinity(0, &own); err != nil {
		return fmt.Errorf("watch core %d: %w", core, err)
	}
	tick := unix.NsecToTimespec(int64(stallTick))
	for {
		select {
		case <-quit:
			return nil
		default:
		}
		due := time.Now().Add(stallTick)
		_ = unix.Nanosleep(&tick, nil) // a signal ends it early, which is no stall
		if now := time.Now(); now.Sub(due) > stallLeast {
			s.mu.Lock()
			s.list = append(s.list, stall{due, now})
			s.mu.Unlock()
		}
	}
}

// Fairly measures programs that play in real time, and reports the faults that measure found as errors. Programs that stand still
// play with holes: where there are faults and the machine did not serve, it measures again, three times at most, when the machine
// has served for 5 s or a minute has gone by. Faults that the programs made are there each time, or while the machine served.
func (s *Stalls) Fairly(t testing.TB, measure func() (faults []string)) {
	t.Helper()
	for try := 1; ; try++ {
		began := time.Now()
		faults := measure()
		stood := s.Since(began)
		t.Logf("the machine stood still for %v of %v", stood.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		if len(faults) == 0 {
			return
		}
		if stood < time.Since(began)/fairShare || try == fairTries {
			for _, fault := range faults {
				t.Error(fault)
			}
			return
		}
		t.Logf("once more: %q", faults)
		s.awaitCalm(t)
	}
}

// awaitCalm waits until the machine serves.
func (s *Stalls) awaitCalm(t testing.TB) {
	for began := time.Now(); time.Since(began) < calmWait; {
		select {
		case <-time.After(calmFor): // what the machine does is real
		case <-t.Context().Done():
			return
		}
		if s.Since(time.Now().Add(-calmFor)) < calmFor/fairShare {
			return
		}
	}
}

// Since is for how long one core or another stood still since a moment: nothing was later by more because of it.
func (s *Stalls) Since(from time.Time) time.Duration { return s.Between(from, time.Now()) }

// Between is the same of a span.
func (s *Stalls) Between(from, to time.Time) (total time.Duration) {
	for _, one := range s.within(from, to) {
		total += one.to.Sub(one.from)
	}
	return total
}

// Longest is the longest time for which one core or another stood still since a moment.
func (s *Stalls) Longest(from time.Time) (longest time.Duration) {
	for _, one := range s.within(from, time.Now()) {
		longest = max(longest, one.to.Sub(one.from))
	}
	return longest
}

// within lists the stalls of a span in order; those of several cores that overlap are one.
func (s *Stalls) within(from, to time.Time) (joined []stall) {
	s.mu.Lock()
	list := slices.Clone(s.list)
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b stall) int { return a.from.Compare(b.from) })
	for _, one := range list {
		if one.from.Before(from) {
			one.from = from
		}
		if one.to.After(to) {
			one.to = to
		}
		last := len(joined) - 1
		switch {
		case !one.to.After(one.from):
		case last >= 0 && !one.from.After(joined[last].to):
			if one.to.After(joined[last].to) {
				joined[last].to = one.to
			}
		default:
			joined = append(joined, one)
		}
	}
	return joined
}
