// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

func TestKeepalive(t *testing.T) {
	n, a, b := pair(t, 1)
	packets := 0
	n.taps = append(n.taps, func(_, _ netip.AddrPort, _ []byte) { packets++ })
	n.run(10 * time.Minute)
	wantEvents(t, a)
	wantEvents(t, b)
	// One side asks and the other answers: neither is silent for more than 10 s, and the one that answers need not ask.
	if packets < 100 || packets > 150 {
		t.Errorf("an idle link sent %d packets in 10 min, want 120", packets)
	}
}

// A link says something as often as the side that needs it most wants, and lives as long as it is heard that often.
func TestSetKeepalive(t *testing.T) {
	for _, c := range []struct {
		a, b time.Duration
		want int // packets in 10 minutes
	}{
		{0, 0, 120}, {25 * time.Second, 25 * time.Second, 48}, {15 * time.Second, 25 * time.Second, 80},
		{25 * time.Second, 15 * time.Second, 75}, {0, 25 * time.Second, 120}, {4 * time.Second, 0, 300},
		{time.Hour, time.Hour, 40}, {time.Millisecond, 0, 600},
	} {
		n, a, b := pair(t, 1)
		a.table.SetKeepalive(1, c.a)
		b.table.SetKeepalive(1, c.b)
		packets := 0
		n.taps = append(n.taps, func(_, _ netip.AddrPort, _ []byte) { packets++ })
		n.run(10 * time.Minute)
		wantEvents(t, a)
		wantEvents(t, b)
		if packets < c.want*9/10-4 || packets > c.want*11/10+20 {
			t.Errorf("keepalives each %v and %v: %d packets, want about %d", c.a, c.b, packets, c.want)
		}
		since := n.now
		b.gone = true
		for n.run(100 * time.Millisecond); len(a.events) == 0; n.run(100 * time.Millisecond) {
		}
		if d := n.now.Sub(since); d > 41*time.Second || c.a <= 10*time.Second && d > 21*time.Second {
			t.Errorf("keepalives each %v: down after %v", c.a, d)
		}
	}
}

func TestKeepaliveThroughLoss(t *testing.T) {
	n, a, b := pair(t, 1)
	n.lossPM = 200
	n.run(time.Hour)
	wantEvents(t, a)
	wantEvents(t, b)
}

func TestSilence(t *testing.T) {
	n, a, b := pair(t, 1)
	n.run(10 * time.Second)
	b.gone = true
	for n.run(100 * time.Millisecond); len(a.events) == 0; n.run(100 * time.Millisecond) {
	}
	wantEvents(t, a, "down 1 b silent")
	if a.table.Len() != 0 || a.table.Deadline() != 1<<63-1 {
		t.Error("something stays of the link")
	}
}

func TestClose(t *testing.T) {
	n, a, b := pair(t, 1)
	packets := capture(n, b, a)
	a.close(1, wire.CloseLeaving)
	wantEvents(t, a, "down 1 b local_close")
	n.run(time.Second)
	wantEvents(t, b, "down 1 a remote_close leaving")
	if len(*packets) != 0 {
		t.Error("CLOSE was answered")
	}
	if a.say(1, "x") || b.say(1, "x") {
		t.Error("a closed link takes messages")
	}
	if _, ok := a.table.Peer(1); ok {
		t.Error("a closed link is still known")
	}
	id := a.dial(b)
	a.close(id, wire.CloseDone)
	wantEvents(t, a, fmt.Sprintf("down %d ? local_close", id))
}

func TestRekey(t *testing.T) {
	n, a, b := pair(t, 1)
	n.jitter = 150 * time.Millisecond
	for i := range 6 * 60 * 5 { // six minutes, five packets a second
		if !a.say(1, fmt.Sprint(i)) || !b.say(1, fmt.Sprint(i)) {
			t.Fatal("the link went down")
		}
		n.run(200 * time.Millisecond)
	}
	n.run(time.Second)
	for _, h := range []*host{a, b} {
		if len(h.messages) != 6*60*5 {
			t.Errorf("%s got %d of %d messages", h.name, len(h.messages), 6*60*5)
		}
		if rekeys := h.table.Counters().Rekeys; rekeys != 3 && rekeys != 2 {
			t.Errorf("%s rekeyed %d times in 6 min, want every 2 min", h.name, rekeys)
		}
	}
}

// After 2^20 packets too, but never twice while everything may be lost.
func TestRekeyByPackets(t *testing.T) {
	n, a, b := pair(t, 1)
	n.run(30 * time.Second)
	a.table.SkipPackets(1, 1<<20-1)
	a.say(1, "under the old key")
	a.say(1, "under the old key")
	a.say(1, "under the new key")
	a.table.SkipPackets(1, 1<<21+10)
	a.say(1, "under the new key")
	n.run(time.Second)
	if rekeys := a.table.Counters().Rekeys; rekeys != 1 {
		t.Errorf("%d rekeys, want 1", rekeys)
	}
	if len(b.messages) != 4 {
		t.Errorf("%d of 4 messages arrived", len(b.messages))
	}
}

// A packet under the previous key is taken for 3 s, and no longer.
func TestPreviousKey(t *testing.T) {
	for _, c := range []struct {
		late time.Duration
		want int
	}{{2900 * time.Millisecond, 2}, {3100 * time.Millisecond, 1}} {
		n, a, b := pair(t, 1)
		n.run(115 * time.Second)
		seen := capture(n, a, b)
		n.filter = func(_, to netip.AddrPort, _ []byte) bool { return to != b.addr }
		b.messages = nil
		for a.table.Counters().Rekeys == 0 {
			a.say(1, "x")
			n.run(50 * time.Millisecond)
		}
		n.filter = nil
		if len(*seen) < 2 {
			t.Fatal("the key changed at once")
		}
		last := len(*seen) - 1
		for (*seen)[last][0] != 0x85 {
			last--
		}
		previous, first := (*seen)[last-1], (*seen)[last]
		b.receive(a.addr, bytes.Clone(first))
		n.now = n.now.Add(c.late)
		b.receive(a.addr, bytes.Clone(previous))
		if len(b.messages) != c.want {
			t.Errorf("%v late: %d of 2 taken, want %d", c.late, len(b.messages), c.want)
		}
	}
}

func TestCounterEnds(t *testing.T) {
	n, a, b := pair(t, 1)
	n.run(5 * time.Second)
	a.table.SkipPackets(1, link.CounterMax-1)
	if !a.say(1, "the last one") {
		t.Error("one packet was left")
	}
	if a.say(1, "one too many") {
		t.Error("the counter goes past its end")
	}
	if _, ok := a.table.Ticket(n.now, 1, wire.KindChunk, 10); ok {
		t.Error("a ticket goes past the end of the counter")
	}
	n.run(n.delay)
	wantEvents(t, a, "down 1 b exhausted")
	wantEvents(t, b, "down 1 a remote_close exhausted")
	wantMessages(t, b, "1:the last one")
}

// Tickets are sealed later, in any order, after rekeying, and when the link is gone: the peer takes them.
func TestTickets(t *testing.T) {
	n, a, b := pair(t, 1)
	var tickets []link.Ticket
	payload := []byte("\x10chunk")
	before, _ := a.table.Peer(1)
	for range 20 {
		ticket, ok := a.table.Ticket(n.now, 1, wire.KindChunk, len(payload))
		if !ok || ticket.To != b.addr {
			t.Fatal("no ticket")
		}
		tickets = append(tickets, ticket)
	}
	after, _ := a.table.Peer(1)
	if got, want := after.BytesOut-before.BytesOut, uint64(20*(28+25+len(payload))); got != want {
		t.Errorf("tickets count %d bytes, want %d", got, want)
	}
	a.close(1, wire.CloseDone)
	n.queue = nil // CLOSE is lost
	slices.Reverse(tickets)
	for i := range tickets {
		b.receive(a.addr, tickets[i].AppendDatagram([]byte("before")[6:], payload))
	}
	if len(b.messages) != 20 {
		t.Errorf("%d of 20 arrived", len(b.messages))
	}
}

func TestPingCarriedByTheNode(t *testing.T) {
	n, a, b := pair(t, 1)
	packets := capture(n, a, b)
	for i := range 300 {
		payload := []byte{wire.TypeLinkEnd, byte(i)}
		if a.table.PingDue(n.now, 1) {
			payload = append(a.table.AppendPing(n.now, 1, nil), payload...)
		}
		a.table.Seal(n.now, 1, payload, &a.out)
		a.flush()
		n.run(100 * time.Millisecond)
	}
	if len(b.messages) != 300 {
		t.Errorf("%d of 300 messages arrived", len(b.messages))
	}
	// b asks too, and a's answers are packets of their own.
	if alone := len(*packets) - 300; alone > 4 {
		t.Errorf("%d packets beside the node's own", alone)
	}
	if full := make([]byte, link.PayloadBytesMax); len(a.table.AppendPing(n.now, 1, full)) != len(full) {
		t.Error("a PING made a payload too long")
	}
}

func TestRoundTripTime(t *testing.T) {
	n, a, _ := pair(t, 1)
	first, _ := a.table.Peer(1)
	if first.RTT != 40*time.Millisecond {
		t.Errorf("RTT %v, want 40 ms", first.RTT)
	}
	n.delay = 60 * time.Millisecond
	for range 600 {
		a.say(1, "x")
		n.run(time.Second)
	}
	later, _ := a.table.Peer(1)
	if later.RTT < 115*time.Millisecond || later.RTT > 121*time.Millisecond || later.RTTDev > first.RTTDev+5*time.Millisecond {
		t.Errorf("RTT %v ± %v, want 120 ms", later.RTT, later.RTTDev)
	}
}

func TestBytesPerFamily(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "[2001:db8::1]:8466"), n.add("b", "[2001:db8::2]:8466")
	a.dial(b)
	n.run(3 * time.Second)
	ia, _ := a.table.Peer(1)
	ib, _ := b.table.Peer(1)
	a.say(1, "1234567")
	n.run(time.Second)
	ja, _ := a.table.Peer(1)
	jb, _ := b.table.Peer(1)
	if out, in := ja.BytesOut-ia.BytesOut, jb.BytesIn-ib.BytesIn; out != 48+25+8 || in != out {
		t.Errorf("8 bytes over IPv6 count %d at one end and %d at the other, want 81", out, in)
	}
}

// Two runs from one seed are equal to the last byte.
func TestDeterminism(t *testing.T) {
	run := func() (trace []byte) {
		n := newNetwork(t, 5)
		n.lossPM, n.dupPM, n.jitter = 50, 20, 30*time.Millisecond
		n.taps = append(n.taps, func(from, to netip.AddrPort, b []byte) {
			trace = fmt.Appendf(trace, "%d %v %v %x\n", n.now, from, to, b)
		})
		a, b, c := n.add("a", "192.0.2.1:1"), n.add("b", "192.0.2.2:1"), n.add("c", "192.0.2.3:1")
		a.dial(b)
		b.dial(c)
		c.dial(a)
		b.dial(a)
		n.run(3 * time.Minute)
		for _, h := range n.hosts {
			if h.table.Len() != 2 {
				t.Errorf("%s has %d links, want 2", h.name, h.table.Len())
			}
		}
		return trace
	}
	if first, second := run(), run(); !bytes.Equal(first, second) {
		t.Error("two runs from one seed differ")
	}
}

// Handshake datagrams that were repeated measure nothing: nobody knows which of them was answered.
func TestRoundTripTimeAfterLoss(t *testing.T) {
	for _, lost := range []wire.DatagramType{wire.DatagramHello, wire.DatagramCookie, wire.DatagramInit, wire.DatagramResp} {
		n := newNetwork(t, 1)
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		once := true
		n.filter = func(_, _ netip.AddrPort, d []byte) bool {
			pass := !once || wire.DatagramType(d[0]) != lost
			once = once && pass
			return pass
		}
		a.dial(b)
		n.run(3 * time.Second)
		for _, h := range []*host{a, b} {
			if info, ok := h.table.Peer(1); !ok || info.RTT != 2*n.delay {
				t.Errorf("%v was lost: RTT at %s %v, want %v", lost, h.name, info.RTT, 2*n.delay)
			}
		}
	}
}

// On a path that is slower than the first repetition, answers come after the second question.
func TestRoundTripTimeOfSlowPath(t *testing.T) {
	n := newNetwork(t, 1)
	n.delay = 190 * time.Millisecond
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(10 * time.Second)
	for _, h := range []*host{a, b} {
		if info, ok := h.table.Peer(1); !ok || info.RTT != 2*n.delay {
			t.Errorf("RTT at %s %v, want %v", h.name, info.RTT, 2*n.delay)
		}
	}
}

// A PONG that comes again measures nothing.
func TestPongTwice(t *testing.T) {
	n, a, b := pair(t, 1)
	ping := a.table.AppendPing(n.now, 1, nil)
	p, _, err := wire.ParsePing(ping)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n.run(100 * time.Millisecond)
		b.table.Seal(n.now, 1, wire.Pong(p).Append(nil), &b.out)
		b.flush()
	}
	n.run(n.delay)
	// (7 * 40 ms + 120 ms) / 8
	if info, _ := a.table.Peer(1); info.RTT != 50*time.Millisecond {
		t.Errorf("RTT %v, want 50 ms", info.RTT)
	}
}
