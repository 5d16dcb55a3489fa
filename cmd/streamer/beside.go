// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/playback"
)

// besideGrace is how long a player waits for more after the running node has ended the audio, which had its own patience
// with the broadcaster.
const besideGrace = 5 * time.Second

// beside listens by way of the node that runs already, which goes on when this ends. link is empty when the station is only
// known by name.
func (l *listening) beside(ctx context.Context, client *daemon.Client, link identity.Link) error {
	if l.name != "" {
		var err error
		if link, err = l.findBeside(ctx, client); errors.Is(err, context.Canceled) {
			return nil
		} else if err != nil {
			return err
		}
		l.station = link.Station
	}
	if err := client.Tune(ctx, link, "player"); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	fmt.Fprintf(l.words, "%-7s a node runs already and plays this; its page is %s\n", "node", client.URL())
	if l.playing != nil {
		l.playing.grace, l.playing.piped = besideGrace, client.HasPassword()
	}
	l.grace = min(l.grace, besideGrace)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	channel := playback.NewChannel(link.Name)
	var feeding sync.WaitGroup
	var lost error
	feeding.Go(func() {
		if lost = client.Listen(ctx, link, channel); lost == nil {
			return
		}
		select {
		case <-time.After(besideGrace): // until all that came is heard
		case <-ctx.Done():
		}
		cancel()
	})
	err := l.hear(ctx, channel, l.url(client.URL()))
	cancel()
	feeding.Wait()
	return errors.Join(err, lost)
}

// findBeside waits until the running node knows a station of the name that was given.
func (l *listening) findBeside(ctx context.Context, client *daemon.Client) (identity.Link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, unknownStation(l.name).withHint())
	defer cancel()
	fmt.Fprintf(l.words, "%-7s %s\n", "looking", l.name)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		link, found, err := fromList(ctx, l.name, client)
		if found || err != nil {
			return link, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return link, context.Cause(ctx)
		}
	}
}
