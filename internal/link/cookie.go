// SPDX-License-Identifier: MIT

package link

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"io"
	"net/netip"
	"time"

	"golang.org/x/crypto/blake2s"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Life of cookies.
const (
	cookiePeriod   = 120 * time.Second // a secret makes cookies for one period and is good for one more
	cookiesUsedMax = 4096              // of one secret; then it is replaced early
)

const macBytes = wire.CookieBytes - wire.NonceBytes

// A jar makes cookies and takes each of them once. A cookie is the nonce of the HELLO, and a MAC of nonce, address and
// port under a secret that nobody else has: nothing is remembered until it comes back. The zero value is ready.
type jar struct {
	current, previous secret
	since             mono.Time
	scratch           [blake2s.Size128]byte // Sum's result; the MAC's interface would move it to the heap
	input             [wire.NonceBytes + 16 + 2]byte
}

type secret struct {
	mac  hash.Hash                 // nil: none
	used map[[macBytes]byte]uint32 // by MAC; the index of the session that the cookie bought
}

// bake returns the cookie for a HELLO's nonce and address.
func (j *jar) bake(now mono.Time, secrets io.Reader, from netip.AddrPort, nonce [wire.NonceBytes]byte) (c [wire.CookieBytes]byte) {
	j.rotate(now, secrets)
	copy(c[:], nonce[:])
	mac := j.sum(j.current.mac, from, nonce)
	copy(c[wire.NonceBytes:], mac[:])
	return c
}

// check finds the secret that made a cookie for this address, nil when none did.
func (j *jar) check(now mono.Time, secrets io.Reader, from netip.AddrPort, c [wire.CookieBytes]byte) *secret {
	j.rotate(now, secrets)
	for _, s := range [...]*secret{&j.current, &j.previous} {
		if s.mac == nil {
			continue
		}
		mac := j.sum(s.mac, from, [wire.NonceBytes]byte(c[:wire.NonceBytes]))
		if subtle.ConstantTimeCompare(mac[:], c[wire.NonceBytes:]) == 1 {
			return s
		}
	}
	return nil
}

// use notes that a cookie bought a session, or may not buy another one: session is 0 then. When the secret has too many
// such notes a new one takes over.
func (j *jar) use(now mono.Time, secrets io.Reader, s *secret, c [wire.CookieBytes]byte, session uint32) {
	if s.used == nil {
		s.used = make(map[[macBytes]byte]uint32)
	}
	s.used[[macBytes]byte(c[wire.NonceBytes:])] = session
	if s == &j.current && len(s.used) >= cookiesUsedMax {
		j.replace(now, secrets)
	}
}

// spent tells whether a cookie was used, and for which session.
func (s *secret) spent(c [wire.CookieBytes]byte) (session uint32, ok bool) {
	session, ok = s.used[[macBytes]byte(c[wire.NonceBytes:])]
	return session, ok
}

func (j *jar) sum(mac hash.Hash, from netip.AddrPort, nonce [wire.NonceBytes]byte) [macBytes]byte {
	copy(j.input[:], nonce[:])
	ip := from.Addr().As16()
	copy(j.input[wire.NonceBytes:], ip[:])
	binary.BigEndian.PutUint16(j.input[wire.NonceBytes+16:], from.Port())
	mac.Reset()
	mac.Write(j.input[:])
	mac.Sum(j.scratch[:0])
	return j.scratch
}

// rotate replaces secrets that are too old.
func (j *jar) rotate(now mono.Time, secrets io.Reader) {
	switch age := now.Sub(j.since); {
	case j.current.mac == nil:
		j.replace(now, secrets)
	case age >= 2*cookiePeriod:
		j.replace(now, secrets)
		j.previous = secret{}
	case age >= cookiePeriod:
		j.replace(now, secrets)
	}
}

func (j *jar) replace(now mono.Time, secrets io.Reader) {
	var key [blake2s.Size]byte
	mustRead(secrets, key[:])
	mac, err := blake2s.New128(key[:])
	if err != nil {
		panic("link: BLAKE2s refused a key: " + err.Error())
	}
	j.previous = j.current
	j.current = secret{mac: mac}
	j.since = now
}

// mustRead fills b from a source of secrets that must not fail: there is nothing safe to do without it.
func mustRead(secrets io.Reader, b []byte) {
	if _, err := io.ReadFull(secrets, b); err != nil {
		panic("link: source of secrets failed: " + err.Error())
	}
}
