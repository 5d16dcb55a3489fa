// SPDX-License-Identifier: MIT

package codec

// The three checksums of Ogg and FLAC, most significant bit first, no inversion (RFC 3533 section 6, RFC 9639 section 9).
// The tables are written once, here.
var (
	oggTable    = crc32Table(0x04c11db7)
	flac16Table = crc16Table(0x8005)
	flac8Table  = crc8Table(0x07)
)

func crc32Table(poly uint32) *[256]uint32 {
	var t [256]uint32
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			c = c<<1 ^ poly*(c>>31)
		}
		t[i] = c
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
	for _, c := range b {
		crc = crc<<8 ^ oggTable[byte(crc>>24)^c]
	}
	return crc
}

func flacCRC16(crc uint16, b []byte) uint16 {
	for _, c := range b {
		crc = crc<<8 ^ flac16Table[byte(crc>>8)^c]
	}
	return crc
}

func flacCRC8(b []byte) (crc uint8) {
	for _, c := range b {
		crc = flac8Table[crc^c]
	}
	return crc
}
