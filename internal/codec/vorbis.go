// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// vorbisTiming is what is needed to tell how long Vorbis packets last (Vorbis I specification 4.2.2, 4.2.4, 4.3.8).
type vorbisTiming struct {
	blocks   [2]int // samples of a short and a long block
	long     uint64 // bit m: mode m uses long blocks
	modes    int
	modeBits int
	before   int // samples of the block before; 0: none; or vorbisUnknown
}

const vorbisUnknown = -1

const (
	vorbisIdent    = "\x01vorbis"
	vorbisComments = "\x03vorbis"
	vorbisSetup    = "\x05vorbis"
)

// readVorbis checks the identification and setup header and fills in what they say.
func (h *Header) readVorbis() error {
	if len(h.Packets) != 2 {
		return fmt.Errorf("%w: Vorbis needs 2 packets, not %d", ErrHeader, len(h.Packets))
	}
	t, err := newVorbisTiming(h.Packets[0], h.Packets[1])
	if err != nil {
		return err
	}
	ident := h.Packets[0]
	h.Channels = int(ident[11])
	h.SampleRate = int(binary.LittleEndian.Uint32(ident[12:]))
	if h.Channels == 0 || h.SampleRate == 0 || h.SampleRate > sampleRateMax || t.modes == 0 {
		return fmt.Errorf("%w: Vorbis with %d channels at %d Hz", ErrHeader, h.Channels, h.SampleRate)
	}
	return nil
}

// sampleRateMax is the highest sample rate, in Hz; FLAC's 20 bits reach just above it.
const sampleRateMax = 1 << 20

// vorbisBitrate returns the nominal bit rate of an identification header that was found good; 0 unknown.
func vorbisBitrate(ident []byte) int {
	nominal := binary.LittleEndian.Uint32(ident[20:])
	if nominal > bitrateMax {
		return 0
	}
	return int(nominal)
}

func newVorbisTiming(ident, setup []byte) (vorbisTiming, error) {
	var t vorbisTiming
	const identBytes = 30
	if len(ident) != identBytes || !bytes.HasPrefix(ident, []byte(vorbisIdent)) || ident[identBytes-1]&1 == 0 ||
		binary.LittleEndian.Uint32(ident[7:]) != 0 {
		return t, fmt.Errorf("%w: Vorbis identification", ErrHeader)
	}
	short, long := ident[28]&15, ident[28]>>4
	if short < 6 || short > long || long > 13 {
		return t, fmt.Errorf("%w: Vorbis block sizes", ErrHeader)
	}
	t.blocks = [2]int{1 << short, 1 << long}
	if !bytes.HasPrefix(setup, []byte(vorbisSetup)) || !t.readModes(setup[len(vorbisSetup):]) {
		return t, fmt.Errorf("%w: Vorbis setup", ErrHeader)
	}
	return t, nil
}

// readModes finds the mode list, the last thing in the setup header, from its end: everything before it would have to be
// decoded to get there from the front. A mode is a block flag, 16 and 16 zero bits, and 8 bits for one of 64 mappings; the
// number of modes less one stands before the list in 6 bits.
func (t *vorbisTiming) readModes(setup []byte) bool {
	const modeBits, countBits, modesMax = 41, 6, 64
	end := 8 * len(setup)
	for end > 0 && bitsAt(setup, end-1, 1) == 0 {
		end-- // the framing bit is the last one that is set
	}
	end--
	var long uint64
	for n := 1; n <= modesMax; n++ {
		at := end - n*modeBits
		if at < countBits || bitsAt(setup, at+1, 32) != 0 || bitsAt(setup, at+33, 8) > 63 {
			break
		}
		long = long<<1 | bitsAt(setup, at, 1)
		if bitsAt(setup, at-countBits, countBits)+1 == uint64(n) {
			t.modes, t.long = n, long // the longest list that fits is the right one: see libavcodec's vorbis_parser.c
		}
	}
	t.modeBits = bits.Len(uint(t.modes - 1))
	return t.modes > 0
}

// bitsAt reads n bits, at most 32, at bit position at: the least significant bit of a byte comes first.
func bitsAt(b []byte, at, n int) (v uint64) {
	for i := range n {
		v |= uint64(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return v
}

// samples returns how many samples a decoder gives out with this packet: none with the first one.
func (t *vorbisTiming) samples(packet []byte) (int, bool) {
	if len(packet) == 0 || packet[0]&1 != 0 {
		return 0, false
	}
	mode := int(packet[0]>>1) & (1<<t.modeBits - 1)
	if mode >= t.modes {
		return 0, false
	}
	block := t.blocks[t.long>>mode&1]
	before := t.before
	t.before = block
	switch before {
	case 0:
		return 0, true
	case vorbisUnknown:
		before = block
	}
	return (before + block) / 4, true
}
