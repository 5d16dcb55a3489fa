// SPDX-License-Identifier: MIT

package sim_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mono"
	"streamer/internal/sim"
)

func TestQueueOrder(t *testing.T) {
	type entry struct {
		at     mono.Time
		number int
	}
	r := rand.New(rand.NewPCG(1, 2))
	var q sim.EventQueue
	var want, got []entry
	for i := range 5000 {
		e := entry{at: mono.Time(r.IntN(200)), number: i} // many ties
		q.Push(e.at, e.number)
		want = append(want, e)
	}
	slices.SortStableFunc(want, func(a, b entry) int { return int(a.at - b.at) })
	for q.Len() > 0 {
		at, number := q.Pop()
		got = append(got, entry{at, number})
	}
	if !slices.Equal(got, want) {
		t.Error("events do not come out in the order of time, then of pushing")
	}
}

func TestQueueAllocates(t *testing.T) {
	var q sim.EventQueue
	for i := range 1000 {
		q.Push(mono.Time(i), i)
	}
	allocs := testing.AllocsPerRun(1000, func() {
		at, n := q.Pop()
		q.Push(at+500, n)
	})
	if allocs != 0 {
		t.Errorf("pop and push allocate %v times, want 0", allocs)
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, pending := range []int{1000, 1_000_000} {
		b.Run(map[int]string{1000: "1k", 1_000_000: "1M"}[pending], func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			var q sim.EventQueue
			for i := range pending {
				q.Push(mono.Time(r.Int64N(1e9)), i)
			}
			b.ReportAllocs()
			for b.Loop() {
				at, n := q.Pop()
				q.Push(at+mono.Time(r.Int64N(1e9)), n)
			}
		})
	}
}

func TestPipe(t *testing.T) {
	// 1 Mbit/s: 1,250 bytes take 10 ms; 25 ms of queue.
	p := sim.NewPipe(1_000_000, 25*time.Millisecond)
	for i, want := range []time.Duration{10, 20, 30} {
		at, ok := p.Admit(0, 1250)
		if !ok || at != mono.Time(want*time.Millisecond) {
			t.Errorf("packet %d: passed at %v, %v; want %v ms", i, at, ok, want)
		}
	}
	if _, ok := p.Admit(0, 1250); ok {
		t.Error("a full queue took a packet")
	}
	if at, ok := p.Admit(mono.Time(time.Second), 1250); !ok || at != mono.Time(1010*time.Millisecond) {
		t.Errorf("after a pause: passed at %v, %v; want 1.01 s", at, ok)
	}
	if at, ok := sim.NewPipe(0, 0).Admit(5, 1e6); !ok || at != 5 {
		t.Errorf("no limit: passed at %v, %v; want at once", at, ok)
	}
}

func TestLosses(t *testing.T) {
	const n = 400_000
	for _, c := range []struct {
		ppm, burst uint32
	}{{50_000, 0}, {50_000, 1}, {100_000, 5}, {10_000, 3}} {
		lost := sim.Losses(sim.Path{LossPPM: c.ppm, LossBurst: c.burst}, rand.New(rand.NewPCG(3, 4)), n)
		total, runs := 0, 0
		for i := range lost {
			if lost[i] {
				total++
				if i == 0 || !lost[i-1] {
					runs++
				}
			}
		}
		wantTotal := n * int(c.ppm) / 1e6
		if total < wantTotal*9/10 || total > wantTotal*11/10 {
			t.Errorf("%+v: %d of %d lost, want about %d", c, total, n, wantTotal)
		}
		mean := float64(total) / float64(runs)
		if want := float64(max(1, c.burst)); mean < 0.9*want || mean > 1.15*want {
			t.Errorf("%+v: runs of %.2f, want about %.0f", c, mean, want)
		}
	}
}

func TestEncoder(t *testing.T) {
	const span = 30 * time.Second
	for _, bps := range []int64{8_000, 32_000, 128_000, 320_000} {
		chunks, at := sim.Encode(1, bps, span)
		if !slices.IsSorted(at) {
			t.Errorf("%d bit/s: chunks are handed over out of order", bps)
		}
		var bytes, events int
		var media time.Duration
		for i, c := range chunks {
			if len(c.Data) < 1 || len(c.Data) > codec.ChunkBytesMax {
				t.Fatalf("%d bit/s: chunk of %d bytes", bps, len(c.Data))
			}
			if c.Kind == codec.ChunkEvent {
				events++
				continue
			}
			if c.Start != media || c.Duration <= 0 || c.Duration > 301*time.Millisecond {
				t.Fatalf("%d bit/s: chunk %d at %v for %v, want it at %v", bps, i, c.Start, c.Duration, media)
			}
			media += c.Duration
			bytes += len(c.Data)
			if early := time.Duration(at[i]) - media; early < 0 || early > 40*time.Millisecond {
				t.Fatalf("%d bit/s: chunk %d is handed over %v after its audio", bps, i, early)
			}
		}
		if want := int(bps * int64(span/time.Second) / 8); bytes < want*97/100 || bytes > want {
			t.Errorf("%d bit/s: %d bytes in %v, want about %d", bps, bytes, span, want)
		}
		if events != 2 {
			t.Errorf("%d bit/s: %d titles in %v, want 2", bps, events, span)
		}
	}
	a, _ := sim.Encode(1, 128_000, time.Second)
	b, _ := sim.Encode(2, 128_000, time.Second)
	if slices.Equal(a[0].Data, b[0].Data) {
		t.Error("two seeds give the same audio")
	}
}

func TestMeter(t *testing.T) {
	var m sim.Meter
	var got uint64
	for i := range 100 { // 100 bytes each 10 ms: 10,000 a second
		got = m.Add(mono.Time(i)*mono.Time(10*time.Millisecond), 100)
	}
	if got != 10_000 {
		t.Errorf("after one second of 100 bytes each 10 ms: %d, want 10000", got)
	}
	if got = m.Add(mono.Time(1500*time.Millisecond), 1); got > 5101 || got < 4500 {
		t.Errorf("half a second later: %d, want about 5000", got)
	}
	if got = m.Add(mono.Time(time.Minute), 7); got != 7 {
		t.Errorf("after a minute of silence: %d, want 7", got)
	}
}

func TestBroadcastFind(t *testing.T) {
	var b sim.Broadcast
	b.Begin(0x1ff, 10, 2)
	b.Begin(0x200, 5, 1)
	for _, c := range []struct {
		epoch, seq uint32
		want       int
	}{{0x1ff, 0, 0}, {0x1ff, 9, 9}, {0x1ff, 10, -1}, {0x200, 0, 10}, {0x200, 4, 14}, {0x200, 5, -1}, {7, 0, -1}} {
		if got := b.Find(c.epoch, c.seq); got != c.want {
			t.Errorf("chunk %#x/%d is at %d, want %d", c.epoch, c.seq, got, c.want)
		}
		if got := b.FindLow(uint8(c.epoch), c.seq); got != c.want {
			t.Errorf("chunk %#x/%d by the low byte is at %d, want %d", c.epoch, c.seq, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	const n = 3000
	owner := sim.Owners(n)
	prefixes := map[netip.Prefix]int{}
	for i := range int32(n) {
		a := sim.AddrOf(i)
		if got, ok := owner(a); !ok || got != i {
			t.Fatalf("%v of host %d belongs to %d, %v", a, i, got, ok)
		}
		p, err := a.Addr().Prefix(24)
		if err != nil {
			t.Fatal(err)
		}
		if prefixes[p]++; prefixes[p] > 3 {
			t.Fatalf("%d hosts in %v", prefixes[p], p)
		}
	}
	for _, a := range []string{"127.0.0.1:8466", "11.0.0.0:8466", "[::1]:8466"} {
		if got, ok := owner(netip.MustParseAddrPort(a)); ok {
			t.Errorf("%s belongs to %d", a, got)
		}
	}
	if _, ok := owner(sim.AddrOf(n)); ok {
		t.Error("there is a host too many")
	}
}
