// SPDX-License-Identifier: MIT

//go:build windows || darwin

package sound

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ebitengine/oto/v3"
)

// What the sound system is opened with. A process opens it once, so this is for all stations; most are at 44.1 kHz, but
// today's hardware is at 48.
const (
	otoRate     = 48000
	otoChannels = 2
	otoSample   = 4 // bytes
	otoReady    = 5 * time.Second
	otoLook     = 20 * time.Millisecond // how often a writer looks for room
)

// otoContext opens the sound system at the first call.
var otoContext = sync.OnceValues(func() (*oto.Context, error) {
	c, ready, err := oto.NewContext(&oto.NewContextOptions{
		SampleRate: otoRate, ChannelCount: otoChannels, Format: oto.FormatFloat32LE,
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-ready:
		return c, c.Err()
	case <-time.After(otoReady):
		return nil, errors.New("it does not get ready")
	}
})

// An otoOutput plays through Core Audio or WASAPI.
type otoOutput struct {
	context *oto.Context
	player  *oto.Player

	mu       sync.Mutex
	queue    []byte // for the player, at most bufferFor and one frame
	dry      bool   // silence is played until need has gathered
	need     int
	draining bool
	closed   bool
	rate     int
	channels int
	resample *resampler // nil: none is needed
}

func openOutput(string) (output, error) {
	c, err := otoContext()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSound, err)
	}
	o := &otoOutput{context: c, dry: true, need: otoBytes(startWith)}
	o.player = c.NewPlayer(otoReader{o})
	o.player.SetBufferSize(otoBytes(100 * time.Millisecond))
	o.player.Play()
	return o, nil
}

func otoBytes(d time.Duration) int {
	return int(d.Seconds()*otoRate) * otoChannels * otoSample
}

// An otoReader gives the player what is there, and silence else: the player gives up what it got nothing from.
type otoReader struct{ *otoOutput }

func (r otoReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dry && (len(r.queue) >= r.need || r.draining) {
		r.dry = false
	}
	n := 0
	if !r.dry {
		n = copy(p, r.queue)
		r.queue = r.queue[:copy(r.queue, r.queue[n:])]
	}
	if n == 0 {
		if !r.dry {
			r.dry, r.need = true, otoBytes(againWith)
		}
		n = len(p) / (otoChannels * otoSample) * (otoChannels * otoSample)
		clear(p[:n])
	}
	return n, nil
}

func (o *otoOutput) begin(_ context.Context, rate, channels int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rate, o.channels, o.draining, o.resample = rate, channels, false, nil
	if rate != otoRate {
		o.resample = newResampler(rate, otoRate, channels)
	}
	return nil
}

func (o *otoOutput) write(ctx context.Context, samples []float32) error {
	if o.resample != nil {
		samples = o.resample.convert(samples)
	}
	for {
		o.mu.Lock()
		room := len(o.queue) < otoBytes(bufferFor)
		if room {
			for i := 0; i+o.channels <= len(samples); i += o.channels {
				o.queue = binary.LittleEndian.AppendUint32(o.queue, math.Float32bits(samples[i]))
				o.queue = binary.LittleEndian.AppendUint32(o.queue, math.Float32bits(samples[i+o.channels-1]))
			}
		}
		closed := o.closed
		o.mu.Unlock()
		if err := o.fault(); err != nil || closed {
			return errors.Join(errLost, err)
		}
		if room {
			return nil
		}
		if err := wait(ctx, otoLook); err != nil {
			return err
		}
	}
}

func (o *otoOutput) fault() error { return errors.Join(o.context.Err(), o.player.Err()) }

func (o *otoOutput) delay() (time.Duration, error) {
	bytes := o.player.BufferedSize() // it may be reading from the queue just now
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes += len(o.queue)
	return time.Duration(bytes) * time.Second / time.Duration(otoBytes(time.Second)), nil
}

func (o *otoOutput) pause(paused bool) error {
	if paused {
		o.player.Pause()
	} else {
		o.player.Play()
	}
	return o.fault()
}

func (o *otoOutput) setVolume(v float64) error {
	o.player.SetVolume(min(v, 1))
	return o.fault()
}

func (o *otoOutput) drain(ctx context.Context) error {
	for {
		o.mu.Lock()
		o.draining = true
		left, closed := len(o.queue), o.closed
		o.mu.Unlock()
		if left == 0 || closed {
			return wait(ctx, 200*time.Millisecond) // what the player holds itself
		}
		if err := wait(ctx, otoLook); err != nil {
			return err
		}
	}
}

func (o *otoOutput) close() {
	o.player.Pause()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// wait waits for d, or for the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
