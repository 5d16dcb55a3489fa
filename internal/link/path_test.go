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

// pair is two nodes with a link, quiet.
func pair(t testing.TB, seed uint64) (n *network, a, b *host) {
	n = newNetwork(t, seed)
	a, b = n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(3 * time.Second)
	if len(a.take()) != 1 || len(b.take()) != 1 {
		t.Fatal("no link")
	}
	return n, a, b
}

func TestRoaming(t *testing.T) {
	for _, to := range []string{"192.0.2.1:9999", "203.0.113.1:8466"} {
		n, a, b := pair(t, 1)
		old := a.addr
		a.addr = netip.MustParseAddrPort(to) // as when a NAT forgets its mapping, or a phone changes networks
		a.say(a.only(), "from elsewhere")
		b.say(b.only(), "to the old address")
		n.run(n.delay)
		wantMessages(t, b, "1:from elsewhere")
		if info, _ := b.table.Peer(1); info.Addr != old {
			t.Errorf("b sends to %v before the address was proven", info.Addr)
		}
		n.run(3 * n.delay)
		wantEvents(t, b, "addr_changed 1 a "+to)
		wantMessages(t, a) // it was lost on the way to nowhere
		checkOneLink(t, a, b)
		wantEvents(t, a)
		if id := b.dial(a); id != 1 {
			t.Errorf("the new address is not known as the link's: dialling it gave %d", id)
		}
		if moves := b.table.Counters().Moves; moves != 1 {
			t.Errorf("%d moves counted, want 1", moves)
		}
	}
}

// Both move at the same moment, and one of them knows nothing of the other's new address but what arrives.
func TestRoamingIdle(t *testing.T) {
	n, a, b := pair(t, 1)
	a.addr = netip.MustParseAddrPort("192.0.2.1:9999")
	n.run(25 * time.Second) // keepalives alone find the new way
	wantEvents(t, b, "addr_changed 1 a 192.0.2.1:9999")
	checkOneLink(t, a, b)
}

// The attacker sees a packet and makes it arrive first, from a victim's address: the link stays where it is, the victim gets
// no more bytes than were sent in its name, and the copy that arrives later is refused.
func TestSpoofedAddress(t *testing.T) {
	n, a, b := pair(t, 1)
	victim := netip.MustParseAddrPort("203.0.113.5:53")
	in, out := 0, 0
	n.taps = append(n.taps, func(from, to netip.AddrPort, d []byte) {
		if from == a.addr && to == b.addr {
			in += len(d)
			b.receive(victim, bytes.Clone(d))
		}
		if to == victim {
			out += len(d)
		}
	})
	for range 100 {
		a.say(a.only(), "x")
		b.say(b.only(), "y")
		n.run(100 * time.Millisecond)
		if out > in {
			t.Fatalf("%d bytes came in the victim's name, and it got %d", in, out)
		}
	}
	if out == 0 {
		t.Error("the victim was never asked: the test proves nothing")
	}
	if len(a.messages) != 100 || len(b.messages) != 100 {
		t.Errorf("%d and %d of 100 messages arrived", len(a.messages), len(b.messages))
	}
	wantEvents(t, a)
	wantEvents(t, b)
	if info, _ := b.table.Peer(b.only()); info.Addr != a.addr {
		t.Errorf("b sends to %v", info.Addr)
	}
	if lost := b.table.Counters().MovesLost; lost == 0 {
		t.Error("no address was given up")
	}
}

// An answer to a challenge counts only when it comes from the address that was asked, and late packets from the old address
// are no move back.
func TestPathResponseFromElsewhere(t *testing.T) {
	n, a, b := pair(t, 1)
	seen := capture(n, a, b)
	first := a.addr
	a.say(a.only(), "late, and long enough for a challenge")
	n.queue = nil
	late := (*seen)[len(*seen)-1]

	a.addr = netip.MustParseAddrPort("192.0.2.1:9999")
	third := netip.MustParseAddrPort("203.0.113.7:1")
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		if from == a.addr && len(d) == 34 { // the answer, by its length
			n.inject(third, to, d)
			return false
		}
		return true
	}
	asked := capture(n, b, a)
	a.say(a.only(), "moved, and says enough for a challenge or two, which is more than thirty-four bytes")
	n.run(4 * n.delay)
	wantEvents(t, b)
	if len(*asked) == 0 {
		t.Error("the new address was not asked: the test proves nothing")
	}
	wrong := wire.PathResponse{Proof: [8]byte{1, 2, 3}}.Append(nil)
	a.table.Seal(n.now, a.only(), wrong, &a.out)
	n.filter = nil
	a.flush()
	n.run(n.delay)
	wantEvents(t, b)
	n.run(time.Second)
	wantEvents(t, b, "addr_changed 1 a 192.0.2.1:9999")

	n.taps = append(n.taps, func(_, to netip.AddrPort, _ []byte) {
		if to == first {
			t.Error("something went to the old address")
		}
	})
	b.receive(first, late)
	n.run(2 * time.Second)
	wantEvents(t, b)
	if b.drops(link.DropReplay) != 0 {
		t.Error("the late packet was refused: the test proves nothing")
	}
}

// One packet pays for as many challenges as fit into it, though the link goes on and the address is asked again and again.
func TestChallengesArePaidFor(t *testing.T) {
	for _, text := range []string{"", "12345678", "123456789", "a text of three challenges, that is between 102 and 135 bytes, since each costs thirty-four"} {
		n, a, b := pair(t, 1)
		victim := netip.MustParseAddrPort("203.0.113.5:53")
		out := 0
		n.taps = append(n.taps, func(_, to netip.AddrPort, d []byte) {
			if to == victim {
				out += len(d)
			}
		})
		n.filter = func(_, to netip.AddrPort, _ []byte) bool { return to != b.addr }
		seen := capture(n, a, b)
		a.say(a.only(), text)
		n.filter = nil
		b.receive(victim, bytes.Clone((*seen)[0]))
		n.run(10 * time.Second)
		if in := len((*seen)[0]); out != in/34*34 {
			t.Errorf("%d bytes came in the victim's name, and it got %d, want %d", in, out, in/34*34)
		}
	}
}
