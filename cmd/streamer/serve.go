// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"syscall"

	"streamer/internal/daemon"
)

// A companion works beside a running node; when it returns, the node leaves. It gets what Options.OnReady got.
type companion func(ctx context.Context, d *daemon.Daemon, ready daemon.Ready) error

// serve runs a node until p.ctx ends, until it is asked to stop, or until with (which may be nil) returns. It prints the
// node's addresses to w.
func serve(p *program, opts daemon.Options, w io.Writer, with companion) error {
	ready := make(chan daemon.Ready, 1)
	opts.OnReady = func(r daemon.Ready) {
		printReady(w, r)
		ready <- r
	}
	opts.OnLink = func(link string) { fmt.Fprintf(w, "%-7s %s\n", "link", link) }
	d, err := daemon.New(opts)
	if addressTaken(err) {
		return withHint(err, "is a node running already (streamer status)? `streamer open LINK` has it tune in, `streamer stop` ends it; "+
			"`--port 0 --http 127.0.0.1:0` takes free ports for one more")
	}
	if err != nil {
		return err
	}
	if with == nil {
		return d.Run(p.ctx)
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var beside sync.WaitGroup
	var withErr error
	beside.Go(func() {
		select {
		case r := <-ready:
			withErr = with(ctx, d, r)
		case <-ctx.Done():
		}
		d.Stop()
	})
	err = d.Run(ctx)
	cancel()
	beside.Wait()
	if errors.Is(withErr, context.Canceled) || errors.Is(withErr, daemon.ErrStopped) {
		withErr = nil // it ended because the node did
	}
	return errors.Join(err, withErr)
}

// addressTaken reports whether a node could not begin because another program, most likely another node, has its address.
func addressTaken(err error) bool {
	const wsaEADDRINUSE = syscall.Errno(10048) // what Windows says, which package syscall does not know for the same
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, wsaEADDRINUSE)
}

// printReady prints one line for each address.
func printReady(w io.Writer, r daemon.Ready) {
	for _, line := range []struct{ name, value string }{{"page", r.HTTP}, {"link", r.Link}, {"source", r.Source}} {
		if line.value != "" {
			fmt.Fprintf(w, "%-7s %s\n", line.name, line.value)
		}
	}
	if r.Password != "" {
		fmt.Fprintf(w, "%-7s %s (of the page, with any user name; --http-password sets another)\n", "password", r.Password)
	}
}
