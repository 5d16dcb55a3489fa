// SPDX-License-Identifier: MIT

//go:build linux || freebsd || netbsd || openbsd || dragonfly

package sound

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// Times and sizes of talking to a PulseAudio server, or to PipeWire, which speaks the same.
const (
	pulseAnswer    = 2 * time.Second        // for a request
	pulseStuck     = 10 * time.Second       // for a write to the server's socket
	pulseRequest   = 250 * time.Millisecond // the server asks for so much at least
	pulsePiece     = 64 << 10               // bytes sent at once
	pulseSample    = 4                      // bytes
	cookieBytesMax = 256
)

// A pulse is a connection to the server with at most one stream. The library's own client would do, but that its goroutines
// panic where a stream or a server ends at a bad moment; this speaks its protocol package.
type pulse struct {
	name   string
	client proto.Client
	conn   net.Conn
	lost   chan struct{} // closed when the connection is of no use any more
	once   sync.Once

	mu      sync.Mutex
	stream  bool   // there is one
	index   uint32 // of the stream
	input   uint32 // the same for the mixer
	rate    int
	wide    int           // channels
	room    int           // bytes that the server has room for
	more    chan struct{} // closed, and replaced, when room grows
	volume  float64       // below 0: as the server has it
	paused  bool
	dry     bool // the stream has run dry
	careful bool // and the server was told to gather more before it goes on
}

// lose ends the connection and all that wait for it.
func (p *pulse) lose() {
	p.once.Do(func() {
		close(p.lost)
		_ = p.conn.Close() // it is of no use any more
	})
}

func (p *pulse) close() { p.lose() }

// notice takes what the server says by itself, on the goroutine that reads: it must not wait for the server.
func (p *pulse) notice(message any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := message.(type) {
	case *proto.Request:
		if p.stream && m.StreamIndex == p.index {
			p.grow(int(m.Length))
		}
	case *proto.Underflow:
		p.dry = true
	case *proto.PlaybackStreamKilled:
		if p.stream && m.StreamIndex == p.index {
			go p.lose()
		}
	}
}

// grow adds to the room. p.mu is held.
func (p *pulse) grow(n int) {
	p.room += n
	close(p.more)
	p.more = make(chan struct{})
}

// request asks the server. A server that does not answer in time is not lost yet.
func (p *pulse) request(ask proto.RequestArgs, answer proto.Reply) error {
	err := p.client.Request(ask, answer)
	select {
	case <-p.lost:
		return fmt.Errorf("%w: %w", errLost, err)
	default:
		return err
	}
}

func (p *pulse) begin(ctx context.Context, rate, channels int) error {
	p.mu.Lock()
	old, index, same := p.stream, p.index, p.rate == rate && p.wide == channels
	p.mu.Unlock()
	if old && same {
		return nil
	}
	if old {
		if err := p.drain(ctx); err != nil {
			return err
		}
		p.mu.Lock()
		p.stream = false
		p.mu.Unlock()
		if err := p.request(&proto.DeletePlaybackStream{StreamIndex: index}, nil); err != nil {
			return p.broken(err)
		}
	}
	return p.create(rate, channels)
}

// create makes a stream; what the server does not say of it is left to the server.
func (p *pulse) create(rate, channels int) error {
	bytes := func(d time.Duration) uint32 { return pulseBytes(d, rate, channels) }
	places := proto.ChannelMap{proto.ChannelLeft, proto.ChannelRight}
	if channels == 1 {
		places = proto.ChannelMap{proto.ChannelMono}
	}
	p.mu.Lock()
	volume, paused := p.volume, p.paused
	p.mu.Unlock()
	ask := proto.CreatePlaybackStream{
		SampleSpec: proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: byte(channels), Rate: uint32(rate)},
		ChannelMap: places, SinkIndex: proto.Undefined, Corked: paused,
		BufferMaxLength: proto.Undefined, BufferTargetLength: bytes(bufferFor), BufferPrebufferLength: bytes(startWith),
		BufferMinimumRequest: bytes(pulseRequest), EarlyRequests: false,
		Properties: proto.PropList{
			"media.name": proto.PropListString(p.name), "media.role": proto.PropListString("music"),
		},
		ChannelVolumes: volumes(max(volume, 0), channels), VolumeSet: volume >= 0,
	}
	var made proto.CreatePlaybackStreamReply
	if err := p.request(&ask, &made); err != nil {
		return p.broken(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream, p.index, p.input, p.rate, p.wide = true, made.StreamIndex, made.SinkInputIndex, rate, channels
	p.room, p.dry, p.careful = 0, false, false
	p.grow(int(made.Missing))
	return nil
}

// broken gives the connection up where it cannot be told what the server made of a request.
func (p *pulse) broken(err error) error {
	p.lose()
	return fmt.Errorf("%w: %w", errLost, err)
}

func (p *pulse) write(ctx context.Context, samples []float32) error {
	p.gatherMore()
	piece := make([]byte, 0, min(len(samples)*pulseSample, pulsePiece))
	for len(samples) > 0 {
		p.mu.Lock()
		step := p.wide * pulseSample // a server asks for whole samples of all channels
		n := min(p.room, len(samples)*pulseSample, pulsePiece) / step * step
		p.room -= n
		more, index := p.more, p.index
		p.mu.Unlock()
		if n == 0 {
			select {
			case <-more:
				continue
			case <-p.lost:
				return errLost
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		piece = piece[:0]
		for _, v := range samples[:n/pulseSample] {
			piece = binary.LittleEndian.AppendUint32(piece, math.Float32bits(v))
		}
		samples = samples[n/pulseSample:]
		if err := p.client.Send(index, piece); err != nil {
			return p.broken(err)
		}
	}
	return nil
}

// gatherMore makes the server wait for more sound, once the stream has run dry.
func (p *pulse) gatherMore() {
	p.mu.Lock()
	ask, index := p.dry && !p.careful, p.index
	p.careful = p.careful || ask
	bytes := func(d time.Duration) uint32 { return pulseBytes(d, p.rate, p.wide) }
	p.mu.Unlock()
	if ask { // it plays on without it
		_ = p.request(&proto.SetPlaybackStreamBufferAttr{
			StreamIndex: index, BufferMaxLength: proto.Undefined, BufferTargetLength: bytes(bufferFor),
			BufferPrebufferLength: bytes(againWith), BufferMinimumRequest: bytes(pulseRequest),
		}, &proto.SetPlaybackStreamBufferAttrReply{})
	}
}

// pulseBytes is how many bytes last for d.
func pulseBytes(d time.Duration, rate, channels int) uint32 {
	return uint32(d.Seconds()*float64(rate)) * uint32(channels) * pulseSample
}

func (p *pulse) delay() (time.Duration, error) {
	waiting, sink, err := p.latency()
	return waiting + sink, err
}

// latency tells how much sound waits in the server, and how long it takes from there to the ear.
func (p *pulse) latency() (waiting, sink time.Duration, err error) {
	p.mu.Lock()
	stream, index, second := p.stream, p.index, p.rate*p.wide*pulseSample
	p.mu.Unlock()
	if !stream {
		return 0, 0, nil
	}
	var l proto.GetPlaybackLatencyReply
	if err = p.request(&proto.GetPlaybackLatency{StreamIndex: index}, &l); err != nil {
		return 0, 0, err
	}
	waiting = time.Duration(max(0, l.WriteIndex-l.ReadIndex)) * time.Second / time.Duration(second)
	return waiting, time.Duration(l.Latency) * time.Microsecond, nil
}

func (p *pulse) pause(paused bool) error {
	p.mu.Lock()
	p.paused = paused
	stream, index := p.stream, p.index
	p.mu.Unlock()
	if !stream {
		return nil
	}
	return p.request(&proto.CorkPlaybackStream{StreamIndex: index, Corked: paused}, nil)
}

func (p *pulse) setVolume(v float64) error {
	p.mu.Lock()
	p.volume = v
	stream, input, channels := p.stream, p.input, p.wide
	p.mu.Unlock()
	if !stream {
		return nil
	}
	return p.request(&proto.SetSinkInputVolume{SinkInputIndex: input, ChannelVolumes: volumes(v, channels)}, nil)
}

func volumes(v float64, channels int) proto.ChannelVolumes {
	list := make(proto.ChannelVolumes, channels)
	for i := range list {
		list[i] = uint32(v * float64(proto.VolumeNorm))
	}
	return list
}

func (p *pulse) drain(ctx context.Context) error {
	p.mu.Lock()
	stream, index := p.stream, p.index
	p.mu.Unlock()
	if !stream {
		return nil
	}
	// The answer comes when all has been heard, perhaps later than answers are waited for; then the latency says when.
	if err := p.request(&proto.DrainPlaybackStream{StreamIndex: index}, nil); err == nil || errors.Is(err, errLost) {
		return err
	}
	for {
		waiting, sink, err := p.latency()
		if errors.Is(err, errLost) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.lost:
			return errLost
		case <-time.After(min(waiting+sink, pulseAnswer)):
		}
		if err == nil && waiting == 0 {
			return nil
		}
	}
}
