// SPDX-License-Identifier: MIT

// Package daemon runs one node in real time: it owns the clock, the socket, the disk and every goroutine that the
// deterministic core must not have, and joins the core to broadcast tools (ingest), players (playback) and people (web).
//
// One goroutine owns the node and its output; everything else talks to it through bounded channels. Whoever starts a
// goroutine waits for its end: when Run returns, nothing of the daemon is left.
//
// It makes no decision about the network, and it never prints or logs a secret. A damaged file is refused by name and left
// as it is.
package daemon

import (
	"context"
	"errors"
)

// A Daemon is one node with its doors. Make it with New, then Run it once.
type Daemon struct {
	opts Options
}

// New checks the options, opens the data directory and binds every port. Call Run, or Close when it is not to run.
func New(opts Options) (*Daemon, error) {
	return &Daemon{opts: opts}, nil
}

// Run serves until ctx ends, then leaves politely and returns nil. It ends on its own with an error when a door breaks, and
// with nil when somebody asked it to stop or, with BroadcastOptions.Once, when everything was played.
func (d *Daemon) Run(ctx context.Context) error {
	<-ctx.Done()
	return errors.New("not yet")
}

// Close frees what New took.
func (d *Daemon) Close() error { return nil }

// Ready is what Options.ReadyFile gets; valid after New.
func (d *Daemon) Ready() Ready { return Ready{} }
