// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A steal notes how much of the processors the machine's other guests take: what the kernel counts as stolen (proc(5), /proc/stat),
// and how long a processor stood still.
type steal struct {
	mu    sync.Mutex
	looks []look
	stood []span
}

type span struct{ from, to time.Time }

// A look is what the kernel had counted at a moment, in ticks of all processors since the start.
type look struct {
	at         time.Time
	taken, all uint64
}

// watchSteal looks once a second for as long as the program runs.
func watchSteal() *steal {
	s := &steal{}
	s.watchStood()
	s.look()
	go func() {
		for range time.Tick(time.Second) {
			s.look()
		}
	}()
	return s
}

func (s *steal) look() {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return // another system
	}
	taken, all, err := parse(string(text))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.looks = append(s.looks, look{time.Now(), taken, all})
	s.mu.Unlock()
}

// parse reads the first line: user, nice, system, idle, iowait, irq, softirq, steal, and two that are counted in user and nice.
func parse(text string) (taken, all uint64, err error) {
	line, _, _ := strings.Cut(text, "\n")
	var ticks [8]uint64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d",
		&ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]); err != nil {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q: %w", line, err)
	}
	for _, t := range ticks {
		all += t
	}
	return ticks[7], all, nil
}

// stand notes that a processor stood still.
func (s *steal) stand(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stood = append(s.stood, span{from, to})
}

// share is the percentage that was taken in a span: the larger of what was stolen from all processors, and of the time in which one
// or another stood still.
func (s *steal) share(from, to time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.stolen(from, to), s.still(from, to))
}

func (s *steal) still(from, to time.Time) int {
	slices.SortFunc(s.stood, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	counted := from // until here
	for _, one := range s.stood {
		if one.from.After(counted) {
			counted = one.from
		}
		if end := one.to; end.After(counted) && counted.Before(to) {
			if end.After(to) {
				end = to
			}
			total += end.Sub(counted)
			counted = end
		}
	}
	return int(100 * total / max(to.Sub(from), 1))
}

func (s *steal) stolen(from, to time.Time) int {
	var first, last *look
	for i := range s.looks {
		l := &s.looks[i]
		if !l.at.After(from) || first == nil {
			first = l
		}
		if last = l; !l.at.Before(to) {
			break
		}
	}
	if first == nil || last.all == first.all {
		return 0
	}
	return int((last.taken - first.taken) * 100 / (last.all - first.all))
}

// awaitCalm waits until less was taken for a while, or for calmMax.
func (s *steal) awaitCalm(percent int) {
	for began := time.Now(); time.Since(began) < calmMax; {
		from := time.Now()
		time.Sleep(calmFor)
		if s.share(from, time.Now()) < percent {
			return
		}
	}
}
