// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Pace of proving an address.
const (
	pathMax   = 5 * time.Second        // then the address is forgotten
	pathPause = 250 * time.Millisecond // between challenges; doubles
	pathHold  = time.Second            // before yet another address may take its place
)

// pathDatagramBytes is a DATA datagram with one PATH_CHALLENGE or PATH_RESPONSE.
const pathDatagramBytes = wire.DataBytesMin + wire.PathBytes

// A path is an address from which authentic packets come and which is not the link's. Anybody who sees a packet can make it
// come from anywhere, so traffic stays where it is until the peer answers from there (RFC 9000 section 9), and until then
// the address gets no more bytes than came from it.
type path struct {
	addr     netip.AddrPort
	proof    [wire.PathProofBytes]byte
	received int // bytes of UDP payload from there
	sent     int // and to there
	tries    int
	began    mono.Time
	next     mono.Time // when to challenge; Never: not before more bytes came
	end      mono.Time
}

// may reports whether a datagram with a path message may be sent there.
func (p *path) may() bool { return p.received >= p.sent+pathDatagramBytes }

// notePath looks at an authentic packet from another address. Only the newest packet counts: late ones come from the old
// address, and that is no move.
func (t *Table) notePath(now mono.Time, l *link, n int, newest bool) {
	p := l.path
	if p == nil || p.addr != t.rx.from {
		if !newest || p != nil && now < p.began.Add(pathHold) {
			return
		}
		if p != nil {
			t.counters.MovesLost++
		}
		p = &path{addr: t.rx.from, began: now, next: mono.Never, end: now.Add(pathMax)}
		mustRead(t.cfg.Secrets, p.proof[:])
		l.path = p
	}
	p.received += n
	if p.next == mono.Never && p.may() {
		p.next = now // in Advance: an answer to a challenge from there goes first
	}
	t.timers.sooner(l)
}

// runPath sends the next challenge, or gives the address up.
func (t *Table) runPath(now mono.Time, l *link, out *Output) {
	p := l.path
	switch {
	case now >= p.end:
		t.counters.MovesLost++
		l.path = nil
	case now < p.next:
	case !p.may():
		p.next = mono.Never
	default:
		pause := pathPause << min(p.tries, dialPauses)
		p.tries++
		p.next = now.Add(pause)
		p.sent += pathDatagramBytes
		var message [wire.PathBytes]byte
		t.seal(now, l, p.addr, wire.PathChallenge{Proof: p.proof}.Append(message[:0]), out)
	}
}

// respondPath answers a challenge where it came from: an equally long datagram, and one for each.
func (t *Table) respondPath(now mono.Time, l *link, c wire.PathChallenge, out *Output) {
	if t.rx.responded || l.out.counter >= counterMax {
		return
	}
	t.rx.responded = true
	if t.rx.from != l.addr {
		p := l.path
		if p == nil || p.addr != t.rx.from || !p.may() {
			return
		}
		p.sent += pathDatagramBytes
	}
	var message [wire.PathBytes]byte
	t.seal(now, l, t.rx.from, wire.PathResponse(c).Append(message[:0]), out)
}

// provePath moves the link when the answer is right and comes from the address that was asked.
func (t *Table) provePath(now mono.Time, l *link, r wire.PathResponse, out *Output) {
	p := l.path
	if p == nil || p.addr != t.rx.from || p.proof != r.Proof {
		return
	}
	if t.byAddr[l.addr] == l {
		delete(t.byAddr, l.addr)
	}
	l.addr, l.path = p.addr, nil
	t.claim(l)
	t.counters.Moves++
	l.pings.left = startPings - 1 // the way is another one: measure it soon
	t.timers.sooner(l)
	out.Events = append(out.Events, Event{Kind: EventAddrChanged, ID: l.id, NodeID: l.peer, Addr: l.addr})
}
