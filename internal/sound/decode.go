// SPDX-License-Identifier: MIT

package sound

import (
	"errors"
	"fmt"
	"math"

	"streamer/internal/codec"
)

// errFrame is wrapped by errors about one frame, which the next one may be free of.
var errFrame = errors.New("bad frame")

// An engine decodes the frames of one stream, in order. It may panic.
type engine interface {
	// decode returns the samples, interleaved, valid until the next call. There may be fewer than the frame lasts, where a
	// decoder needs what came before.
	decode(frame []byte) ([]float32, error)
	// gap says that frames are missing before the next one.
	gap()
}

// A Decoder turns the frames that follow one header into samples.
type Decoder struct {
	header codec.Header
	engine engine
	out    []float32
	last   [channelsMax]float32 // what was heard last
	faded  bool                 // the last sample was silence: fade in
}

// NewDecoder makes a Decoder. The error wraps ErrUnsupported and says what is not played.
func NewDecoder(h codec.Header) (*Decoder, error) {
	d := &Decoder{header: h, faded: true}
	if h.Codec() == "aac" {
		return nil, fmt.Errorf("%w: no free AAC decoder exists for it", ErrUnsupported)
	}
	if h.Channels < 1 || h.Channels > channelsMax || h.SampleRate < RateMin || h.SampleRate > RateMax {
		return nil, fmt.Errorf("%w: %s with %d channels at %d Hz", ErrUnsupported, h.Codec(), h.Channels, h.SampleRate)
	}
	return d, d.restart()
}

// restart makes a new engine.
func (d *Decoder) restart() error {
	var err error
	if failed := guard(func() { d.engine, err = newEngine(d.header) }); failed != nil {
		err = failed
	}
	if err != nil && !errors.Is(err, ErrUnsupported) {
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

func newEngine(h codec.Header) (engine, error) {
	switch h.Codec() {
	case "mp3":
		return newMP3(h)
	case "vorbis":
		return newVorbis(h)
	case "opus":
		return newOpus(h)
	case "flac":
		return newFLAC(h)
	}
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, h.Codec())
}

// Rate is the number of samples a second of one channel.
func (d *Decoder) Rate() int { return d.header.SampleRate }

// Channels is 1 or 2.
func (d *Decoder) Channels() int { return d.header.Channels }

// Decode returns a frame's samples, interleaved, from -1 to 1, always for as long as the frame lasts; valid until the next
// call. With an error there is silence for all of it or a part.
func (d *Decoder) Decode(f codec.Frame) ([]float32, error) {
	var got []float32
	var err error
	if failed := guard(func() { got, err = d.engine.decode(f.Data) }); failed != nil {
		got, err = nil, errors.Join(failed, d.restart()) // whatever it was left in, begin anew
	}
	channels := d.header.Channels
	if len(got) > frameSamplesMax*channels || len(got)%channels != 0 {
		got, err = nil, fmt.Errorf("%w: %d samples", errFrame, len(got))
	}
	missing := max(0, min(f.Samples, frameSamplesMax)-len(got)/channels)
	d.out = d.out[:0]
	if missing > 0 {
		d.fadeOut(missing)
	}
	start := len(d.out)
	d.out = append(d.out, got...)
	for i, v := range d.out[start:] {
		switch { // what is not a number or too loud was no music
		case v != v:
			d.out[start+i] = 0
		case v > 1:
			d.out[start+i] = 1
		case v < -1:
			d.out[start+i] = -1
		}
	}
	if d.faded && len(got) > 0 {
		d.fadeIn(d.out[start:])
	}
	if n := len(d.out); n >= channels {
		copy(d.last[:], d.out[n-channels:])
	}
	return d.out, err
}

// Gap says that frames are missing before the next one. It returns what is heard instead.
func (d *Decoder) Gap() []float32 {
	if failed := guard(d.engine.gap); failed != nil {
		_ = d.restart() // it worked once; if it does not now, frames fail
	}
	d.out = d.out[:0]
	d.fadeOut(int(gapFor.Seconds() * float64(d.header.SampleRate)))
	clear(d.last[:])
	return d.out
}

// fadeOut appends n silent samples, which begin where the last one was.
func (d *Decoder) fadeOut(n int) {
	ramp := d.ramp()
	for i := range n {
		for c := range d.header.Channels {
			d.out = append(d.out, d.last[c]*float32(max(0, ramp-i-1))/float32(ramp))
		}
	}
	d.faded = true
}

func (d *Decoder) fadeIn(samples []float32) {
	ramp, channels := d.ramp(), d.header.Channels
	for i := range min(ramp*channels, len(samples)) {
		samples[i] *= float32(i/channels) / float32(ramp)
	}
	d.faded = false
}

func (d *Decoder) ramp() int {
	return int(math.Ceil(fadeFor.Seconds() * float64(d.header.SampleRate)))
}

// guard calls f and makes an error of its panic.
func guard(f func()) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%w: the decoder broke: %.100v", errFrame, why)
		}
	}()
	f()
	return nil
}
