// SPDX-License-Identifier: MIT

package codec

import "encoding/binary"

// The three checksums of Ogg and FLAC, most significant bit first, no inversion (RFC 3533 section 6, RFC 9639 section 9).
// The tables are written once, here.
var (
	oggTables   = crc32Tables(0x04c11db7)
	flac16Table = crc16Table(0x8005)
	flac8Table  = crc8Table(0x07)
)

// crc32Tables returns tables to take eight bytes at once: [n][c] is what c does to the checksum when n bytes follow it.
func crc32Tables(poly uint32) *[8][256]uint32 {
	var t [8][256]uint32
	for i := range t[0] {
		c := uint32(i) << 24
		for range 8 {
			c = c<<1 ^ poly*(c>>31)
		}
		t[0][i] = c
	}
	for n := 1; n < len(t); n++ {
		for i, c := range t[n-1] {
			t[n][i] = c<<8 ^ t[0][c>>24]
		}
	}
	return &t
}

func crc16Table(poly uint16) *[256]uint16 {
	var t [256]uint16
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			c = c<<1 ^ poly*(c>>15)
		}
		t[i] = c
	}
	return &t
}

func crc8Table(poly uint8) *[256]uint8 {
	var t [256]uint8
	for i := range t {
		c := uint8(i)
		for range 8 {
			c = c<<1 ^ poly*(c>>7)
		}
		t[i] = c
	}
	return &t
}

func oggCRC(crc uint32, b []byte) uint32 {
	t := oggTables
	for ; len(b) >= 8; b = b[8:] {
		crc ^= binary.BigEndian.Uint32(b)
		crc = t[7][crc>>24] ^ t[6][crc>>16&255] ^ t[5][crc>>8&255] ^ t[4][crc&255] ^
			t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
	}
	for _, c := range b {
		crc = crc<<8 ^ t[0][byte(crc>>24)^c]
	}
	return crc
}

func flacCRC8(b []byte) (crc uint8) {
	for _, c := range b {
		crc = flac8Table[crc^c]
	}
	return crc
}
