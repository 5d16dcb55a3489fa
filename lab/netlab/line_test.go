// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"streamer/lab/netlab"
)

func TestLossShareAndBursts(t *testing.T) {
	const packets = 200_000
	for _, test := range []struct{ loss, burst, wantBurst float64 }{
		{0, 0, 0},
		{0.01, 0, 1.01},
		{0.05, 1, 1.05},
		{0.05, 5, 5},
		{0.10, 8, 8},
		{1, 0, packets},
	} {
		p := netlab.NewPath(1, "host up", netlab.Line{Loss: test.loss, Burst: test.burst})
		lost, bursts, before := 0, 0, false
		for range packets {
			_, copies := p.Pass(0, 100)
			if copies == 0 {
				lost++
				if !before {
					bursts++
				}
			}
			before = copies == 0
		}
		share := float64(lost) / packets
		if math.Abs(share-test.loss) > 0.1*test.loss {
			t.Errorf("loss %v burst %v: lost a share of %v", test.loss, test.burst, share)
		}
		if mean := float64(lost) / float64(max(bursts, 1)); math.Abs(mean-test.wantBurst) > 0.1*test.wantBurst {
			t.Errorf("loss %v burst %v: mean burst %v, want %v", test.loss, test.burst, mean, test.wantBurst)
		}
	}
}

func TestSeedRepeatsFates(t *testing.T) {
	line := netlab.Line{
		Delay: 25 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.1,
		Reorder: 0.05, ReorderBy: 30 * time.Millisecond, Duplicate: 0.02,
	}
	run := func(seed uint64, name string) (fates []time.Duration) {
		p := netlab.NewPath(seed, name, line)
		for i := range 1000 {
			due, copies := p.Pass(time.Duration(i)*time.Millisecond, 1200)
			fates = append(fates, due*time.Duration(copies))
		}
		return fates
	}
	if !slices.Equal(run(7, "a up"), run(7, "a up")) {
		t.Error("the same seed and name gave other fates")
	}
	if slices.Equal(run(7, "a up"), run(8, "a up")) {
		t.Error("another seed gave the same fates")
	}
	if slices.Equal(run(7, "a up"), run(7, "b up")) {
		t.Error("another name gave the same fates")
	}
}

func TestJitterKeepsOrderAndReorderDoesNot(t *testing.T) {
	overtaken := func(line netlab.Line) (n int) {
		p := netlab.NewPath(1, "host up", line)
		last := time.Duration(0)
		for i := range 10_000 {
			now := time.Duration(i) * time.Millisecond
			due, _ := p.Pass(now, 100)
			if delay := due - now; delay < line.Delay || delay > line.Delay+line.Jitter+line.ReorderBy {
				t.Fatalf("packet delayed by %v on line %+v", delay, line)
			}
			if due < last {
				n++
			}
			last = max(last, due)
		}
		return n
	}
	if n := overtaken(netlab.Line{Delay: 25 * time.Millisecond, Jitter: 20 * time.Millisecond}); n != 0 {
		t.Errorf("jitter alone: %d packets overtook", n)
	}
	if n := overtaken(netlab.Line{Delay: 25 * time.Millisecond, Reorder: 0.1, ReorderBy: 5 * time.Millisecond}); n < 3000 {
		t.Errorf("reordering 10 %% by 5 packets: only %d were overtaken", n)
	}
}

func TestRateAndQueue(t *testing.T) {
	// 1 Mbit/s: a 1,250 byte packet every 10 ms; a queue of 12,500 bytes is 100 ms.
	p := netlab.NewPath(1, "host up", netlab.Line{RateBPS: 1_000_000, QueueBytes: 12_500})
	var passed int
	var last time.Duration
	for range 100 {
		due, copies := p.Pass(0, 1250)
		if copies == 0 {
			continue
		}
		passed++
		if want := time.Duration(passed) * 10 * time.Millisecond; due != want {
			t.Errorf("packet %d leaves at %v, want %v", passed, due, want)
		}
		last = due
	}
	if passed != 10 {
		t.Errorf("%d of 100 packets passed a queue of 10", passed)
	}
	if due, _ := p.Pass(time.Second, 1250); due != time.Second+10*time.Millisecond {
		t.Errorf("after a rest (queue empty at %v) a packet leaves at %v", last, due)
	}
}

func TestDuplicate(t *testing.T) {
	p := netlab.NewPath(1, "host up", netlab.Line{Duplicate: 0.2})
	twice := 0
	for range 10_000 {
		if _, copies := p.Pass(0, 100); copies == 2 {
			twice++
		}
	}
	if twice < 1800 || twice > 2200 {
		t.Errorf("%d of 10,000 packets came twice, want about 2,000", twice)
	}
}
