// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// A usage is what a process has used.
type usage struct {
	at     time.Time
	user   time.Duration // of all its threads
	system time.Duration // likewise, in the kernel
	rss    int64         // bytes
}

// sample reads what a process has used so far; of process 0 nothing.
func sample(pid int) (usage, error) {
	if pid == 0 {
		return usage{at: time.Now()}, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	// proc(5): the name, in parentheses, may hold anything; utime and stime are fields 14 and 15, rss is 24, in pages.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, rss = 14 - 3, 15 - 3, 24 - 3
	if len(fields) <= rss {
		return usage{}, fmt.Errorf("sample process %d: %d fields in its stat", pid, len(fields))
	}
	var n [3]int64
	for i, f := range [...]string{fields[utime], fields[stime], fields[rss]} {
		if n[i], err = strconv.ParseInt(f, 10, 64); err != nil {
			return usage{}, fmt.Errorf("sample process %d: %w", pid, err)
		}
	}
	return usage{
		at: time.Now(), user: time.Duration(n[0]) * clockTick, system: time.Duration(n[1]) * clockTick,
		rss: n[2] * int64(os.Getpagesize()),
	}, nil
}
