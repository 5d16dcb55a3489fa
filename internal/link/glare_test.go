// SPDX-License-Identifier: MIT

package link_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// checkOneLink lets two nodes talk over the only link that each of them has.
func checkOneLink(t *testing.T, a, b *host) {
	t.Helper()
	a.messages, b.messages = nil, nil
	ida, idb := a.only(), b.only()
	a.say(ida, "from a")
	b.say(idb, "from b")
	a.net.run(time.Second)
	wantMessages(t, b, fmt.Sprintf("%d:from a", idb))
	wantMessages(t, a, fmt.Sprintf("%d:from b", ida))
}

// Both dial each other: whatever the distance in time, one link is left at both ends, it is the same one, and the events
// add up: one Up more than Down.
func TestBothDial(t *testing.T) {
	for gap := 0; gap < 130; gap += 5 {
		n := newNetwork(t, uint64(gap))
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		a.dial(b)
		n.run(time.Duration(gap) * time.Millisecond)
		b.dial(a)
		n.run(3 * time.Second)
		checkOneLink(t, a, b)
		checkBalance(t, a)
		checkBalance(t, b)
		wantEvents(t, a, "up 1 b") // crossing dials on one path never make a link that ends again
		wantEvents(t, b, "up 1 a")
	}
}

func TestBothDialThroughLoss(t *testing.T) {
	for seed := range uint64(80) {
		n := newNetwork(t, seed)
		n.lossPM, n.dupPM, n.jitter = 150, 50, 40*time.Millisecond
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		a.dial(b)
		n.run(time.Duration(n.rng.Int64N(int64(300 * time.Millisecond))))
		b.dial(a)
		n.run(8 * time.Second)
		n.lossPM = 0
		if a.table.Len() == 0 && b.table.Len() == 0 {
			continue // both gave up
		}
		checkOneLink(t, a, b)
		checkBalance(t, a)
		checkBalance(t, b)
	}
}

// Two nodes with two addresses each dial each other on different paths: nobody can know that the dials cross, both come
// up, and both ends keep the one that the lower id dialled.
func TestBothDialOnTwoPaths(t *testing.T) {
	for gap := 0; gap < 130; gap += 5 {
		n := newNetwork(t, uint64(gap))
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		a2, b2 := netip.MustParseAddrPort("[2001:db8::1]:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
		rewrite(n, a, b, a2, b2)
		a.dial(b)
		n.run(time.Duration(gap) * time.Millisecond)
		b.table.Dial(n.now, a2, a.key.Public(), &b.out)
		b.flush()
		n.run(3 * time.Second)
		checkOneLink(t, a, b)
		checkBalance(t, a)
		checkBalance(t, b)
		ia, _ := a.table.Peer(a.only())
		if lower := a.key.Public().Compare(b.key.Public()) < 0; gap == 0 && ia.Initiator != lower {
			t.Error("of two dials that cross the higher id's stays")
		}
		ib, _ := b.table.Peer(b.only())
		if ia.Initiator == ib.Initiator {
			t.Errorf("gap %d ms: initiator %v at a, %v at b", gap, ia.Initiator, ib.Initiator)
		}
	}
}

// rewrite makes a2 and b2 second addresses of a and b: what goes to one comes from the other.
func rewrite(n *network, a, b *host, a2, b2 netip.AddrPort) {
	n.filter = func(from, to netip.AddrPort, data []byte) bool {
		switch {
		case to == a2:
			n.inject(b2, a.addr, data)
		case to == b2:
			n.inject(a2, b.addr, data)
		default:
			return true
		}
		return false
	}
}

// checkBalance looks whether each ID comes up at most once and goes down at most once, never before, and one is left.
func checkBalance(t *testing.T, h *host) {
	t.Helper()
	up := map[link.ID]int{}
	links := 0
	for _, e := range h.events {
		switch e.Kind {
		case link.EventUp:
			up[e.ID]++
			links++
			if up[e.ID] != 1 || links != 1 {
				t.Errorf("%s: link %d came up %d times, as number %d", h.name, e.ID, up[e.ID], links)
			}
		case link.EventDown:
			links -= up[e.ID]
			up[e.ID] += 10
		}
	}
	if links != 1 {
		t.Errorf("%s has %d links by its events", h.name, links)
	}
}

// A node that was restarted with the same key dials: the old link ends at once.
func TestRestart(t *testing.T) {
	for _, dialler := range []string{"the same", "the other"} {
		t.Run(dialler, func(t *testing.T) {
			n := newNetwork(t, 1)
			a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
			if dialler == "the same" {
				a.dial(b)
			} else {
				b.dial(a)
			}
			n.run(3 * time.Second)
			wantEvents(t, b, "up 1 a")
			a.take()
			a.start(99)
			a.dial(b)
			n.run(3 * time.Second)
			wantEvents(t, a, "up 1 b")
			wantEvents(t, b, "down 1 a replaced", "up 2 a")
			checkOneLink(t, a, b)
		})
	}
}

// A node lost a link that the other still has, and dials again.
func TestDialAfterLoss(t *testing.T) {
	for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} { // whoever has the lower id
		n := newNetwork(t, 1)
		a, b := n.add(names[0], "192.0.2.1:8466"), n.add(names[1], "198.51.100.1:8466")
		a.dial(b)
		n.run(3 * time.Second)
		n.lossPM = 1000
		a.close(a.only(), wire.CloseDone) // and nobody hears it
		n.lossPM = 0
		a.dial(b)
		n.run(time.Second)
		wantEvents(t, a, "up 1 "+b.name, "down 1 "+b.name+" local_close", "up 2 "+b.name)
		wantEvents(t, b, "up 1 "+a.name, "down 1 "+a.name+" replaced", "up 2 "+a.name)
		checkOneLink(t, a, b)
	}
}

// One node is dialled at two addresses at the same moment: one dial wins and the other says duplicate.
func TestTwoAddressesOfOnePeer(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a2, b2 := netip.MustParseAddrPort("[2001:db8::1]:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
	rewrite(n, a, b, a2, b2)
	a.dial(b, b)
	n.run(10 * time.Millisecond)
	a.table.Dial(n.now, b2, b.key.Public(), &a.out)
	a.flush()
	n.run(3 * time.Second)
	checkBalance(t, a)
	checkBalance(t, b)
	wantEvents(t, a, "up 1 b", "down 2 b duplicate")
	wantEvents(t, b, "up 1 a")
	checkOneLink(t, a, b)
}

// A node that is linked is not linked again at another address, whoever dialled.
func TestDialOtherAddressOfLinkedPeer(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a2, b2 := netip.MustParseAddrPort("[2001:db8::1]:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
	rewrite(n, a, b, a2, b2)
	b.dial(a)
	n.run(14 * time.Second)
	a.table.Dial(n.now, b2, [32]byte{}, &a.out)
	a.flush()
	n.run(3 * time.Second)
	wantEvents(t, a, "up 1 b", "down 2 b duplicate")
	wantEvents(t, b, "up 1 a")
	checkOneLink(t, a, b)
}

// Two dials cross, and the path of the one that ought to stay breaks before its first packet: the other link goes on.
func TestElectedPathBreaks(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	if b.key.Public().Compare(a.key.Public()) < 0 {
		a.key, b.key = b.key, a.key
		a.start(1)
		b.start(2)
	}
	a2, b2 := netip.MustParseAddrPort("[2001:db8::1]:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
	rewrite(n, a, b, a2, b2)
	both, broken := n.filter, false
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		onSecond := to == a2 || to == b2
		if onSecond && d[0] == byte(wire.DatagramData) {
			broken = true
		}
		return !(onSecond && broken) && both(from, to, d)
	}
	b.dial(a)
	n.run(time.Millisecond)
	a.table.Dial(n.now, b2, b.key.Public(), &a.out) // the lower id's
	a.flush()
	n.run(2 * time.Second)
	if !broken {
		t.Error("the second path was never used: the test proves nothing")
	}
	for range 30 { // longer than the silence on the second path may last
		a.messages, b.messages = nil, nil
		ida, _ := a.table.Find(b.key.Public())
		idb, _ := b.table.Find(a.key.Public())
		a.say(ida, "from a")
		b.say(idb, "from b")
		n.run(time.Second)
		if len(a.messages) != 1 || len(b.messages) != 1 {
			t.Fatalf("a got %q, b got %q", a.messages, b.messages)
		}
	}
}
