// SPDX-License-Identifier: MIT

package wire

import (
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// PathID is the first four bytes of a node id.
type PathID [4]byte

// A PathPart is how one part of the stream reaches the sender.
type PathPart struct {
	Hops uint8 // to the source; HopsUnknown when the part does not reach the sender
	N    uint8 // valid ids
	IDs  [PathIDsMax]PathID
}

// Has reports whether id is named.
func (p *PathPart) Has(id PathID) bool { return slices.Contains(p.IDs[:p.N], id) }

// Add names id unless it is named already or there is no room.
func (p *PathPart) Add(id PathID) {
	if p.N < PathIDsMax && !p.Has(id) {
		p.IDs[p.N] = id
		p.N++
	}
}

// Path names the ancestors of the sender for each part of the stream; the receiver must not be one of them.
//
//	type 1 | channel 1 | 5 times: hops 1 | n 1 | n times 4 bytes
type Path struct {
	Channel uint8
	Parts   [PathParts]PathPart
}

// Append appends the message with its type.
func (m *Path) Append(b []byte) []byte {
	b = append(b, TypePath, m.Channel)
	for i := range m.Parts {
		p := &m.Parts[i]
		b = append(b, p.Hops, p.N)
		for j := range p.N {
			b = append(b, p.IDs[j][:]...)
		}
	}
	return b
}

// ParsePath parses what follows the type into m.
func ParsePath(b []byte, m *Path) (rest []byte, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint8(&m.Channel) {
		return nil, ErrTruncated
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if !s.ReadUint8(&p.Hops) || !s.ReadUint8(&p.N) {
			return nil, ErrTruncated
		}
		if p.N > PathIDsMax {
			return nil, ErrTooLong
		}
		for j := range p.N {
			if !s.CopyBytes(p.IDs[j][:]) {
				return nil, ErrTruncated
			}
		}
	}
	return s, nil
}
