// SPDX-License-Identifier: MIT

package sound

import (
	"fmt"
	"math/bits"

	"streamer/internal/codec"
)

// A flacEngine decodes FLAC frames (RFC 9639). It is our own: the one free library needs a module that has no licence.
type flacEngine struct {
	rate, channels, bits int
	r                    msbReader
	blocks               [channelsMax][]int64
	out                  []float32
}

func newFLAC(h codec.Header) (*flacEngine, error) {
	info := h.Packets[0]
	if len(info) < 14 {
		return nil, fmt.Errorf("%w: FLAC with %d bytes of STREAMINFO", ErrUnsupported, len(info))
	}
	depth := int(info[12]&1)<<4 | int(info[13]>>4) + 1
	return &flacEngine{rate: h.SampleRate, channels: h.Channels, bits: depth}, nil
}

// gap does nothing: every frame stands for itself.
func (e *flacEngine) gap() {}

// Ways to keep two channels (section 9.1.3).
const (
	flacLeftSide  = 8
	flacRightSide = 9
	flacMidSide   = 10
)

func (e *flacEngine) decode(frame []byte) ([]float32, error) {
	const crcBytes = 2
	if len(frame) < crcBytes || crc16(frame) != 0 {
		return nil, fmt.Errorf("%w: FLAC's checksum", errFrame)
	}
	e.r = msbReader{b: frame[:len(frame)-crcBytes]}
	size, layout, depth, ok := e.head()
	if !ok {
		return nil, fmt.Errorf("%w: FLAC's frame header", errFrame)
	}
	for c := range e.channels {
		if cap(e.blocks[c]) < size {
			e.blocks[c] = make([]int64, size)
		}
		e.blocks[c] = e.blocks[c][:size]
		wide := depth
		if layout == flacRightSide && c == 0 || (layout == flacLeftSide || layout == flacMidSide) && c == 1 {
			wide++ // the difference
		}
		if !e.subframe(e.blocks[c], wide) || e.r.over {
			return nil, fmt.Errorf("%w: FLAC's channel %d", errFrame, c)
		}
	}
	e.join(layout)
	return e.interleave(size, depth), nil
}

// head reads a frame header (section 9.1).
func (e *flacEngine) head() (size, layout, depth int, ok bool) {
	r := &e.r
	if r.read(15) != 0x7ffc {
		return 0, 0, 0, false
	}
	r.read(1)
	sizeCode, rateCode := int(r.read(4)), int(r.read(4))
	layout = int(r.read(4))
	depth = [8]int{e.bits, 8, 12, 0, 16, 20, 24, 32}[r.read(3)]
	r.read(1)
	if first := byte(r.read(8)); first >= 0xc0 { // the frame's number, as long as in UTF-8
		r.read(8 * (bits.LeadingZeros8(^first) - 1))
	}
	switch {
	case sizeCode == 1:
		size = 192
	case sizeCode >= 2 && sizeCode <= 5:
		size = 144 << sizeCode
	case sizeCode == 6:
		size = int(r.read(8)) + 1
	case sizeCode == 7:
		size = int(r.read(16)) + 1
	case sizeCode >= 8:
		size = 1 << sizeCode
	}
	rate := [16]int{e.rate, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}[rateCode]
	switch rateCode {
	case 12:
		rate = 1000 * int(r.read(8))
	case 13:
		rate = int(r.read(16))
	case 14:
		rate = 10 * int(r.read(16))
	}
	r.read(8) // its checksum: that of the frame was right
	channels := layout + 1
	if layout >= flacLeftSide {
		channels = 2
	}
	ok = size > 0 && size <= frameSamplesMax && depth >= 4 && rate == e.rate && channels == e.channels && layout <= flacMidSide
	return size, layout, depth, ok && !r.over
}

// subframe reads one channel (section 9.2).
func (e *flacEngine) subframe(block []int64, depth int) bool {
	r := &e.r
	kind := int(r.read(7))
	wasted := 0
	if r.read(1) == 1 {
		wasted = r.zeros() + 1
		depth -= wasted
	}
	if depth < 1 || r.over {
		return false
	}
	ok := true
	switch {
	case kind == 0: // constant
		v := r.signed(depth)
		for i := range block {
			block[i] = v
		}
	case kind == 1: // verbatim
		for i := range block {
			block[i] = r.signed(depth)
		}
	case kind >= 8 && kind <= 12:
		ok = e.fixed(block, kind-8, depth)
	case kind >= 32 && kind < 64:
		ok = e.linear(block, kind-31, depth)
	default:
		ok = false
	}
	for i := range block {
		block[i] <<= wasted
	}
	return ok
}

// fixed reads a subframe with one of five fixed predictors (section 9.2.5).
func (e *flacEngine) fixed(block []int64, order, depth int) bool {
	coefficients := [5][]int64{{}, {1}, {2, -1}, {3, -3, 1}, {4, -6, 4, -1}}[order]
	return e.warmUp(block, order, depth) && e.residual(block, order) && predict(block, coefficients, 0)
}

// linear reads a subframe with a predictor of its own (section 9.2.6).
func (e *flacEngine) linear(block []int64, order, depth int) bool {
	if !e.warmUp(block, order, depth) {
		return false
	}
	precision := int(e.r.read(4)) + 1
	shift := int(e.r.signed(5))
	if precision == 16 || shift < 0 {
		return false
	}
	var coefficients [32]int64
	for i := range order {
		coefficients[i] = e.r.signed(precision)
	}
	return e.residual(block, order) && predict(block, coefficients[:order], shift)
}

func (e *flacEngine) warmUp(block []int64, order, depth int) bool {
	if order > len(block) {
		return false
	}
	for i := range order {
		block[i] = e.r.signed(depth)
	}
	return !e.r.over
}

// predict adds what the samples before let expect.
func predict(block, coefficients []int64, shift int) bool {
	order := len(coefficients)
	for i := order; i < len(block); i++ {
		sum := int64(0)
		for k, c := range coefficients {
			sum += c * block[i-1-k]
		}
		block[i] += sum >> shift
	}
	return true
}

// residual reads what the predictor did not expect, in Rice code (section 9.2.7).
func (e *flacEngine) residual(block []int64, order int) bool {
	r := &e.r
	wide := [4]int{4, 5}[r.read(2)]
	parts := 1 << r.read(4)
	each := len(block) / parts
	if wide == 0 || each*parts != len(block) || each < order {
		return false
	}
	at := order
	for p := range parts {
		end := (p + 1) * each
		rice := int(r.read(wide))
		if rice == 1<<wide-1 { // not coded
			plain := int(r.read(5))
			for ; at < end; at++ {
				block[at] = r.signed(plain)
			}
			continue
		}
		for ; at < end; at++ {
			v := uint64(r.zeros())<<rice | r.read(rice)
			block[at] = int64(v>>1) ^ -int64(v&1)
		}
		if r.over {
			return false
		}
	}
	return true
}

// join makes left and right of what was kept.
func (e *flacEngine) join(layout int) {
	a, b := e.blocks[0], e.blocks[1]
	switch layout {
	case flacLeftSide:
		for i := range a {
			b[i] = a[i] - b[i]
		}
	case flacRightSide:
		for i := range a {
			a[i] += b[i]
		}
	case flacMidSide:
		for i := range a {
			mid := a[i]<<1 | b[i]&1
			a[i], b[i] = (mid+b[i])>>1, (mid-b[i])>>1
		}
	}
}

func (e *flacEngine) interleave(size, depth int) []float32 {
	scale := 1 / float32(int64(1)<<(depth-1))
	e.out = e.out[:0]
	for i := range size {
		for c := range e.channels {
			e.out = append(e.out, float32(e.blocks[c][i])*scale)
		}
	}
	return e.out
}

// crc16 is FLAC's checksum: 0 over a frame with its own (section 9.3).
func crc16(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			crc = crc<<1 ^ -(crc>>15)&0x8005
		}
	}
	return crc
}
