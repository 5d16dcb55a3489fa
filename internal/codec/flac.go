// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	flacMagic       = "fLaC"
	streamInfoBytes = 34
	flacHeadMax     = 16 // longest frame header: 4, number 7, block size 2, rate 2, CRC 1
)

// FLAC metadata block types (RFC 9639 section 8.1).
const (
	flacStreamInfo = 0
	flacComments   = 4
	flacLast       = 0x80 // flag: audio follows
)

// streamInfo is what frames must agree with (RFC 9639 section 8.2).
type streamInfo struct {
	rate     int
	channels int
	bits     int // per sample
}

func parseStreamInfo(b []byte) (streamInfo, bool) {
	if len(b) != streamInfoBytes {
		return streamInfo{}, false
	}
	v := binary.BigEndian.Uint64(b[10:])
	s := streamInfo{rate: int(v >> 44), channels: int(v>>41&7) + 1, bits: int(v>>36&31) + 1}
	return s, s.rate > 0
}

// plainStreamInfo clears what belongs to one file: frame sizes, total samples, MD5. 0 means unknown in all of them.
func plainStreamInfo(b []byte) []byte {
	b = bytes.Clone(b)
	clear(b[4:10])
	b[13] &= 0xf0
	clear(b[14:])
	return b
}

// readStreamInfo checks a header whose only packet is STREAMINFO.
func (h *Header) readStreamInfo() error {
	s, ok := parseStreamInfo(h.Packets[0])
	if !ok || len(h.Packets) != 1 {
		return fmt.Errorf("%w: FLAC STREAMINFO", ErrHeader)
	}
	if !bytes.Equal(plainStreamInfo(h.Packets[0]), h.Packets[0]) {
		return fmt.Errorf("%w: FLAC STREAMINFO of one file", ErrHeader)
	}
	h.SampleRate, h.Channels = s.rate, s.channels
	return nil
}

// samples returns the duration of the frame that begins at b[0]. verdictWait: b is too short to tell.
func (s streamInfo) samples(b []byte) (int, verdict) {
	const sync = 0xfff8
	switch {
	case len(b) >= 1 && b[0] != 0xff, len(b) >= 2 && b[1]&^1 != sync&0xff:
		return 0, verdictNo
	case len(b) < 6:
		return 0, verdictWait
	}
	sizeCode, rateCode, channelCode, bitsCode := b[2]>>4, b[2]&15, b[3]>>4, b[3]>>1&7
	if sizeCode == 0 || rateCode == 15 || channelCode > 10 || bitsCode == 3 || b[3]&1 != 0 {
		return 0, verdictNo
	}
	at := 4 + max(1, bits.LeadingZeros8(^b[4])) // the coded number, as in UTF-8
	if b[4]&0xc0 == 0x80 || b[4] == 0xff {
		return 0, verdictNo
	}
	n := at
	if sizeCode == 6 {
		n++
	}
	if sizeCode == 7 {
		n += 2
	}
	rateAt := n
	n += [16]int{12: 1, 13: 2, 14: 2}[rateCode]
	if len(b) <= n {
		return 0, verdictWait
	}
	if flacCRC8(b[:n]) != b[n] || !s.agrees(rateCode, b[rateAt:n], channelCode, bitsCode) {
		return 0, verdictNo
	}
	switch {
	case sizeCode == 1:
		return 192, verdictYes
	case sizeCode <= 5:
		return 144 << sizeCode, verdictYes
	case sizeCode == 6:
		return int(b[at]) + 1, verdictYes
	case sizeCode == 7:
		return int(binary.BigEndian.Uint16(b[at:])) + 1, verdictYes
	}
	return 1 << sizeCode, verdictYes
}

// agrees checks a frame header's codes (RFC 9639 section 9.1) against the stream's.
func (s streamInfo) agrees(rateCode byte, rate []byte, channelCode, bitsCode byte) bool {
	hz := s.rate
	switch rateCode {
	case 0:
	case 12:
		hz = int(rate[0]) * 1000
	case 13:
		hz = int(binary.BigEndian.Uint16(rate))
	case 14:
		hz = int(binary.BigEndian.Uint16(rate)) * 10
	default:
		hz = [12]int{1: 88200, 2: 176400, 3: 192000, 4: 8000, 5: 16000, 6: 22050, 7: 24000, 8: 32000, 9: 44100, 10: 48000, 11: 96000}[rateCode]
	}
	channels := int(channelCode) + 1
	if channelCode >= 8 {
		channels = 2 // left/side, side/right, mid/side
	}
	depth := [8]int{0: s.bits, 1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}[bitsCode]
	return hz == s.rate && channels == s.channels && depth == s.bits
}
