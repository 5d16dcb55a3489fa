// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"

	"github.com/flynn/noise"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Limits of answering, where Config says nothing else.
const (
	asksPerSecondDefault = 400 // 0.4 ms each at most, most of it three X25519: a sixth of a core
	asksPerPrefixDefault = 40
)

// Reply is the right to answer one ask. It holds all that is known about it: the table forgets an ask at once, and a Reply
// that is not used costs nothing more. It belongs to the table that gave it out.
type Reply struct {
	to    netip.AddrPort
	id    uint32
	room  int
	state *noise.HandshakeState
}

// handleAsk opens an ask. Nothing about its sender is proven, so the work is bounded, whoever asks, and nothing is kept.
func (t *Table) handleAsk(now mono.Time, b []byte, out *Output) {
	s, err := wire.ParseSealedAsk(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	if !t.askLimiter.allow(now, t.rx.from.Addr()) || !t.askMeter.take(now, t.cfg.AsksPerSecond) {
		t.drop(DropAskRate)
		return
	}
	state := t.newExchange(nil, s.ID)
	payload, _, _, err := state.ReadMessage(out.space(len(b)-wire.SealedAnswerBytesMin), s.Noise)
	if err != nil {
		t.drop(DropHandshake)
		return
	}
	message, err := wire.ParseAskPayload(payload)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	room := len(b) - wire.SealedAnswerBytesMin
	out.Exchanges = append(out.Exchanges, ExchangeEvent{
		Kind: ExchangeAsked, From: t.rx.from, Payload: message, Room: room,
		Reply: Reply{to: t.rx.from, id: s.ID, room: room, state: state},
	})
}

// Answer sends the answer to an ask, as ExchangeAsked told of it, and reports whether it did: not when the payload is longer
// than Room, and not a second time. The answer is never longer than the ask.
func (t *Table) Answer(now mono.Time, r Reply, payload []byte, out *Output) bool {
	if r.state == nil || len(payload) > r.room {
		return false
	}
	b := wire.SealedAnswer{ID: r.id}.Append(out.space(wire.SealedAnswerBytesMin + len(payload)))
	b, _, _, err := r.state.WriteMessage(b, payload)
	if err != nil {
		return false
	}
	t.counters.Answers++
	t.send(now, nil, r.to, b, out)
	return true
}
