// SPDX-License-Identifier: MIT

// Package identity holds who is who: node keys (X25519), station keys (Ed25519), their ids, and the streamerp2p: links
// that name a station. It does no I/O and makes no randomness: keys come from seeds that the caller drew or read, and key
// files are the daemon's business. Secret keys never print themselves, whatever verb, logger or encoder is used. All
// values are small and never changed after they were made; ids are comparable, keys are not.
package identity

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
)

// KeyBytes is the length of a seed, of a NodeID and of a StationID.
const KeyBytes = 32

// idChars is the length of an id in text: 256 bits in base32 without padding.
const idChars = 52

// A NodeID is a node's X25519 public key (RFC 7748). The zero value means "unknown".
type NodeID [KeyBytes]byte

// String is the id in lower-case base32 without padding, 52 characters.
func (id NodeID) String() string { return idEncoding().EncodeToString(id[:]) }

// Short is the first 8 characters of String, for logs and people.
func (id NodeID) Short() string { return id.String()[:8] }

// IsZero reports whether the id is unknown.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// Compare orders ids as byte strings: -1, 0 or +1.
func (id NodeID) Compare(other NodeID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText is String, for JSON and logs.
func (id NodeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseNodeID.
func (id *NodeID) UnmarshalText(text []byte) error {
	parsed, err := ParseNodeID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseNodeID reads what String writes; capital letters are accepted too.
func ParseNodeID(s string) (NodeID, error) {
	id, err := parseID(s)
	if err != nil {
		return NodeID{}, fmt.Errorf("node id %w", err)
	}
	return NodeID(id), nil
}

// A NodeKey is a node's secret key. The zero value is no key: it has the zero id and must not be used.
type NodeKey struct {
	secret func() [KeyBytes]byte // a closure: fmt and reflection see an address, also inside other structs
	public NodeID
}

// NewNodeKey makes the key that belongs to seed, which must be secret and uniformly random.
func NewNodeKey(seed [KeyBytes]byte) NodeKey {
	private, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		panic("identity: X25519 refused 32 bytes: " + err.Error())
	}
	return NodeKey{secret: func() [KeyBytes]byte { return seed }, public: NodeID(private.PublicKey().Bytes())}
}

// Public returns the node's id.
func (k NodeKey) Public() NodeID { return k.public }

// Seed returns the secret: it is meant for the handshake and for key files only.
func (k NodeKey) Seed() [KeyBytes]byte { return k.secret() }

// String names the key without the secret.
func (k NodeKey) String() string { return "NodeKey(" + k.public.Short() + ", secret withheld)" }

// GoString is String: %#v shows no secret.
func (k NodeKey) GoString() string { return k.String() }

// Format is String for every verb and flag.
func (k NodeKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// MarshalText is String, so that encoders and loggers show no secret.
func (k NodeKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Why an id is refused; parseID's callers put in front what kind of id it is.
var (
	errIDLength   = errors.New("must have 52 characters")
	errIDAlphabet = errors.New("may hold only the letters a-z and the digits 2-7")
	errIDTail     = errors.New("ends in an impossible character: it was cut or mistyped")
)

// idEncoding is base32 (RFC 4648 section 6) in lower case without padding.
func idEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func parseID(s string) (id [KeyBytes]byte, err error) {
	if len(s) != idChars {
		return id, errIDLength
	}
	var bits, n uint32 // the low n bits of bits are not yet stored
	at := 0
	for i := range len(s) {
		v, ok := idDigit(s[i])
		if !ok {
			return [KeyBytes]byte{}, errIDAlphabet
		}
		bits, n = bits<<5|v, n+5
		if n >= 8 {
			n -= 8
			id[at] = byte(bits >> n)
			at++
		}
	}
	// 52 characters carry 260 bits: the last 4 must be zero, or two texts would name one key.
	if bits&0xf != 0 {
		return [KeyBytes]byte{}, errIDTail
	}
	return id, nil
}

func idDigit(c byte) (uint32, bool) {
	switch {
	case 'a' <= c && c <= 'z':
		return uint32(c - 'a'), true
	case 'A' <= c && c <= 'Z':
		return uint32(c - 'A'), true
	case '2' <= c && c <= '7':
		return uint32(c-'2') + 26, true
	}
	return 0, false
}
