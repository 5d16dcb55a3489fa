// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
)

// The messages by which a node finds out how long its NAT remembers an idle path; docs/protocol/reach.md, section 1.5.
const (
	TypeWait   = 0x2d
	TypeWaited = 0x2e
)

// TypeOutside is the message for peers on the same LAN; docs/protocol/reach.md, section 3.
const TypeOutside = 0x2f

// WaitSecondsMax is how long a WAIT may ask its receiver to wait.
const WaitSecondsMax = 300

// Wait asks for a PUNCH to where PUNCHes with the token came from, so long after the last of them.
//
//	type 1 | token 8 | seconds 2, 1 to 300
type Wait struct {
	Token   PunchToken // random, the asker's
	Seconds uint16
}

// Append appends the message with its type.
func (m Wait) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(append(append(b, TypeWait), m.Token[:]...), m.Seconds)
}

// ParseWait parses what follows the type.
func ParseWait(b []byte) (m Wait, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) || !s.ReadUint16(&m.Seconds) {
		return Wait{}, nil, ErrTruncated
	}
	if m.Seconds == 0 || m.Seconds > WaitSecondsMax {
		return Wait{}, nil, ErrMalformed
	}
	return m, s, nil
}

// Waited says that the PUNCHes that a WAIT asked for have been sent.
//
//	type 1 | token 8
type Waited struct{ Token PunchToken }

// Append appends the message with its type.
func (m Waited) Append(b []byte) []byte { return append(append(b, TypeWaited), m.Token[:]...) }

// ParseWaited parses what follows the type.
func ParseWaited(b []byte) (m Waited, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(m.Token[:]) {
		return Waited{}, nil, ErrTruncated
	}
	return m, s, nil
}

// Outside tells a peer at a local address where others see the sender.
//
//	type 1 | family 1, address 4 or 16, port 2
type Outside struct{ Addr netip.AddrPort }

// Append appends the message with its type. Addr must be an address that ValidAddr accepts.
func (m Outside) Append(b []byte) []byte { return appendAddr(append(b, TypeOutside), m.Addr) }

// ParseOutside parses what follows the type.
func ParseOutside(b []byte) (m Outside, rest []byte, err error) {
	s := cryptobyte.String(b)
	if m.Addr, err = readAddr(&s); err != nil {
		return Outside{}, nil, err
	}
	return m, s, nil
}
