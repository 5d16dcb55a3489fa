// SPDX-License-Identifier: MIT

package wire

// The messages of links. Each starts with its type; a type says its length. Types below TypeLinkEnd belong to the link
// itself, the others to what runs over it.
const (
	TypePing          = 0x01
	TypePong          = 0x02
	TypePathChallenge = 0x03
	TypePathResponse  = 0x04
	TypeClose         = 0x05

	TypeLinkEnd = 0x10
)

// Lengths of the messages of links, with the type.
const (
	PingBytes      = 5
	PathProofBytes = 8
	PathBytes      = 1 + PathProofBytes
	CloseBytes     = 2
)

// A Ping asks for a Pong with the same token.
type Ping struct{ Token uint32 }

// ParsePing reads a PING from the front of b.
func ParsePing(b []byte) (p Ping, rest []byte, err error) {
	r, err := openMessage(b, TypePing)
	p.Token = r.u32()
	return p, r.b, firstError(err, r.err)
}

// Append appends the 5 bytes of the message.
func (p Ping) Append(dst []byte) []byte { return appendU32(append(dst, byte(TypePing)), p.Token) }

// A Pong answers a Ping.
type Pong struct{ Token uint32 }

// ParsePong reads a PONG from the front of b.
func ParsePong(b []byte) (p Pong, rest []byte, err error) {
	r, err := openMessage(b, TypePong)
	p.Token = r.u32()
	return p, r.b, firstError(err, r.err)
}

// Append appends the 5 bytes of the message.
func (p Pong) Append(dst []byte) []byte { return appendU32(append(dst, byte(TypePong)), p.Token) }

// A PathChallenge asks whoever is at an address to prove that it is the peer.
type PathChallenge struct{ Proof [PathProofBytes]byte }

// ParsePathChallenge reads a PATH_CHALLENGE from the front of b.
func ParsePathChallenge(b []byte) (p PathChallenge, rest []byte, err error) {
	r, err := openMessage(b, TypePathChallenge)
	r.copy(p.Proof[:])
	return p, r.b, firstError(err, r.err)
}

// Append appends the 9 bytes of the message.
func (p PathChallenge) Append(dst []byte) []byte {
	return append(append(dst, byte(TypePathChallenge)), p.Proof[:]...)
}

// A PathResponse answers a PathChallenge with the same proof.
type PathResponse struct{ Proof [PathProofBytes]byte }

// ParsePathResponse reads a PATH_RESPONSE from the front of b.
func ParsePathResponse(b []byte) (p PathResponse, rest []byte, err error) {
	r, err := openMessage(b, TypePathResponse)
	r.copy(p.Proof[:])
	return p, r.b, firstError(err, r.err)
}

// Append appends the 9 bytes of the message.
func (p PathResponse) Append(dst []byte) []byte {
	return append(append(dst, byte(TypePathResponse)), p.Proof[:]...)
}

// CloseCode says why a peer ends a link. Codes from 0x40 on belong to what runs over links.
type CloseCode uint8

// The close codes of links.
const (
	CloseDone      CloseCode = 0 // no further use for the link
	CloseLeaving   CloseCode = 1 // the node stops
	CloseExhausted CloseCode = 2 // the packet counter ran out: dial again
	CloseViolation CloseCode = 3 // the peer broke the protocol
)

// String names the code.
func (c CloseCode) String() string {
	switch c {
	case CloseDone:
		return "done"
	case CloseLeaving:
		return "leaving"
	case CloseExhausted:
		return "exhausted"
	case CloseViolation:
		return "violation"
	}
	return "other"
}

// A Close ends the link: nothing follows, and nothing answers.
type Close struct{ Code CloseCode }

// ParseClose reads a CLOSE from the front of b.
func ParseClose(b []byte) (c Close, rest []byte, err error) {
	r, err := openMessage(b, TypeClose)
	c.Code = CloseCode(r.u8())
	return c, r.b, firstError(err, r.err)
}

// Append appends the 2 bytes of the message.
func (c Close) Append(dst []byte) []byte { return append(dst, byte(TypeClose), byte(c.Code)) }

// openMessage checks the type and returns a reader of what follows it: an empty one with an error.
func openMessage(b []byte, want byte) (reader, error) {
	if len(b) == 0 {
		return reader{}, ErrTruncated
	}
	if b[0] != want {
		return reader{}, ErrType
	}
	return reader{b: b[1:]}, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
