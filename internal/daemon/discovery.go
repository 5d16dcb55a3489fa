// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/lan"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

const (
	saveEvery    = 5 * time.Minute  // of the hosts, while the node runs
	seedsRetry   = 10 * time.Second // for seeds that no name server knew, doubled each time
	seedsRetryMx = 5 * time.Minute
)

// PresetSeeds are hosts that every node may start from. There are none yet: a host in this list is run for years, under a name
// that its owner keeps. Who runs one with `streamer run --seed-only` and wants it here, writes to the project.
var PresetSeeds = []string{}

// discovery gives the node hosts to start from and keeps what it has learned for the next run.
type discovery struct {
	loop  *loop
	log   *slog.Logger
	port  uint16 // UDP, of the node
	seeds []string
	path  string            // of the hosts; "": nothing is kept
	kept  gossip.Saved      // from the last run
	local node.LocalCommand // as the node was told last
}

// neighboursQueued is how many nodes of the LAN wait for the loop at most; more are heard of again.
const neighboursQueued = 64

// runLAN finds nodes on the same LAN until ctx ends.
func (d *discovery) runLAN(ctx context.Context, self identity.NodeID, port int) {
	found := make(chan wire.Host, neighboursQueued)
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case h := <-found:
				d.command(ctx, node.MeetCommand{Hosts: []wire.Host{h}})
			}
		}
	})
	err := lan.Run(ctx, lan.Config{Self: self, Port: uint16(port), Log: d.log}, func(a netip.AddrPort, id identity.NodeID) {
		select {
		case found <- wire.Host{Addr: a, Node: id}:
		default:
		}
	})
	if err != nil && ctx.Err() == nil {
		d.log.Warn("the local network is not searched", keyError, err)
	}
	passing.Wait()
}

// newDiscovery reads what the last run kept. A damaged file is left as it is, and this run keeps nothing.
func newDiscovery(l *loop, o *Options, port uint16, log *slog.Logger) *discovery {
	d := &discovery{loop: l, log: log, port: port, seeds: append(slices.Clip(o.Seeds), PresetSeeds...)}
	if o.Record != "" {
		return d // a record begins with a node that knows nobody
	}
	dir, err := o.dataDir()
	if err == nil {
		d.path = filepath.Join(dir, hostsFile)
		d.kept, err = readHosts(d.path)
	}
	if err != nil {
		d.path = ""
		log.Warn("hosts neither remembered nor kept", keyError, err)
	}
	return d
}

// run ends with ctx, and keeps what is known then.
func (d *discovery) run(ctx context.Context) {
	if len(d.kept.Hosts)+len(d.kept.Records) > 0 {
		d.command(ctx, node.RestoreCommand{Saved: d.kept})
		d.log.Info("hosts remembered", keyHosts, len(d.kept.Hosts), keyStations, len(d.kept.Records))
		d.kept = gossip.Saved{}
	}
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	seeds, pause := d.seeds, seedsRetry
	for {
		select {
		case <-ctx.Done():
			d.save(context.WithoutCancel(ctx))
			return
		case <-save.C:
			d.save(ctx)
		case <-retry.C:
			if seeds = d.meet(ctx, seeds); len(seeds) > 0 {
				retry.Reset(pause)
				pause = min(2*pause, seedsRetryMx)
			}
		}
	}
}

// meet gives the node the seeds that can be found, and returns the others.
func (d *discovery) meet(ctx context.Context, seeds []string) (unknown []string) {
	if len(seeds) == 0 {
		return nil
	}
	var found []netip.AddrPort
	if found, unknown = resolve(ctx, seeds); len(found) > 0 {
		d.command(ctx, node.MeetCommand{Seeds: found[:min(len(found), tunePeersMax)]})
	}
	if len(unknown) > 0 && ctx.Err() == nil {
		d.log.Warn("seeds not found", keyHosts, unknown)
	}
	return unknown
}

func (d *discovery) command(ctx context.Context, c node.Command) {
	if err := d.loop.do(ctx, c); err != nil && !errors.Is(err, ErrStopped) && ctx.Err() == nil {
		d.log.Warn("hosts not passed on", keyError, err)
	}
}

// save writes the hosts and the stations that the node knows.
func (d *discovery) save(ctx context.Context) {
	if d.path == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farewellTime)
	defer cancel()
	var s gossip.Saved
	if err := d.loop.ask(ctx, func(n *node.Node, _ mono.Time) { s = n.Save() }); err != nil {
		d.log.Warn("hosts not saved", keyError, err)
		return
	}
	if len(s.Hosts) == 0 && len(s.Records) == 0 {
		return // a run that met nobody does not cost what is kept
	}
	err := makePrivateDir(filepath.Dir(d.path))
	if err == nil {
		err = writeHosts(d.path, s)
	}
	if err != nil {
		d.log.Warn("hosts not saved", keyError, err)
	}
}

// lookEvery is how often Find looks at the list.
const lookEvery = 100 * time.Millisecond

// ErrAmbiguous means that more than one station has the name.
var ErrAmbiguous = errors.New("more than one station has this name")

// Relay helps a station without listening, for as long as the daemon runs.
func (d *Daemon) Relay(ctx context.Context, l identity.Link) error {
	return d.stations.pin(ctx, l, node.RoleRelay)
}

// Find waits until the list has a station of this name, whatever the case of letters, and returns its link. It ends with ctx, and
// with ErrStopped when the node leaves.
func (d *Daemon) Find(ctx context.Context, name string) (identity.Link, error) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		var found []gossip.StationInfo
		err := d.loop.ask(ctx, func(n *node.Node, now mono.Time) { found = n.Lookup(now, name) })
		if err != nil {
			return identity.Link{}, err
		}
		found = slices.DeleteFunc(found, func(s gossip.StationInfo) bool { return !strings.EqualFold(s.Record.Name, name) })
		switch {
		case len(found) == 1:
			return identity.ParseLink(listedStation(&found[0], time.Now()).Link)
		case len(found) > 1:
			return identity.Link{}, ErrAmbiguous
		}
		select {
		case <-ctx.Done():
			return identity.Link{}, context.Cause(ctx)
		case <-look.C:
		}
	}
}
