// SPDX-License-Identifier: MIT

package sound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"streamer/internal/codec"
)

// Run plays the source until the station ends or ctx is done, which both are no error; call it once. changed is told of every
// change of what is heard, in order, and must return soon. A sound server that went away is waited for. An error that wraps ErrUnsupported says that the stream is, or has become, one that this player does not play.
func (p *Player) Run(ctx context.Context, from Source, changed func(State)) error {
	p.changed = changed
	ctx, cancel := context.WithCancel(ctx)
	r := &run{p: p, from: from}
	var clock sync.WaitGroup
	clock.Go(func() { p.clock(ctx) })
	err := r.play(ctx)
	if errors.Is(err, io.EOF) {
		err = p.output().drain(ctx)
	}
	cancel()
	p.output().close() // whoever waits for it waits no longer
	clock.Wait()
	p.set(func(s *State) { s.Status, s.Fault = Stopped, nil })
	if ctxErr := context.Cause(ctx); errors.Is(err, ctxErr) || errors.Is(err, errLost) {
		return nil
	}
	return err
}

// A run is what the goroutine that plays keeps.
type run struct {
	p       *Player
	from    Source
	header  codec.Header
	decoder *Decoder // nil before the first header
	heard   State    // what holds for what is written now
	bad     time.Duration
}

// play writes until something ends it, and says what.
func (r *run) play(ctx context.Context) error {
	for {
		item, err := r.from.Next(ctx)
		if err != nil {
			return err
		}
		switch item.Kind {
		case codec.ItemHeader:
			err = r.begin(ctx, item.Header)
		case codec.ItemEvent:
			r.heard.Event = item.Event
			r.p.mark(r.heard)
		case codec.ItemFrame:
			err = r.frame(ctx, item.Frame)
		case codec.ItemGap:
			if r.decoder != nil {
				err = r.write(ctx, r.decoder.Gap())
			}
		}
		if err != nil {
			return err
		}
	}
}

// begin goes on with a header.
func (r *run) begin(ctx context.Context, h codec.Header) error {
	if r.decoder != nil && h.Equal(r.header) {
		return nil
	}
	var err error
	if r.decoder != nil {
		if err = r.write(ctx, r.decoder.Gap()); err != nil {
			return err
		}
	}
	if r.decoder, err = NewDecoder(h); err != nil {
		return err
	}
	r.header = h
	r.heard.Codec, r.heard.Rate = h.Codec(), h.SampleRate
	r.p.mark(r.heard)
	return r.try(ctx, func(out output) error { return out.begin(ctx, r.decoder.Rate(), r.decoder.Channels()) })
}

// frame plays a frame, or silence where it makes no sense.
func (r *run) frame(ctx context.Context, f codec.Frame) error {
	if r.decoder == nil {
		return nil
	}
	samples, err := r.decoder.Decode(f)
	if err == nil {
		r.bad = 0
	} else if r.bad += r.lasts(len(samples)); r.bad > badMax {
		return fmt.Errorf("%w: its %s cannot be decoded (%w)", ErrUnsupported, r.heard.Codec, err)
	}
	return r.write(ctx, samples)
}

// lasts is how long n samples last.
func (r *run) lasts(n int) time.Duration {
	return time.Duration(n/r.decoder.Channels()) * time.Second / time.Duration(r.decoder.Rate())
}

func (r *run) write(ctx context.Context, samples []float32) error {
	if len(samples) == 0 {
		return nil
	}
	err := r.try(ctx, func(out output) error { return out.write(ctx, samples) })
	r.p.mu.Lock()
	r.p.written += r.lasts(len(samples))
	r.p.mu.Unlock()
	return err
}

// try uses the output. When that is lost it waits for another one, which goes on with what comes next.
func (r *run) try(ctx context.Context, use func(output) error) error {
	err := use(r.p.output())
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, errLost) {
		return err
	}
	r.p.output().close()
	r.p.fail(err)
	for wait := reopenMin; ; wait = min(2*wait, reopenMax) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		out, err := openOutput(r.p.name)
		if err != nil {
			continue
		}
		if err = out.begin(ctx, r.decoder.Rate(), r.decoder.Channels()); err == nil {
			r.p.replace(out)
			return nil
		}
		out.close()
	}
}

// mark says that what is written from now on is heard as s.
func (p *Player) mark(s State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) == marksMax {
		p.marks = p.marks[1:]
	}
	p.marks = append(p.marks, mark{p.written, s})
}

func (p *Player) output() output {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

func (p *Player) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = err
}

// replace goes on with another output, which the clock sets as the listener wants it.
func (p *Player) replace(out output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, p.fault = out, nil
	p.applied = controls{volume: -1}
	close(p.wake)
	p.wake = make(chan struct{})
}

// clock does what the listener asks, and says what is heard when it is heard, until ctx is done.
func (p *Player) clock(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	before := time.Duration(0)
	for {
		p.mu.Lock()
		wake := p.wake
		p.mu.Unlock()
		p.control()
		before = p.look(before)
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
	}
}

// control makes the output what the listener wants.
func (p *Player) control() {
	p.mu.Lock()
	want, applied, out, fault := p.want, p.applied, p.out, p.fault
	p.mu.Unlock()
	if fault != nil {
		return
	}
	if want.paused != applied.paused && out.pause(want.paused) == nil {
		applied.paused = want.paused
	}
	if want.volume >= 0 && want.volume != applied.volume && out.setVolume(want.volume) == nil {
		applied.volume = want.volume
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == out {
		p.applied = applied
	}
}

// look tells of what is heard now. It takes and returns up to where the sound has been heard.
func (p *Player) look(before time.Duration) time.Duration {
	p.mu.Lock()
	written, out, fault := p.written, p.out, p.fault
	p.mu.Unlock()
	heard := before
	if fault != nil {
		heard = written // it never will be
	} else if delay, err := out.delay(); err == nil {
		heard = max(before, written-delay)
	}
	p.mu.Lock()
	passed := 0
	var now State
	for passed < len(p.marks) && (p.marks[passed].at < heard || p.marks[passed].at == 0 && heard > 0) {
		now = p.marks[passed].state
		passed++
	}
	p.marks = p.marks[passed:]
	volume, paused := p.want.volume, p.want.paused
	p.mu.Unlock()
	p.set(func(s *State) {
		if passed > 0 {
			s.Event, s.Codec, s.Rate = now.Event, now.Codec, now.Rate
		}
		if volume >= 0 {
			s.Volume = volume
		}
		s.Fault = fault
		switch {
		case paused:
			s.Status = Paused
		case fault == nil && heard > before:
			s.Status = Playing
		default:
			s.Status = Waiting
		}
	})
	return heard
}
