// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

type runCmd struct {
	SeedOnly bool `name:"seed-only" help:"Be a host that others start from: the same identity at each start, no browser."`
	nodeFlags
}

// Run runs a node for the one who sits before it. When one runs already, its page is what was wanted.
func (c *runCmd) Run(p *program, g *globalFlags) error {
	c.NoOpen = c.NoOpen || c.SeedOnly
	err := c.serve(p, g, nil, c.SeedOnly)
	if c.NoOpen || !addressTaken(err) {
		return err
	}
	client := newClient(c.HTTP, c.HTTPPassword, g)
	defer client.Close()
	if !isNode(p.ctx, client) {
		return err
	}
	return c.show(p, client.URL(), "a node runs already (`streamer stop` ends it); its page is")
}

// serve runs a node with its page, tuned to what links name; keepKey is daemon.Options.KeepNodeKey.
func (f *nodeFlags) serve(p *program, g *globalFlags, links []identity.Link, keepKey bool) error {
	opts := f.options(p, g)
	opts.KeepNodeKey = keepKey
	opts.Listen = links
	if f.Source != "" {
		opts.Broadcast = &daemon.BroadcastOptions{Info: f.info()}
		if err := f.openSource(p, g, opts.Broadcast); err != nil {
			return err
		}
	}
	return serve(p, opts, p.stdout, func(ctx context.Context, _ *daemon.Daemon, r daemon.Ready) error {
		if browser := browserAt(ctx, stationPage(r.HTTP, links)); browser != nil && !f.NoOpen && r.HTTP != "" {
			_ = browser.Run() // the address was printed
		}
		<-ctx.Done()
		return nil
	})
}

// handOverTime is how long a node that is only starting may take before it answers.
const handOverTime = 10 * time.Second

type openCmd struct {
	Link string `arg:"" optional:"" help:"A streamerp2p: link. Without one, the page is shown."`
	nodeFlags
}

// Run hands the link to the running node, or becomes it. Links come from strangers, by way of browsers: what is none goes no
// further.
func (c *openCmd) Run(p *program, g *globalFlags) error {
	if c.Link == "" {
		return (&runCmd{nodeFlags: c.nodeFlags}).Run(p, g)
	}
	link, err := identity.ParseLink(c.Link)
	if err != nil {
		return usageError{err}
	}
	client := newClient(c.HTTP, c.HTTPPassword, g)
	defer client.Close()
	err = client.Tune(p.ctx, link, "listener")
	if errors.Is(err, daemon.ErrNoNode) {
		served := c.serve(p, g, []identity.Link{link}, false)
		if !addressTaken(served) {
			return served
		}
		// Another was faster: two links that were clicked at once.
		if err = tuneSoon(p.ctx, client, link); errors.Is(err, daemon.ErrNoNode) {
			return served
		}
	}
	if err != nil {
		return err
	}
	return c.show(p, stationPage(client.URL(), []identity.Link{link}), "the running node tunes in; its page is")
}

// tuneSoon hands a link to a node that may be only starting.
func tuneSoon(ctx context.Context, client *daemon.Client, link identity.Link) error {
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Tune(ctx, link, "listener")
		if !errors.Is(err, daemon.ErrNoNode) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// isNode reports whether it is a node of ours that answers, and not just any server.
func isNode(ctx context.Context, client *daemon.Client) bool {
	status, err := client.Status(ctx)
	return err == nil && status.NodeID != ""
}

// stationPage is where the page shows the first of the stations, which was asked for; or the page.
func stationPage(page string, links []identity.Link) string {
	if len(links) == 0 {
		return page
	}
	return page + "#/station/" + links[0].Station.String()
}

// show prints where a page is and, unless that is not wanted, opens it; it does not wait for the browser.
func (f *nodeFlags) show(p *program, url, words string) error {
	if _, err := fmt.Fprintf(p.stdout, "%s %s\n", words, url); err != nil || f.NoOpen {
		return err
	}
	if browser := browserAt(context.WithoutCancel(p.ctx), url); browser != nil {
		_ = browser.Start() // the address was printed
	}
	return nil
}
