// SPDX-License-Identifier: MIT

package link

import (
	"cmp"
	"crypto/ecdh"
	"encoding/binary"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Limits of a Table, where Config says nothing else.
const (
	linksDefault               = 4096
	halfOpenDefault            = 256
	handshakesPerPrefixDefault = 20

	slotBits = 16 // of an index; the others are random
	slotsMax = 1 << slotBits
)

// PayloadBytesMax is the most that Seal and a Ticket take.
const PayloadBytesMax = wire.PayloadBytesMax

// ID names a link of one Table. It is never used again; zero is none.
type ID uint32

// Config is what a Table is made from.
type Config struct {
	Key     identity.NodeKey
	Rand    *rand.Rand // jitter, indexes, tokens of PING
	Secrets io.Reader  // ephemeral keys, cookie secrets, nonces; must never fail

	Agreed              *Agreed        // of a driver of many nodes; nil: this one is alone
	LinksMax            int            // links, dials and half-open ones together; 0: 4,096; at most 32,768
	HalfOpenMax         int            // handshakes that peers began; 0: 256; at most 16,384
	HandshakesPerPrefix int            // that peers of one /24 or /48 begin in a second, and at once; 0: 20; < 0: any
	AsksPerSecond       int            // that are opened, whoever asks, in a second and at once; 0: 400; < 0: any
	AsksPerPrefix       int            // the same from one /24 or /48; 0: 40; < 0: any
	PrefixExempt        []netip.Prefix // where HandshakesPerPrefix and AsksPerPrefix do not apply
}

// Table is all links of one node.
type Table struct {
	cfg      Config
	self     identity.NodeID
	static   *ecdh.PrivateKey
	instance uint32 // random, one for each Table
	lastID   ID
	born     uint64

	links []*link // dialling and up, by id
	half  []*link // half-open, by age
	spare []*link // up, but another link to the same peer is announced
	slots []*link // by the low bits of link.local; nil is free
	free  []uint16

	byAddr map[netip.AddrPort]*link  // announced or dialling
	byPeer map[identity.NodeID]*link // announced

	jar        jar
	limiter    limiter
	timers     timers
	asks       askers
	askLimiter limiter
	askMeter   meter
	refusing   bool // see Refuse
	busy       bool // see Busy
	elsewhere  referral
	counters   Counters

	// Of the datagram that HandleDatagram took last.
	rx struct {
		from      netip.AddrPort
		ponged    bool // at most one PONG and one PATH_RESPONSE answer a datagram
		responded bool
	}
	nonce nonce // here since the AEAD's interface would move it to the heap with each packet
}

// NewTable makes an empty table.
func NewTable(_ mono.Time, cfg Config) *Table {
	cfg.LinksMax = min(cmp.Or(cfg.LinksMax, linksDefault), slotsMax/2)
	cfg.HalfOpenMax = min(cmp.Or(cfg.HalfOpenMax, halfOpenDefault), slotsMax/4)
	cfg.AsksPerSecond = cmp.Or(cfg.AsksPerSecond, asksPerSecondDefault)
	seed := cfg.Rand.Uint64()
	var random [4]byte
	mustRead(cfg.Secrets, random[:])
	return &Table{
		cfg:      cfg,
		self:     cfg.Key.Public(),
		static:   privateKey(cfg.Key.Seed()),
		instance: binary.BigEndian.Uint32(random[:]),
		byAddr:   make(map[netip.AddrPort]*link),
		byPeer:   make(map[identity.NodeID]*link),
		limiter: limiter{
			rate:   cmp.Or(cfg.HandshakesPerPrefix, handshakesPerPrefixDefault),
			exempt: cfg.PrefixExempt,
			seed:   seed,
		},
		asks: askers{due: mono.Never},
		askLimiter: limiter{
			rate:   cmp.Or(cfg.AsksPerPrefix, asksPerPrefixDefault),
			exempt: cfg.PrefixExempt,
			seed:   seed,
		},
	}
}

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
func (t *Table) Peer(id ID) (Info, bool) {
	l := t.find(id)
	if l == nil {
		return Info{}, false
	}
	return l.info(), true
}

// Find returns the link to a node that is up.
func (t *Table) Find(node identity.NodeID) (ID, bool) {
	l := t.byPeer[node]
	if l == nil {
		return 0, false
	}
	return l.id, true
}

// All yields the links that are up and the dials, by ID. The table must not be changed meanwhile.
func (t *Table) All() iter.Seq2[ID, Info] {
	return func(yield func(ID, Info) bool) {
		for _, l := range t.links {
			if !yield(l.id, l.info()) {
				return
			}
		}
	}
}

// Len returns how many All yields.
func (t *Table) Len() int { return len(t.links) }

// Refuse has the table answer no dial from now on: the node leaves, and a link to it would be dead as soon as it is up. Whoever
// dials goes on and meets the next node at this address within a second.
func (t *Table) Refuse() { t.refusing = true }

// Deadline is when Advance is to be called, mono.Never when nothing is pending. It may be early.
func (t *Table) Deadline() mono.Time { return min(t.timers.next(), t.asks.due) }

// Advance does what is due: it repeats handshakes and asks, pings, and drops silent links. Called early it does nothing.
func (t *Table) Advance(now mono.Time, out *Output) {
	for t.timers.next() <= now {
		l := t.timers.heap[0]
		if l.deadline() <= now {
			t.run(now, l, out)
		}
		if l.state != stateGone {
			t.timers.later(l)
		}
	}
	t.advanceAsks(now, out)
}

// Counters returns what the table counted.
func (t *Table) Counters() Counters { return t.counters }

func (l *link) info() Info {
	return Info{
		NodeID:    l.peer,
		Addr:      l.addr,
		Up:        l.announced,
		Initiator: l.initiator,
		RTT:       l.rtt.smoothed,
		RTTDev:    l.rtt.deviation,
		UpSince:   l.upSince,
		LastHeard: l.heard,
		LastSent:  l.sent,
		BytesIn:   l.bytesIn,
		BytesOut:  l.bytesOut,
	}
}

// find returns the link with an ID that Dial or Up told, or nil.
func (t *Table) find(id ID) *link {
	at, ok := t.position(id)
	if !ok {
		return nil
	}
	return t.links[at]
}

func (t *Table) position(id ID) (int, bool) {
	return slices.BinarySearchFunc(t.links, id, func(l *link, id ID) int { return cmp.Compare(l.id, id) })
}

// up returns the link when messages may be sent over it.
func (t *Table) up(id ID) *link {
	if l := t.find(id); l != nil && l.announced {
		return l
	}
	return nil
}

// full reports whether no further link may begin.
func (t *Table) full() bool {
	return len(t.links)+len(t.spare)+len(t.half) >= t.cfg.LinksMax || t.lastID == ^ID(0)
}

// newLink makes a link that has an index and no name yet.
func (t *Table) newLink(addr netip.AddrPort) *link {
	t.born++
	l := &link{addr: addr, born: t.born, heapAt: notInHeap}
	t.register(l)
	return l
}

// name gives a link the next ID.
func (t *Table) name(l *link) {
	t.lastID++
	l.id = t.lastID
	t.links = append(t.links, l)
}

// register gives a link an index: the low bits say where it is, the others are random, so that late packets of an earlier
// link in the same place are told apart before any cryptography.
func (t *Table) register(l *link) {
	var at uint16
	if n := len(t.free); n > 0 {
		at, t.free = t.free[n-1], t.free[:n-1]
	} else {
		at = uint16(len(t.slots))
		t.slots = append(t.slots, nil)
	}
	t.slots[at] = l
	l.local = t.cfg.Rand.Uint32()<<slotBits | uint32(at)
}

func (t *Table) unregister(l *link) {
	at := uint16(l.local)
	t.slots[at] = nil
	t.free = append(t.free, at)
}

// at returns the link with an index, or nil.
func (t *Table) at(index uint32) *link {
	if at := int(uint16(index)); at < len(t.slots) {
		if l := t.slots[at]; l != nil && l.local == index {
			return l
		}
	}
	return nil
}

func (t *Table) drop(r DropReason) { t.counters.Drops[r]++ }
