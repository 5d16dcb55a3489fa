// SPDX-License-Identifier: MIT

package sound

import (
	"sync"
	"time"

	"streamer/internal/codec"
)

// A Status is what a Player does.
type Status uint8

// What a Player does. It is Waiting while there is nothing to hear though it is not paused.
const (
	Waiting Status = iota
	Playing
	Paused
	Stopped
)

// A State is what a Player does and what is heard.
type State struct {
	Status Status
	Event  codec.Event // of the moment that is heard
	Volume float64     // 1 is as loud as the station sends it
	Codec  string      // of the stream, as codec.Header.Codec has it; "" before there is one
	Rate   int         // Hz
	Fault  error       // why nothing is heard though it should be; nil when all is well
}

// VolumeMax is the highest volume; above 1 loud passages are cut off.
const VolumeMax = 1.5

const (
	clockEvery = 200 * time.Millisecond // how often it is looked what is heard
	reopenMin  = 250 * time.Millisecond // between tries to reach a sound server that went away
	reopenMax  = 5 * time.Second
	badMax     = 2 * time.Second // of frames one after another that cannot be decoded, before the player gives up
	marksMax   = 256             // events that are written and not heard yet
)

// A Player plays one Source. Make one with Open.
type Player struct {
	name    string // of the program, for the sound system
	changed func(State)

	mu      sync.Mutex
	out     output
	state   State
	want    controls
	wake    chan struct{} // closed, and replaced, when something is to be done
	written time.Duration // of sound, since the beginning
	marks   []mark
	applied controls // what the output was told
	fault   error    // nil while the output works
}

// controls are what the listener asked for.
type controls struct {
	paused bool
	volume float64 // below 0: as the sound system has it
}

// A mark is what is heard from a place on among what was written.
type mark struct {
	at    time.Duration
	state State
}

// Open reaches the sound system, as the program called name. The error wraps ErrNoSound. Call Run or Close.
func Open(name string) (*Player, error) {
	out, err := openOutput(name)
	if err != nil {
		return nil, err
	}
	return &Player{
		name: name, out: out, wake: make(chan struct{}),
		state: State{Volume: 1}, want: controls{volume: -1}, applied: controls{volume: -1},
	}, nil
}

// Close lets go of the sound system, of a Player whose Run is never called.
func (p *Player) Close() { p.out.close() }

// State returns what is heard.
func (p *Player) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Pause stops the sound at once, and keeps the place in the stream as long as the source holds it; or goes on there.
func (p *Player) Pause(paused bool) {
	p.ask(func(c *controls) { c.paused = paused })
}

// SetVolume changes the volume: from 0 to VolumeMax, 1 is as loud as the station sends it.
func (p *Player) SetVolume(v float64) {
	p.ask(func(c *controls) { c.volume = max(0, min(v, VolumeMax)) })
}

func (p *Player) ask(change func(*controls)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.want)
	close(p.wake)
	p.wake = make(chan struct{})
}

// set changes the state and tells of it.
func (p *Player) set(change func(*State)) {
	p.mu.Lock()
	before := p.state
	change(&p.state)
	now := p.state
	p.mu.Unlock()
	if !before.equal(now) {
		p.changed(now)
	}
}

func (s State) equal(o State) bool {
	return s.Status == o.Status && s.Event == o.Event && s.Volume == o.Volume && s.Codec == o.Codec && s.Rate == o.Rate &&
		(s.Fault == nil) == (o.Fault == nil)
}
