// SPDX-License-Identifier: MIT

package identity

import (
	"crypto/ed25519"
	"fmt"
	"io"
)

// SignatureBytes is the length of a station's signature.
const SignatureBytes = ed25519.SignatureSize

// A StationID is a station's Ed25519 public key (RFC 8032). It is what a link names, what survives a change of address,
// and what everything that the station says is verified with. The zero value means "none".
type StationID [KeyBytes]byte

// String is the id in lower-case base32 without padding, 52 characters.
func (id StationID) String() string { return idEncoding().EncodeToString(id[:]) }

// Short is the first 8 characters of String, for logs and people.
func (id StationID) Short() string { return id.String()[:8] }

// IsZero reports whether the id names no station.
func (id StationID) IsZero() bool { return id == StationID{} }

// Verify reports whether sig is the station's signature of msg. Any input is allowed.
func (id StationID) Verify(msg, sig []byte) bool {
	return len(sig) == SignatureBytes && ed25519.Verify(id[:], msg, sig)
}

// MarshalText is String, for JSON and logs.
func (id StationID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseStationID.
func (id *StationID) UnmarshalText(text []byte) error {
	parsed, err := ParseStationID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseStationID reads what String writes; capital letters are accepted too.
func ParseStationID(s string) (StationID, error) {
	id, err := parseID(s)
	if err != nil {
		return StationID{}, fmt.Errorf("station id %w", err)
	}
	return StationID(id), nil
}

// A StationKey is a station's secret key: whoever has it is the station. The zero value is no key and must not sign.
type StationKey struct {
	secret func() [ed25519.PrivateKeySize]byte // seed and public key; a closure, as in NodeKey
	public StationID
}

// NewStationKey makes the key that belongs to seed, which must be secret and uniformly random.
func NewStationKey(seed [KeyBytes]byte) StationKey {
	private := [ed25519.PrivateKeySize]byte(ed25519.NewKeyFromSeed(seed[:]))
	return StationKey{
		secret: func() [ed25519.PrivateKeySize]byte { return private },
		public: StationID(private[KeyBytes:]),
	}
}

// ID returns the station's id.
func (k StationKey) ID() StationID { return k.public }

// Seed returns the secret: it is meant for key files only.
func (k StationKey) Seed() [KeyBytes]byte {
	private := k.secret()
	return [KeyBytes]byte(private[:KeyBytes])
}

// Sign returns the 64-byte signature of msg. Equal input gives an equal signature.
func (k StationKey) Sign(msg []byte) []byte {
	private := k.secret()
	return ed25519.Sign(private[:], msg)
}

// String names the key without the secret.
func (k StationKey) String() string { return "StationKey(" + k.public.Short() + ", secret withheld)" }

// GoString is String: %#v shows no secret.
func (k StationKey) GoString() string { return k.String() }

// Format is String for every verb and flag.
func (k StationKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// MarshalText is String, so that encoders and loggers show no secret.
func (k StationKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
