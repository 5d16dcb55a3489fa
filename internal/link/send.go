// SPDX-License-Identifier: MIT

package link

import (
	"crypto/cipher"
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Headers of IP and UDP, without options and extensions.
const (
	ipv4Bytes = 20 + 8
	ipv6Bytes = 40 + 8
)

// ipBytes is the length of the IP packet that carries n bytes to or from an address.
func ipBytes(a netip.AddrPort, n int) uint64 {
	if a.Addr().Is4() {
		return uint64(ipv4Bytes + n)
	}
	return uint64(ipv6Bytes + n)
}

// Seal sends a payload of at most PayloadBytesMax over a link. It reports whether the link is up.
func (t *Table) Seal(now mono.Time, id ID, payload []byte, out *Output) bool {
	l := t.up(id)
	if l == nil || l.out.counter >= counterMax {
		return false
	}
	l.active = true
	t.seal(now, l, l.addr, payload, out)
	return true
}

// Ticket reserves one packet on a link for a payload of the given length, one message of a kind, and counts it as sent. It
// reports whether the link is up.
func (t *Table) Ticket(now mono.Time, id ID, kind wire.Kind, payloadBytes int) (Ticket, bool) {
	l := t.up(id)
	if l == nil || l.out.counter >= counterMax {
		return Ticket{}, false
	}
	l.active = true
	return t.ticket(now, l, l.addr, kind, payloadBytes), true
}

// A Ticket is one packet of a link, reserved: address, counter and key. It may be used on any goroutine, exactly once: a
// second payload under the same counter would give both away. It stays valid when the link rekeys, moves or ends; used
// more than 3 seconds late, or after 1,024 later packets, the peer may refuse it.
type Ticket struct {
	To netip.AddrPort

	aead    cipher.AEAD
	header  wire.DataHeader
	payload int   // its length
	nonce   nonce // here since the AEAD's interface would move it to the heap
}

// AppendDatagram seals payload, which must have the length that the ticket was made for, and appends the datagram.
func (k *Ticket) AppendDatagram(dst, payload []byte) []byte {
	if len(payload) != k.payload {
		panic("link: ticket for another payload")
	}
	at := len(dst)
	dst = k.header.Append(dst)
	return k.aead.Seal(dst, k.nonce.set(uint64(k.header.Counter)), payload, dst[at:])
}

// ticket takes a counter and does the accounts.
func (t *Table) ticket(now mono.Time, l *link, to netip.AddrPort, kind wire.Kind, payloadBytes int) Ticket {
	if payloadBytes > PayloadBytesMax {
		panic("link: payload is too long")
	}
	header, rekeyed := l.out.next(now)
	if rekeyed {
		t.counters.Rekeys++
	}
	if l.out.counter >= counterMax {
		t.timers.sooner(l)
	}
	if isAudio(kind) {
		l.depart(now, header.Counter, kind)
	}
	t.account(now, l, to, kind, wire.DataBytesMin+payloadBytes)
	return Ticket{To: to, aead: l.out.aead, header: header, payload: payloadBytes}
}

// seal sends a payload to an address that is the link's or asks to be.
func (t *Table) seal(now mono.Time, l *link, to netip.AddrPort, payload []byte, out *Output) {
	k := t.ticket(now, l, to, payloadKind(payload), len(payload))
	b := k.header.Append(out.space(wire.DataBytesMin + len(payload)))
	b = k.aead.Seal(b, t.nonce.set(uint64(k.header.Counter)), payload, b)
	out.Datagrams = append(out.Datagrams, Datagram{To: to, Data: b})
}

// sealClose says goodbye.
func (t *Table) sealClose(now mono.Time, l *link, code wire.CloseCode, out *Output) {
	var message [wire.CloseBytes]byte
	t.seal(now, l, l.addr, wire.Close{Code: code}.Append(message[:0]), out)
}

// send sends a datagram of the handshake. l is nil when none is concerned.
func (t *Table) send(now mono.Time, l *link, to netip.AddrPort, b []byte, out *Output) {
	t.account(now, l, to, wire.DatagramType(b[0]).Kind(), len(b))
	out.Datagrams = append(out.Datagrams, Datagram{To: to, Data: b})
}

func (t *Table) account(now mono.Time, l *link, to netip.AddrPort, kind wire.Kind, n int) {
	bytes := ipBytes(to, n)
	t.counters.DatagramsOut++
	t.counters.BytesOut += bytes
	t.counters.Out[kind].add(bytes)
	if l != nil {
		l.bytesOut += bytes
		l.sent = now
	}
}
