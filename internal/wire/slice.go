// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// A StationTag is the first 8 bytes of a station id, big-endian: enough to tell stations apart that one knows.
type StationTag uint64

// TagOf returns the tag of a station.
func TagOf(id identity.StationID) StationTag { return StationTag(binary.BigEndian.Uint64(id[:8])) }

// PrintsMax is the most fingerprints in a Slice.
const PrintsMax = 64

// printBits is the length of a fingerprint.
const printBits = 24

// A Slice names a part of all stations, and which records of it the sender has. Two nodes that know nearly the same
// compare a slice at a time: what is not among the prints is news. Another salt makes other slices and other prints, so that
// two records that look alike once do not look alike for ever.
//
//	salt 4 | modulus 2 | index 2 | n 1 | n prints of 3
type Slice struct {
	Salt    uint32
	Modulus uint16   // how many slices there are; 0: no slice
	Index   uint16   // of this one, below Modulus
	Prints  []uint32 // 24 bits each, at most PrintsMax
}

// Holds reports whether a station is in the slice.
func (s Slice) Holds(id identity.StationID) bool { return s.Has(TagOf(id)) }

// Has is Holds for a station's tag: the tag is all of the id that matters.
func (s Slice) Has(tag StationTag) bool {
	// The upper half of 64 mixed bits, scaled to the modulus: as even as a remainder, without a division.
	return s.Modulus > 0 && uint16(s.mix(tag, 0)>>32*uint64(s.Modulus)>>32) == s.Index
}

// Print is the 24-bit fingerprint of a station's record: of the station's tag, the record's sequence number (never 0) and
// the salt.
func (s Slice) Print(id identity.StationID, seq uint32) uint32 { return s.PrintOf(TagOf(id), seq) }

// PrintOf is Print for a station's tag.
func (s Slice) PrintOf(tag StationTag, seq uint32) uint32 {
	return uint32(s.mix(tag, seq) >> (64 - printBits))
}

// mix spreads tag, salt and number over 64 bits: SplitMix64's finalizer, twice. It keeps nobody from making a station that
// meets another one under one salt, but under all salts only those meet whose ids begin with the same 64 bits.
func (s Slice) mix(tag StationTag, number uint32) uint64 {
	h := splitMix(uint64(tag) + uint64(s.Salt)*0x9e3779b97f4a7c15)
	return splitMix(h + uint64(number)*0x9e3779b97f4a7c15)
}

// splitMix is the output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
func splitMix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// append appends the slice, which must have a modulus.
func (s *Slice) append(b []byte) []byte {
	b = appendU32(b, s.Salt)
	b = binary.BigEndian.AppendUint16(b, s.Modulus)
	b = binary.BigEndian.AppendUint16(b, s.Index)
	prints := s.Prints[:min(len(s.Prints), PrintsMax)]
	b = append(b, uint8(len(prints)))
	for _, p := range prints {
		b = append(b, byte(p>>16), byte(p>>8), byte(p))
	}
	return b
}

// bytes is what append appends.
func (s *Slice) bytes() int { return 4 + 2 + 2 + 1 + 3*min(len(s.Prints), PrintsMax) }

// read reads the slice; it appends the prints to those that are there.
func (s *Slice) read(r *cryptobyte.String) error {
	var n uint8
	if !r.ReadUint32(&s.Salt) || !r.ReadUint16(&s.Modulus) || !r.ReadUint16(&s.Index) || !r.ReadUint8(&n) {
		return ErrTruncated
	}
	if n > PrintsMax {
		return ErrTooLong
	}
	if s.Index >= s.Modulus {
		return ErrMalformed
	}
	for range n {
		var p uint32
		if !r.ReadUint24(&p) {
			return ErrTruncated
		}
		s.Prints = append(s.Prints, p)
	}
	return nil
}
