// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stoodTick  = 2 * time.Millisecond
	stoodLeast = 10 * time.Millisecond // later than this is no accident
	stoodNice  = -20                   // before everything that the tests run; without root it is their equal
)

// watchStood notes when a processor stood still: a thread on each, served before the tests', wants to run every 2 ms. What the
// hypervisor takes without counting it as stolen shows here.
func (s *steal) watchStood() {
	var cores unix.CPUSet
	if unix.SchedGetaffinity(0, &cores) != nil {
		return
	}
	for core, left := 0, cores.Count(); left > 0; core++ {
		if cores.IsSet(core) {
			left--
			go s.watchCore(core)
		}
	}
}

func (s *steal) watchCore(core int) {
	runtime.LockOSThread()
	var own unix.CPUSet
	own.Set(core)
	if unix.SchedSetaffinity(0, &own) != nil || unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), stoodNice) != nil {
		return // a thread among equals would measure the tests
	}
	tick := unix.NsecToTimespec(int64(stoodTick))
	for {
		due := time.Now().Add(stoodTick)
		_ = unix.Nanosleep(&tick, nil) // a signal ends it early
		if now := time.Now(); now.Sub(due) > stoodLeast {
			s.stand(due, now)
		}
	}
}
