// SPDX-License-Identifier: MIT

package sim

import (
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// What link does with asks and answers, without the cryptography: one repetition, failure, a limit to answers.
const (
	askRepeat      = time.Second
	askTimeout     = 3 * time.Second
	answersPerS    = 400
	helloBytes     = 72
	cookieBytes    = 66
	askSpreadMax   = 5 * time.Millisecond
	hostileHosts   = wire.AnswerHostsMax
	inventedOfFour = 2 // of four hosts that hostile nodes tell of, so many do not exist
)

// A message is an ask on its way, then its answer.
type message struct {
	payload     []byte
	token       uint64
	answerBytes int
	sent        mono.Time
	from, to    int32 // to -1: nobody is there
	life        uint32
	node        identity.NodeID // that is expected
	repeated    bool
}

// message returns a free message.
func (d *discovery) message() int32 {
	if n := len(d.unused); n > 0 {
		m := d.unused[n-1]
		d.unused = d.unused[:n-1]
		return m
	}
	d.messages = append(d.messages, message{})
	return int32(len(d.messages) - 1)
}

func (d *discovery) release(m int32) { d.unused = append(d.unused, m) }

// sendAsk puts an ask of a node on its way.
func (d *discovery) sendAsk(from int32, a *gossip.Ask) {
	to, ok := d.byAddr[a.To]
	if !ok {
		to = -1
	}
	d.send(from, to, a.Node, a)
}

func (d *discovery) send(from, to int32, node identity.NodeID, a *gossip.Ask) {
	k := d.message()
	m := &d.messages[k]
	*m = message{
		payload: append(m.payload[:0], a.Payload...), token: a.Token, answerBytes: a.AnswerBytes, sent: d.now, from: from, to: to,
		life: d.nodes[from].life, node: node,
	}
	d.transmit(k, d.now)
}

// transmit sends a message for the first or the second time.
func (d *discovery) transmit(k int32, at mono.Time) {
	m := &d.messages[k]
	hello := m.node.IsZero()
	if m.to < 0 {
		if hello {
			d.sent(m.from, 2*helloBytes)
		} else {
			d.sent(m.from, 2*askBytes(m))
		}
		d.events.push(event{at: m.sent.Add(askTimeout), kind: discoveryFail, host: m.from, arg: k})
		return
	}
	d.open(m)
	delay := d.delay(m)
	if hello {
		d.sent(m.from, helloBytes)
		if d.lost() || d.lost() || !d.reaches(m) {
			d.again(k)
			return
		}
		d.sent(m.to, cookieBytes)
		delay += 2 * d.delay(m)
	}
	d.sent(m.from, askBytes(m))
	if d.lost() || !d.reaches(m) {
		d.again(k)
		return
	}
	d.events.push(event{at: at.Add(delay), kind: discoveryAsk, host: m.to, arg: k})
}

// again repeats a message once, then gives it up.
func (d *discovery) again(k int32) {
	m := &d.messages[k]
	if m.repeated {
		d.events.push(event{at: max(d.now, m.sent.Add(askTimeout)), kind: discoveryFail, host: m.from, arg: k})
		return
	}
	m.repeated = true
	m.node = identity.NodeID{} // the second time HELLO goes first: the key may be another by now
	d.transmit(k, max(d.now, m.sent.Add(askRepeat)))
}

// An opening is the way through a NAT that a hidden node's ask opened to somebody.
type opening struct{ hidden, to int32 }

// hiddenFor is how long it stays open.
const hiddenFor = 30 * time.Second

// open opens a hidden node's NAT to whom it asks. Old openings are forgotten each minute.
func (d *discovery) open(m *message) {
	if d.nodes[m.from].hidden {
		d.openings[opening{m.from, m.to}] = d.now
	}
}

// reaches reports whether there is a way to somebody now.
func (d *discovery) reaches(m *message) bool {
	from, to := &d.nodes[m.from], &d.nodes[m.to]
	if to.hidden {
		if at, ok := d.openings[opening{m.to, m.from}]; !ok || d.now.Sub(at) > hiddenFor {
			return false
		}
	}
	return (to.hostile || to.gossip != nil) && !(d.parted && from.side != to.side && !from.hostile && !to.hostile)
}

func (d *discovery) lost() bool {
	return d.s.LossPPM > 0 && d.random.IntN(million) < d.s.LossPPM
}

func (d *discovery) delay(m *message) time.Duration {
	return d.nodes[m.from].delay + d.nodes[m.to].delay + time.Duration(d.random.Int64N(int64(askSpreadMax)))
}

// askBytes is what an ask takes beside its IP header.
func askBytes(m *message) int {
	return max(wire.SealedAskBytesMin+len(m.payload), wire.SealedAnswerBytesMin+m.answerBytes)
}

// sent counts a datagram.
func (d *discovery) sent(from int32, bytes int) {
	if n := &d.nodes[from]; !n.hostile && int(from) >= d.s.Seeds {
		d.measure.bytes += uint64(bytes + ipv4Bytes)
	}
}

// askArrives answers an ask.
func (d *discovery) askArrives(k int32) {
	m := &d.messages[k]
	to := &d.nodes[m.to]
	room := askBytes(m) - wire.SealedAnswerBytesMin
	from := d.nodes[m.from].addr
	if !d.reaches(m) || !m.node.IsZero() && m.node != to.id || !to.hostile && !to.allow(d.now) {
		d.again(k)
		return
	}
	var answer []byte
	if to.hostile {
		answer = d.hostileAnswer(m.to, from, room)
	} else {
		answer = to.gossip.HandleAsk(d.now, from, m.payload, room, &d.out)
	}
	if len(answer) > room {
		panic("sim: an answer is longer than its ask")
	}
	delay := d.delay(m)
	if answer == nil {
		d.again(k)
	} else {
		d.sent(m.to, wire.SealedAnswerBytesMin+len(answer))
		if d.lost() {
			d.again(k)
		} else {
			m.payload = append(m.payload[:0], answer...)
			d.events.push(event{at: d.now.Add(delay), kind: discoveryAnswer, host: m.from, arg: k})
		}
	}
	if !to.hostile {
		d.settle(m.to)
	}
}

// allow takes one answer from what a node may send.
func (n *discoverer) allow(now mono.Time) bool {
	n.allowed = max(n.allowed, now)
	if n.allowed.Sub(now) > time.Second {
		return false
	}
	n.allowed = n.allowed.Add(time.Second / answersPerS)
	return true
}

func (d *discovery) answerArrives(k int32) {
	m := &d.messages[k]
	n := &d.nodes[m.from]
	if n.gossip != nil && n.life == m.life {
		d.measure.exchanges++
		n.gossip.HandleAnswer(d.now, m.token, d.nodes[m.to].id, d.nodes[m.to].addr, m.payload, &d.out)
		d.settle(m.from)
	}
	d.release(k)
}

func (d *discovery) askFails(k int32) {
	m := &d.messages[k]
	n := &d.nodes[m.from]
	if n.gossip != nil && n.life == m.life {
		d.measure.failed++
		n.gossip.Failed(d.now, m.token)
		d.settle(m.from)
	}
	d.release(k)
}
