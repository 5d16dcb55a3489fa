// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// A PUNCH is handed up with its address and answered by nothing; what only looks like one is dropped.
func TestPunch(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(time.Second)
	from := netip.MustParseAddrPort("203.0.113.5:1000")
	punch := wire.Punch{Token: wire.PunchToken{1, 2, 3, 4, 5, 6, 7, 8}}
	before := b.table.Counters()
	for _, at := range []netip.AddrPort{from, a.addr, netip.AddrPortFrom(netip.AddrFrom16(from.Addr().As16()), 1000)} {
		data := punch.Append(nil)
		id, payload := b.table.HandleDatagram(n.now, at, data, &b.out)
		clear(data)
		want := link.Punched{From: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), Punch: punch}
		if id != 0 || payload != nil || len(b.out.Datagrams) > 0 || len(b.out.Punches) != 1 || b.out.Punches[0] != want {
			t.Errorf("from %v: link %d, %x, %+v", at, id, payload, b.out)
		}
		if b.out.Reset(); len(b.out.Punches) > 0 {
			t.Error("Reset leaves it")
		}
	}
	data := punch.Append(nil)
	for size := 1; size < len(data); size++ {
		b.table.HandleDatagram(n.now, from, bytes.Clone(data[:size]), &b.out)
	}
	b.table.HandleDatagram(n.now, from, append(data, 0), &b.out)
	b.table.HandleDatagram(n.now, netip.AddrPortFrom(from.Addr(), 0), punch.Append(nil), &b.out)
	b.table.HandleDatagram(n.now, netip.MustParseAddrPort("0.0.0.0:5"), punch.Append(nil), &b.out)
	if got := b.drops(link.DropMalformed) - before.Drops[link.DropMalformed]; got != wire.PunchBytes+2 || len(b.out.Punches) > 0 {
		t.Errorf("%d malformed ones are dropped; %v are told", got, b.out.Punches)
	}
	b.flush()
	n.run(30 * time.Second)
	wantEvents(t, a, "up 1 b")
	wantEvents(t, b, "up 1 a")
}

// While the way is closed a dial asks ever less often. Hasten has it ask at once, so that it is up two round trips after the
// way opened.
func TestHasten(t *testing.T) {
	for _, hasten := range []bool{false, true} {
		n := newNetwork(t, 1)
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		closed, hellos := true, 0
		n.filter = func(_, _ netip.AddrPort, d []byte) bool {
			if d[0] == byte(wire.DatagramHello) {
				hellos++
			}
			return !closed
		}
		id := a.dial(b)
		n.run(1900 * time.Millisecond)
		closed = false
		if hasten {
			a.table.Hasten(n.now, id, &a.out)
			a.flush()
		}
		n.run(4 * n.delay)
		info, _ := a.table.Peer(id)
		if info.Up != hasten || hellos > 5 {
			t.Errorf("hastened: %v, up: %v after %d HELLOs", hasten, info.Up, hellos)
		}
		if hasten && info.RTT != 2*n.delay {
			t.Errorf("RTT %v", info.RTT)
		}
		n.run(3 * time.Second)
		wantEvents(t, a, "up 1 b")
		wantEvents(t, b, "up 1 a")
	}
}

// A HELLO that was hastened and is lost is said again as soon as the first one of a dial is.
func TestHastenLoses(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	closed := true
	n.filter = func(_, _ netip.AddrPort, _ []byte) bool { return !closed }
	id := a.dial(b)
	n.run(1900 * time.Millisecond)
	a.table.Hasten(n.now, id, &a.out)
	a.flush()
	closed = false
	n.run(250*time.Millisecond*9/8 + 4*n.delay)
	if info, _ := a.table.Peer(id); !info.Up {
		t.Error("it is not said again soon")
	}
}

// Hasten again and again makes at most one HELLO in 40 ms, and the dial no longer; what is no dial it does not touch.
func TestHastenLimits(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	sent := 0
	n.taps = append(n.taps, func(_, _ netip.AddrPort, _ []byte) { sent++ })
	hasten := func(id link.ID) {
		a.table.Hasten(n.now, id, &a.out)
		a.flush()
	}
	for id := range link.ID(5) {
		hasten(id)
	}
	if sent > 0 {
		t.Error("a dial that is none is hastened")
	}
	n.filter = func(_, _ netip.AddrPort, _ []byte) bool { return false }
	id := a.dial(b)
	begun := n.now
	for ; len(a.events) == 0 && n.now.Sub(begun) < 10*time.Second; n.run(time.Millisecond) {
		hasten(id)
	}
	wantEvents(t, a, "down 1 ? no_answer")
	if took := n.now.Sub(begun); took < 5*time.Second || took > 5100*time.Millisecond || sent > int(took/(40*time.Millisecond))+1 {
		t.Errorf("%d HELLOs, gave up after %v", sent, took)
	}
	if d := a.table.Deadline(); d != 1<<63-1 {
		t.Errorf("deadline %d afterwards", d)
	}
	hasten(id)

	n.filter = nil
	id = a.dial(b)
	n.run(2*n.delay + n.delay/2) // the cookie is here, and INIT is sent
	before := sent
	n.now = n.now.Add(50 * time.Millisecond)
	if hasten(id); sent != before {
		t.Error("a handshake that is under way is hastened")
	}
	n.run(time.Second)
	before = sent
	if hasten(id); sent != before {
		t.Error("a link that is up is hastened")
	}
	wantEvents(t, a, "up 2 b")
}

// Many addresses of one node are dialled at once and hastened, as introductions do: one link comes of it, and each other dial ends.
func TestHastenManyAddresses(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	opened := n.now.Add(700 * time.Millisecond)
	n.filter = func(_, _ netip.AddrPort, _ []byte) bool { return n.now >= opened }
	var ids []link.ID
	for port := range uint16(8) {
		at := netip.AddrPortFrom(b.addr.Addr(), 8460+port)
		ids = append(ids, a.table.Dial(n.now, at, b.key.Public(), &a.out))
	}
	a.flush()
	for range 30 {
		n.run(50 * time.Millisecond)
		for _, id := range ids {
			a.table.Hasten(n.now, id, &a.out)
		}
		a.flush()
	}
	n.run(8 * time.Second)
	if a.table.Len() != 1 || b.table.Len() != 1 {
		t.Errorf("%d and %d links", a.table.Len(), b.table.Len())
	}
	ups, downs := 0, 0
	for _, e := range a.events {
		switch e.Kind {
		case link.EventUp:
			ups++
		case link.EventDown:
			downs++
		case link.EventAddrChanged:
		}
	}
	if ups != 1 || downs != 7 {
		t.Errorf("%d up, %d down: %q", ups, downs, a.take())
	}
}
