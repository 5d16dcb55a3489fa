// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mpris"
	"streamer/internal/playback"
	"streamer/internal/sound"
)

// A playing is how listen makes a station heard: by itself, by another program, or by itself as long as it can.
type playing struct {
	p        *program
	internal *sound.Player    // nil: not by itself
	other    *playback.Player // nil: none, or not looked for yet
	auto     bool
	piped    bool          // the address wants a password
	grace    time.Duration // after the station's end: how long it may come back
}

// newPlaying reads what --player says; nil is none. That the sound system does not answer is an error only for one who
// insists.
func newPlaying(p *program, text string) (*playing, error) {
	pl := &playing{p: p, auto: text == "auto", grace: playback.EndGrace}
	switch text {
	case "", "none":
		return nil, nil
	case "auto", "internal":
		internal, err := sound.Open("Streamer")
		if err == nil {
			pl.internal = internal
			return pl, nil
		}
		if !pl.auto {
			return nil, withHint(err, "start a sound server, or use --player auto, none or a command such as mpv")
		}
	}
	var err error
	pl.other, err = playback.FindPlayer(text)
	if errors.Is(err, playback.ErrNoPlayer) {
		fmt.Fprintln(p.stderr, "streamer:", err)
		return nil, nil
	}
	if err != nil {
		return nil, usageError{err}
	}
	return pl, nil
}

// play plays the channel until ctx ends or the station does. What is heard goes to words.
func (pl *playing) play(ctx context.Context, words io.Writer, channel *playback.Channel, url string) error {
	if pl.internal != nil {
		err := pl.playInternal(ctx, words, channel)
		if !pl.auto || !errors.Is(err, sound.ErrUnsupported) {
			return err
		}
		other, missing := playback.FindPlayer("auto")
		if missing != nil {
			return withHint(err, "install mpv or VLC, or name a player with --player COMMAND")
		}
		fmt.Fprintln(pl.p.stderr, "streamer:", oneLine(err.Error()))
		pl.other = other
	}
	if pl.piped {
		pl.other.Pipe()
	}
	fmt.Fprintf(words, "%-7s %s\n", "player", pl.other.Command[0])
	following, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { pl.follow(following, words, channel) })
	defer beside.Wait()
	defer cancel()
	return pl.other.Run(ctx, url, func(ctx context.Context, w io.Writer) error {
		return playback.CopyTo(ctx, channel, w, pl.grace)
	}, pl.p.stderr)
}

// playInternal plays by itself, with the desktop's media keys where there is a desktop.
func (pl *playing) playInternal(ctx context.Context, words io.Writer, channel *playback.Channel) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	show := &showing{words: words, channel: channel}
	bus, err := mpris.Open(controls{pl.internal, cancel})
	if err == nil {
		defer bus.Close()
		show.bus = bus
	}
	err = pl.internal.Run(ctx, playback.NewReader(channel, pl.grace), show.changed)
	if err == nil && ctx.Err() == nil {
		show.line("station", "has ended")
	}
	return err
}

// follow shows station and titles about when another player, which began now, comes to them.
func (pl *playing) follow(ctx context.Context, words io.Writer, channel *playback.Channel) {
	show := &showing{words: words, channel: channel}
	reader := playback.NewReader(channel, pl.grace)
	var header codec.Header
	var played time.Duration
	var began time.Time
	for {
		item, err := reader.Next(ctx)
		if err != nil { // ctx's, or the station's end, which the player will come to
			return
		}
		if began.IsZero() {
			began = time.Now()
		}
		switch item.Kind {
		case codec.ItemHeader:
			header = item.Header
		case codec.ItemFrame:
			played += time.Duration(item.Frame.Samples) * time.Second / time.Duration(max(header.SampleRate, 1))
		case codec.ItemEvent:
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(began.Add(played))):
				show.event(item.Event)
			}
		case codec.ItemGap:
		}
	}
}

// controls are what the desktop may do.
type controls struct {
	*sound.Player
	stop context.CancelFunc
}

// Stop ends listening.
func (c controls) Stop() { c.stop() }

// A showing tells people and the desktop what is heard. The player's goroutine owns it.
type showing struct {
	words   io.Writer
	bus     *mpris.Bus // nil: no desktop
	channel *playback.Channel
	station string
	codec   string
	title   string
	status  sound.Status
	fault   bool
}

func (s *showing) line(name, text string) { fmt.Fprintf(s.words, "%-7s %s\n", name, text) }

func (s *showing) changed(now sound.State) {
	if now.Codec != "" && now.Codec != s.codec {
		s.codec = now.Codec
		s.line("player", fmt.Sprintf("internal, %s at %d Hz", now.Codec, now.Rate))
	}
	if s.codec != "" {
		s.event(now.Event)
	}
	if fault := now.Fault != nil; fault != s.fault {
		s.fault = fault
		if fault {
			s.line("player", "the sound system went away: waiting for it")
		} else {
			s.line("player", "the sound system is back")
		}
	}
	if (now.Status == sound.Paused) != (s.status == sound.Paused) {
		s.line("player", map[bool]string{true: "paused", false: "goes on"}[now.Status == sound.Paused])
	}
	s.status = now.Status
	if s.bus != nil {
		s.bus.Show(mpris.State{Status: desktopStatus(now.Status), Station: s.station, Event: now.Event, Volume: now.Volume})
	}
}

// event shows a station that has another name and a track that has begun.
func (s *showing) event(e codec.Event) {
	name := e.StationName
	if name == "" && s.station == "" {
		name = s.channel.Info().Name
	}
	if name != "" && name != s.station {
		s.station = name
		s.line("station", name)
	}
	if title := titleOf(e); title != "" && title != s.title {
		s.title = title
		s.line("title", title)
	}
}

func desktopStatus(s sound.Status) mpris.Status {
	switch s {
	case sound.Paused:
		return mpris.Paused
	case sound.Stopped:
		return mpris.Stopped
	case sound.Playing, sound.Waiting: // it goes on by itself
	}
	return mpris.Playing
}

// titleOf is the title as people write it.
func titleOf(e codec.Event) string {
	if e.Artist == "" || e.Title == "" {
		return e.Artist + e.Title
	}
	return e.Artist + " - " + e.Title
}
