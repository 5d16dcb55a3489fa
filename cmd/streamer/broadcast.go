// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"streamer/internal/daemon"
)

type broadcastCmd struct {
	Src     []string `arg:"" optional:"" name:"src" help:"Files, folders, playlists, http(s) streams, or - for standard input."`
	Station string   `placeholder:"NAME|FILE" complete:"keys" help:"Which key to broadcast with: a name from streamer station list, or a key file (default)."`
	Mount   string   `placeholder:"/MOUNT" help:"The only mount that broadcast tools may use; any without it."`
	Shuffle bool     `help:"Play files and folders in a new order every time."`
	Once    bool     `help:"End after the last of them instead of beginning again."`
	nodeFlags
}

// Run broadcasts.
func (c *broadcastCmd) Run(p *program, g *globalFlags) error {
	opts := c.options(p, g)
	b := &daemon.BroadcastOptions{
		Station: c.Station, Info: c.info(), Inputs: c.Src, Shuffle: c.Shuffle, Once: c.Once, Stdin: p.stdin,
	}
	if len(c.Src) > 0 {
		if c.Mount != "" || c.Source != "" {
			return usageError{fmt.Errorf("either things to play or a source port for a broadcast tool, not both")}
		}
		opts.Broadcast = b
		return serve(p, opts, p.stdout, nil)
	}
	if c.Shuffle || c.Once {
		return usageError{fmt.Errorf("--shuffle and --once need things to play")}
	}
	if c.Source == "" {
		c.Source = defaultSource
	}
	b.Mount = c.Mount
	if err := c.openSource(p, g, b); err != nil {
		return err
	}
	opts.Broadcast = b
	return serve(p, opts, p.stdout, nil)
}

// openSource asks for a source port for broadcast tools, and says what they log in with when the user did not.
func (f *nodeFlags) openSource(p *program, g *globalFlags, b *daemon.BroadcastOptions) error {
	password, made, err := f.sourcePassword(g)
	if err != nil {
		return err
	}
	b.Source, b.Password = f.Source, password
	if made {
		_, err = fmt.Fprintf(p.stdout, "%-7s user source, password %s (--source-password sets another)\n", "login", password)
	}
	return err
}
