// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/wire"
)

const (
	farewellTime = 2 * time.Second // for all of a polite end
	lastTime     = time.Second     // a source goes on for so long after the end: to give last chunks, and tell that it is off the air
)

// errAsked is the cause of an end that somebody asked for, by whatever way, or that the last input brought.
var errAsked = errors.New("asked to stop")

// Run serves until ctx ends, whatever the cause, then leaves politely and returns nil. It ends on its own with an error when
// a door breaks, and with nil when somebody asked it to stop or, with BroadcastOptions.Once, when everything was played.
func (d *Daemon) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.Close()) }()
	asked := ctx.Done()
	ctx, fail := context.WithCancelCause(context.WithoutCancel(ctx)) // so that its causes are ours
	defer fail(nil)
	loopCtx, endLoop := context.WithCancel(context.WithoutCancel(ctx))
	defer endLoop()

	var socket, core, doors sync.WaitGroup
	d.loop.send = newSender(d.conn)
	socket.Go(func() { d.conn.Serve(d.loop.receive) })
	socket.Go(func() { d.aside.Serve(d.receiveAside) })
	core.Go(func() { d.loop.run(loopCtx) })
	d.discovery.tellLocal(ctx) // before anybody on the LAN is met
	doors.Go(func() { d.discovery.runLocal(ctx) })
	if d.own != nil && d.opts.Announce == nil {
		doors.Go(func() { d.runEntries(ctx) })
	}
	doors.Go(func() { d.stations.run(ctx) })
	doors.Go(func() { d.discovery.run(ctx) })
	doors.Go(func() { d.uploads.run(ctx) })
	doors.Go(func() { d.given.run(ctx) })
	doors.Go(func() { d.settings.run(ctx, d.loop) })
	if d.opts.DHT {
		doors.Go(func() { d.newMainline().run(ctx) })
	}
	if d.opts.LAN {
		doors.Go(func() { d.discovery.runLAN(ctx, d.self, d.conn.Port()) })
	}
	if d.opts.Portmap {
		doors.Go(func() { d.ports.run(ctx) })
	}
	doors.Go(func() {
		select {
		case <-asked:
		case <-d.stop:
		case <-ctx.Done():
		}
		fail(errAsked)
	})
	d.startSource(ctx, &doors, fail)
	web := d.startHTTP(&doors, fail)
	if err := d.begin(ctx); err != nil {
		fail(err)
	}

	<-ctx.Done()
	d.log.Info("leaving")
	d.farewell(context.WithoutCancel(ctx), web)
	doors.Wait()
	endLoop()
	core.Wait()
	d.loop.send.close()
	if err := d.loop.extras.Close(); err != nil {
		d.log.Warn("further ports not closed", keyError, err)
	}
	if err := d.conn.Close(); err != nil {
		d.log.Warn("socket not closed", keyError, err)
	}
	if err := d.aside.Close(); err != nil {
		d.log.Warn("socket not closed", keyError, err)
	}
	socket.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, errAsked) {
		return cause
	}
	return nil
}

// receiveAside is the handler of the second port, where nothing but PUNCHes is expected: one at a time.
func (d *Daemon) receiveAside(from netip.AddrPort, b []byte) {
	if t, err := wire.ParseDatagramType(b); err != nil || t != wire.DatagramPunch {
		return
	}
	if p, err := wire.ParsePunch(b); err == nil {
		_ = d.loop.do(context.Background(), node.AsideCommand{From: from, Token: p.Token}) // the only error: the loop has ended
	}
}

// startSource starts the source port or the inputs.
func (d *Daemon) startSource(ctx context.Context, doors *sync.WaitGroup, fail context.CancelCauseFunc) {
	if d.server != nil {
		doors.Go(func() { d.server.Serve(ctx, d.sources...) })
	}
	if d.player != nil {
		doors.Go(func() {
			err := d.player.Run(ctx)
			if err == nil {
				err = errAsked
			}
			fail(err)
		})
	}
}

// begin tunes in what the options name and tells that the daemon serves.
func (d *Daemon) begin(ctx context.Context) error {
	pin := func(list []identity.Link, role node.Role) error {
		for _, l := range list {
			if err := d.stations.pin(ctx, l, role); err != nil {
				return fmt.Errorf("station %s: %w", l.Station.Short(), err)
			}
		}
		return nil
	}
	if err := errors.Join(pin(d.opts.Listen, node.RoleListener), pin(d.opts.Relay, node.RoleRelay)); err != nil {
		return err
	}
	ready := d.Ready()
	if d.opts.ReadyFile != "" {
		b, err := json.Marshal(ready)
		if err != nil {
			return fmt.Errorf("encode the ready file: %w", err)
		}
		if err := writeFileAtomic(d.opts.ReadyFile, append(b, '\n'), 0o644, true); err != nil {
			return err
		}
	}
	d.log.Info("serving", keyPort, ready.UDP, keyHTTP, ready.HTTP, keySource, ready.Source)
	if d.opts.OnReady != nil {
		d.opts.OnReady(ready)
	}
	return nil
}

// farewell ends the stream, the players and the links in this order, and gives what goes out time to arrive.
func (d *Daemon) farewell(ctx context.Context, web *pages) {
	ctx, cancel := context.WithTimeout(ctx, farewellTime)
	defer cancel()
	aired := false
	if d.own != nil {
		var err error
		if aired, err = d.own.end(ctx); err != nil {
			d.log.Warn("the end was not signed", keyError, err)
		}
	}
	d.stations.close()
	if aired {
		last := time.NewTimer(lastTime)
		defer last.Stop()
		select {
		case <-last.C:
		case <-ctx.Done():
		}
	}
	if err := d.loop.do(ctx, node.LeaveCommand{}); err != nil {
		d.log.Warn("peers were not told", keyError, err)
	}
	gone := time.NewTimer(node.LeaveTime)
	defer gone.Stop()
	if web != nil {
		web.stop(ctx)
	}
	select {
	case <-gone.C:
	case <-ctx.Done():
	}
}
