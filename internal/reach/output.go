// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// Output collects what calls want done. The node owns it; Reset empties it and keeps its memory.
type Output struct {
	Messages []Message
	Punches  []Punch
	Extras   []Extra           // further ports, in order
	Dials    []Dial            // nodes to be dialled now: the way to them is open, or opening
	Failed   []identity.NodeID // nodes whose introductions came to nothing
	Hopeless []identity.NodeID // nodes that cannot be met where they are dialled, either
	Links    []wire.Host       // to be linked: they may become proxies
	Idle     []PeerID          // links that need not be kept any more
	Carry    []Request         // stations that others ask this node to relay
	Hosts    [families]int     // how many hosts are wanted for Offer, by the family of their addresses
	Changed  bool              // what others are told of this node is not what it was

	bytes []byte
}

// A Family is a choice of addresses.
type Family uint8

// The families.
const (
	FamilyAny Family = iota
	FamilyIPv4
	FamilyIPv6
	families
)

// Has reports whether an address is of the family.
func (f Family) Has(a netip.Addr) bool { return f == FamilyAny || a.Is4() == (f == FamilyIPv4) }

// A Message is for one peer, type included.
type Message struct {
	To         PeerID
	start, end int
}

// A Punch is a datagram to be sent once; Aside from the node's second port.
type Punch struct {
	To    netip.AddrPort
	Token wire.PunchToken
	Aside bool
}

// An Extra is about ports that the driver opens beside the node's own, for one address. It opens that many, and sends the PUNCH from
// each. The first on which exactly that PUNCH comes back from the address is kept: what goes there leaves from it from then on,
// what comes from there to it is received. The others close. With Ports 0 all close but, with Keep, the one that is kept.
type Extra struct {
	To    netip.AddrPort
	Token wire.PunchToken
	Ports int
	Keep  bool
}

// A Dial says where a node may be met.
type Dial struct {
	Node identity.NodeID
	Addr netip.AddrPort
}

// A Request asks this node to relay a station.
type Request struct {
	Peer    PeerID
	Station identity.StationID
}

// Bytes returns a message, valid until Reset.
func (o *Output) Bytes(m Message) []byte { return o.bytes[m.start:m.end] }

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	*o = Output{Messages: o.Messages[:0], Punches: o.Punches[:0], Extras: o.Extras[:0], Dials: o.Dials[:0], Failed: o.Failed[:0], Hopeless: o.Hopeless[:0], Links: o.Links[:0],
		Idle: o.Idle[:0], Carry: o.Carry[:0], bytes: o.bytes[:0]}
}

func (o *Output) message(to PeerID, appendTo func([]byte) []byte) {
	start := len(o.bytes)
	o.bytes = appendTo(o.bytes)
	o.Messages = append(o.Messages, Message{To: to, start: start, end: len(o.bytes)})
}
