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

// Pace of a dial.
const (
	dialMax    = 5 * time.Second
	dialPause  = 250 * time.Millisecond // doubles with each attempt, and varies by an eighth
	dialPauses = 2                      // doublings: a host that comes back is met within a second
	initTries  = 3                      // then the cookie may be stale: ask for another
	aliveMore  = 2 * time.Second        // beyond its keepalive, since a link was heard
)

// dial is what a link needs only until it is up.
type dial struct {
	expect identity.NodeID
	only   bool // refuse everybody else
	nonce  [wire.NonceBytes]byte
	noise  *noise.HandshakeState
	init   []byte // the INIT, to be repeated as it is
	tries  int    // of HELLO, then of INIT
	sent   mono.Time
	next   mono.Time // when to try again
	end    mono.Time
	busy   bool // a REFER came
}

// Dial begins a link to an address and returns its ID: that of the link that is there already when expect is linked, when
// the address is being dialled, or when whoever is there is linked and nobody else is expected. expect is whom the caller
// hopes to meet, zero if anybody; another node there is linked too (it may have been restarted with a new key), and the Up
// event says who it is. One node may be dialled at several addresses at once: the first wins, the others end with
// DownDuplicate. Dial returns 0 when the table is full, the address unusable, or expect this node itself.
func (t *Table) Dial(now mono.Time, to netip.AddrPort, expect identity.NodeID, out *Output) ID {
	return t.dial(now, to, dial{expect: expect}, out)
}

// DialOnly is Dial for callers who want expect and nobody else: a dial that meets another node ends with DownOtherPeer.
func (t *Table) DialOnly(now mono.Time, to netip.AddrPort, expect identity.NodeID, out *Output) ID {
	return t.dial(now, to, dial{expect: expect, only: true}, out)
}

func (t *Table) dial(now mono.Time, to netip.AddrPort, d dial, out *Output) ID {
	to = plain(to)
	if !usable(to) || d.expect == t.self {
		return 0
	}
	if l := t.byPeer[d.expect]; l != nil {
		return l.id
	}
	if l := t.byAddr[to]; l != nil {
		if l.dial != nil {
			return l.id
		}
		if d.expect.IsZero() {
			return l.id
		}
	}
	if t.full() {
		return 0
	}
	l := t.newLink(to)
	t.name(l)
	l.peer, l.initiator = d.expect, true
	l.dial = &d
	l.dial.end = now.Add(dialMax)
	t.byAddr[to] = l
	t.counters.Dials++
	t.hello(now, l, out)
	t.timers.sooner(l)
	return l.id
}

// hastenPause is the least time between two HELLOs of one dial that is hastened.
const hastenPause = 40 * time.Millisecond

// Hasten sends the HELLO of a dial again at once: the way to its address has just been opened.
func (t *Table) Hasten(now mono.Time, id ID, out *Output) {
	if l := t.find(id); l != nil && l.dial != nil && l.state == stateHello && now.Sub(l.dial.sent) >= hastenPause {
		l.dial.tries = 0 // the earlier ones met a closed door: what is measured is this one
		t.attempt(now, l, out)
		t.timers.sooner(l)
	}
}

// hello begins a dial, or begins it again.
func (t *Table) hello(now mono.Time, l *link, out *Output) {
	l.state = stateHello
	l.dial.noise, l.dial.init, l.dial.tries = nil, nil, 0
	mustRead(t.cfg.Secrets, l.dial.nonce[:])
	t.attempt(now, l, out)
}

// attempt sends the HELLO or the INIT and sets the time of the next attempt.
func (t *Table) attempt(now mono.Time, l *link, out *Output) {
	d := l.dial
	if d.tries > 0 {
		t.counters.Resent++
	}
	var b []byte
	if l.state == stateHello {
		b = wire.Hello{Version: wire.Version, Nonce: d.nonce}.Append(out.space(wire.HelloBytes))
	} else {
		b = append(out.space(wire.InitBytes), d.init...)
	}
	pause := dialPause << min(d.tries, dialPauses)
	pause += time.Duration(t.cfg.Rand.Int64N(int64(pause/4))) - pause/8
	d.tries++
	d.sent, d.next = now, now.Add(pause)
	t.send(now, l, l.addr, b, out)
}

// redial is what a dial does when its time has come.
func (t *Table) redial(now mono.Time, l *link, out *Output) {
	switch {
	case now >= l.dial.end:
		t.remove(now, l, ending{reason: DownNoAnswer}, out)
	case l.state == stateInit && l.dial.tries >= initTries:
		t.hello(now, l, out)
	default:
		t.attempt(now, l, out)
	}
}

// handleCookie goes on with a dial once its address answered.
func (t *Table) handleCookie(now mono.Time, b []byte, out *Output) {
	c, err := wire.ParseCookieReply(b)
	if err != nil && err != wire.ErrVersion {
		t.drop(DropMalformed)
		return
	}
	l := t.byAddr[t.rx.from]
	if l == nil || l.state != stateHello || l.dial.nonce != c.Nonce {
		if !t.cookieForAsk(now, c, err, out) {
			t.drop(DropUnasked)
		}
		return
	}
	l.bytesIn += ipBytes(l.addr, len(b))
	if err == wire.ErrVersion {
		t.drop(DropVersion)
		t.remove(now, l, ending{reason: DownVersion}, out)
		return
	}
	key := identity.NodeID(c.Key)
	l.sampleDial(now)
	l.peer = key
	other := t.byPeer[key]
	switch {
	case key == t.self:
		t.remove(now, l, ending{reason: DownSelf}, out)
	case l.dial.only && key != l.dial.expect:
		t.remove(now, l, ending{reason: DownOtherPeer}, out)
	case other != nil && other.alive(now):
		t.remove(now, l, ending{reason: DownDuplicate}, out)
	default:
		t.sendInit(now, l, c.Cookie, out)
	}
}

// sendInit writes the first Noise message and sends it.
func (t *Table) sendInit(now mono.Time, l *link, cookie [wire.CookieBytes]byte, out *Output) {
	d := l.dial
	d.noise = t.newNoise(&l.peer, cookie)
	payload := wire.HandshakePayload{Sender: l.local, Instance: t.instance}.Append(nil)
	message, _, _, err := d.noise.WriteMessage(nil, payload)
	if err != nil {
		// X25519 refused the peer's key: it is of low order, and any secret made with it is known to everybody.
		t.drop(DropHandshake)
		t.remove(now, l, ending{reason: DownRefused}, out)
		return
	}
	d.init = wire.Init{Cookie: cookie, Noise: message}.Append(nil)
	d.tries = 0
	l.state = stateInit
	t.attempt(now, l, out)
	t.timers.sooner(l)
}

// handleResp completes a dial.
func (t *Table) handleResp(now mono.Time, b []byte, out *Output) {
	p, err := wire.ParseResp(b)
	if err != nil {
		t.drop(DropMalformed)
		return
	}
	l := t.at(p.Receiver)
	if l == nil || l.state != stateInit || l.addr != t.rx.from {
		t.drop(DropUnasked)
		return
	}
	plain, send, receive, err := l.dial.noise.ReadMessage(nil, p.Noise)
	if err != nil {
		t.drop(DropHandshake) // the dial goes on: the true answer may still come
		return
	}
	payload, err := wire.ParseHandshakePayload(plain)
	if err != nil {
		t.drop(DropMalformed)
		t.remove(now, l, ending{reason: DownRefused}, out)
		return
	}
	if a := t.byPeer[l.peer]; a != nil && a.initiator && a.alive(now) {
		// Another dial to the same peer was faster. The peer has not heard that this one came so far.
		t.remove(now, l, ending{reason: DownDuplicate}, out)
		return
	}
	l.sampleDial(now)
	l.bytesIn += ipBytes(l.addr, len(b))
	l.dial = nil
	l.begin(now, payload, send, receive)
	t.counters.Dialled++
	t.join(now, l, out)
	// The peer sends nothing before it hears that its answer arrived.
	t.sendPing(now, l, out)
}

// begin gives a link its keys, which come out of Noise in the order of use by its side.
func (l *link) begin(now mono.Time, p wire.HandshakePayload, send, receive *noise.CipherState) {
	l.instance = p.Instance
	l.out = sender{aead: newAEAD(send.UnsafeKey()), receiver: p.Sender, since: now}
	l.in = receiver{current: newAEAD(receive.UnsafeKey())}
	l.heard = now
}

// alive reports whether a link was heard so recently that a second one to the same peer would be a waste.
func (l *link) alive(now mono.Time) bool { return now < l.heard.Add(l.keepalive()+aliveMore) }

// sampleDial measures the round-trip time with a handshake datagram that was sent once (Karn's rule).
func (l *link) sampleDial(now mono.Time) {
	if l.dial.tries == 1 {
		l.rtt.sample(now.Sub(l.dial.sent))
	}
}

// plain makes equal addresses compare equal: IPv4 is never written as IPv6.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// usable reports whether one node can be at an address.
func usable(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
