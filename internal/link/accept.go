// SPDX-License-Identifier: MIT

package link

import (
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// halfOpenMaxAge is how long a peer may take to use the answer to its handshake: as long as it dials.
const halfOpenMaxAge = dialMax

// half is what a link needs only while it is half-open.
type half struct {
	resp []byte    // to be repeated when the INIT is
	sent mono.Time // of the RESP
	once bool      // RESP was not repeated
	end  mono.Time
}

// handleHello answers with a cookie. Nothing is remembered, nothing expensive is done, and the answer is shorter.
func (t *Table) handleHello(now mono.Time, b []byte, out *Output) {
	h, err := wire.ParseHello(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	if h.Version != wire.Version {
		t.drop(DropVersion) // it is answered nevertheless: the peer learns which version is spoken here
	}
	reply := wire.CookieReply{
		Version: wire.Version,
		Nonce:   h.Nonce,
		Cookie:  t.jar.bake(now, t.cfg.Secrets, t.rx.from, h.Nonce),
		Key:     t.self,
	}
	t.send(now, nil, t.rx.from, reply.Append(out.space(wire.CookieReplyBytes)), out)
}

// handleInit does the expensive part of a handshake for whoever brings a cookie: once for each, and not for too many.
func (t *Table) handleInit(now mono.Time, b []byte, out *Output) {
	i, err := wire.ParseInit(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	secret := t.jar.check(now, t.cfg.Secrets, t.rx.from, i.Cookie)
	if secret == nil {
		t.drop(DropCookie)
		return
	}
	if index, spent := secret.spent(i.Cookie); spent {
		t.repeatResp(now, index, out)
		return
	}
	if l := t.byAddr[t.rx.from]; l != nil && l.state == stateInit && t.self.Compare(l.peer) < 0 {
		t.drop(DropGlare) // both dialled: the lower id goes on, the other answers
		return
	}
	if t.full() || len(t.half) >= t.cfg.HalfOpenMax {
		t.drop(DropFull)
		return
	}
	if !t.limiter.allow(now, t.rx.from.Addr()) {
		t.drop(DropRate)
		return
	}
	index := t.accept(now, i, out)
	t.jar.use(now, t.cfg.Secrets, secret, i.Cookie, index)
	if l := t.at(index); l != nil {
		l.bytesIn += ipBytes(l.addr, len(b))
	}
}

// repeatResp answers an INIT that came again: RESP may have been lost.
func (t *Table) repeatResp(now mono.Time, index uint32, out *Output) {
	l := t.at(index)
	if l == nil || l.state != stateHalfOpen { // its address is this one: the cookie is bound to it
		t.drop(DropCookieUsed)
		return
	}
	l.half.once = false
	t.counters.Resent++
	t.send(now, l, l.addr, append(out.space(wire.RespBytes), l.half.resp...), out)
}

// accept runs the responder's half of Noise and returns the index of the half-open link, 0 when there is none.
func (t *Table) accept(now mono.Time, i wire.Init, out *Output) uint32 {
	state := t.newNoise(nil, i.Cookie)
	plain, _, _, err := state.ReadMessage(nil, i.Noise)
	if err != nil {
		t.drop(DropHandshake)
		return 0
	}
	payload, err := wire.ParseHandshakePayload(plain)
	if err != nil {
		t.drop(DropMalformed)
		return 0
	}
	peer := identity.NodeID(state.PeerStatic())
	l := t.newLink(t.rx.from)
	reply := wire.HandshakePayload{Sender: l.local, Instance: t.instance}.Append(nil)
	message, receive, send, err := state.WriteMessage(nil, reply)
	if err != nil {
		t.unregister(l)
		t.drop(DropHandshake)
		return 0
	}
	l.state, l.peer = stateHalfOpen, peer
	l.begin(now, payload, send, receive)
	resp := wire.Resp{Receiver: payload.Sender, Noise: message}.Append(nil)
	l.half = &half{resp: resp, sent: now, once: true, end: now.Add(halfOpenMaxAge)}
	t.half = append(t.half, l)
	t.timers.sooner(l)
	t.send(now, l, l.addr, append(out.space(wire.RespBytes), resp...), out)
	return l.local
}

// confirm makes a half-open link one that is up: the peer used the keys.
func (t *Table) confirm(now mono.Time, l *link, out *Output) {
	if l.half.once {
		l.rtt.sample(now.Sub(l.half.sent))
	}
	t.forgetHalf(l)
	t.counters.Accepted++
	t.join(now, l, out)
}

func (t *Table) forgetHalf(l *link) {
	for i, h := range t.half {
		if h == l {
			t.half = append(t.half[:i], t.half[i+1:]...)
			break
		}
	}
	l.half = nil
}
