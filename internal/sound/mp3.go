// SPDX-License-Identifier: MIT

package sound

import (
	"encoding/binary"
	"fmt"
	"io"

	mp3lib "github.com/hajimehoshi/go-mp3"

	"streamer/internal/codec"
)

// Sizes of MPEG-1 layer III, in bytes unless they say otherwise (ISO 11172-3, 2.4.1).
const (
	mp3Head         = 4
	mp3CRC          = 2
	mp3ReservoirMax = 511 // main_data_begin has 9 bits
	mp3Samples      = 1152
	mp3FrameMax     = 1441 // 320 kbit/s at 32 kHz
)

// An mp3Engine feeds whole frames to go-mp3. That one decodes nothing after its first error, and noise where the bit
// reservoir is not there, so the engine keeps the reservoir itself: a new decoder is first given a silent frame that holds
// it, and frames that need more of it than there is are not decoded.
type mp3Engine struct {
	channels  int
	side      int // side information
	lib       *mp3lib.Decoder
	feed      feeder
	reservoir []byte // the last main data, at most mp3ReservoirMax
	pcm       [mp3Samples * 4]byte
	out       []float32
}

// A feeder is a reader of one frame at a time.
type feeder struct{ rest []byte }

func (f *feeder) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func newMP3(h codec.Header) (*mp3Engine, error) {
	const mpeg1 = 0x18
	if key := h.Packets[0]; key[1]&mpeg1 != mpeg1 {
		return nil, fmt.Errorf("%w: MP3 at %d Hz (MPEG-2), which its decoder gets wrong", ErrUnsupported, h.SampleRate)
	}
	e := &mp3Engine{channels: h.Channels, side: 32}
	if h.Channels == 1 {
		e.side = 17
	}
	return e, nil
}

func (e *mp3Engine) gap() { e.lib, e.reservoir = nil, e.reservoir[:0] }

func (e *mp3Engine) decode(frame []byte) ([]float32, error) {
	start := mp3Head
	if len(frame) > 1 && frame[1]&1 == 0 {
		start += mp3CRC
	}
	if len(frame) < start+e.side || len(frame) > mp3FrameMax {
		e.gap()
		return nil, fmt.Errorf("%w: %d bytes of MP3", errFrame, len(frame))
	}
	begin := int(binary.BigEndian.Uint16(frame[start:]) >> 7)
	enough := begin <= len(e.reservoir)
	var err error
	if !enough {
		e.lib = nil
	} else if e.lib == nil {
		err = e.prime(frame)
	}
	e.keep(frame[start+e.side:])
	if err != nil || !enough {
		return nil, err
	}
	return e.feedOne(frame)
}

// keep adds main data to the reservoir.
func (e *mp3Engine) keep(data []byte) {
	e.reservoir = append(e.reservoir, data...)
	if n := len(e.reservoir) - mp3ReservoirMax; n > 0 {
		e.reservoir = e.reservoir[:copy(e.reservoir, e.reservoir[n:])]
	}
}

// prime makes a new decoder that has the reservoir: from a frame like the given one, of 320 kbit/s and without a checksum,
// whose side information is all zeros, that is silence.
func (e *mp3Engine) prime(like []byte) error {
	const bitrate320, noCRC = 14, 1
	rates := [4]int{44100, 48000, 32000, 44100}
	frame := make([]byte, 144*320000/rates[like[2]>>2&3])
	copy(frame, like[:mp3Head])
	frame[1] |= noCRC
	frame[2] = bitrate320<<4 | like[2]&0x0c
	copy(frame[len(frame)-len(e.reservoir):], e.reservoir)
	e.feed.rest = frame
	lib, err := mp3lib.NewDecoder(&e.feed)
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	e.lib = lib
	_, err = lib.Read(e.pcm[:])
	return err
}

// feedOne decodes one frame.
func (e *mp3Engine) feedOne(frame []byte) ([]float32, error) {
	e.feed.rest = frame
	n, err := e.lib.Read(e.pcm[:])
	if err != nil {
		e.lib = nil
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	e.out = e.out[:0]
	for i := 0; i+4 <= n; i += 4 { // always stereo
		for c := range e.channels {
			e.out = append(e.out, float32(int16(binary.LittleEndian.Uint16(e.pcm[i+2*c:])))/(1<<15))
		}
	}
	return e.out, nil
}
