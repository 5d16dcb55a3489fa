// SPDX-License-Identifier: MIT

package reach_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/reach"
	"streamer/internal/wire"
)

// Both sides say how they stand when a link comes up and when that changes, and nothing more once it is acknowledged.
func TestStanding(t *testing.T) {
	w := newTown(t)
	a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil)
	w.link(a, b)
	w.run(30 * time.Second)
	if n := w.count(0, wire.TypeStanding, nil, nil); n < 2 || n > 4 {
		t.Errorf("%d STANDINGs at the start of a link", n)
	}
	for i := range w.log {
		if l := &w.log[i]; l.typ == wire.TypeStanding && l.standing(t).You != l.to.addr {
			t.Errorf("%s tells %s that it sees it at %v", l.from.name, l.to.name, l.standing(t).You)
		}
	}
	b.open()
	since := len(w.log)
	w.wait(time.Second, "the other side knows", func() bool { return a.Open(a.id(b)) })
	w.run(30 * time.Second)
	if n := w.count(since, wire.TypeStanding, nil, nil); n > 4 {
		t.Errorf("%d STANDINGs after a change", n)
	}
	if p := a.Proxies(nil); len(p) != 1 || p[0] != b.addr || b.ClientCount() != 1 || a.Open(99) {
		t.Errorf("proxies of a: %v; b has %d clients", p, b.ClientCount())
	}
	since = len(w.log)
	w.run(3 * time.Minute)
	if n := w.count(since, wire.TypeStanding, nil, nil); n > 0 {
		t.Errorf("%d STANDINGs while nothing changes", n)
	}
	moved := netip.MustParseAddrPort("20.9.9.9:9")
	b.PeerMoved(w.now, b.id(a), moved, &b.out)
	b.collect()
	if l := &w.log[len(w.log)-1]; l.typ != wire.TypeStanding || l.standing(t).You != moved {
		t.Error("who has another address is not told it")
	}
	w.run(time.Minute)
	if n := w.count(since, wire.TypeStanding, nil, nil); n > 3 {
		t.Errorf("%d STANDINGs after a move", n)
	}
}

// Each of the first STANDINGs is lost in turn, then half of all for a while: both sides come to know the same nevertheless.
func TestStandingLost(t *testing.T) {
	for lost := range 10 {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			w := newTown(t)
			a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil).open()
			w.run(time.Second)
			n := 0
			w.lose = func(l *letter) bool {
				if n++; lost > 7 {
					return w.random.IntN(2) == 0
				}
				return n-1 == lost
			}
			w.link(a, b)
			w.wait(20*time.Second, "a proxy", func() bool { return len(a.Proxies(nil)) == 1 && b.ClientCount() == 1 })
			w.run(30 * time.Second)
			if n > 24 {
				t.Errorf("%d STANDINGs", n)
			}
		})
	}
}

// A peer that acknowledges nothing is told five times and no more.
func TestStandingUnanswered(t *testing.T) {
	w := newTown(t)
	a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil)
	w.lose = func(*letter) bool { return true }
	w.link(a, b)
	w.run(5 * time.Minute)
	if n := w.count(0, wire.TypeStanding, a, b); n != 5 {
		t.Errorf("%d STANDINGs", n)
	}
}

// What was said last holds, whatever overtakes it on the way.
func TestStandingOutOfOrder(t *testing.T) {
	for _, late := range []time.Duration{50 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
		w := newTown(t)
		a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil)
		w.link(a, b)
		w.run(10 * time.Second)
		b.open()
		first := true
		w.late = func(l *letter) time.Duration {
			if first && l.from == b && l.typ == wire.TypeStanding && !l.standing(t).Open {
				first = false
				return late
			}
			return 0
		}
		moved := netip.MustParseAddrPort("20.9.9.9:9")
		b.PeerMoved(w.now, b.id(a), moved, &b.out) // says something else, and at its next review that it is open
		b.collect()
		w.run(late + 3*time.Second)
		if first || !a.Open(a.id(b)) || len(a.Proxies(nil)) != 1 {
			t.Errorf("%v late: the earlier word stays: %v, %v, %v", late, first, a.Open(a.id(b)), a.Proxies(nil))
		}
	}
}

// Of an address that only this machine understands nobody is told anything, and nothing is said to be seen there.
func TestStandingAtAddressWithZone(t *testing.T) {
	w := newTown(t)
	a, b := w.add("a", inNetwork(1, 0), nil).open(), w.add("b", "[fe80::2]:8466", nil)
	w.linkAt(a, b, a.addr, netip.MustParseAddrPort("[fe80::2%eth0]:8466"))
	w.run(30 * time.Second)
	if n := w.count(0, wire.TypeStanding, a, b); n != 0 {
		t.Errorf("%d STANDINGs", n)
	}
	c := w.add("c", inNetwork(3, 0), nil)
	w.link(a, c)
	c.Meet(w.now, c.id(a), b.node, netip.AddrPort{}, &c.out)
	c.collect()
	w.run(time.Second)
	if len(c.dials) > 0 || len(c.failed) != 1 {
		t.Errorf("dials %v, failed %v", c.dials, c.failed)
	}
}

// Messages of links that are not there, and of types that are none, change nothing.
func TestMessagesOfNobody(t *testing.T) {
	w := newTown(t)
	a := w.add("a", inNetwork(1, 0), nil).open()
	w.run(time.Second)
	for typ := range 256 {
		if rest, err := a.HandleMessage(w.now, 7, byte(typ), make([]byte, 100), &a.out); rest != nil || err != nil {
			t.Errorf("type %#x of nobody leaves %d bytes, error %v", typ, len(rest), err)
		}
	}
	b := w.add("b", inNetwork(2, 0), nil)
	w.link(a, b)
	for _, typ := range []byte{wire.TypeReach + 8, wire.TypeReachEnd - 1, 0x40, 0} {
		if _, err := a.HandleMessage(w.now, a.id(b), typ, make([]byte, 100), &a.out); err == nil {
			t.Errorf("type %#x is taken", typ)
		}
	}
	a.PeerDown(7)
	a.PeerMoved(w.now, 7, b.addr, &a.out)
	a.Hold(w.now, 7)
	if a.Holds(w.now, 7) || a.Open(7) || len(a.out.Messages)+len(a.out.Punches) > 0 {
		t.Errorf("%+v", a.out)
	}
}

// A link is kept for 10 s after Hold, and then named once.
func TestHold(t *testing.T) {
	w := newTown(t)
	a, b := w.add("a", inNetwork(1, 0), nil), w.add("b", inNetwork(2, 0), nil)
	w.link(a, b)
	if a.Holds(w.now, a.id(b)) {
		t.Error("a link is kept for nothing")
	}
	a.Hold(w.now, a.id(b))
	w.run(8 * time.Second)
	a.Hold(w.now, a.id(b))
	w.run(9900 * time.Millisecond)
	if !a.Holds(w.now, a.id(b)) || len(a.idle) > 0 {
		t.Error("it is not kept for 10 s")
	}
	w.run(time.Minute)
	if a.Holds(w.now, a.id(b)) || len(a.idle) != 1 || a.idle[0] != a.id(b) {
		t.Errorf("idle: %v", a.idle)
	}
	var none reach.PeerID
	if a.Holds(w.now, none) {
		t.Error("nobody is kept")
	}
}
