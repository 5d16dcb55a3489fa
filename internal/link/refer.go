// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	refersPerSecond = 25          // to all together
	referralMax     = 16          // addresses that are kept
	referredPause   = time.Second // before a host that was busy is asked again
)

// A referral is where those are sent who dial while this node is busy.
type referral struct {
	addrs []netip.AddrPort
	next  int // in addrs
	meter meter
}

// Busy has the table answer HELLO with REFER for as long as it is true, and with nothing while there is nobody to refer to: the
// upload has no room for more links now.
func (t *Table) Busy(busy bool) { t.busy = busy }

// Refer says where else those who dial find what this node carries; the first 16 addresses count. Each HELLO is told the next three.
func (t *Table) Refer(addrs []netip.AddrPort) {
	t.elsewhere.addrs = append(t.elsewhere.addrs[:0], addrs[:min(len(addrs), referralMax)]...)
}

// refer answers a HELLO with addresses. Nothing is remembered, and the answer is shorter.
func (t *Table) refer(now mono.Time, b []byte, out *Output) {
	h, err := wire.ParseHello(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	t.drop(DropFull)
	e := &t.elsewhere
	if len(e.addrs) == 0 || !e.meter.take(now, refersPerSecond) {
		return
	}
	var some [wire.ReferMax]netip.AddrPort
	r := wire.Refer{Nonce: h.Nonce, Addrs: some[:0]}
	for range min(wire.ReferMax, len(e.addrs)) {
		e.next = (e.next + 1) % len(e.addrs)
		if a := e.addrs[e.next]; a != t.rx.from {
			r.Addrs = append(r.Addrs, a)
		}
	}
	if len(r.Addrs) > 0 {
		t.send(now, nil, t.rx.from, r.Append(out.space(wire.ReferBytesMax)), out)
	}
}

// handleRefer tells whoever dials of other hosts, once for each dial. The dial goes on, with more patience.
func (t *Table) handleRefer(now mono.Time, b []byte, out *Output) {
	var some [wire.ReferMax]netip.AddrPort
	r, err := wire.ParseRefer(b, some[:0])
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	l := t.byAddr[t.rx.from]
	if l == nil || l.dial == nil || l.state != stateHello || l.dial.nonce != r.Nonce {
		t.drop(DropUnasked)
		return
	}
	l.dial.next = max(l.dial.next, now.Add(referredPause))
	if l.dial.busy {
		return
	}
	l.dial.busy = true
	for _, a := range r.Addrs {
		if a = plain(a); usable(a) {
			out.Events = append(out.Events, Event{Kind: EventReferred, ID: l.id, Addr: a})
		}
	}
}
