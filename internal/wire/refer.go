// SPDX-License-Identifier: MIT

package wire

import (
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
)

// ReferMax is how many addresses a REFER names at most.
const ReferMax = 3

// ReferBytesMax is the length of the longest REFER: shorter than a HELLO, which it answers.
const ReferBytesMax = 1 + NonceBytes + 1 + ReferMax*(1+16+2)

// Refer answers a HELLO in place of COOKIE: the upload has no room for links now, and these hosts carry what this one carries. Nothing
// about it is proven.
//
//	type 1 (9) | nonce 8, of the HELLO | count 1 (1 to 3) | count addresses (family 1: 4 or 6, address 4 or 16, port 2)
type Refer struct {
	Nonce [NonceBytes]byte
	Addrs []netip.AddrPort
}

// Append appends the datagram. More than 3 addresses, and those that no parser takes, are left out.
func (r Refer) Append(b []byte) []byte {
	return appendAddrs(append(append(b, byte(DatagramRefer)), r.Nonce[:]...), r.Addrs, ReferMax)
}

// ParseRefer reads a REFER, which must be the whole of b. The addresses are appended to into.
func ParseRefer(b []byte, into []netip.AddrPort) (r Refer, err error) {
	var typ uint8
	s := cryptobyte.String(b)
	switch {
	case len(b) > ReferBytesMax:
		return r, ErrTooLong
	case !s.ReadUint8(&typ):
		return r, ErrTruncated
	case typ != byte(DatagramRefer):
		return r, ErrType
	case !s.CopyBytes(r.Nonce[:]):
		return r, ErrTruncated
	}
	if r.Addrs, err = readAddrs(&s, into, ReferMax); err != nil {
		return Refer{}, err
	}
	switch {
	case !s.Empty():
		return Refer{}, ErrTooLong
	case len(r.Addrs) == len(into):
		return Refer{}, ErrMalformed // it would say nothing
	}
	return r, nil
}
