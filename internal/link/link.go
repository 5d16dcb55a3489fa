// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// state is where a link is in its life; docs/protocol/links.md draws it.
type state uint8

const (
	stateGone     state = iota // removed: nothing refers to it
	stateHello                 // dialling: HELLO is out
	stateInit                  // dialling: INIT is out
	stateHalfOpen              // the peer dialled: RESP is out, and the peer has not shown that it got it
	stateUp                    // messages flow
)

// A link is one secured path to one peer, or the attempt. Between two nodes there may be two for a moment, when both
// dialled: one is announced, the other waits in Table.spare.
type link struct {
	id        ID // 0: half-open, or up without having been announced
	state     state
	announced bool // Up was told
	initiator bool
	active    bool // traffic since the last PING
	answered  bool // an authentic packet has arrived: the peer has the keys
	heapAt    int32
	born      uint64 // order of making, unlike id for every link

	local    uint32 // index that this side chose
	instance uint32 // the peer's run
	peer     identity.NodeID
	addr     netip.AddrPort

	out   sender
	in    receiver
	rtt   rtt
	pings pings
	every time.Duration // keepalive, when it is not pingEvery; 0: it is

	upSince, heard, sent mono.Time
	bytesIn, bytesOut    uint64

	received uint32      // authentic packets
	departs  *departures // nil: no audio was sent
	arrives  *arrivals   // nil: none came

	due  mono.Time // not later than what deadline says, unless it is out of the heap
	dial *dial     // stateHello, stateInit
	half *half     // stateHalfOpen
	path *path     // another address that asks to be the peer's
}

// deadline is when the link wants run to be called.
func (l *link) deadline() mono.Time {
	switch l.state {
	case stateHello, stateInit:
		return min(l.dial.next, l.dial.end)
	case stateHalfOpen:
		return l.half.end
	case stateUp:
		if l.out.counter >= counterMax {
			return 0
		}
		due := min(l.pingAt(), l.heard.Add(l.silence()))
		if l.path != nil {
			due = min(due, l.path.next, l.path.end)
		}
		return due
	}
	return mono.Never
}

// run does what is due; afterwards deadline is later than now, or the link is gone.
func (t *Table) run(now mono.Time, l *link, out *Output) {
	switch l.state {
	case stateHello, stateInit:
		t.redial(now, l, out)
	case stateHalfOpen:
		t.remove(now, l, ending{}, out)
	case stateUp:
		t.runUp(now, l, out)
	}
}

func (t *Table) runUp(now mono.Time, l *link, out *Output) {
	switch {
	case l.out.counter >= counterMax:
		t.sealClose(now, l, wire.CloseExhausted, out)
		t.remove(now, l, ending{reason: DownExhausted}, out)
		return
	case now >= l.heard.Add(l.silence()):
		t.remove(now, l, ending{reason: DownSilent}, out)
		return
	}
	if !l.announced {
		// The last of the first PINGs comes when electMax is over.
		if t.elect(now, l, out); l.state == stateGone {
			return
		}
	}
	if l.path != nil {
		t.runPath(now, l, out)
	}
	if now >= l.pingAt() {
		t.sendPing(now, l, out)
	}
}
