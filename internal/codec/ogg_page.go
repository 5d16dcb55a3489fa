// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
)

// An oggPage is one page of an Ogg stream (RFC 3533 section 6). It aliases the bytes it was read from.
type oggPage struct {
	flags    byte
	granule  int64
	serial   uint32
	sequence uint32
	lacing   []byte // lengths of the segments; a packet ends with the first one below 255
	body     []byte
}

// Page flags.
const (
	oggContinued = 1 // the first packet began on an earlier page
	oggBOS       = 2 // first page of a logical stream
	oggEOS       = 4 // last page of a logical stream
)

const (
	oggCapture     = "OggS"
	oggHeadBytes   = 27 // before the lacing
	oggCRCAt       = 22
	oggSegmentsMax = 255
)

// readOggPage reads the page at b[0]. verdictNo: none begins here, or it is damaged.
func readOggPage(b []byte) (p oggPage, size int, v verdict) {
	if n := min(len(b), len(oggCapture)+1); string(b[:n]) != (oggCapture + "\x00")[:n] {
		return p, 0, verdictNo
	}
	if len(b) < oggHeadBytes {
		return p, 0, verdictWait
	}
	segments := int(b[oggHeadBytes-1])
	if len(b) < oggHeadBytes+segments {
		return p, 0, verdictWait
	}
	p.lacing = b[oggHeadBytes : oggHeadBytes+segments]
	size = oggHeadBytes + segments
	for _, n := range p.lacing {
		size += int(n)
	}
	if len(b) < size {
		return p, 0, verdictWait
	}
	crc := oggCRC(0, b[:oggCRCAt])
	crc = oggCRC(crc, make([]byte, 4))
	crc = oggCRC(crc, b[oggCRCAt+4:size])
	if crc != binary.LittleEndian.Uint32(b[oggCRCAt:]) {
		return p, 0, verdictNo
	}
	p.flags = b[5]
	p.granule = int64(binary.LittleEndian.Uint64(b[6:]))
	p.serial = binary.LittleEndian.Uint32(b[14:])
	p.sequence = binary.LittleEndian.Uint32(b[18:])
	p.body = b[oggHeadBytes+segments : size]
	return p, size, verdictYes
}

// appendOggPage appends the page. Lacing and body must agree.
func appendOggPage(dst []byte, p oggPage) []byte {
	start := len(dst)
	dst = append(dst, oggCapture...)
	dst = append(dst, 0, p.flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.granule))
	dst = binary.LittleEndian.AppendUint32(dst, p.serial)
	dst = binary.LittleEndian.AppendUint32(dst, p.sequence)
	dst = append(dst, 0, 0, 0, 0, byte(len(p.lacing)))
	dst = append(dst, p.lacing...)
	dst = append(dst, p.body...)
	binary.LittleEndian.PutUint32(dst[start+oggCRCAt:], oggCRC(0, dst[start:]))
	return dst
}

// indexOgg returns how many bytes at the start of b cannot begin a page.
func indexOgg(b []byte) int {
	if n := bytes.Index(b, []byte(oggCapture)); n >= 0 {
		return n
	}
	return max(0, len(b)-len(oggCapture)+1)
}
