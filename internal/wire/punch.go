// SPDX-License-Identifier: MIT

package wire

// Punch is a datagram that opens the way through the sender's NAT, and shows the receiver where the sender is. It proves
// nothing and is answered by nothing longer.
//
//	type 1 (8) | token 8
type Punch struct{ Token PunchToken }

// PunchBytes is the length of a PUNCH.
const PunchBytes = 1 + 8

// Append appends the datagram.
func (p Punch) Append(b []byte) []byte { return append(append(b, byte(DatagramPunch)), p.Token[:]...) }

// ParsePunch reads a PUNCH, which must be the whole of b.
func ParsePunch(b []byte) (p Punch, err error) {
	switch {
	case len(b) < PunchBytes:
		return Punch{}, ErrTruncated
	case len(b) > PunchBytes:
		return Punch{}, ErrTooLong
	case b[0] != byte(DatagramPunch):
		return Punch{}, ErrType
	}
	copy(p.Token[:], b[1:])
	return p, nil
}
