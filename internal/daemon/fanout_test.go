// SPDX-License-Identifier: MIT

package daemon_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/udp"
	"streamer/internal/wire"
)

// A family is a parent with links to its children, made in memory.
type family struct {
	parent   *link.Table
	children []*link.Table
	ids      []link.ID
}

func table(number int) *link.Table {
	seed := [32]byte{1: byte(number >> 8), 2: byte(number)} // X25519 ignores bits of byte 0
	return link.NewTable(0, link.Config{
		Key:                 identity.NewNodeKey(seed),
		Rand:                rand.New(rand.NewPCG(uint64(number), 1)),
		Secrets:             rand.NewChaCha8(seed),
		HandshakesPerPrefix: -1,
	})
}

// newFamily links a parent to children at the given addresses.
func newFamily(tb testing.TB, addrs []netip.AddrPort) *family {
	tb.Helper()
	f := &family{parent: table(0)}
	parentAddr := netip.MustParseAddrPort("127.0.0.1:1")
	for i, addr := range addrs {
		child := table(i + 1)
		f.children = append(f.children, child)
		var fromParent, fromChild link.Output
		id := f.parent.Dial(0, addr, identity.NodeID{}, &fromParent)
		for range 8 { // a handshake is four datagrams
			for _, d := range fromParent.Datagrams {
				child.HandleDatagram(0, parentAddr, d.Data, &fromChild)
			}
			fromParent.Reset()
			for _, d := range fromChild.Datagrams {
				f.parent.HandleDatagram(0, addr, d.Data, &fromParent)
			}
			fromChild.Reset()
		}
		if info, ok := f.parent.Peer(id); !ok || !info.Up {
			tb.Fatalf("no link to child %d", i)
		}
		f.ids = append(f.ids, id)
	}
	return f
}

// fanout makes a fanout of one payload to the children that want it.
func (f *family) fanout(tb testing.TB, payload []byte, wants func(child int) bool) node.Fanout {
	tb.Helper()
	out := node.Fanout{Payload: payload}
	for i, id := range f.ids {
		if !wants(i) {
			continue
		}
		ticket, ok := f.parent.Ticket(0, id, wire.KindChunk, len(payload))
		if !ok {
			tb.Fatalf("no ticket for child %d", i)
		}
		out.Tickets = append(out.Tickets, ticket)
	}
	return out
}

func listenUDP(tb testing.TB) *udp.Conn {
	tb.Helper()
	c, err := udp.Listen(0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// payload is what chunk number i of the tests looks like: a type that is not the link's, the number, filling.
func payload(i, bytes int) []byte {
	b := make([]byte, bytes)
	b[0] = byte(wire.TypeLinkEnd)
	binary.BigEndian.PutUint32(b[1:], uint32(i))
	return b
}

// Every child gets every payload that it wants, sealed for it, in order, whether one goroutine works or all do.
func TestSenderReachesEveryChildInOrder(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Log("one core: nothing is shared")
	}
	for _, test := range []struct{ children, fanouts int }{{1, 1}, {3, 5}, {daemon.ParallelTickets, 1}, {50, 9}, {70, 300}} {
		t.Run(fmt.Sprintf("%d children %d fanouts", test.children, test.fanouts), func(t *testing.T) {
			testSender(t, test.children, test.fanouts)
		})
	}
}

func testSender(t *testing.T, children, fanouts int) {
	t.Helper()
	conns := make([]*udp.Conn, children)
	addrs := make([]netip.AddrPort, children)
	for i := range conns {
		conns[i] = listenUDP(t)
		addrs[i] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(conns[i].Port()))
	}
	f := newFamily(t, addrs)
	wants := func(fanout, child int) bool { return fanout < 2 || (fanout+child)%3 != 0 }
	parent := listenUDP(t)
	s := daemon.NewSender(parent)
	defer s.Close()
	var out node.Output
	plain := []byte{0xff, 'p', 'l', 'a', 'i', 'n'}
	for i := range addrs {
		out.Datagrams = append(out.Datagrams, node.Datagram{To: addrs[i], Data: plain})
	}
	for i := range fanouts {
		out.Fanouts = append(out.Fanouts, f.fanout(t, payload(i, 40+i%3*400), func(child int) bool { return wants(i, child) }))
	}

	var all sync.WaitGroup
	for i := range conns {
		want := []int{-1}
		for n := range fanouts {
			if wants(n, i) {
				want = append(want, n)
			}
		}
		got := make(chan int, len(want)+1)
		all.Go(func() {
			var scratch link.Output
			conns[i].Serve(func(from netip.AddrPort, b []byte) {
				if string(b) == string(plain) {
					got <- -1
					return
				}
				scratch.Reset()
				if _, p := f.children[i].HandleDatagram(0, from, b, &scratch); p != nil {
					got <- int(binary.BigEndian.Uint32(p[1:]))
				}
			})
		})
		defer func() {
			for n, w := range want {
				select {
				case g := <-got:
					if g != w {
						t.Errorf("child %d, datagram %d: got payload %d, want %d", i, n, g, w)
					}
				case <-time.After(10 * time.Second):
					t.Errorf("child %d: datagram %d of %d did not arrive", i, n, len(want))
				}
			}
			_ = conns[i].Close()
		}()
	}
	s.Send(&out)
	t.Cleanup(all.Wait)
}

func TestWallClockIsTold(t *testing.T) {
	at := func(d time.Duration) mono.Time { return mono.Time(d) }
	var w daemon.WallClock
	const unix = int64(1_800_000_000_000)
	for _, step := range []struct {
		after time.Duration
		set   int64 // milliseconds that somebody set the clock by
		want  bool
	}{
		{0, 0, true},
		{time.Second, 0, false},
		{9 * time.Second, 20, false},
		{10 * time.Second, 20, true},
		{11 * time.Second, 20, false},
		{12 * time.Second, 3_600_000, true},
		{13 * time.Second, 3_600_000, false},
		{14 * time.Second, -5000, true},
	} {
		if got := daemon.Due(&w, at(step.after), unix+step.after.Milliseconds()+step.set); got != step.want {
			t.Errorf("after %v, set by %d ms: %v", step.after, step.set, got)
		}
	}
}
