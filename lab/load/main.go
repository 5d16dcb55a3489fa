// SPDX-License-Identifier: MIT

//go:build linux

// Command load is many listeners in one process, to see what one relay carries and what each of them costs it: real nodes
// with real links over UDP on loopback, each with an address of its own, that verify everything and play nothing.
//
//	go run ./lab/load -link LINK -n 1000 -duration 30s -pid PID
//
// LINK names the relay as a peer. With -pid, the processor time and the memory of that process are sampled while the
// children listen. The result is one JSON object on standard output.
//
// The children share a few sockets and goroutines, so that little of the machine is lost to the load itself. They hand
// nothing on, and refuse nothing that a listener would accept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"streamer/internal/identity"
)

// childrenMax is how many addresses the tool has (addrOf).
const childrenMax = 60_000

type options struct {
	link     string
	children int
	joins    int
	threads  int
	settle   time.Duration
	duration time.Duration
	pid      int
	seed     uint64
	row      bool
}

func main() {
	var o options
	flag.StringVar(&o.link, "link", "", "the station's link, with the relay as its first peer")
	flag.IntVar(&o.children, "n", 100, "children")
	flag.IntVar(&o.joins, "joins", 100, "children that join in a second")
	flag.IntVar(&o.threads, "threads", 2, "goroutines that share the children")
	flag.DurationVar(&o.settle, "settle", 5*time.Second, "wait after the last join before measuring")
	flag.DurationVar(&o.duration, "duration", 30*time.Second, "how long to measure")
	flag.IntVar(&o.pid, "pid", 0, "process to sample: the relay's")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the children's keys")
	flag.BoolVar(&o.row, "row", false, "print a row of a Markdown table instead of JSON; without -link, the table's head")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, o options) error {
	if o.row && o.link == "" {
		_, err := fmt.Print(tableHead)
		return err
	}
	if o.children < 1 || o.children > childrenMax {
		return fmt.Errorf("-n %d: want 1 to %d", o.children, childrenMax)
	}
	if o.joins < 1 || o.threads < 1 {
		return fmt.Errorf("-joins %d, -threads %d: want at least 1", o.joins, o.threads)
	}
	link, err := identity.ParseLink(o.link)
	if err != nil {
		return fmt.Errorf("-link: %w", err)
	}
	peer, err := firstPeer(link)
	if err != nil {
		return err
	}
	r, err := o.measure(ctx, link.Station, peer)
	if err != nil {
		return err
	}
	if o.row {
		return r.row(os.Stdout)
	}
	return r.json(os.Stdout)
}

// firstPeer is where the children tune in. Only IPv4: they live on loopback.
func firstPeer(l identity.Link) (netip.AddrPort, error) {
	if len(l.Peers) == 0 {
		return netip.AddrPort{}, errors.New("-link: it names no peer; add &peer=127.0.0.1:PORT of the relay")
	}
	a, err := net.ResolveUDPAddr("udp4", l.Peers[0])
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("-link: peer %s: %w", l.Peers[0], err)
	}
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}
