// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"streamer/internal/daemon"
)

type relayCmd struct {
	Stations []string `arg:"" name:"station" complete:"stations" help:"Links, station ids, or names from the list."`
	nodeFlags
}

// Run relays.
func (c *relayCmd) Run(p *program, g *globalFlags) error {
	opts := c.options(p, g)
	r := &relaying{p: p}
	for _, s := range c.Stations {
		link, err := findStation(p.ctx, s, &c.nodeFlags, g)
		switch {
		case mayBeFound(err, &c.nodeFlags, g):
			r.names = append(r.names, s)
		case err != nil:
			return err
		default:
			opts.Relay = append(opts.Relay, link)
		}
	}
	if len(r.names) == 0 {
		return serve(p, opts, p.stdout, nil)
	}
	return serve(p, opts, p.stdout, r.run)
}

// A relaying looks for the stations that were named by what they call themselves.
type relaying struct {
	p     *program
	names []string
}

// run looks for all of them at once, as long as it takes, and returns when ctx ends or one cannot be relayed.
func (r *relaying) run(ctx context.Context, d *daemon.Daemon, _ daemon.Ready) error {
	for _, name := range r.names {
		fmt.Fprintf(r.p.stdout, "%-7s %s\n", "looking", name)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var looking sync.WaitGroup
	for _, name := range r.names {
		looking.Go(func() {
			if err := r.relay(ctx, d, name); err != nil {
				fail(err)
			}
		})
	}
	<-ctx.Done()
	looking.Wait()
	return context.Cause(ctx)
}

// relay waits for one of them. Who relays is not in a hurry: the station may come on the air tomorrow.
func (r *relaying) relay(ctx context.Context, d *daemon.Daemon, name string) error {
	notice := time.AfterFunc(findTime, func() {
		fmt.Fprintf(r.p.stderr, "no station %q is known so far: is that its name? still looking\n", name)
	})
	defer notice.Stop()
	link, err := findByName(ctx, d, name)
	if err != nil {
		return err
	}
	return d.Relay(ctx, link)
}
