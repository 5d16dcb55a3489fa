// SPDX-License-Identifier: MIT

package sound

import (
	"encoding/binary"
	"fmt"
	"math"

	opuslib "github.com/pion/opus"

	"streamer/internal/codec"
)

const opusRate, opusSamplesMax = 48000, 5760 // 120 ms

// An opusEngine feeds packets to pion's decoder.
type opusEngine struct {
	channels int
	gain     float32
	lib      opuslib.Decoder
	out      []float32
}

func newOpus(h codec.Header) (*opusEngine, error) {
	head := h.Packets[0]
	if head[18] != 0 {
		return nil, fmt.Errorf("%w: Opus with channel mapping %d", ErrUnsupported, head[18])
	}
	// RFC 7845 section 5.1: the gain is in dB, with 8 bits after the point.
	gain := float64(int16(binary.LittleEndian.Uint16(head[16:]))) / 256
	lib, err := opuslib.NewDecoderWithOutput(opusRate, h.Channels)
	return &opusEngine{h.Channels, float32(math.Pow(10, gain/20)), lib, make([]float32, opusSamplesMax*h.Channels)}, err
}

// gap does nothing: Opus finds itself again within a few packets.
func (e *opusEngine) gap() {}

func (e *opusEngine) decode(packet []byte) ([]float32, error) {
	n, err := e.lib.DecodeToFloat32(packet, e.out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	out := e.out[:n*e.channels]
	if e.gain != 1 {
		for i := range out {
			out[i] *= e.gain
		}
	}
	return out, nil
}
