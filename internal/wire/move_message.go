// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// TypeMove is the type of Move.
const TypeMove = 0x1a

// Move asks a child to take classes from somebody else, whom the sender has given a place for that. The sender goes on pushing
// until the child has changed; with Wait it stops after that time. A child that cannot change answers with a Want.
//
//	type 1 | channel 1 | wait 1 | classes 2 | n 1 | n candidates
type Move struct {
	Channel    uint8
	Wait       uint8 // tenths of a second; 0: as long as it takes
	Classes    uint16
	Candidates []Candidate // at most CandidatesMax
}

// Append appends the message with its type.
func (m Move) Append(b []byte) []byte {
	b = append(b, TypeMove, m.Channel, m.Wait)
	b = binary.BigEndian.AppendUint16(b, m.Classes)
	return appendCandidates(b, m.Candidates)
}

// ParseMove parses what follows the type; it appends the candidates to into.
func ParseMove(b []byte, into []Candidate) (m Move, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&m.Wait) || !s.ReadUint16(&m.Classes) {
		return Move{}, nil, ErrTruncated
	}
	if m.Candidates, err = readCandidates(&s, into); err != nil {
		return Move{}, nil, err
	}
	return m, s, nil
}
