// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"streamer/lab/netlab"
)

func TestMain(m *testing.M) {
	if err := netlab.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "netlab:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// echo answers on a host's UDP port 7 until the test ends.
func echo(t *testing.T, h *netlab.Host) {
	t.Helper()
	conn, err := h.ListenUDP(netip.MustParseAddrPort("[::]:7"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
}

// pings sends count numbered datagrams of size bytes from a host to port 7 of an address, one every gap, and returns the
// round trip times of those that came back within half a second after the last one, in the order in which they came. Time in which
// the program does not run is none of that half second.
func pings(t *testing.T, from *netlab.Host, to netip.Addr, count, size int, gap time.Duration) []time.Duration {
	t.Helper()
	conn, err := from.ListenUDP(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = conn.Close() }()
	var sent sync.Map
	go func() {
		next := time.NewTicker(gap)
		defer next.Stop()
		b := make([]byte, size)
		for i := range count {
			binary.BigEndian.PutUint32(b, uint32(i))
			sent.Store(uint32(i), time.Now())
			_, _ = conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(to, 7))
			<-next.C
		}
		for range 100 {
			time.Sleep(5 * time.Millisecond) // packets travel in real time
		}
		_ = conn.SetReadDeadline(time.Now())
	}()
	var rtts []time.Duration
	b := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return rtts
		}
		if err != nil || n != size {
			t.Errorf("read: %d bytes, %v", n, err)
			return rtts
		}
		if at, ok := sent.Load(binary.BigEndian.Uint32(b)); ok {
			rtts = append(rtts, time.Since(at.(time.Time)))
		}
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[int(q*float64(len(d)-1))]
}

// TestRoundTripTime measures beside a line without delay, because on a busy machine every packet is late: what the other line
// adds is its own.
func TestRoundTripTime(t *testing.T) {
	n := netlab.New(t, 1)
	line := netlab.Line{Delay: 25 * time.Millisecond}
	a, b := n.Host(t, "a", line, netlab.Line{}), n.Host(t, "b", line, netlab.Line{})
	from, to := n.Host(t, "from", netlab.Line{}, netlab.Line{}), n.Host(t, "to", netlab.Line{}, netlab.Line{})
	echo(t, b)
	echo(t, to)
	for _, addr := range []func(*netlab.Host) netip.Addr{(*netlab.Host).IPv4, (*netlab.Host).IPv6} {
		beside := make(chan []time.Duration)
		go func() { beside <- pings(t, from, addr(to), 400, 100, 5*time.Millisecond) }()
		rtts := pings(t, a, addr(b), 400, 100, 5*time.Millisecond)
		near := <-beside
		if len(rtts) < 396 || len(near) < 396 {
			t.Fatalf("%v: %d of 400 answers, %d without delay", addr(b), len(rtts), len(near))
		}
		low, median, added := quantile(rtts, 0), quantile(rtts, 0.5), quantile(rtts, 0.5)-quantile(near, 0.5)
		t.Logf("%v: round trip of 50 ms: least %v, median %v, 95th percentile %v, 99th %v; without delay: median %v", addr(b),
			low, median, quantile(rtts, 0.95), quantile(rtts, 0.99), quantile(near, 0.5))
		// Medians alone are held to a limit: on a busy machine single packets are late by 100 ms.
		if low < 50*time.Millisecond || added < 45*time.Millisecond || added > 60*time.Millisecond {
			t.Errorf("%v: round trips from %v, at the median %v more than without delay, want 50 ms", addr(b), low, added)
		}
	}
}

func TestLoss(t *testing.T) {
	n := netlab.New(t, 1)
	line := netlab.Line{Loss: 0.05}
	a, b := n.Host(t, "a", line, netlab.Line{}), n.Host(t, "b", line, netlab.Line{})
	echo(t, b)
	got := len(pings(t, a, b.IPv6(), 4000, 200, 500*time.Microsecond))
	sent, back := a.Sent(), b.Sent()
	t.Logf("5 %% loss each way: %d of 4000 answers; lost there %d, back %d", got, sent.Lost, back.Lost)
	// The programs lose packets of their own where they stand still: the router alone is to lose so many.
	for _, way := range []struct{ sent, lost uint64 }{{sent.Packets, sent.Lost}, {back.Packets, back.Lost}} {
		if want := 0.05 * float64(way.sent); float64(way.lost) < 0.8*want || float64(way.lost) > 1.2*want {
			t.Errorf("%d of %d are lost, want about %.0f", way.lost, way.sent, want)
		}
	}
	if sent.Packets != 4000 || sent.Bytes != 4000*(200+8+40) {
		t.Errorf("sent %d packets of %d bytes, want 4,000 of 248 each", sent.Packets, sent.Bytes)
	}
	// The programs may lose a few themselves when the machine is busy: these counts are the router's alone.
	if sent.Lost+b.Received().Packets != sent.Packets || back.Lost+a.Received().Packets != back.Packets {
		t.Errorf("counts do not add up: sent %+v, answered %+v, received %+v", sent, back, a.Received())
	}
}

func TestRateCap(t *testing.T) {
	n := netlab.New(t, 1)
	const rate = 2_000_000
	a := n.Host(t, "a", netlab.Line{RateBPS: rate}, netlab.Line{})
	b := n.Host(t, "b", netlab.Line{}, netlab.Line{})
	echo(t, b)
	most := a.Meter(time.Second)
	before := time.Now()
	got := len(pings(t, a, b.IPv4(), 2000, 1172, time.Millisecond)) // 9.6 Mbit/s for two seconds
	sent := a.Sent()
	t.Logf("%d of %d packets passed in %v, busiest second offered %d bytes", got, sent.Packets, time.Since(before), most())
	// What passes in the two to three seconds of sending, and what the queue holds at their end.
	if bits := float64(got) * 1200 * 8; bits < 1.8*rate || bits > 4*rate {
		t.Errorf("%.0f bits passed a line of %d bit/s in some two seconds", bits, rate)
	}
	if passed := b.Received().Packets; sent.QueueFull+passed != sent.Packets {
		t.Errorf("%d passed and %d were dropped of %d", passed, sent.QueueFull, sent.Packets)
	}
	if m := most(); m < 500_000 || m > 1_500_000 {
		t.Errorf("the busiest second had %d bytes, want about 1.2 million", m)
	}
}

// TestTCP carries megabytes over a bad line: were a checksum or a length wrong, TCP would not arrive.
func TestTCP(t *testing.T) {
	n := netlab.New(t, 1)
	line := netlab.Line{
		Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01,
		Duplicate: 0.01, Reorder: 0.01, ReorderBy: 2 * time.Millisecond,
	}
	a, b := n.Host(t, "a", line, netlab.Line{}), n.Host(t, "b", line, netlab.Line{})
	data := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	for _, to := range []netip.Addr{b.IPv4(), b.IPv6()} {
		var l net.Listener
		err := b.Do(func() (err error) {
			l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", netip.AddrPortFrom(to, 80).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { _ = l.Close() }()
			in, refused := l.Accept()
			if refused != nil {
				return
			}
			_, _ = io.Copy(in, bytes.NewReader(data))
			_ = in.Close()
		}()
		conn, err := a.Dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		got, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
			t.Errorf("%v: %d of %d bytes arrived, or altered: %v", to, len(got), len(data), err)
		}
	}
	if lost := b.Sent().Lost; lost == 0 {
		t.Error("nothing was lost: the test showed nothing")
	}
}

func TestCutAndMove(t *testing.T) {
	n := netlab.New(t, 1)
	a, b := n.Host(t, "a", netlab.Line{}, netlab.Line{}), n.Host(t, "b", netlab.Line{}, netlab.Line{})
	echo(t, a)
	echo(t, b)
	ping := func(from *netlab.Host, to netip.Addr) int { return len(pings(t, from, to, 20, 100, time.Millisecond)) }

	b.Cut(true)
	if got := ping(a, b.IPv4()); got != 0 {
		t.Errorf("%d answers from a host that is cut off", got)
	}
	b.Cut(false)
	old := b.IPv4()
	if got := ping(a, old); got != 20 {
		t.Errorf("%d of 20 answers after the cut", got)
	}
	if err := b.Move(); err != nil {
		t.Fatal(err)
	}
	if got := ping(a, old); got != 0 || a.Sent().NoRoute != 20 {
		t.Errorf("%d answers from the old address, %d without route", got, a.Sent().NoRoute)
	}
	for _, to := range []netip.Addr{b.IPv4(), b.IPv6()} {
		if got := ping(a, to); got != 20 {
			t.Errorf("%d of 20 answers from the new address %v", got, to)
		}
	}
	if got := ping(b, a.IPv4()); got != 20 {
		t.Errorf("%d of 20 answers to the moved host", got)
	}
}

// TestLoad is twenty hosts with the traffic of a tree at 320 kbit/s and more, and tells how exact the router is then.
func TestLoad(t *testing.T) {
	l := load(t)
	t.Logf("%d packets through %d hosts at 10,000/s: router late by %v at the median, %v at the 99th percentile, %v at most; "+
		"round trips of 50 ms: median %v, 99th %v", len(l.late), loadHosts, quantile(l.late, 0.5), quantile(l.late, 0.99), quantile(l.late, 1),
		quantile(l.rtts, 0.5), quantile(l.rtts, 0.99))
	if len(l.rtts) < loadHosts*500*99/100 {
		t.Errorf("%d of %d answers on perfect lines", len(l.rtts), loadHosts*500)
	}
	least, added := quantile(l.rtts, 0), quantile(l.rtts, 0.5)-quantile(l.near, 0.5)
	if least < 50*time.Millisecond || added < 45*time.Millisecond || added > 75*time.Millisecond {
		t.Errorf("round trips from %v, at the median %v more than without delay, want 50 ms", least, added)
	}
}

// TestCollector: the router takes no core away from everybody while Go's collector looks at its stack, again and again. A real-time
// thread would, for the 950 ms that Linux allows.
func TestCollector(t *testing.T) {
	done := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				runtime.GC()
			}
		}
	})
	stalls, began := netlab.WatchStalls(t), time.Now()
	load(t)
	close(done)
	collecting.Wait()
	longest := stalls.Longest(began)
	t.Logf("a core stood still for %v of %v, for %v at most", stalls.Since(began), time.Since(began), longest)
	if longest > 700*time.Millisecond {
		t.Error("the router holds a core")
	}
}

// A loaded is what was measured under load.
type loaded struct{ late, rtts, near []time.Duration }

const loadHosts = 20

// load has hosts on lines of 25 ms ping one another, 10,000 packets a second together, and two others on perfect lines.
func load(t *testing.T) (l loaded) {
	t.Helper()
	n := netlab.New(t, 1)
	const gap = 4 * time.Millisecond
	var all []*netlab.Host
	for i := range loadHosts {
		h := n.Host(t, fmt.Sprintf("h%d", i), netlab.Line{Delay: 25 * time.Millisecond}, netlab.Line{})
		echo(t, h)
		all = append(all, h)
	}
	from, to := n.Host(t, "from", netlab.Line{}, netlab.Line{}), n.Host(t, "to", netlab.Line{}, netlab.Line{})
	echo(t, to)
	l.late = make([]time.Duration, 0, 100_000)
	n.ObserveLateness(func(d time.Duration) { l.late = append(l.late, d) })
	rtts := make([][]time.Duration, loadHosts)
	var wg sync.WaitGroup
	for i, h := range all {
		wg.Go(func() { rtts[i] = pings(t, h, all[(i+1)%loadHosts].IPv4(), 500, 1200, gap) })
	}
	l.near = pings(t, from, to.IPv4(), 400, 100, 5*time.Millisecond) // what the machine itself takes
	wg.Wait()
	n.ObserveLateness(nil)
	l.rtts = slices.Concat(rtts...)
	return l
}
