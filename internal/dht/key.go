// SPDX-License-Identifier: MIT

package dht

import (
	"crypto/sha256"

	"streamer/internal/identity"
)

// KeyBytes is the length of a Key.
const KeyBytes = 20

// A Key is what addresses are announced under: an info-hash in BEP 5. Ours are the first 20 bytes of the SHA-256 of a label
// and what follows it, so they are nobody else's info-hash.
type Key [KeyBytes]byte

// NetworkKey is where hosts of the whole network are found.
func NetworkKey() Key { return newKey("streamerp2p 1 network", nil) }

// StationKey is where hosts that have a station are found. Whoever knows the station's id can look there.
func StationKey(station identity.StationID) Key { return newKey("streamerp2p 1 station", station[:]) }

func newKey(label string, name []byte) Key {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write([]byte{0}) // no label is the beginning of another
	h.Write(name)
	return Key(h.Sum(nil)[:KeyBytes])
}
