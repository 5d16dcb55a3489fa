// SPDX-License-Identifier: MIT

package link_test

import (
	"runtime"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// chunk is a payload as full as they come.
func chunk() []byte {
	b := make([]byte, link.PayloadBytesMax)
	b[0] = wire.TypeLinkEnd
	return b
}

func TestNoAllocations(t *testing.T) {
	n, a, b := pair(t, 1)
	payload, out := chunk(), &a.out
	ticket, _ := a.table.Ticket(n.now, 1, wire.KindChunk, len(payload))
	var tickets [1]link.Ticket
	dst := make([]byte, 0, wire.DatagramBytesMax)
	var in link.Output
	for name, f := range map[string]func(){
		"Seal": func() {
			out.Reset()
			a.table.Seal(n.now, 1, payload, out)
		},
		"Ticket":         func() { tickets[0], _ = a.table.Ticket(n.now, 1, wire.KindChunk, len(payload)) },
		"AppendDatagram": func() { dst = ticket.AppendDatagram(dst[:0], payload) },
		"Seal and HandleDatagram": func() {
			out.Reset()
			in.Reset()
			a.table.Seal(n.now, 1, payload, out)
			if _, p := b.table.HandleDatagram(n.now, a.addr, out.Datagrams[0].Data, &in); len(p) != len(payload) {
				t.Fatal("refused")
			}
		},
		"forgery": func() {
			in.Reset()
			b.table.HandleDatagram(n.now, a.addr, dst, &in)
		},
		"HELLO": func() {
			in.Reset()
			b.table.HandleDatagram(n.now, a.addr, dst[:wire.HelloBytes], &in)
		},
	} {
		if name == "HELLO" {
			dst = wire.Hello{Version: wire.Version}.Append(dst[:0])
		} else {
			dst = append(dst[:0], make([]byte, wire.DatagramBytesMax)...)
		}
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s allocates %v times", name, got)
		}
	}
}

// A link costs at most 1 KiB when it is idle, maps and timers included.
func TestMemoryPerLink(t *testing.T) {
	const links = 200
	n := newNetwork(t, 1)
	hub := n.add("hub", "198.51.100.1:8466", func(c *link.Config) { c.HandshakesPerPrefix = -1 })
	dialAll(n, hub, 1)
	before := heap()
	dialAll(n, hub, links)
	after := heap()
	if hub.table.Len() != links+1 {
		t.Fatalf("%d links, want %d", hub.table.Len(), links+1)
	}
	each := int(after-before) / links
	t.Logf("%d bytes a link, %d of them in its struct", each, link.LinkBytes)
	if each > 1024 {
		t.Errorf("a link costs %d bytes, want at most 1024", each)
	}
	runtime.KeepAlive(hub)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// dialAll lets so many nodes dial the hub, one after the other, and forgets them.
func dialAll(n *network, hub *host, count int) {
	for range count {
		hub.out.Reset()
		dialOne(n, hub, n.rng.Uint32())
	}
	hub.out = link.Output{}
	hub.events, hub.messages, n.queue = nil, nil, nil
}

func BenchmarkSeal(b *testing.B) {
	n, a, _ := pair(b, 1)
	payload := chunk()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		a.out.Reset()
		a.table.Seal(n.now, 1, payload, &a.out)
	}
}

func BenchmarkTicket(b *testing.B) {
	n, a, _ := pair(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.table.Ticket(n.now, 1, wire.KindChunk, 1120); !ok {
			b.Fatal("no ticket")
		}
	}
}

func BenchmarkAppendDatagram(b *testing.B) {
	n, a, _ := pair(b, 1)
	payload, dst := chunk(), make([]byte, 0, wire.DatagramBytesMax)
	ticket, _ := a.table.Ticket(n.now, 1, wire.KindChunk, len(payload))
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		dst = ticket.AppendDatagram(dst[:0], payload)
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	n, s, r := pair(b, 1)
	payload := chunk()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		s.out.Reset()
		r.out.Reset()
		s.table.Seal(n.now, 1, payload, &s.out)
		r.table.HandleDatagram(n.now, s.addr, s.out.Datagrams[0].Data, &r.out)
	}
}

// Both sides of it, from HELLO to the first DATA.
func BenchmarkHandshake(b *testing.B) {
	n := newNetwork(b, 1)
	hub := n.add("hub", "198.51.100.1:8466", func(c *link.Config) { c.HandshakesPerPrefix = -1 })
	b.ReportAllocs()
	i := uint32(0)
	for b.Loop() {
		i++
		dialOne(n, hub, i)
		hub.close(hub.only(), wire.CloseDone)
		hub.events, n.queue = nil, nil
		n.now = n.now.Add(time.Millisecond)
	}
}

func BenchmarkHello(b *testing.B) {
	n := newNetwork(b, 1)
	hub := n.add("hub", "198.51.100.1:8466")
	hello := wire.Hello{Version: wire.Version}.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		hub.out.Reset()
		hub.table.HandleDatagram(n.now, hub.addr, hello, &hub.out)
	}
}
