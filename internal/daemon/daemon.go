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
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"streamer/internal/identity"
	"streamer/internal/ingest"
	"streamer/internal/node"
	"streamer/internal/playback"
	"streamer/internal/udp"
)

// A Daemon is one node with its doors. Make it with New, then Run it once.
type Daemon struct {
	opts  Options
	log   *slog.Logger
	clock clock
	begun time.Time

	conn      *udp.Conn
	aside     *udp.Conn // the second port
	self      identity.NodeID
	loop      *loop
	stations  *stations
	discovery *discovery
	ports     *portMapping
	uploads   *uploads
	settings  *settings
	given     *given
	own       *broadcast                       // nil: no station of one's own
	entries   atomic.Pointer[[]netip.AddrPort] // where people elsewhere begin to reach this node; nil: not known yet
	server    *ingest.Server                   // the source port; nil: none
	player    *ingest.Player                   // the things to play; nil: none
	sources   []net.Listener                   // of server
	listener  net.Listener                     // nil: no HTTP
	password  string                           // of listener; "": none is needed
	stop      chan struct{}                    // closed when somebody asked to stop
	stopOnce  sync.Once
	closers   []func() error // what New opened, in order

	passwordMade bool // password is one that nobody gave
}

// New checks the options, opens the data directory and binds every port. Call Run, or Close when it is not to run.
func New(opts Options) (*Daemon, error) {
	d := &Daemon{opts: opts, log: opts.Log, clock: newClock(), begun: time.Now(), stop: make(chan struct{})}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, open := range []func() error{d.check, d.openNode, d.openBroadcast, d.openHTTP} {
		if err := open(); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func (d *Daemon) check() error {
	if len(d.opts.Seeds) > SeedsMax {
		return fmt.Errorf("%d seeds are too many: name %d at most", len(d.opts.Seeds), SeedsMax)
	}
	for _, s := range d.opts.Seeds {
		if err := identity.CheckPeer(s); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	if n := len(d.opts.Listen) + len(d.opts.Relay); n >= StationsMax {
		return fmt.Errorf("%d stations are too many for one node: name %d at most", n, StationsMax-1)
	}
	return nil
}

// openNode binds the UDP port and makes the node.
func (d *Daemon) openNode() error {
	conn, err := udp.Listen(d.opts.Port)
	if err != nil {
		return fmt.Errorf("%w (--port)", err)
	}
	d.conn = conn
	d.closers = append(d.closers, closeOnce(conn))
	aside, err := udp.Listen(0)
	if err != nil {
		return fmt.Errorf("a second UDP port, which others need to learn about their routers: %w", err)
	}
	d.aside = aside
	d.closers = append(d.closers, closeOnce(aside))
	seeds, err := NewSeeds(rand.Reader)
	if err != nil {
		return err
	}
	if d.opts.KeepNodeKey {
		dir, err := d.opts.dataDir()
		if err != nil {
			return err
		}
		if seeds.Node, err = keptNodeSeed(dir, rand.Reader); err != nil {
			return err
		}
	}
	if d.settings, err = newSettings(&d.opts, d.log); err != nil {
		return err
	}
	cfg := seeds.Config(d.settings.applied)
	d.self = cfg.Key.Public()
	cfg.Reach.Carries = !d.opts.NoCarry || d.opts.Record != ""
	if d.opts.NoGossip && d.opts.Record == "" {
		cfg.Gossip = nil
	}
	now := d.clock.now()
	var rec *Recorder
	if d.opts.Record == "" {
		cfg.Secrets = rand.Reader
	} else {
		if rec, err = NewRecorder(d.opts.Record, seeds, d.settings.applied, now); err != nil {
			return err
		}
		d.closers = append(d.closers, rec.Close)
	}
	d.loop = newLoop(node.New(now, cfg), d.clock, nil, nil)
	d.loop.rec = rec
	d.loop.aside = newSealer(aside)
	d.loop.extras = conn.NewExtras(d.loop.receive)
	d.closers = append(d.closers, d.loop.extras.Close)
	d.stations = newStations(d.loop, d.log)
	d.discovery = newDiscovery(d.loop, &d.opts, uint16(conn.Port()), d.log)
	d.ports = newPortMapping(d.loop, &d.opts, uint16(conn.Port()), d.log)
	d.uploads = newUploads(d.loop, &d.opts, d.log)
	d.given = newGiven(d.loop, &d.opts, d.log)
	d.loop.notice = d.stations.notice
	return nil
}

// openBroadcast opens the station's key and what its source needs.
func (d *Daemon) openBroadcast() error {
	o := d.opts.Broadcast
	if o == nil {
		return nil
	}
	if len(d.opts.Announce) > identity.LinkPeersMax {
		return fmt.Errorf("%d addresses are too many for a link: name %d at most", len(d.opts.Announce), identity.LinkPeersMax)
	}
	store, err := OpenStore(d.opts.DataDir)
	if err != nil {
		return err
	}
	st, err := store.OpenOrNew(o.Station, o.Info, rand.Reader)
	if err != nil {
		return err
	}
	st.Info = mergeInfo(o.Info, st.Info)
	d.own = &broadcast{loop: d.loop, store: store, log: d.log, station: st, info: st.Info}
	d.own.channel = d.stations.addOwn(st.Key.ID(), st.Link(nil).Name)
	if len(o.Inputs) > 0 {
		return d.openInputs(o, st)
	}
	d.server, err = ingest.NewServer(ingest.ServerConfig{
		Station: d.own, Password: o.Password, Mount: o.Mount, Info: st.Info, Log: d.log,
	})
	if err != nil {
		return err // says what to do
	}
	d.sources, err = ingest.Listen(context.Background(), o.Source, d.log)
	for _, l := range d.sources {
		d.closers = append(d.closers, closeOnce(l))
	}
	if err != nil {
		return fmt.Errorf("%w (--source)", err)
	}
	return nil
}

func (d *Daemon) openInputs(o *BroadcastOptions, st Station) error {
	seeds, err := NewSeeds(rand.Reader)
	if err != nil {
		return err
	}
	d.player, err = ingest.NewPlayer(ingest.PlayerConfig{
		Station: d.own, Inputs: o.Inputs, Shuffle: o.Shuffle, Once: o.Once, Info: st.Info, Stdin: o.Stdin,
		Rand: seeds.Config(0).Rand, Log: d.log,
	})
	return err // says what to do
}

func (d *Daemon) openHTTP() error {
	if d.opts.HTTP == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", d.opts.HTTP)
	if err != nil {
		return fmt.Errorf("open the page's address (--http): %w", err)
	}
	d.listener = l
	d.closers = append(d.closers, closeOnce(l))
	return d.openPassword()
}

// closeOnce closes c; that it is closed already is no error.
func closeOnce(c io.Closer) func() error {
	return func() error {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err // says what was closed
		}
		return nil
	}
}

// Close frees what New took. Run does so too.
func (d *Daemon) Close() error {
	var all error
	for _, c := range d.closers {
		all = errors.Join(all, c())
	}
	d.closers = nil
	return all
}

// Stop asks Run to leave politely, as the end of its context does. It may be called by any goroutine, more than once.
func (d *Daemon) Stop() { d.stopOnce.Do(func() { close(d.stop) }) }

// Tune implements playback.Tuner for the running daemon.
func (d *Daemon) Tune(ctx context.Context, id identity.StationID) (*playback.Channel, func(), error) {
	return d.stations.Tune(ctx, id)
}

// Ready is what Options.ReadyFile gets; valid after New.
func (d *Daemon) Ready() Ready {
	r := Ready{UDP: d.conn.Port()}
	if d.listener != nil {
		r.HTTP = "http://" + reachable(d.listener.Addr().String()) + "/"
		if d.passwordMade {
			r.Password = d.password
		}
	}
	if len(d.sources) > 0 {
		r.Source = reachable(d.sources[0].Addr().String())
	}
	if d.own != nil {
		r.Link = d.ownLink().String()
		r.StationID = d.own.station.Key.ID().String()
	}
	return r
}

// ownLink is the link to one's own station.
func (d *Daemon) ownLink() identity.Link {
	peers := d.opts.Announce
	if peers == nil {
		peers = d.linkPeers()
	}
	d.own.mu.Lock()
	defer d.own.mu.Unlock()
	return d.own.station.Link(peers)
}
