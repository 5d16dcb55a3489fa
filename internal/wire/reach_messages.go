// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// The messages about how nodes reach each other travel inside DATA packets like those of stations.
// docs/protocol/reach.md has the layouts and the rules.
const (
	TypeReach = 0x20 // the first; TypeReachEnd is behind the last

	TypeStanding     = 0x20
	TypeIntroduce    = 0x21
	TypeIntroduced   = 0x22
	TypeIntroduction = 0x23
	TypeReady        = 0x24
	TypeProbeMe      = 0x25
	TypeProbe        = 0x26
	TypeCarry        = 0x27

	TypeReachEnd = 0x30
)

// CarriedMax is how many stations a STANDING names.
const CarriedMax = 4

// A PunchToken ties the datagrams of one introduction, or of one probe, together.
type PunchToken [8]byte

// Standing is what a node says of itself on a link, and where it sees the other end.
//
//	type 1 | flags 1 (1: open, 2: keep, 4: kept, 8: carries, 0x30: seq, 0xc0: ack) | you: family 1, address 4 or 16, port 2 |
//	n 1, n tags of 8
type Standing struct {
	Open    bool           // strangers reach the sender
	Keep    bool           // the receiver is asked to introduce others to the sender
	Kept    bool           // the sender introduces others to the receiver
	Carries bool           // the sender would relay a station that the receiver cannot get otherwise
	Seq     uint8          // 0 to 3: another one when the sender says something else
	Ack     uint8          // 0 to 3: the last Seq that came from the receiver
	You     netip.AddrPort // where the sender sees the receiver
	Carried []StationTag   // with Keep: what the sender carries; at most CarriedMax
}

// Append appends the message with its type. You must be an address that ValidAddr accepts.
func (m Standing) Append(b []byte) []byte {
	b = append(b, TypeStanding, flags(m.Open, m.Keep, m.Kept, m.Carries)|m.Seq&3<<4|m.Ack<<6)
	return appendTags(appendAddr(b, m.You), m.Carried)
}

// ParseStanding parses what follows the type; it appends the tags to into.
func ParseStanding(b []byte, into []StationTag) (m Standing, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&f) {
		return Standing{}, nil, ErrTruncated
	}
	m.Open, m.Keep, m.Kept, m.Carries = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
	m.Seq, m.Ack = f>>4&3, f>>6
	if m.You, err = readAddr(&s); err != nil {
		return Standing{}, nil, err
	}
	if m.Carried, err = readTags(&s, into); err != nil {
		return Standing{}, nil, err
	}
	return m, s, nil
}

// Ports says which outside ports a node's next mappings will probably get, or with base 0 what it will do about guessing.
//
//	base 2 | step 1
type Ports struct {
	Base uint16 // 0: the port is the same for everybody, or nobody can say
	Step int8   // with Base 0 a Guess; 0 in most introductions
}

// A Guess is a node's part in finding a port that nobody knows (birthday guessing).
type Guess int8

// The parts. Others are read as GuessNone.
const (
	GuessNone  Guess = iota // no guessing is wanted
	GuessSends              // it has one port for everybody, and sends to many of the other's
	GuessOpens              // it opens many ports, and the other sends to them
	GuessNot                // it takes no part
)

// Ports returns what says so in an introduction.
func (g Guess) Ports() Ports { return Ports{Step: int8(g)} }

// Guess returns what ports say about guessing.
func (p Ports) Guess() Guess {
	if g := Guess(p.Step); p.Base == 0 && g > GuessNone && g <= GuessNot {
		return g
	}
	return GuessNone
}

func (p Ports) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, p.Base), uint8(p.Step))
}

func (p *Ports) read(s *cryptobyte.String) bool {
	var step uint8
	ok := s.ReadUint16(&p.Base) && s.ReadUint8(&step)
	p.Step = int8(step)
	return ok
}

// Introduce asks a peer of both sides for an introduction.
//
//	type 1 | token 8 | target 32 | ports 3
type Introduce struct {
	Token  PunchToken // random, the asker's
	Target identity.NodeID
	Ports  Ports // of the asker
}

// Append appends the message with its type.
func (m Introduce) Append(b []byte) []byte {
	b = append(append(b, TypeIntroduce), m.Token[:]...)
	return m.Ports.append(append(b, m.Target[:]...))
}

// ParseIntroduce parses what follows the type.
func ParseIntroduce(b []byte) (m Introduce, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) || !s.CopyBytes(m.Target[:]) || !m.Ports.read(&s) {
		return Introduce{}, nil, ErrTruncated
	}
	return m, s, nil
}

// Introduced tells the target who wants to meet it. The address is where the introducer has a link with the asker.
//
//	type 1 | token 8 | asker 32 | family 1, address 4 or 16, port 2 | ports 3
type Introduced struct {
	Token PunchToken
	Asker identity.NodeID
	Addr  netip.AddrPort
	Ports Ports // of the asker
}

// Append appends the message with its type. Addr must be an address that ValidAddr accepts.
func (m Introduced) Append(b []byte) []byte {
	b = append(append(b, TypeIntroduced), m.Token[:]...)
	return m.Ports.append(appendAddr(append(b, m.Asker[:]...), m.Addr))
}

// ParseIntroduced parses what follows the type.
func ParseIntroduced(b []byte) (m Introduced, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) || !s.CopyBytes(m.Asker[:]) {
		return Introduced{}, nil, ErrTruncated
	}
	if m.Addr, err = readAddr(&s); err != nil {
		return Introduced{}, nil, err
	}
	if !m.Ports.read(&s) {
		return Introduced{}, nil, ErrTruncated
	}
	return m, s, nil
}

// IntroductionStatus says what became of an INTRODUCE.
type IntroductionStatus uint8

// The states. Others are read as IntroductionRefused.
const (
	IntroductionMade    IntroductionStatus = iota
	IntroductionUnknown                    // the introducer has no link with the target
	IntroductionRefused                    // too many were asked for
)

// Introduction answers an INTRODUCE, and comes again when the target has told its ports.
//
//	type 1 | token 8 | status 1 | [status 0: family 1, address 4 or 16, port 2 | ports 3]
type Introduction struct {
	Token  PunchToken
	Status IntroductionStatus
	Addr   netip.AddrPort // where the introducer has a link with the target
	Ports  Ports          // of the target
}

// Append appends the message with its type. With IntroductionMade, Addr must be an address that ValidAddr accepts.
func (m Introduction) Append(b []byte) []byte {
	b = append(append(append(b, TypeIntroduction), m.Token[:]...), uint8(m.Status))
	if m.Status != IntroductionMade {
		return b
	}
	return m.Ports.append(appendAddr(b, m.Addr))
}

// ParseIntroduction parses what follows the type.
func ParseIntroduction(b []byte) (m Introduction, rest []byte, err error) {
	s := cryptobyte.String(b)
	var status uint8
	if !s.CopyBytes(m.Token[:]) || !s.ReadUint8(&status) {
		return Introduction{}, nil, ErrTruncated
	}
	if m.Status = IntroductionStatus(status); m.Status != IntroductionMade {
		return m, s, nil
	}
	if m.Addr, err = readAddr(&s); err != nil {
		return Introduction{}, nil, err
	}
	if !m.Ports.read(&s) {
		return Introduction{}, nil, ErrTruncated
	}
	return m, s, nil
}

// Ready tells the introducer which ports a target's next mappings will probably get.
//
//	type 1 | token 8 | ports 3
type Ready struct {
	Token PunchToken
	Ports Ports
}

// Append appends the message with its type.
func (m Ready) Append(b []byte) []byte {
	return m.Ports.append(append(append(b, TypeReady), m.Token[:]...))
}

// ParseReady parses what follows the type.
func ParseReady(b []byte) (m Ready, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) || !m.Ports.read(&s) {
		return Ready{}, nil, ErrTruncated
	}
	return m, s, nil
}

// ProbeMe asks for PUNCHes from where the sender has never sent anything: the receiver's second port, and another node.
//
//	type 1 | token 8 | port 2, of the address where the receiver sees the sender; 0: where it sees it
type ProbeMe struct {
	Token PunchToken
	Port  uint16
}

// Append appends the message with its type.
func (m ProbeMe) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(append(append(b, TypeProbeMe), m.Token[:]...), m.Port)
}

// ParseProbeMe parses what follows the type.
func ParseProbeMe(b []byte) (m ProbeMe, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) || !s.ReadUint16(&m.Port) {
		return ProbeMe{}, nil, ErrTruncated
	}
	return m, s, nil
}

// Probe asks the receiver to send one PUNCH to an address where the sender has a link.
//
//	type 1 | token 8 | family 1, address 4 or 16, port 2
type Probe struct {
	Token PunchToken
	Addr  netip.AddrPort
}

// Append appends the message with its type. Addr must be an address that ValidAddr accepts.
func (m Probe) Append(b []byte) []byte {
	return appendAddr(append(append(b, TypeProbe), m.Token[:]...), m.Addr)
}

// ParseProbe parses what follows the type.
func ParseProbe(b []byte) (m Probe, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) {
		return Probe{}, nil, ErrTruncated
	}
	if m.Addr, err = readAddr(&s); err != nil {
		return Probe{}, nil, err
	}
	return m, s, nil
}

// Carry asks a node that Carries to relay a station: the sender reaches nobody else who has it.
//
//	type 1 | station 32
type Carry struct{ Station identity.StationID }

// Append appends the message with its type.
func (m Carry) Append(b []byte) []byte { return append(append(b, TypeCarry), m.Station[:]...) }

// ParseCarry parses what follows the type.
func ParseCarry(b []byte) (m Carry, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Station[:]) {
		return Carry{}, nil, ErrTruncated
	}
	return m, s, nil
}
