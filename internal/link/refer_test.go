// SPDX-License-Identifier: MIT

package link_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// Who dials a busy host is told of others, once; the dial goes on, and is answered when the host is busy no more.
func TestBusyRefers(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	b.table.Busy(true)
	a.dial(b)
	n.run(time.Second)
	wantEvents(t, a) // it knows nobody else
	b.table.Refer([]netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1"), a.addr, netip.MustParseAddrPort("203.0.113.3:3")})
	n.run(2 * time.Second)
	wantEvents(t, a, "referred 1 ? 203.0.113.3:3", "referred 1 ? 203.0.113.1:1")
	b.table.Busy(false)
	n.run(2 * time.Second)
	wantEvents(t, a, "up 1 b")
}

// A REFER from another address, or with another nonce, is not believed; and a flood of HELLO gets few answers, none longer.
func TestReferUnasked(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	b.table.Busy(true)
	a.dial(b)
	for _, from := range []netip.AddrPort{b.addr, netip.MustParseAddrPort("203.0.113.1:1")} {
		n.inject(from, a.addr, wire.Refer{Addrs: []netip.AddrPort{from}}.Append(nil))
	}
	n.run(time.Second)
	wantEvents(t, a)
	if got := a.drops(link.DropUnasked); got != 2 {
		t.Errorf("%d dropped, want 2", got)
	}

	b.table.Refer([]netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1")})
	var out link.Output
	hello := wire.Hello{Version: wire.Version}.Append(nil)
	for range 1000 {
		b.table.HandleDatagram(n.now, a.addr, hello, &out)
	}
	if len(out.Datagrams) == 0 || len(out.Datagrams) > 25 {
		t.Errorf("%d answers to 1000 HELLO at once", len(out.Datagrams))
	}
	for _, d := range out.Datagrams {
		if len(d.Data) > len(hello) {
			t.Errorf("%d bytes for %d", len(d.Data), len(hello))
		}
	}
}
