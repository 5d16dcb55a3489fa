// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// HandleDatagram takes a UDP payload. It returns messages for HandleMessage and for the node, nil when there are none,
// valid until out.Reset, and the link they came over.
func (t *Table) HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *Output) (ID, []byte) {
	from = plain(from)
	t.rx.from, t.rx.ponged, t.rx.responded = from, false, false
	t.counters.DatagramsIn++
	bytes := ipBytes(from, len(b))
	t.counters.BytesIn += bytes
	kind, err := wire.ParseDatagramType(b)
	if err != nil || !usable(from) {
		t.counters.In[wire.KindRefused].add(bytes)
		t.drop(DropMalformed)
		return 0, nil
	}
	if kind == wire.DatagramData {
		return t.handleData(now, b, out)
	}
	t.counters.In[kind.Kind()].add(bytes)
	if t.refusing && (kind == wire.DatagramHello || kind == wire.DatagramInit) {
		t.drop(DropFull)
		return 0, nil
	}
	if t.busy && kind == wire.DatagramHello {
		t.refer(now, b, out)
		return 0, nil
	}
	switch kind {
	case wire.DatagramHello:
		t.handleHello(now, b, out)
	case wire.DatagramCookie:
		t.handleCookie(now, b, out)
	case wire.DatagramInit:
		t.handleInit(now, b, out)
	case wire.DatagramResp:
		t.handleResp(now, b, out)
	case wire.DatagramAsk:
		t.handleAsk(now, b, out)
	case wire.DatagramAnswer:
		t.handleAnswer(b, out)
	case wire.DatagramPunch:
		t.handlePunch(b, out)
	case wire.DatagramRefer:
		t.handleRefer(now, b, out)
	case wire.DatagramData: // above
	}
	return 0, nil
}

// handlePunch tells the node of a PUNCH; what it means only those know who wait for it.
func (t *Table) handlePunch(b []byte, out *Output) {
	p, err := wire.ParsePunch(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	out.Punches = append(out.Punches, Punched{t.rx.from, p})
}

func (t *Table) handleData(now mono.Time, b []byte, out *Output) (ID, []byte) {
	l, payload, newest := t.open(now, b, out)
	bytes := ipBytes(t.rx.from, len(b))
	if l == nil {
		t.counters.In[wire.KindRefused].add(bytes)
		return 0, nil
	}
	l.bytesIn += bytes
	t.counters.In[payloadKind(payload)].add(bytes)
	l.heard, l.answered = now, true
	if l.state == stateHalfOpen {
		t.confirm(now, l, out)
	} else if len(t.spare) > 0 {
		t.elect(now, l, out)
	}
	switch {
	case l.state == stateGone:
		return 0, nil
	case !l.announced:
		t.handleSpare(now, l, payload, out)
		return 0, nil
	case t.rx.from != l.addr:
		t.notePath(now, l, len(b), newest)
	}
	if len(payload) == 0 {
		return l.id, nil
	}
	if payload[0] >= wire.TypeLinkEnd {
		l.active = true
	}
	return l.id, payload
}

// open finds the link of a DATA datagram, decrypts it into the output's memory, and notes its counter. Everything before
// decryption is cheap, and nothing is changed when the packet is not authentic.
func (t *Table) open(now mono.Time, b []byte, out *Output) (l *link, payload []byte, newest bool) {
	h, sealed, err := wire.ParseData(b)
	if err != nil {
		t.drop(DropMalformed)
		return nil, nil, false
	}
	l = t.at(h.Receiver)
	if l == nil || l.state != stateHalfOpen && l.state != stateUp {
		t.drop(DropUnknownLink)
		return nil, nil, false
	}
	if !l.in.window.fresh(h.Counter) {
		t.drop(DropReplay)
		return nil, nil, false
	}
	dst := out.space(len(sealed) - wire.DataTagBytes)
	payload, err = l.in.open(now, h, &t.nonce, dst, b[:wire.DataHeaderBytes], sealed)
	switch err {
	case nil:
		l.arrive(now, h.Counter, payloadKind(payload))
		return l, payload, l.in.window.mark(h.Counter)
	case errOldKey:
		t.drop(DropOldKey)
	default:
		t.drop(DropForged)
	}
	return nil, nil, false
}

// handleSpare handles the messages of a link that the node does not know: only the link's own.
func (t *Table) handleSpare(now mono.Time, l *link, payload []byte, out *Output) {
	for len(payload) > 0 && payload[0] < wire.TypeLinkEnd {
		rest, err := t.handleMessage(now, l, payload, out)
		if err != nil {
			return
		}
		payload = rest
	}
}

// HandleMessage takes a payload that begins with a message of the link itself (type below wire.TypeLinkEnd) and returns
// what follows it, nil when nothing may be handled any more. It belongs to the HandleDatagram call right before it.
func (t *Table) HandleMessage(now mono.Time, id ID, b []byte, out *Output) (rest []byte, err error) {
	l := t.up(id)
	if l == nil {
		return nil, nil
	}
	return t.handleMessage(now, l, b, out)
}

func (t *Table) handleMessage(now mono.Time, l *link, b []byte, out *Output) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, wire.ErrTruncated
	}
	switch b[0] {
	case wire.TypePing:
		var p wire.Ping
		if p, rest, err = wire.ParsePing(b); err == nil {
			t.sendPong(now, l, p, out)
		}
	case wire.TypePong:
		var p wire.Pong
		if p, rest, err = wire.ParsePong(b); err == nil {
			l.pong(now, p)
		}
	case wire.TypePathChallenge:
		var p wire.PathChallenge
		if p, rest, err = wire.ParsePathChallenge(b); err == nil {
			t.respondPath(now, l, p, out)
		}
	case wire.TypePathResponse:
		var p wire.PathResponse
		if p, rest, err = wire.ParsePathResponse(b); err == nil {
			t.provePath(now, l, p, out)
		}
	case wire.TypeReport:
		var m wire.Report
		if m, rest, err = wire.ParseReport(b); err == nil {
			t.reported(now, l, &m, out)
		}
	case wire.TypeClose:
		var c wire.Close
		if c, _, err = wire.ParseClose(b); err == nil {
			t.remove(now, l, ending{reason: DownRemoteClose, code: c.Code}, out)
			return nil, nil
		}
	default:
		err = wire.ErrType
	}
	if err != nil {
		t.drop(DropMalformed)
		return nil, err
	}
	return rest, nil
}
