// SPDX-License-Identifier: MIT

package link

import (
	"net/netip"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// Output collects what calls want done. The caller owns it and may keep it between calls; Reset empties it. Its memory is
// used again after Reset, so that in steady state nothing is allocated.
type Output struct {
	Datagrams []Datagram // to send as they are, in order
	Events    []Event    // in order
	Exchanges []ExchangeEvent
	Punches   []Punched
	Reports   []Report // in order

	arena []byte // behind every Data and every payload since Reset
}

// A Datagram is a UDP payload, valid until Output.Reset.
type Datagram struct {
	To   netip.AddrPort
	Data []byte
}

// A Punched is a PUNCH that arrived. Nothing about it is proven.
type Punched struct {
	From  netip.AddrPort
	Punch wire.Punch
}

// Reset empties the output and keeps its memory: earlier Data and payloads become invalid.
func (o *Output) Reset() {
	o.Datagrams = o.Datagrams[:0]
	o.Events = o.Events[:0]
	clear(o.Exchanges)
	o.Exchanges = o.Exchanges[:0]
	o.Punches = o.Punches[:0]
	o.Reports = o.Reports[:0]
	o.arena = o.arena[:0]
}

// space returns an empty slice that can take n bytes. When the arena is too small a new one is begun: slices of the old one
// stay valid.
func (o *Output) space(n int) []byte {
	if cap(o.arena)-len(o.arena) < n {
		o.arena = make([]byte, 0, max(2*cap(o.arena), n, arenaBytesMin))
	}
	end := len(o.arena)
	o.arena = o.arena[:end+n]
	return o.arena[end : end : end+n]
}

// arenaBytesMin is where an Output's memory begins.
const arenaBytesMin = 4096

// EventKind tells what an Event says.
type EventKind uint8

// The kinds of Event. Every ID that Dial returned or that came Up gets exactly one Down.
const (
	EventUp          EventKind = iota + 1 // messages may be sent: NodeID and Addr are proven
	EventDown                             // the ID is gone: Reason, and Code when a CLOSE was the reason
	EventAddrChanged                      // the peer proved that it moved to Addr
	EventReferred                         // who was dialled is busy, and says that Addr carries the same; the dial goes on
)

// String names the kind.
func (k EventKind) String() string {
	switch k {
	case EventUp:
		return "up"
	case EventDown:
		return "down"
	case EventAddrChanged:
		return "addr_changed"
	case EventReferred:
		return "referred"
	}
	return "unknown"
}

// An Event tells the node about a link.
type Event struct {
	Kind   EventKind
	ID     ID
	NodeID identity.NodeID // zero when a dial ended before the peer was known
	Addr   netip.AddrPort
	Reason DownReason
	Code   wire.CloseCode
}

// DownReason is why a link ended.
type DownReason uint8

// The reasons.
const (
	DownLocalClose  DownReason = iota + 1 // Close was called
	DownRemoteClose                       // the peer sent CLOSE with Code
	DownSilent                            // nothing was heard for 20 s
	DownNoAnswer                          // a dial went unanswered for 5 s
	DownReplaced                          // another link to the same peer is up now
	DownDuplicate                         // a dial met a peer to which a link is up already
	DownSelf                              // a dial met this node
	DownOtherPeer                         // DialOnly met somebody else: NodeID says whom
	DownVersion                           // a dial met a peer that speaks another version of the protocol
	DownRefused                           // a dial met a peer whose keys are unusable
	DownExhausted                         // the packet counter ran out
)

// String names the reason.
func (r DownReason) String() string {
	switch r {
	case DownLocalClose:
		return "local_close"
	case DownRemoteClose:
		return "remote_close"
	case DownSilent:
		return "silent"
	case DownNoAnswer:
		return "no_answer"
	case DownReplaced:
		return "replaced"
	case DownDuplicate:
		return "duplicate"
	case DownSelf:
		return "self"
	case DownOtherPeer:
		return "other_peer"
	case DownVersion:
		return "version"
	case DownRefused:
		return "refused"
	case DownExhausted:
		return "exhausted"
	}
	return "unknown"
}
