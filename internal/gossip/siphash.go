// SPDX-License-Identifier: MIT

package gossip

import (
	"encoding/binary"
	"math/bits"
)

// A sipKey keys SipHash-2-4 (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012): who does not know the key cannot
// choose inputs that meet.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(b []byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// words is SipHash-2-4 of whole 64-bit words, in little-endian order as the function reads bytes.
func (k sipKey) words(words ...uint64) uint64 {
	v0, v1 := k.k0^0x736f6d6570736575, k.k1^0x646f72616e646f6d
	v2, v3 := k.k0^0x6c7967656e657261, k.k1^0x7465646279746573
	round := func(n int) {
		for range n {
			v0 += v1
			v1 = bits.RotateLeft64(v1, 13) ^ v0
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v3
			v3 = bits.RotateLeft64(v3, 16) ^ v2
			v0 += v3
			v3 = bits.RotateLeft64(v3, 21) ^ v0
			v2 += v1
			v1 = bits.RotateLeft64(v1, 17) ^ v2
			v2 = bits.RotateLeft64(v2, 32)
		}
	}
	for _, m := range words {
		v3 ^= m
		round(2)
		v0 ^= m
	}
	last := uint64(len(words)*8) << 56
	v3 ^= last
	round(2)
	v0 ^= last
	v2 ^= 0xff
	round(4)
	return v0 ^ v1 ^ v2 ^ v3
}
