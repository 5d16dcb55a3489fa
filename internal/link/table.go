// SPDX-License-Identifier: MIT

package link

import (
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// PayloadBytesMax is the most that Seal and a Ticket take.
const PayloadBytesMax = wire.PayloadBytesMax

// ID names a link of one Table. It is never used again; zero is none.
type ID uint32

// Config is what a Table is made from.
type Config struct {
	Key     identity.NodeKey
	Rand    *rand.Rand // jitter
	Secrets io.Reader  // ephemeral keys, cookie secrets, indexes; must never fail

	LinksMax            int            // links and dials together; 0: 4,096
	HalfOpenMax         int            // handshakes that peers began; 0: 256
	HandshakesPerPrefix int            // that peers of one /24 or /48 begin in a second, and at once; 0: 20; < 0: any
	PrefixExempt        []netip.Prefix // where HandshakesPerPrefix does not apply
}

// Table is all links of one node.
type Table struct{}

// NewTable makes an empty table.
func NewTable(now mono.Time, cfg Config) *Table { return &Table{} }

// Dial begins a link to an address and returns its ID, or that of the link to that peer or address that is up or being
// dialled already. expect is whom the caller hopes to meet, zero if anybody; another peer there is linked too, and the Up
// event says who it is. It returns 0 when the table is full, the address unusable, or expect this node itself.
func (t *Table) Dial(now mono.Time, to netip.AddrPort, expect identity.NodeID, out *Output) ID {
	return 0
}

// HandleDatagram takes a UDP payload. It returns messages for HandleMessage and for the node, nil when there are none,
// valid until out.Reset, and the link they came over.
func (t *Table) HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *Output) (ID, []byte) {
	return 0, nil
}

// HandleMessage takes a payload that begins with a message of the link itself (type below wire.TypeLinkEnd) and returns
// what follows it, nil when nothing may be handled any more. It belongs to the HandleDatagram call right before it.
func (t *Table) HandleMessage(now mono.Time, id ID, b []byte, out *Output) (rest []byte, err error) {
	return nil, nil
}

// Seal sends a payload of at most PayloadBytesMax over a link. It reports whether the link is up.
func (t *Table) Seal(now mono.Time, id ID, payload []byte, out *Output) bool { return false }

// Ticket reserves one packet on a link for a payload of the given length.
func (t *Table) Ticket(now mono.Time, id ID, payloadBytes int) (Ticket, bool) { return Ticket{}, false }

// AppendPing adds a PING to a payload that the node is about to send over the link. It adds nothing when the link is down
// or when fewer than wire.PingBytes are left.
func (t *Table) AppendPing(now mono.Time, id ID, dst []byte) []byte { return dst }

// PingDue reports whether the link would like a PING with the next payload.
func (t *Table) PingDue(now mono.Time, id ID) bool { return false }

// Close tells the peer why and forgets the link; a Down event with DownLocalClose follows in out.
func (t *Table) Close(now mono.Time, id ID, code wire.CloseCode, out *Output) {}

// Info is what is known about a link.
type Info struct {
	NodeID    identity.NodeID // before Up: whom the dial expects
	Addr      netip.AddrPort
	Up        bool
	Initiator bool          // this side dialled
	RTT       time.Duration // smoothed, RFC 6298; 0 unknown
	RTTDev    time.Duration // mean deviation
	UpSince   mono.Time
	LastHeard mono.Time // last authentic packet
	LastSent  mono.Time
	BytesIn   uint64 // IP packets, authentic ones
	BytesOut  uint64
}

// Peer describes a link.
func (t *Table) Peer(id ID) (Info, bool) { return Info{}, false }

// Find returns the link to a node that is up.
func (t *Table) Find(node identity.NodeID) (ID, bool) { return 0, false }

// All yields the links that are up and the dials, by ID. The table must not be changed meanwhile.
func (t *Table) All() iter.Seq2[ID, Info] { return func(func(ID, Info) bool) {} }

// Len returns how many All yields.
func (t *Table) Len() int { return 0 }

// Deadline is when Advance is to be called, mono.Never when nothing is pending. It may be early.
func (t *Table) Deadline() mono.Time { return mono.Never }

// Advance does what is due: it repeats handshakes, pings, and drops silent links. Called early it does nothing.
func (t *Table) Advance(now mono.Time, out *Output) {}

// Counters returns what the table counted.
func (t *Table) Counters() Counters { return Counters{} }
