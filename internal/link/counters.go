// SPDX-License-Identifier: MIT

package link

import (
	"errors"

	"streamer/internal/wire"
)

// DropReason is why a datagram, or a message in it, was refused.
type DropReason uint8

// The reasons.
const (
	DropMalformed   DropReason = iota // no parser takes it
	DropVersion                       // another version of the protocol
	DropUnasked                       // an answer to nothing that was asked, or too late
	DropCookie                        // cookie not made here, for another address, or too old
	DropCookieUsed                    // cookie used before, and its handshake is over
	DropRate                          // too many handshakes from one network prefix
	DropFull                          // too many links or handshakes, or the table takes no more
	DropGlare                         // both sides dialled, and this node's dial goes on
	DropHandshake                     // Noise refused it
	DropUnknownLink                   // no link has this index
	DropReplay                        // seen before, or too old
	DropOldKey                        // under a key that is forgotten
	DropForged                        // not authentic
	DropAskRate                       // too many asks, from one network prefix or in all

	dropReasons // how many
)

// DropReasons is how many reasons there are.
const DropReasons = int(dropReasons)

// String names the reason.
func (r DropReason) String() string {
	switch r {
	case DropMalformed:
		return "malformed"
	case DropVersion:
		return "version"
	case DropUnasked:
		return "unasked"
	case DropCookie:
		return "cookie"
	case DropCookieUsed:
		return "cookie_used"
	case DropRate:
		return "rate"
	case DropFull:
		return "full"
	case DropGlare:
		return "glare"
	case DropHandshake:
		return "handshake"
	case DropUnknownLink:
		return "unknown_link"
	case DropReplay:
		return "replay"
	case DropOldKey:
		return "old_key"
	case DropForged:
		return "forged"
	case DropAskRate:
		return "ask_rate"
	}
	return "unknown"
}

// Counters count since the table was made.
type Counters struct {
	DatagramsIn, BytesIn   uint64 // all that arrived, as IP packets
	DatagramsOut, BytesOut uint64 // all that was sent or given out as tickets, as IP packets

	Dials     uint64 // dials begun
	Dialled   uint64 // handshakes completed that this node began
	Accepted  uint64 // handshakes completed that peers began
	Resent    uint64 // handshake datagrams sent again, and HELLOs after an ask without an answer
	Rekeys    uint64 // of this node's sending keys
	Moves     uint64 // peers that proved a new address
	MovesLost uint64 // new addresses that proved nothing

	Asks         uint64 // asks begun
	AsksAnswered uint64 // of these, answered
	Answers      uint64 // given to asks of others

	Drops [dropReasons]uint64 // indexed by DropReason

	// What the bytes were for, indexed by wire.Kind: the sums are BytesIn and BytesOut. Headers of IP, UDP and DATA count for
	// the first message of their datagram.
	In, Out [wire.Kinds]Tally
}

// A Tally is what was sent or received of one kind.
type Tally struct{ Messages, Bytes uint64 }

func (t *Tally) add(bytes uint64) {
	t.Messages++
	t.Bytes += bytes
}

// A Direction is of datagrams.
type Direction bool

// The directions.
const (
	In  Direction = false
	Out Direction = true
)

// Split counts n bytes, a message behind the first one of a datagram, for its own kind: the table counts a datagram of DATA
// for the kind of its first message, since it cannot read the others.
func (t *Table) Split(d Direction, first, own wire.Kind, n int) {
	c := &t.counters.In
	if d == Out {
		c = &t.counters.Out
	}
	c[first].Bytes -= uint64(n)
	c[own].add(uint64(n))
}

// payloadKind is the kind for which a datagram with these messages counts.
func payloadKind(payload []byte) wire.Kind {
	if len(payload) == 0 {
		return wire.KindLink
	}
	return wire.MessageKind(payload[0])
}

// Why a packet does not open. Static: hostile traffic must not allocate.
var (
	errOldKey = errors.New("link: packet under a forgotten key")
	errForged = errors.New("link: packet is not authentic")
)
