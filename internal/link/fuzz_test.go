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

// FuzzHandleDatagram lets a stranger send anything, from his own address and from that of a peer, to a table that has a link,
// a dial and a half-open link: nothing comes of it, and he gets no more bytes than he sent.
func FuzzHandleDatagram(f *testing.F) {
	for _, b := range handshakeDatagrams(f) {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, known bool) {
		n, a, b := pair(t, 1)
		nobody := netip.MustParseAddrPort("203.0.113.1:1")
		b.table.Dial(n.now, nobody, [32]byte{}, &b.out)
		b.flush()
		from := netip.MustParseAddrPort("203.0.113.5:1000")
		if known {
			from = a.addr
		}
		id, payload := b.table.HandleDatagram(n.now, from, data, &b.out)
		if id != 0 || payload != nil {
			t.Fatalf("link %d accepts %x", id, payload)
		}
		out := 0
		for _, d := range b.out.Datagrams {
			out += len(d.Data)
		}
		if out > len(data) {
			t.Errorf("%d bytes were answered with %d", len(data), out)
		}
		b.flush()
		n.run(30 * time.Second)
		wantEvents(t, a)
		wantEvents(t, b, "down 2 ? no_answer")
	})
}

// handshakeDatagrams are those of one dial and of one message.
func handshakeDatagrams(t testing.TB) (list [][]byte) {
	n := newNetwork(t, 1)
	n.taps = append(n.taps, func(_, _ netip.AddrPort, b []byte) { list = append(list, bytes.Clone(b)) })
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	a.dial(b)
	n.run(time.Second)
	a.say(1, "text")
	return list
}

// FuzzPeer lets a peer say anything: it may end its own link, and it gets at most two datagrams for each of its own.
func FuzzPeer(f *testing.F) {
	f.Add(wire.Ping{Token: 1}.Append(nil), false)
	f.Add(wire.Pong{Token: 1}.Append(nil), false)
	f.Add(wire.PathChallenge{}.Append(wire.Ping{}.Append(nil)), true)
	f.Add(append(wire.PathChallenge{}.Append(nil), 0x10), true)
	f.Add(wire.PathResponse{}.Append(nil), true)
	f.Add(wire.Close{Code: wire.CloseDone}.Append(nil), false)
	f.Fuzz(func(t *testing.T, payload []byte, moved bool) {
		if len(payload) > link.PayloadBytesMax {
			return
		}
		n, a, b := pair(t, 1)
		a.table.Seal(n.now, 1, payload, &a.out)
		from := a.addr
		if moved {
			from = netip.MustParseAddrPort("203.0.113.5:1000")
		}
		data := a.out.Datagrams[0].Data
		id, messages := b.table.HandleDatagram(n.now, from, data, &b.out)
		if !bytes.Equal(messages, payload) {
			t.Fatalf("link %d says %x, want %x", id, messages, payload)
		}
		for len(messages) > 0 && messages[0] < wire.TypeLinkEnd {
			rest, err := b.table.HandleMessage(n.now, id, messages, &b.out)
			if len(rest) >= len(messages) || err != nil && rest != nil {
				t.Fatalf("HandleMessage(%x) = %x, %v", messages, rest, err)
			}
			messages = rest
		}
		if len(b.out.Datagrams) > 2 {
			t.Errorf("%d answers", len(b.out.Datagrams))
		}
		away, size := 0, len(data)
		n.taps = append(n.taps, func(_, to netip.AddrPort, d []byte) {
			if to == from && moved {
				away += len(d)
			}
		})
		b.flush()
		n.run(30 * time.Second)
		if away > size {
			t.Errorf("%d bytes went to an address that proved nothing and sent %d", away, size)
		}
		if a.table.Len() != b.table.Len() {
			t.Errorf("a has %d links, b has %d", a.table.Len(), b.table.Len())
		}
	})
}
