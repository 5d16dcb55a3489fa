// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"math/bits"
)

// EBML and Matroska element ids, with their length marker (RFC 8794 section 5, RFC 9559 section 5).
const (
	idEBML               = 0x1a45dfa3
	idEBMLVersion        = 0x4286
	idEBMLReadVersion    = 0x42f7
	idEBMLMaxIDLength    = 0x42f2
	idEBMLMaxSizeLength  = 0x42f3
	idDocType            = 0x4282
	idDocTypeVersion     = 0x4287
	idDocTypeReadVersion = 0x4285
	idSegment            = 0x18538067
	idInfo               = 0x1549a966
	idTimestampScale     = 0x2ad7b1
	idTitle              = 0x7ba9
	idMuxingApp          = 0x4d80
	idWritingApp         = 0x5741
	idTracks             = 0x1654ae6b
	idTrackEntry         = 0xae
	idTrackNumber        = 0xd7
	idTrackUID           = 0x73c5
	idTrackType          = 0x83
	idFlagLacing         = 0x9c
	idCodecID            = 0x86
	idCodecPrivate       = 0x63a2
	idCodecDelay         = 0x56aa
	idSeekPreRoll        = 0x56bb
	idAudio              = 0xe1
	idSamplingFrequency  = 0xb5
	idChannels           = 0x9f
	idContentEncodings   = 0x6d80
	idCluster            = 0x1f43b675
	idTimestamp          = 0xe7
	idSimpleBlock        = 0xa3
	idBlockGroup         = 0xa0
	idBlock              = 0xa1
	idTags               = 0x1254c367
	idTag                = 0x7373
	idTargets            = 0x63c0
	idSimpleTag          = 0x67c8
	idTagName            = 0x45a3
	idTagString          = 0x4487
)

const (
	ebmlMagic       = "\x1a\x45\xdf\xa3"
	ebmlUnknownSize = -1
)

// readElement reads an element's id and size; size is ebmlUnknownSize where the element ends with its parent or at the
// next one of its kind. verdictNo: none begins here.
func readElement(b []byte) (id uint32, size int64, head int, v verdict) {
	if len(b) == 0 {
		return 0, 0, 0, verdictWait
	}
	idBytes := bits.LeadingZeros8(b[0]) + 1
	if idBytes > 4 {
		return 0, 0, 0, verdictNo
	}
	if len(b) <= idBytes {
		return 0, 0, 0, verdictWait
	}
	for _, c := range b[:idBytes] {
		id = id<<8 | uint32(c)
	}
	size, n, v := readVint(b[idBytes:])
	return id, size, idBytes + n, v
}

// readVint reads a variable-length number (RFC 8794 section 4); all ones give ebmlUnknownSize.
func readVint(b []byte) (value int64, n int, v verdict) {
	if len(b) == 0 {
		return 0, 0, verdictWait
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if n > 8 {
		return 0, 0, verdictNo
	}
	if len(b) < n {
		return 0, 0, verdictWait
	}
	value = int64(b[0]) & (0x7f >> (n - 1))
	for _, c := range b[1:n] {
		value = value<<8 | int64(c)
	}
	if value == 1<<(7*n)-1 {
		value = ebmlUnknownSize
	}
	return value, n, verdictYes
}

// readUint reads the value of an unsigned integer element of at most 8 bytes.
func readUint(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// appendElement appends an element with its value.
func appendElement(dst []byte, id uint32, value []byte) []byte {
	dst = appendID(dst, id)
	dst = appendSize(dst, len(value))
	return append(dst, value...)
}

// appendUint appends an unsigned integer element.
func appendUint(dst []byte, id uint32, v uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, v)
	return appendElement(dst, id, b[min(7, bits.LeadingZeros64(v)/8):])
}

func appendString(dst []byte, id uint32, s string) []byte {
	return appendElement(dst, id, []byte(s))
}

func appendID(dst []byte, id uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	return append(dst, b[bits.LeadingZeros32(id)/8:]...)
}

// appendSize appends a size in four bytes, enough for 256 MiB.
func appendSize(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, 1<<28|uint32(n))
}

// appendUnknownSize appends the size of an element that ends with the stream.
func appendUnknownSize(dst []byte) []byte {
	return append(dst, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}
