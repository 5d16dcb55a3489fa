// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/playback"
)

// findTime is how long a station is looked for by name.
const findTime = 30 * time.Second

// silenceNotice is how long a listener waits before it says that nothing has come.
const silenceNotice = 8 * time.Second

type listenCmd struct {
	Station string `arg:"" complete:"stations" help:"A streamerp2p: link, a station id, or a name from the list."`
	Output  string `placeholder:"FILE|-" help:"Write the audio to a file until the broadcaster ends the stream, or to standard output, which waits 45 s for one who comes back."`
	Player  string `placeholder:"auto|internal|none|COMMAND" help:"What plays it: internal is this program; auto is that where it can, and else a player that it finds; a command gets the address, or, when it ends in -, the audio (auto; none with --output)."`
	nodeFlags
}

// Run listens.
func (c *listenCmd) Run(p *program, g *globalFlags) error {
	link, err := findStation(p.ctx, c.Station, &c.nodeFlags, g)
	byName := mayBeFound(err, &c.nodeFlags, g)
	if err != nil && !byName {
		return err
	}
	if c.Player == "" && c.Output == "" {
		c.Player = "auto"
	}
	play, err := newPlaying(p, c.Player)
	if err != nil {
		return err
	}
	opts := c.options(p, g)
	if play != nil {
		play.piped = c.HTTPPassword != ""
	}
	l := &listening{p: p, station: link.Station, playing: play}
	if byName {
		l.name = c.Station
	} else {
		opts.Listen = []identity.Link{link}
	}
	words := p.stdout
	switch c.Output {
	case "":
	case "-":
		l.output, words = nopCloser{p.stdout}, p.stderr
		l.grace = playback.EndGrace // who reads it is most likely a player
	default:
		f, err := os.Create(c.Output)
		if err != nil {
			return err
		}
		l.output = f
	}
	l.words = words
	err = serve(p, opts, words, l.run)
	if !addressTaken(err) || c.ReadyFile != "" || c.Record != "" { // which only a node of its own has
		return err
	}
	client := newClient(c.HTTP, c.HTTPPassword, g)
	defer client.Close()
	if !isNode(p.ctx, client) {
		return err
	}
	return l.beside(p.ctx, client, link)
}

// A listening is what a listener does with the station beside the node.
type listening struct {
	p       *program
	words   io.Writer // for people; not standard output when that carries the audio
	station identity.StationID
	name    string         // of the station, while its id is not known
	output  io.WriteCloser // nil: none
	grace   time.Duration  // for a station that ends: how long output stays open
	playing *playing       // nil: nothing plays
}

// run writes the audio, or starts the player, or waits.
func (l *listening) run(ctx context.Context, d *daemon.Daemon, ready daemon.Ready) error {
	if l.name != "" {
		link, err := l.find(ctx, d)
		if err != nil {
			return err
		}
		l.station = link.Station
	}
	url := ""
	if ready.HTTP != "" {
		url = l.url(ready.HTTP)
	}
	if l.playing != nil && ready.Password != "" {
		l.playing.piped = true
	}
	channel, release, err := d.Tune(ctx, l.station)
	if err != nil {
		return err
	}
	defer release()
	return l.hear(ctx, channel, url)
}

// hear does with the station's audio, which is at url as well, what was asked for.
func (l *listening) hear(ctx context.Context, channel *playback.Channel, url string) error {
	if url != "" {
		fmt.Fprintf(l.words, "%-7s %s\n", "listen", url)
	}
	notice := time.AfterFunc(silenceNotice, func() {
		if !channel.Info().OnAir {
			fmt.Fprintln(l.p.stderr, "nothing has come from the station so far: is it on the air, and its link right? still trying")
		}
	})
	defer notice.Stop()
	switch {
	case l.output != nil && l.playing != nil:
		copied := make(chan error, 1)
		writing, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { copied <- l.write(writing, channel) }()
		err := l.playing.play(ctx, l.words, channel, url)
		cancel()
		return errors.Join(err, <-copied)
	case l.output != nil:
		return l.write(ctx, channel)
	case l.playing != nil:
		return l.playing.play(ctx, l.words, channel, url)
	default:
		<-ctx.Done()
		return nil
	}
}

// find waits until the node knows a station of the name that was given.
func (l *listening) find(ctx context.Context, d *daemon.Daemon) (identity.Link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, unknownStation(l.name))
	defer cancel()
	fmt.Fprintf(l.words, "%-7s %s\n", "looking", l.name)
	link, err := findByName(ctx, d, l.name)
	if unknown, ok := errors.AsType[unknownStation](err); ok {
		return link, unknown.withHint()
	}
	return link, err
}

func (l *listening) write(ctx context.Context, channel *playback.Channel) error {
	err := playback.CopyTo(ctx, channel, l.output, l.grace)
	if errors.Is(err, syscall.EPIPE) { // who read it has heard enough
		err = nil
	}
	return errors.Join(err, l.output.Close())
}

// url is where other players find the audio, on the node with this page.
func (l *listening) url(page string) string { return page + "listen/" + l.station.String() }

// nopCloser keeps standard output open.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
