// SPDX-License-Identifier: MIT

package wire

import "golang.org/x/crypto/cryptobyte"

// The messages by which a node measures its upload on purpose. docs/protocol/stations.md, section 14.1, has the rules.
const (
	TypeMeasure   = 0x30
	TypeMeasuring = 0x31
	TypePad       = 0x32 // to the end of the packet; nobody looks at what it holds
)

// Measure asks a peer to receive PADs and to report them.
//
//	type 1 | token 4
type Measure struct{ Token uint32 }

// Append appends the message with its type.
func (m Measure) Append(b []byte) []byte { return appendU32(append(b, TypeMeasure), m.Token) }

// ParseMeasure parses what follows the type.
func ParseMeasure(b []byte) (m Measure, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint32(&m.Token) {
		return Measure{}, nil, ErrTruncated
	}
	return m, s, nil
}

// Measuring answers a Measure.
//
//	type 1 | token 4 | wait 2
type Measuring struct {
	Token uint32 // that of the Measure
	Wait  uint16 // 0: go ahead; else refused, for so many seconds
}

// Append appends the message with its type.
func (m Measuring) Append(b []byte) []byte {
	return append(appendU32(append(b, TypeMeasuring), m.Token), byte(m.Wait>>8), byte(m.Wait))
}

// ParseMeasuring parses what follows the type.
func ParseMeasuring(b []byte) (m Measuring, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint32(&m.Token) || !s.ReadUint16(&m.Wait) {
		return Measuring{}, nil, ErrTruncated
	}
	return m, s, nil
}
