// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	opusRate     = 48000 // the clock of Opus packets, whatever the input was sampled at
	opusTags     = "OpusTags"
	opusPreskip  = 10       // offset in OpusHead
	opusLongest  = 120 * 48 // samples in a packet
	opusHeadSize = 19       // without a channel mapping
	opusHeadMax  = 21 + 255 // with one
)

func opusHeadMagic() []byte { return []byte("OpusHead") }

// readOpusHead checks an OpusHead packet (RFC 7845 section 5.1).
func (h *Header) readOpusHead() error {
	p := h.Packets[0]
	if len(h.Packets) != 1 || len(p) < opusHeadSize || len(p) > opusHeadMax || !bytes.HasPrefix(p, opusHeadMagic()) || p[8]>>4 != 0 {
		return fmt.Errorf("%w: OpusHead", ErrHeader)
	}
	family, channels := p[18], int(p[9])
	if channels == 0 || family == 0 && channels > 2 || family != 0 && len(p) < 21+channels {
		return fmt.Errorf("%w: OpusHead with %d channels", ErrHeader, channels)
	}
	h.SampleRate, h.Channels = opusRate, channels
	return nil
}

// opusSkip returns the samples that a decoder drops at the start.
func opusSkip(head []byte) int { return int(binary.LittleEndian.Uint16(head[opusPreskip:])) }

// opusSamples returns the duration of a packet at 48 kHz (RFC 6716 section 3.1).
func opusSamples(packet []byte) (int, bool) {
	if len(packet) == 0 {
		return 0, false
	}
	const ms = opusRate / 1000
	var frame int
	switch config := packet[0] >> 3; {
	case config < 12: // SILK
		frame = [4]int{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config&3]
	case config < 16: // hybrid
		frame = [2]int{10 * ms, 20 * ms}[config&1]
	default: // CELT
		frame = 5 * ms / 2 << (config & 3)
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0, false
		}
		frames = int(packet[1] & 63)
	}
	n := frame * frames
	return n, n > 0 && n <= opusLongest
}
