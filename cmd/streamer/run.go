// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

type runCmd struct {
	SeedOnly bool `name:"seed-only" help:"Be a host that others start from: the same identity at each start, no browser."`
	nodeFlags
}

// Run runs a node for the one who sits before it.
func (c *runCmd) Run(p *program, g *globalFlags) error {
	c.NoOpen = c.NoOpen || c.SeedOnly
	return c.serve(p, g, nil, c.SeedOnly)
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
		if !f.NoOpen && r.HTTP != "" {
			openBrowser(ctx, r.HTTP)
		}
		<-ctx.Done()
		return nil
	})
}

type openCmd struct {
	Link string `arg:"" help:"A streamerp2p: link."`
	nodeFlags
}

// Run hands the link to the running node, or becomes it.
func (c *openCmd) Run(p *program, g *globalFlags) error {
	link, err := identity.ParseLink(c.Link)
	if err != nil {
		return usageError{err}
	}
	client := daemon.NewClient(c.HTTP)
	defer client.Close()
	switch err = client.Tune(p.ctx, link, "listener"); {
	case errors.Is(err, daemon.ErrNoNode):
		return c.serve(p, g, []identity.Link{link}, false)
	case err != nil:
		return err
	}
	if !c.NoOpen {
		openBrowser(p.ctx, client.URL())
	}
	_, err = io.WriteString(p.stdout, "the node at "+client.URL()+" tunes in\n")
	return err
}

// openBrowser shows a page where there is a desktop to show it on. That it fails is no error: the address was printed.
func openBrowser(ctx context.Context, url string) {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	case "darwin":
		command = []string{"open", url}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
	}
	_ = exec.CommandContext(ctx, command[0], command[1:]...).Run()
}
