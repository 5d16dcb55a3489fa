// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// Station messages travel inside DATA packets, several in one. Each starts with its type; after it comes the sender's
// channel number for the station, which OPEN announced. docs/protocol/stations.md has the layouts and the rules.
const (
	TypeOpen     = 0x10
	TypeGone     = 0x11
	TypeHave     = 0x12
	TypePath     = 0x13
	TypeWant     = 0x14
	TypeGrant    = 0x15
	TypeNack     = 0x16
	TypeManifest = 0x17
	TypeChunk    = 0x18
	TypePeers    = 0x19
)

// Limits of the messages.
const (
	CandidatesMax = 8   // in one message
	PathIDsMax    = 24  // ancestors named for one part of the stream
	PathParts     = 5   // four quarters and the manifests
	MapBytesMax   = 16  // buffer map in HAVE
	NackRangesMax = 8   // ranges of 33 chunks in NACK
	NackManifests = 8   // manifests asked for in NACK
	HopsUnknown   = 255 // not connected to the source
)

// PartManifests is the index of the manifests among the PathParts; 0 to 3 are the quarters of the chunks.
const PartManifests = 4

// Open says that the sender carries a station and which channel number its messages about it have.
//
//	type 1 | channel 1 | flags 1 | station 32
type Open struct {
	Channel uint8
	Reply   bool // the receiver is asked for its own Open, or Gone
	Source  bool // the sender is the broadcaster
	Station identity.StationID
}

// Append appends the message with its type.
func (m Open) Append(b []byte) []byte {
	b = append(b, TypeOpen, m.Channel, flags(m.Reply, m.Source))
	return append(b, m.Station[:]...)
}

// ParseOpen parses what follows the type.
func ParseOpen(b []byte) (m Open, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&f) || !s.CopyBytes(m.Station[:]) {
		return Open{}, nil, ErrTruncated
	}
	m.Reply, m.Source = f&1 != 0, f&2 != 0
	return m, s, nil
}

// A Candidate is a node that carries the station, as others know it.
//
//	family 1 (4 or 6, +0x80: the source, +0x40: open) | address 4 or 16 | port 2 | node id 32 | hops 1 | free classes 1
type Candidate struct {
	Node   identity.NodeID
	Addr   netip.AddrPort
	Source bool
	Open   bool // strangers reach it; others need an introduction
	Hops   uint8
	Free   uint8
}

// Gone says that the sender does not carry a station, or is leaving it, and who else may.
//
//	type 1 | flags 1 (1: leaving) | station 32 | n 1 | n candidates
type Gone struct {
	Leaving    bool
	Station    identity.StationID
	Candidates []Candidate // at most CandidatesMax
}

// Append appends the message with its type.
func (m Gone) Append(b []byte) []byte {
	b = append(b, TypeGone, flags(m.Leaving))
	b = append(b, m.Station[:]...)
	return appendCandidates(b, m.Candidates)
}

// ParseGone parses what follows the type; it appends the candidates to into.
func ParseGone(b []byte, into []Candidate) (m Gone, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&f) || !s.CopyBytes(m.Station[:]) {
		return Gone{}, nil, ErrTruncated
	}
	m.Leaving = f&1 != 0
	if m.Candidates, err = readCandidates(&s, into); err != nil {
		return Gone{}, nil, err
	}
	return m, s, nil
}

// Have is a buffer map and the sign of life of a subscription.
//
//	type 1 | channel 1 | flags 1 (1: ended, 2: leaf, 4: ask, 16 to 128: parts) | epoch 4 | next 4 | complete 4 | hops of each quarter 4 | free classes 1 | n 1 | n bytes map
//
// Every chunk from the sender's oldest up to Complete-1 is there or given up, Next-1 is the highest one that a manifest named; bit i of
// the map (lowest bit of the first byte first) says whether chunk Complete+i is there.
type Have struct {
	Channel        uint8
	Ended          bool   // the signed end is known
	Leaf           bool   // the sender sends no audio to anybody
	Ask            bool   // the receiver is asked for its own Have at once
	Epoch          uint32 // 0: nothing known yet
	Next, Complete uint32
	Hops           [PartManifests]uint8 // of each quarter to the source; HopsUnknown when it does not reach the sender
	Free           uint8
	Parts          uint8  // bit i: quarter i is there for others
	Map            []byte // at most MapBytesMax
}

// Append appends the message with its type.
func (m Have) Append(b []byte) []byte {
	b = append(b, TypeHave, m.Channel, flags(m.Ended, m.Leaf, m.Ask)|m.Parts<<4)
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = binary.BigEndian.AppendUint32(b, m.Next)
	b = binary.BigEndian.AppendUint32(b, m.Complete)
	b = append(b, m.Hops[:]...)
	b = append(b, m.Free, uint8(len(m.Map)))
	return append(b, m.Map...)
}

// Nearest is the least of Hops.
func (m *Have) Nearest() uint8 { return slices.Min(m.Hops[:]) }

// ParseHave parses what follows the type. Map points into b.
func ParseHave(b []byte) (m Have, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f, n uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&f) || !s.ReadUint32(&m.Epoch) || !s.ReadUint32(&m.Next) ||
		!s.ReadUint32(&m.Complete) || !s.CopyBytes(m.Hops[:]) || !s.ReadUint8(&m.Free) || !s.ReadUint8(&n) {
		return Have{}, nil, ErrTruncated
	}
	if n > MapBytesMax {
		return Have{}, nil, ErrTooLong
	}
	if !s.ReadBytes(&m.Map, int(n)) {
		return Have{}, nil, ErrTruncated
	}
	m.Ended, m.Leaf, m.Ask, m.Parts = f&1 != 0, f&2 != 0, f&4 != 0, f>>4
	return m, s, nil
}

// Want asks for a subscription. It is absolute: what it does not name ends.
//
//	type 1 | channel 1 | token 1 | flags 1 (1: manifests, 2: orphan, 4: backlog, 8: headers) | classes 2 | epoch 4 | from 4 | back 2
type Want struct {
	Channel   uint8
	Token     uint8 // the Grant repeats it
	Manifests bool
	Orphan    bool   // nobody else had room
	Backlog   bool   // of the classes that are new here: chunks from (Epoch, From), at most Back milliseconds old
	Headers   bool   // the epoch's header chunks and the event in force first
	Classes   uint16 // bit i: chunks with sequence number mod 16 == i
	Epoch     uint32
	From      uint32
	Back      uint16
	Gives     uint16 // how many classes the sender would give to others, of all stations
	Age       uint8  // how long it has played, in units of 8 s
	Room      uint8  // how many of the classes that it gives nobody has yet
}

// Append appends the message with its type.
func (m Want) Append(b []byte) []byte {
	b = append(b, TypeWant, m.Channel, m.Token, flags(m.Manifests, m.Orphan, m.Backlog, m.Headers))
	b = binary.BigEndian.AppendUint16(b, m.Classes)
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = binary.BigEndian.AppendUint32(b, m.From)
	b = binary.BigEndian.AppendUint16(b, m.Back)
	b = binary.BigEndian.AppendUint16(b, m.Gives)
	return append(b, m.Age, m.Room)
}

// ParseWant parses what follows the type.
func ParseWant(b []byte) (m Want, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&m.Token) || !s.ReadUint8(&f) || !s.ReadUint16(&m.Classes) ||
		!s.ReadUint32(&m.Epoch) || !s.ReadUint32(&m.From) || !s.ReadUint16(&m.Back) || !s.ReadUint16(&m.Gives) || !s.ReadUint8(&m.Age) || !s.ReadUint8(&m.Room) {
		return Want{}, nil, ErrTruncated
	}
	m.Manifests, m.Orphan, m.Backlog, m.Headers = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
	return m, s, nil
}

// GrantReason says why a Grant gives less than was asked for.
type GrantReason uint8

// The reasons.
const (
	GrantAll     GrantReason = iota // everything asked for
	GrantFull                       // no upload left
	GrantLoop                       // the asker is an ancestor
	GrantNothing                    // nothing to give: not connected to the stream itself
)

// Grant answers a Want: what will be sent from now on, from which chunk, and who else to ask.
//
//	type 1 | channel 1 | token 1 | flags 1 (1: manifests) | reason 1 | classes 2 | epoch 4 | from 4 | live 4 | wait 1 | n 1 | n candidates
type Grant struct {
	Channel    uint8
	Token      uint8
	Manifests  bool
	Reason     GrantReason
	Classes    uint16
	Epoch      uint32
	From       uint32 // first chunk of the backlog, or the next live one
	Live       uint32 // the first chunk that is pushed: those from From on to this one come as backlog
	Wait       uint8  // ask again after this many tenths of a second
	Candidates []Candidate
}

// Append appends the message with its type.
func (m Grant) Append(b []byte) []byte {
	b = append(b, TypeGrant, m.Channel, m.Token, flags(m.Manifests), uint8(m.Reason))
	b = binary.BigEndian.AppendUint16(b, m.Classes)
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = binary.BigEndian.AppendUint32(b, m.From)
	b = binary.BigEndian.AppendUint32(b, m.Live)
	b = append(b, m.Wait)
	return appendCandidates(b, m.Candidates)
}

// ParseGrant parses what follows the type; it appends the candidates to into.
func ParseGrant(b []byte, into []Candidate) (m Grant, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f, reason uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&m.Token) || !s.ReadUint8(&f) || !s.ReadUint8(&reason) ||
		!s.ReadUint16(&m.Classes) || !s.ReadUint32(&m.Epoch) || !s.ReadUint32(&m.From) || !s.ReadUint32(&m.Live) || !s.ReadUint8(&m.Wait) {
		return Grant{}, nil, ErrTruncated
	}
	m.Manifests, m.Reason = f&1 != 0, GrantReason(reason)
	if m.Candidates, err = readCandidates(&s, into); err != nil {
		return Grant{}, nil, err
	}
	return m, s, nil
}

// Peers tells of others on the station, and may ask for the same.
//
//	type 1 | channel 1 | flags 1 (1: tell me yours) | n 1 | n candidates
type Peers struct {
	Channel    uint8
	Ask        bool
	Candidates []Candidate
}

// Append appends the message with its type.
func (m Peers) Append(b []byte) []byte {
	return appendCandidates(append(b, TypePeers, m.Channel, flags(m.Ask)), m.Candidates)
}

// ParsePeers parses what follows the type; it appends the candidates to into.
func ParsePeers(b []byte, into []Candidate) (m Peers, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&f) {
		return Peers{}, nil, ErrTruncated
	}
	m.Ask = f&1 != 0
	if m.Candidates, err = readCandidates(&s, into); err != nil {
		return Peers{}, nil, err
	}
	return m, s, nil
}

// Marks of a candidate, in the byte of its family.
const (
	candidateSource = 0x80
	candidateOpen   = 0x40
)

func appendCandidates(b []byte, cs []Candidate) []byte {
	cs = cs[:min(len(cs), CandidatesMax)]
	b = append(b, uint8(len(cs)))
	for i := range cs {
		c := &cs[i]
		marks := uint8(0)
		if c.Source {
			marks = candidateSource
		}
		if c.Open {
			marks |= candidateOpen
		}
		if addr := c.Addr.Addr().Unmap(); addr.Is4() {
			a := addr.As4()
			b = append(append(b, 4|marks), a[:]...)
		} else {
			a := addr.As16()
			b = append(append(b, 6|marks), a[:]...)
		}
		b = binary.BigEndian.AppendUint16(b, c.Addr.Port())
		b = append(b, c.Node[:]...)
		b = append(b, c.Hops, c.Free)
	}
	return b
}

func readCandidates(s *cryptobyte.String, into []Candidate) ([]Candidate, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return nil, ErrTruncated
	}
	if n > CandidatesMax {
		return nil, ErrTooLong
	}
	for range n {
		var c Candidate
		var family uint8
		var addr []byte
		var port uint16
		if !s.ReadUint8(&family) {
			return nil, ErrTruncated
		}
		size := 4
		switch family &^ (candidateSource | candidateOpen) {
		case 4:
		case 6:
			size = 16
		default:
			return nil, ErrMalformed
		}
		if !s.ReadBytes(&addr, size) || !s.ReadUint16(&port) || !s.CopyBytes(c.Node[:]) ||
			!s.ReadUint8(&c.Hops) || !s.ReadUint8(&c.Free) {
			return nil, ErrTruncated
		}
		a, _ := netip.AddrFromSlice(addr)
		c.Source, c.Open = family&candidateSource != 0, family&candidateOpen != 0
		if size == 16 && a.Is4In6() {
			return nil, ErrMalformed
		}
		c.Addr = netip.AddrPortFrom(a, port)
		into = append(into, c)
	}
	return into, nil
}

// flags packs up to eight booleans, the first one into the lowest bit.
func flags(bits ...bool) uint8 {
	var f uint8
	for i, b := range bits {
		if b {
			f |= 1 << i
		}
	}
	return f
}
