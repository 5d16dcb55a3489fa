// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"
	"time"

	"github.com/flynn/noise"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Pace and limits of asking.
const (
	asksMax  = 64              // under way
	askPause = time.Second     // then the asker says HELLO, once: the answerer may have another key by now
	askEnd   = 3 * time.Second // then the ask failed
)

// ExchangeKind tells what an ExchangeEvent says.
type ExchangeKind uint8

// The kinds of ExchangeEvent. Every Ask that returned true gets exactly one ExchangeAnswered or ExchangeFailed.
const (
	ExchangeAsked    ExchangeKind = iota + 1 // somebody asks: Payload, From, Room, Reply
	ExchangeAnswered                         // Payload answers the ask with Token: Node and From are proven
	ExchangeFailed                           // the ask with Token will not be answered: Reason
)

// String names the kind.
func (k ExchangeKind) String() string {
	switch k {
	case ExchangeAsked:
		return "asked"
	case ExchangeAnswered:
		return "answered"
	case ExchangeFailed:
		return "failed"
	}
	return "unknown"
}

// An ExchangeEvent tells the node about questions without links.
type ExchangeEvent struct {
	Kind    ExchangeKind
	Token   uint64
	Node    identity.NodeID // who answered: not always who was asked, and never said of who asks
	From    netip.AddrPort  // of who asks nothing is proven, not even this
	Payload []byte          // valid until Output.Reset
	Room    int             // bytes that the answer may have
	Reply   Reply
	Reason  DownReason // DownNoAnswer, DownSelf, DownVersion or DownRefused
}

// askers are a node's own asks that are under way, in the order of asking.
type askers struct {
	list []*ask
	due  mono.Time // not later than the first next or end; mono.Never when there are none
}

// ask is one question that waits for its answer.
type ask struct {
	token   uint64
	to      netip.AddrPort
	node    identity.NodeID // whom it is sealed for; zero: not known yet
	payload []byte          // what is sealed, with padding
	id      uint32
	noise   *noise.HandshakeState // nil until it is sealed
	nonce   [wire.NonceBytes]byte // of HELLO
	hello   bool                  // COOKIE is waited for
	once    bool                  // nothing was repeated yet
	next    mono.Time             // when to say HELLO, if once
	end     mono.Time
}

// A Question is what Ask takes.
type Question struct {
	To          netip.AddrPort
	Node        identity.NodeID // who is expected there; zero: anybody
	Token       uint64          // the event repeats it
	Payload     []byte          // at most wire.AskBytesMax; belongs to the caller again when Ask returns
	AnswerBytes int             // that the answer may have: the datagram is padded, since its answer must not be longer
}

// Ask asks the node at an address something without a link, sealed for its key, and reports whether an ExchangeEvent with
// the question's token will come. When it is not known who is there, or no answer comes in time, the key is learned with
// HELLO, and whoever is there now may answer: the event says who. Ask returns false when address or key are unusable, the node
// is this node itself, the payload too long, or 64 asks are under way.
func (t *Table) Ask(now mono.Time, q Question, out *Output) bool {
	to := plain(q.To)
	if !usable(to) || q.Node == t.self || len(q.Payload) > wire.AskBytesMax || len(t.asks.list) >= asksMax {
		return false
	}
	a := &ask{
		token: q.Token, to: to, node: q.Node, once: true,
		payload: wire.AppendAskPayload(nil, q.Payload, q.AnswerBytes),
		next:    now.Add(askPause), end: now.Add(askEnd),
	}
	mustRead(t.cfg.Secrets, a.nonce[:])
	if a.node.IsZero() {
		t.askHello(now, a, out)
	} else if !t.sendAsk(now, a, out) {
		return false
	}
	t.asks.list = append(t.asks.list, a)
	t.asks.due = min(t.asks.due, a.next)
	t.counters.Asks++
	return true
}

// sendAsk seals an ask for the node that is known and sends it. It reports whether the node's key is usable.
func (t *Table) sendAsk(now mono.Time, a *ask, out *Output) bool {
	var id [4]byte
	mustRead(t.cfg.Secrets, id[:])
	a.id = uint32(id[0])<<24 | uint32(id[1])<<16 | uint32(id[2])<<8 | uint32(id[3])
	a.noise = t.newExchange(&a.node, a.id)
	b := wire.SealedAsk{ID: a.id}.Append(out.space(wire.SealedAnswerBytesMin + len(a.payload)))
	b, _, _, err := a.noise.WriteMessage(b, a.payload)
	if err != nil {
		// X25519 refused the key: it is of low order, and anybody could read the ask.
		t.drop(DropHandshake)
		return false
	}
	t.send(now, nil, a.to, b, out)
	return true
}

// askHello asks for the key of whoever is at the address.
func (t *Table) askHello(now mono.Time, a *ask, out *Output) {
	a.hello = true
	b := wire.Hello{Version: wire.Version, Nonce: a.nonce}.Append(out.space(wire.HelloBytes))
	t.send(now, nil, a.to, b, out)
}

// cookieForAsk goes on with an ask whose answerer's key was not known, or may have changed. It reports whether one waited
// for this COOKIE; of each HELLO one is taken. err is nil or wire.ErrVersion.
func (t *Table) cookieForAsk(now mono.Time, c wire.CookieReply, err error, out *Output) bool {
	for _, a := range t.asks.list {
		if !a.hello || a.to != t.rx.from || a.nonce != c.Nonce {
			continue
		}
		a.hello = false
		failed := ExchangeEvent{Kind: ExchangeFailed}
		switch {
		case err != nil:
			t.drop(DropVersion)
			failed.Reason = DownVersion
		case identity.NodeID(c.Key) == t.self:
			failed.Reason = DownSelf
		default:
			a.node = c.Key
			a.next = now.Add(askPause)
			if t.sendAsk(now, a, out) {
				return true
			}
			failed.Reason = DownRefused
		}
		t.endAsk(a, failed, out)
		return true
	}
	return false
}

// handleAnswer completes an ask.
func (t *Table) handleAnswer(b []byte, out *Output) {
	s, err := wire.ParseSealedAnswer(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	for _, a := range t.asks.list {
		if a.noise == nil || a.id != s.ID || a.to != t.rx.from {
			continue
		}
		payload, _, _, err := a.noise.ReadMessage(out.space(len(b)-wire.SealedAnswerBytesMin), s.Noise)
		if err != nil {
			t.drop(DropHandshake) // the true answer may still come
			return
		}
		t.counters.AsksAnswered++
		t.endAsk(a, ExchangeEvent{Kind: ExchangeAnswered, Node: a.node, Payload: payload}, out)
		return
	}
	t.drop(DropUnasked)
}

// endAsk forgets an ask and tells the node.
func (t *Table) endAsk(a *ask, event ExchangeEvent, out *Output) {
	for i, other := range t.asks.list {
		if other == a {
			copy(t.asks.list[i:], t.asks.list[i+1:])
			last := len(t.asks.list) - 1
			t.asks.list[last] = nil
			t.asks.list = t.asks.list[:last]
			break
		}
	}
	event.Token, event.From = a.token, a.to
	out.Exchanges = append(out.Exchanges, event)
}

// advanceAsks repeats asks and gives them up.
func (t *Table) advanceAsks(now mono.Time, out *Output) {
	if t.asks.due > now {
		return
	}
	t.asks.due = mono.Never
	for i := 0; i < len(t.asks.list); {
		a := t.asks.list[i]
		if a.end <= now {
			t.endAsk(a, ExchangeEvent{Kind: ExchangeFailed, Reason: DownNoAnswer}, out)
			continue
		}
		if a.once && a.next <= now {
			a.once = false
			t.counters.Resent++
			t.askHello(now, a, out)
		}
		due := a.end
		if a.once {
			due = min(due, a.next)
		}
		t.asks.due = min(t.asks.due, due)
		i++
	}
}
