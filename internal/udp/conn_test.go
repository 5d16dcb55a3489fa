// SPDX-License-Identifier: MIT

package udp_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"streamer/internal/udp"
)

// patience is for things that take microseconds on a machine that is not busy.
const patience = 10 * time.Second

func listen(tb testing.TB) *udp.Conn {
	tb.Helper()
	c, err := udp.Listen(0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// serve starts c's reader and ends it with the test.
func serve(tb testing.TB, c *udp.Conn, handle func(from netip.AddrPort, b []byte)) {
	tb.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { c.Serve(handle) })
	tb.Cleanup(func() {
		_ = c.Close()
		wg.Wait()
	})
}

type received struct {
	from netip.AddrPort
	data string
}

// collect serves c and returns what arrives.
func collect(tb testing.TB, c *udp.Conn) <-chan received {
	tb.Helper()
	got := make(chan received, 4096)
	serve(tb, c, func(from netip.AddrPort, b []byte) {
		got <- received{from, string(b)}
		clear(b) // it is ours only until we return
	})
	return got
}

func next(tb testing.TB, got <-chan received) received {
	tb.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(patience):
		tb.Fatal("nothing arrived")
		return received{}
	}
}

func loopback(c *udp.Conn, family string) netip.AddrPort {
	a := netip.MustParseAddr("127.0.0.1")
	if family == "v6" {
		a = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(a, uint16(c.Port()))
}

func TestBothFamilies(t *testing.T) {
	for _, family := range []string{"v4", "v6"} {
		t.Run(family, func(t *testing.T) {
			a, b := listen(t), listen(t)
			got := collect(t, b)
			n, err := a.NewWriter().WriteBatch([]udp.Message{{To: loopback(b, family), Data: []byte("hello")}})
			if n != 1 || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
			if r := next(t, got); r.data != "hello" || r.from != loopback(a, family) {
				t.Errorf("got %q from %v, want hello from %v", r.data, r.from, loopback(a, family))
			}
		})
	}
}

// Mixed batches: sizes that may go as segments, sizes that may not, several peers, empty datagrams. Order for each peer
// is kept, and every byte.
func TestBatchKeepsOrderAndBytes(t *testing.T) {
	sizes := []int{1200, 1200, 1200, 700, 700, 1200, 1, 0, 0, 5, 4, 3, 1200, 1200}
	for range 300 {
		sizes = append(sizes, 1150)
	}
	for _, family := range []string{"v4", "v6"} {
		t.Run(family, func(t *testing.T) {
			a := listen(t)
			var to []udp.Message
			var gots []<-chan received
			for range 3 {
				peer := listen(t)
				gots = append(gots, collect(t, peer))
				for i, size := range sizes {
					data := bytes.Repeat([]byte{byte(i)}, size)
					to = append(to, udp.Message{To: loopback(peer, family), Data: data})
				}
			}
			if n, err := a.NewWriter().WriteBatch(to); n != len(to) || err != nil {
				t.Fatalf("WriteBatch = %d of %d, %v", n, len(to), err)
			}
			for p, got := range gots {
				for i, size := range sizes {
					r := next(t, got)
					if want := strings.Repeat(string([]byte{byte(i)}), size); r.data != want {
						t.Fatalf("peer %d, datagram %d: got %d bytes, want %d", p, i, len(r.data), size)
					}
				}
			}
			if s := a.Stats(); s.Sent != uint64(len(to)) || s.WriteErrors != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestOversizedIsDropped(t *testing.T) {
	a, b := listen(t), listen(t)
	got := collect(t, b)
	msgs := []udp.Message{
		{To: loopback(b, "v4"), Data: make([]byte, udp.DatagramBytesMax+1)},
		{To: loopback(b, "v4"), Data: make([]byte, udp.DatagramBytesMax)},
	}
	if n, err := a.NewWriter().WriteBatch(msgs); n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	if r := next(t, got); len(r.data) != udp.DatagramBytesMax {
		t.Errorf("got %d bytes", len(r.data))
	}
	if s := b.Stats(); s.Oversized != 1 || s.Received != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// A datagram that cannot be sent must not cost those beside it, and what the network answers must not stop the reader.
func TestRefusedPeersCostOthersNothing(t *testing.T) {
	a, b, gone := listen(t), listen(t), listen(t)
	got, back := collect(t, b), collect(t, a)
	dead := loopback(gone, "v4")
	dead6 := loopback(gone, "v6")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	w := a.NewWriter()
	msgs := []udp.Message{
		{To: dead, Data: []byte("x")},
		{To: dead6, Data: []byte("x")},
		{To: netip.MustParseAddrPort("127.0.0.1:0"), Data: []byte("nobody has port 0")},
		{To: loopback(b, "v4"), Data: []byte("here")},
	}
	for i := range 20 {
		n, err := w.WriteBatch(msgs)
		if err == nil || n < 2 {
			t.Fatalf("WriteBatch = %d, %v; port 0 must be refused", n, err)
		}
		if r := next(t, got); r.data != "here" {
			t.Fatalf("round %d: got %q", i, r.data)
		}
	}
	if _, err := b.NewWriter().WriteBatch([]udp.Message{{To: loopback(a, "v4"), Data: []byte("still there")}}); err != nil {
		t.Fatal(err)
	}
	if r := next(t, back); r.data != "still there" {
		t.Errorf("got %q", r.data)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	taken := listen(t)
	tests := []struct {
		port int
		want string
	}{
		{taken.Port(), fmt.Sprintf("UDP port %d is in use by another program", taken.Port())},
		{-1, "UDP port -1 is not between 0 and 65535"},
		{65536, "UDP port 65536 is not between 0 and 65535"},
	}
	for _, test := range tests {
		c, err := udp.Listen(test.port)
		if err == nil {
			_ = c.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("Listen(%d): %v, want %q", test.port, err, test.want)
		}
	}
}

// A port that only IPv4 has in use is taken as well: half a node would be worse than a clear refusal.
func TestListenSeesTheOtherFamily(t *testing.T) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(t.Context(), "udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	port := pc.LocalAddr().(*net.UDPAddr).Port
	if c, err := udp.Listen(port); err == nil {
		_ = c.Close()
		t.Errorf("Listen(%d) took a port that another socket has for IPv4", port)
	}
}

func TestCloseEndsServe(t *testing.T) {
	c := listen(t)
	done := make(chan struct{})
	go func() {
		c.Serve(func(netip.AddrPort, []byte) {})
		close(done)
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Serve goes on after Close")
	}
	n, err := c.NewWriter().WriteBatch([]udp.Message{{To: netip.MustParseAddrPort("127.0.0.1:9"), Data: []byte("x")}})
	if n != 0 || err == nil {
		t.Errorf("WriteBatch after Close = %d, %v", n, err)
	}
}

func TestNoAllocations(t *testing.T) {
	a, b := listen(t), listen(t)
	arrived := make(chan struct{}, 4096)
	serve(t, b, func(netip.AddrPort, []byte) { arrived <- struct{}{} })
	msgs := make([]udp.Message, 40)
	for i := range msgs {
		msgs[i] = udp.Message{To: loopback(b, "v6"), Data: make([]byte, 1000+i%2)}
	}
	w := a.NewWriter()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := w.WriteBatch(msgs); err != nil {
			t.Error(err)
		}
		for range msgs {
			<-arrived
		}
	})
	if allocs > 0 { // an average, rounded down: the runtime may allocate now and then
		t.Errorf("%v allocations for a batch of %d sent and received", allocs, len(msgs))
	}
}
