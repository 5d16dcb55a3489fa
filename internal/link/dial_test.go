// SPDX-License-Identifier: MIT

package link_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/wire"
)

func TestDial(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	id := a.dial(b)
	n.run(4 * n.delay)
	wantEvents(t, a, "up 1 b")
	if id != 1 || !a.say(id, "hello") {
		t.Fatalf("link %d does not take messages two round trips after Dial", id)
	}
	n.run(time.Second)
	wantEvents(t, b, "up 1 a")
	wantMessages(t, b, "1:hello")
	if !b.say(1, "hello yourself") {
		t.Error("the responder's link takes no messages")
	}
	n.run(time.Second)
	wantMessages(t, a, "1:hello yourself")
	for _, h := range []*host{a, b} {
		info, _ := h.table.Peer(h.only())
		if info.RTT != 2*n.delay || info.Initiator != (h == a) {
			t.Errorf("%s: RTT %v, initiator %v", h.name, info.RTT, info.Initiator)
		}
		if drops := h.table.Counters().Drops; drops != [link.DropReasons]uint64{} {
			t.Errorf("%s dropped %v", h.name, drops)
		}
	}
}

func TestDialAgainReturnsTheSameLink(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	first := a.dial(b)
	if again := a.dial(b); again != first {
		t.Errorf("dial while dialling: %d, want %d", again, first)
	}
	n.run(time.Second)
	elsewhere := a.table.Dial(n.now, netip.MustParseAddrPort("203.0.113.9:1"), b.key.Public(), &a.out)
	if again := a.dial(b); again != first || elsewhere != first {
		t.Errorf("dial while up: %d by address, %d by id, want %d", again, elsewhere, first)
	}
	if back := b.dial(a, a); back != b.only() {
		t.Errorf("dialling back: %d, want %d", back, b.only())
	}
	wantEvents(t, a, "up 1 b")
	wantEvents(t, b, "up 1 a")
}

func TestDialRefusals(t *testing.T) {
	n := newNetwork(t, 1)
	a := n.add("a", "192.0.2.1:8466", func(c *link.Config) { c.LinksMax = 2 })
	for _, addr := range []string{"0.0.0.0:1", "192.0.2.7:0", "224.0.0.1:1", "255.255.255.255:1", "[::]:1", "[ff02::1]:1"} {
		if id := a.table.Dial(n.now, netip.MustParseAddrPort(addr), identity.NodeID{}, &a.out); id != 0 {
			t.Errorf("Dial(%s) = %d, want 0", addr, id)
		}
	}
	if id := a.table.Dial(n.now, netip.AddrPort{}, identity.NodeID{}, &a.out); id != 0 {
		t.Errorf("Dial(zero) = %d, want 0", id)
	}
	if id := a.table.Dial(n.now, netip.MustParseAddrPort("192.0.2.8:1"), a.key.Public(), &a.out); id != 0 {
		t.Errorf("Dial(self) = %d, want 0", id)
	}
	for i, want := range []link.ID{1, 2, 0} {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(20 + i)}), 1)
		if id := a.table.Dial(n.now, to, identity.NodeID{}, &a.out); id != want {
			t.Errorf("dial %d of at most 2: %d, want %d", i, id, want)
		}
	}
}

func TestDialMeetsItself(t *testing.T) {
	n := newNetwork(t, 1)
	a := n.add("a", "192.0.2.1:8466")
	a.dial(a)
	n.run(time.Second)
	wantEvents(t, a, "down 1 a self")
}

func TestDialMeetsAnother(t *testing.T) {
	n := newNetwork(t, 1)
	a, b, c := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466"), n.add("c", "198.51.100.2:8466")
	a.dial(b, c)
	n.run(time.Second)
	wantEvents(t, a, "up 1 b") // and not c, as hoped: the event says so

	id := a.table.DialOnly(n.now, c.addr, keyOf("d").Public(), &a.out)
	a.flush()
	n.run(time.Second)
	if id != 2 {
		t.Errorf("DialOnly = %d, want 2", id)
	}
	wantEvents(t, a, "down 2 c other_peer")
	wantEvents(t, c)
}

func TestDialNobody(t *testing.T) {
	n := newNetwork(t, 1)
	a := n.add("a", "192.0.2.1:8466")
	nobody := netip.MustParseAddrPort("192.0.2.99:1")
	start, sent := n.now, 0
	n.taps = append(n.taps, func(_, _ netip.AddrPort, _ []byte) { sent++ })
	a.table.Dial(n.now, nobody, identity.NodeID{}, &a.out)
	a.flush()
	for n.run(10 * time.Millisecond); len(a.events) == 0; n.run(10 * time.Millisecond) {
	}
	wantEvents(t, a, "down 1 ? no_answer")
	if took := n.now.Sub(start); took < 5*time.Second || took > 5100*time.Millisecond {
		t.Errorf("gave up after %v, want 5 s", took)
	}
	if sent != 7 {
		t.Errorf("sent %d datagrams, want 7", sent)
	}
	if a.table.Deadline() != 1<<63-1 || a.table.Len() != 0 {
		t.Error("the table is not empty afterwards")
	}
}

// Every datagram of the handshake is lost in turn, and the dial comes through nevertheless.
func TestDialLoses(t *testing.T) {
	for lost := range 6 {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			n := newNetwork(t, 1)
			a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
			count := 0
			n.filter = func(_, _ netip.AddrPort, _ []byte) bool {
				count++
				return count-1 != lost
			}
			a.dial(b)
			n.run(2 * time.Second)
			wantEvents(t, a, "up 1 b")
			wantEvents(t, b, "up 1 a")
		})
	}
}

func TestDialThroughLoss(t *testing.T) {
	up := 0
	for seed := range uint64(60) {
		n := newNetwork(t, seed)
		n.lossPM, n.dupPM, n.jitter = 200, 100, 60*time.Millisecond
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		a.dial(b)
		n.run(6 * time.Second)
		_, atA := a.table.Find(b.key.Public())
		_, atB := b.table.Find(a.key.Public())
		if atA != atB {
			t.Errorf("seed %d: a has the link: %v, b: %v", seed, atA, atB)
		}
		if atA {
			up++
		}
	}
	if up < 57 {
		t.Errorf("%d of 60 dials came through 20 %% loss", up)
	}
}

func TestVersions(t *testing.T) {
	n := newNetwork(t, 1)
	a := n.add("a", "192.0.2.1:8466")
	later := netip.MustParseAddrPort("198.51.100.1:8466")
	a.table.Dial(n.now, later, identity.NodeID{}, &a.out)
	hello, err := wire.ParseHello(a.out.Datagrams[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	reply := wire.CookieReply{Version: wire.Version + 1, Nonce: hello.Nonce}.Append(nil)
	a.table.HandleDatagram(n.now, later, reply, &a.out)
	a.flush()
	wantEvents(t, a, "down 1 ? version")

	var answer []byte
	n.taps = append(n.taps, func(_, _ netip.AddrPort, b []byte) { answer = append(answer, b...) })
	a.receive(later, wire.Hello{Version: wire.Version + 1}.Append(nil))
	if c, err := wire.ParseCookieReply(answer); err != nil || c.Version != wire.Version {
		t.Errorf("a later HELLO is answered with %x, %v", answer, err)
	}
}

// The responder is restarted when the initiator has a cookie of its former life.
func TestDialAcrossRestart(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(2 * n.delay)
	b.start(9)
	n.run(5 * time.Second)
	if b.drops(link.DropCookie) == 0 {
		t.Error("the old cookie was never used: the test proves nothing")
	}
	wantEvents(t, a, "up 1 b")
	wantEvents(t, b, "up 1 a")
}

// A node that leaves takes no more links, neither at HELLO nor at INIT. Who dials meets the one that comes after it at once.
func TestDialWhoLeaves(t *testing.T) {
	for name, wait := range map[string]time.Duration{"HELLO": 0, "INIT": 2} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1)
			a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
			a.dial(b)
			n.run(wait * n.delay) // COOKIE has been sent, or nothing yet
			b.table.Refuse()
			n.run(500 * time.Millisecond)
			wantEvents(t, b)
			if b.drops(link.DropFull) == 0 {
				t.Error("nothing was refused")
			}
			b.start(9)
			n.run(3 * time.Second)
			wantEvents(t, a, "up 1 b")
			wantEvents(t, b, "up 1 a")
		})
	}
}

// Who leaves while his RESP is under way says so as soon as he can.
func TestDialWhoLeavesAfterTheHandshake(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(3*n.delay + n.delay/2)
	b.table.Refuse()
	n.run(time.Second)
	wantEvents(t, a, "up 1 b", "down 1 b remote_close leaving")
	wantEvents(t, b)
}

// Answers that were not asked for, by their nonce or their address, are refused.
func TestUnasked(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	elsewhere := netip.MustParseAddrPort("198.51.100.1:9")
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		if to == a.addr && d[0] != byte(wire.DatagramData) {
			before := a.drops(link.DropUnasked)
			a.receive(elsewhere, append([]byte(nil), d...))
			if c, err := wire.ParseCookieReply(d); err == nil {
				c.Nonce[7] ^= 1
				a.receive(from, c.Append(nil))
				before++
			}
			if got := a.drops(link.DropUnasked) - before; got != 1 {
				t.Errorf("type %d from elsewhere or with a wrong nonce is taken", d[0])
			}
		}
		return true
	}
	a.dial(b)
	n.run(time.Second)
	wantEvents(t, a, "up 1 b")
}
