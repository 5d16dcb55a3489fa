// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/wire"
)

// capture keeps every datagram that goes from one address to another.
func capture(n *network, from, to *host) *[][]byte {
	var list [][]byte
	n.taps = append(n.taps, func(f, t netip.AddrPort, b []byte) {
		if f == from.addr && t == to.addr {
			list = append(list, bytes.Clone(b))
		}
	})
	return &list
}

// Whatever comes from addresses that never showed that they receive, no more bytes go there than came.
func TestNoAmplification(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	seen := capture(n, a, b)
	a.dial(b)
	n.run(time.Second)
	a.say(a.only(), "some text")
	n.run(time.Second)

	victim := netip.MustParseAddrPort("203.0.113.5:53")
	in, out := 0, 0
	n.taps = append(n.taps, func(_, to netip.AddrPort, d []byte) {
		if to == victim {
			out += len(d)
		}
	})
	attack := append([][]byte{wire.Hello{Version: 1}.Append(nil), wire.Hello{Version: 9}.Append(nil)}, *seen...)
	for round := range 50 {
		for _, d := range attack {
			for _, size := range []int{len(d), len(d) - 1, 1, 40} {
				in += size
				b.receive(victim, bytes.Clone(d[:min(size, len(d))]))
				if out > in {
					t.Fatalf("round %d: %d bytes came from the address, %d went there", round, in, out)
				}
			}
		}
		n.run(300 * time.Millisecond)
		if out > in {
			t.Fatalf("round %d: %d bytes came from the address, %d went there", round, in, out)
		}
	}
	if out == 0 {
		t.Error("nothing went to the address: the test proves nothing")
	}
	if c := b.table.Counters(); c.Accepted != 1 {
		t.Errorf("%d handshakes were accepted, want 1", c.Accepted)
	}
}

// A recorded INIT is good for nothing: neither from its own address, nor from that of an attacker with a cookie.
func TestInitReplay(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	attacker := netip.MustParseAddrPort("203.0.113.5:1000")
	seen := capture(n, a, b)
	a.dial(b)
	n.run(time.Second)
	init, err := wire.ParseInit((*seen)[1])
	if err != nil {
		t.Fatal(err)
	}
	b.receive(a.addr, bytes.Clone((*seen)[1]))
	b.receive(attacker, bytes.Clone((*seen)[1]))
	if b.drops(link.DropCookieUsed) != 1 || b.drops(link.DropCookie) != 1 {
		t.Errorf("drops: %v", b.table.Counters().Drops)
	}

	b.table.HandleDatagram(n.now, attacker, wire.Hello{Version: 1, Nonce: [8]byte{1}}.Append(nil), &b.out)
	reply, err := wire.ParseCookieReply(b.out.Datagrams[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	b.flush()
	moved := wire.Init{Cookie: reply.Cookie, Noise: init.Noise}.Append(nil)
	b.receive(attacker, bytes.Clone(moved))
	if b.drops(link.DropHandshake) != 1 {
		t.Errorf("an INIT under another cookie: drops %v", b.table.Counters().Drops)
	}
	b.receive(attacker, bytes.Clone(moved))
	if b.drops(link.DropCookieUsed) != 2 {
		t.Errorf("a cookie that bought a failure bought more: drops %v", b.table.Counters().Drops)
	}
	wantEvents(t, b, "up 1 a")
	checkOneLink(t, a, b)
}

func TestCookieAges(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		good bool
	}{{0, true}, {119 * time.Second, true}, {121 * time.Second, true}, {241 * time.Second, false}, {500 * time.Second, false}} {
		n := newNetwork(t, 1)
		b := n.add("b", "198.51.100.1:8466")
		init := dialByHand(t, n, b, "192.0.2.1:1", c.age)
		b.table.HandleDatagram(n.now, netip.MustParseAddrPort("192.0.2.1:1"), init, &b.out)
		if answered := len(b.out.Datagrams) == 1; answered != c.good {
			t.Errorf("cookie of age %v: answered %v, want %v", c.age, answered, c.good)
		}
	}
}

// dialByHand makes an INIT from an address, with a cookie that is that old.
func dialByHand(t *testing.T, n *network, b *host, addr string, age time.Duration) []byte {
	t.Helper()
	from := netip.MustParseAddrPort(addr)
	a := &host{net: n, name: addr, addr: from, key: keyOf(addr)}
	a.start(7)
	b.out.Reset()
	a.table.Dial(n.now, b.addr, identity.NodeID{}, &a.out)
	b.table.HandleDatagram(n.now, from, a.out.Datagrams[0].Data, &b.out)
	a.table.HandleDatagram(n.now, b.addr, b.out.Datagrams[0].Data, &a.out)
	b.out.Reset()
	n.run(age)
	return bytes.Clone(a.out.Datagrams[1].Data)
}

func TestHandshakeRate(t *testing.T) {
	exempt := func(c *link.Config) { c.PrefixExempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	none := func(c *link.Config) { c.HandshakesPerPrefix = -1 }
	for name, c := range map[string]struct {
		change func(*link.Config)
		want   int
	}{"default": {func(*link.Config) {}, 20}, "exempt": {exempt, 30}, "none": {none, 30}} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1)
			b := n.add("b", "198.51.100.1:8466", c.change)
			var inits [][]byte
			var from []netip.AddrPort
			for i := range 30 {
				addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1)
				inits, from = append(inits, dialByHand(t, n, b, addr.String(), 0)), append(from, addr)
			}
			answered := 0
			for i, init := range inits {
				b.out.Reset()
				b.table.HandleDatagram(n.now, from[i], init, &b.out)
				answered += len(b.out.Datagrams)
			}
			if answered != c.want || b.drops(link.DropRate) != uint64(30-c.want) {
				t.Errorf("answered %d of 30, want %d; drops %v", answered, c.want, b.table.Counters().Drops)
			}
			other := dialByHand(t, n, b, "203.0.113.1:1", 0)
			b.out.Reset()
			b.table.HandleDatagram(n.now, netip.MustParseAddrPort("203.0.113.1:1"), other, &b.out)
			if len(b.out.Datagrams) != 1 {
				t.Error("another network had to pay for it")
			}
		})
	}
}

func TestHalfOpenMax(t *testing.T) {
	n := newNetwork(t, 1)
	b := n.add("b", "198.51.100.1:8466", func(c *link.Config) { c.HandshakesPerPrefix, c.HalfOpenMax = -1, 10 })
	for i := range 30 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1)
		init := dialByHand(t, n, b, addr.String(), 0)
		b.table.HandleDatagram(n.now, addr, init, &b.out)
	}
	if b.drops(link.DropFull) != 20 {
		t.Errorf("refused %d of 30, want 20", b.drops(link.DropFull))
	}
	n.run(6 * time.Second)
	if b.table.Deadline() != 1<<63-1 {
		t.Error("half-open links stay")
	}
	wantEvents(t, b)
}

func TestLinksMax(t *testing.T) {
	n := newNetwork(t, 1)
	b := n.add("b", "198.51.100.1:8466", func(c *link.Config) { c.LinksMax = 1 })
	a, c := n.add("a", "192.0.2.1:8466"), n.add("c", "192.0.2.2:8466")
	a.dial(b)
	c.dial(b)
	n.run(6 * time.Second)
	if b.table.Len() != 1 {
		t.Errorf("%d links, want 1", b.table.Len())
	}
	b.close(b.only(), wire.CloseDone)
	n.run(time.Second)
	a.take()
	c.take()
	c.dial(b)
	n.run(time.Second)
	wantEvents(t, c, "up 2 b")
}

func TestReplayAndForgery(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(2 * time.Second)
	seen := capture(n, a, b)
	a.say(a.only(), "once")
	n.run(time.Second)
	wantMessages(t, b, "1:once")
	packet := (*seen)[0]
	b.receive(a.addr, bytes.Clone(packet))
	if b.drops(link.DropReplay) != 1 {
		t.Error("a packet was taken twice")
	}
	n.filter = func(_, to netip.AddrPort, _ []byte) bool { return to != b.addr }
	a.say(a.only(), "twice")
	packet = (*seen)[len(*seen)-1]
	for i := range packet {
		for bit := range 8 {
			forged := bytes.Clone(packet)
			forged[i] ^= 1 << bit
			b.receive(a.addr, forged)
		}
	}
	for size := range packet {
		b.receive(a.addr, bytes.Clone(packet[:size]))
	}
	wantMessages(t, b)
	b.receive(a.addr, bytes.Clone(packet))
	wantMessages(t, b, "1:twice")
	if b.drops(link.DropForged) == 0 || b.drops(link.DropUnknownLink) == 0 || b.drops(link.DropMalformed) == 0 {
		t.Errorf("drops: %v", b.table.Counters().Drops)
	}
}

// Every proper prefix and every longer copy of every datagram of a handshake is refused, and nothing is kept of it.
func TestTruncatedHandshake(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		h := a
		if to == b.addr {
			h = b
		}
		if wire.DatagramType(d[0]) == wire.DatagramData {
			return true
		}
		before := h.drops(link.DropMalformed)
		for size := range d {
			h.receive(from, bytes.Clone(d[:size]))
		}
		h.receive(from, append(bytes.Clone(d), 0))
		if refused := h.drops(link.DropMalformed) - before; refused != uint64(len(d)+1) {
			t.Errorf("type %d: %d of %d wrong lengths refused", d[0], refused, len(d)+1)
		}
		return true
	}
	a.dial(b)
	n.run(time.Second)
	wantEvents(t, a, "up 1 b")
	wantEvents(t, b, "up 1 a")
}

// Peers that ask many questions in one datagram get one answer.
func TestQuestionsInOneDatagram(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(3 * time.Second)
	answers := capture(n, b, a)
	var payload []byte
	for i := range uint32(100) {
		payload = wire.Ping{Token: i}.Append(payload)
	}
	for range 50 {
		payload = wire.PathChallenge{}.Append(payload)
	}
	a.table.Seal(n.now, a.only(), payload, &a.out)
	a.flush()
	n.run(n.delay * 3)
	if len(*answers) != 2 {
		t.Errorf("%d answers, want one PONG and one PATH_RESPONSE", len(*answers))
	}
}
