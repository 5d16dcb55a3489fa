// SPDX-License-Identifier: MIT

package link

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Life of a key. A receiver can follow one rekey at a time: two must not fall into a time in which everything is lost. The
// link would be down by then, since rekeyPause is longer than silenceMax.
const (
	rekeyPackets = 1 << 20
	rekeyAfter   = 2 * time.Minute
	rekeyPause   = 30 * time.Second // at least, between two rekeys
	keepPrevious = 3 * time.Second  // how long late packets of the previous key are taken
)

// counterMax is where a link ends: the counter never wraps. What is above it is for CLOSE.
const counterMax = math.MaxUint32 - 1024

// rekeyNonce is the counter that Noise keeps for REKEY (section 11.3).
const rekeyNonce = math.MaxUint64

// nonce is Noise's: four zero bytes and the counter, little-endian.
type nonce [chacha20poly1305.NonceSize]byte

func (n *nonce) set(counter uint64) []byte {
	binary.LittleEndian.PutUint64(n[4:], counter)
	return n[:]
}

func newAEAD(key [chacha20poly1305.KeySize]byte) cipher.AEAD {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic("link: ChaCha20-Poly1305 refused 32 bytes: " + err.Error())
	}
	return aead
}

// rekey is Noise's REKEY: the next key is what 32 zero bytes become under this one. The key itself cannot be got back.
func rekey(aead cipher.AEAD) cipher.AEAD {
	var n nonce
	var zeros [chacha20poly1305.KeySize]byte
	sealed := aead.Seal(nil, n.set(rekeyNonce), zeros[:], nil)
	return newAEAD([chacha20poly1305.KeySize]byte(sealed))
}

// A sender is the outgoing half of a session.
type sender struct {
	aead     cipher.AEAD
	receiver uint32 // index that the peer chose
	counter  uint32 // of the next packet
	first    uint32 // counter of the first packet under this key
	since    mono.Time
	phase    bool
}

// next takes a counter and rekeys when it is time. The caller has compared the counter to counterMax.
func (s *sender) next(now mono.Time) (h wire.DataHeader, rekeyed bool) {
	age := now.Sub(s.since)
	if s.counter-s.first >= rekeyPackets && age >= rekeyPause || s.counter > s.first && age >= rekeyAfter {
		s.aead = rekey(s.aead)
		s.phase = !s.phase
		s.first, s.since = s.counter, now
		rekeyed = true
	}
	h = wire.DataHeader{Phase: s.phase, Receiver: s.receiver, Counter: s.counter}
	s.counter++
	return h, rekeyed
}

// A receiver is the incoming half of a session. The peer rekeys when it likes; its phase bit says so (RFC 9001 section 6).
type receiver struct {
	window   window
	phase    bool
	first    uint32      // counter of the packet that brought the current key
	current  cipher.AEAD //
	previous cipher.AEAD // nil before the first rekey
	until    mono.Time   // when previous is forgotten
	ahead    cipher.AEAD // the key after current, made when a packet asks for it
}

// open decrypts into dst. It changes nothing that an attacker could use unless the packet is authentic.
func (r *receiver) open(now mono.Time, h wire.DataHeader, n *nonce, dst, header, sealed []byte) ([]byte, error) {
	aead := r.current
	next := false
	if h.Phase != r.phase {
		if h.Counter < r.first {
			// All counters of an older key are lower than all of a newer one.
			if aead = r.previous; aead == nil || now >= r.until {
				return nil, errOldKey
			}
		} else {
			if r.ahead == nil {
				r.ahead = rekey(r.current)
			}
			aead, next = r.ahead, true
		}
	}
	plain, err := aead.Open(dst, n.set(uint64(h.Counter)), sealed, header)
	if err != nil {
		return nil, errForged
	}
	if next {
		r.previous, r.current, r.ahead = r.current, r.ahead, nil
		r.until = now.Add(keepPrevious)
		r.phase, r.first = h.Phase, h.Counter
	}
	return plain, nil
}
