// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"streamer/internal/dht"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

const (
	mainlineLook  = 5 * time.Second
	mainlineAfter = 20 * time.Second // without any host that answers, or a station without parents, the DHT is asked
	mainlineAgain = 2 * time.Minute
	announcers    = 64 // how many hosts announce themselves for the whole network, more or less
)

// mainline asks the BitTorrent DHT when nothing else has brought a host, and announces one's own station there, so that two
// nodes that share nobody find each other. docs/decisions/0009-first-contact.md has the reasons, docs/privacy.md what it tells
// others.
type mainline struct {
	loop  *loop
	log   *slog.Logger
	start func(context.Context) []netip.AddrPort // members to begin with
	port  uint16
	own   *identity.StationID // of the broadcast, nil without one
	seed  bool                // this node is there for others to start from

	lonely map[identity.StationID]time.Time // since when; the zero id: no host answers
	asked  map[identity.StationID]time.Time
}

// newMainline makes it for this daemon.
func (d *Daemon) newMainline() *mainline {
	m := &mainline{loop: d.loop, log: d.log, port: uint16(d.conn.Port()), seed: d.opts.KeepNodeKey, start: d.opts.dhtStart}
	if m.start == nil {
		m.start = func(ctx context.Context) []netip.AddrPort {
			found, _ := resolve(ctx, dht.Routers())
			return found
		}
	}
	if d.own != nil {
		id := d.own.station.Key.ID()
		m.own = &id
	}
	return m
}

// run ends with ctx.
func (m *mainline) run(ctx context.Context) {
	d := dht.New(dht.Config{Start: m.start, Log: m.log})
	defer d.Close()
	var announcing sync.WaitGroup
	defer announcing.Wait()
	if m.own != nil {
		announcing.Go(func() { d.KeepAnnounced(ctx, dht.StationKey(*m.own), m.onAirPort(ctx), nil) })
	}
	if m.own != nil || m.seed {
		announcing.Go(func() { d.KeepAnnounced(ctx, dht.NetworkKey(), m.oneOfManyPort(ctx), nil) })
	}
	m.lonely, m.asked = map[identity.StationID]time.Time{}, map[identity.StationID]time.Time{}
	look := time.NewTicker(mainlineLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			m.look(ctx, d, now)
		}
	}
}

// look asks the DHT for what has been missing long enough.
func (m *mainline) look(ctx context.Context, d *dht.DHT, now time.Time) {
	var missing []identity.StationID
	err := m.loop.ask(ctx, func(n *node.Node, at mono.Time) {
		s := n.Status(at)
		if s.Gossip.Answering == 0 {
			missing = append(missing, identity.StationID{})
		}
		for _, t := range s.Tuned {
			if t.Role != node.RoleSource && len(t.Parents) == 0 {
				missing = append(missing, t.ID)
			}
		}
	})
	if err != nil {
		return
	}
	since := make(map[identity.StationID]time.Time, len(missing))
	for _, id := range missing {
		since[id] = now
		if before, ok := m.lonely[id]; ok {
			since[id] = before
		}
		if now.Sub(since[id]) < mainlineAfter || now.Sub(m.asked[id]) < mainlineAgain {
			continue
		}
		m.asked[id] = now
		m.find(ctx, d, id)
	}
	m.lonely = since
}

// find asks for hosts of a station, or of the whole network when id is zero, and gives them to the node.
func (m *mainline) find(ctx context.Context, d *dht.DHT, id identity.StationID) {
	key, station := dht.NetworkKey(), id != identity.StationID{}
	if station {
		key = dht.StationKey(id)
	}
	found := 0
	round, err := d.Find(ctx, key, func(a netip.AddrPort) {
		found++
		list := []netip.AddrPort{a}
		m.command(ctx, node.MeetCommand{Seeds: list})
		if station {
			m.command(ctx, node.AddPeersCommand{Station: id, Peers: list})
		}
	})
	if err != nil && ctx.Err() == nil {
		m.log.Info("no host found through the DHT", keyError, err)
		return
	}
	m.log.Info("asked the DHT", keyHosts, found, keyAnswers, round.Answered)
}

func (m *mainline) command(ctx context.Context, c node.Command) {
	if err := m.loop.do(ctx, c); err != nil && ctx.Err() == nil {
		m.log.Debug("host not passed on", keyError, err)
	}
}

// onAirPort returns the node's port while its station is on the air, and 0 otherwise.
func (m *mainline) onAirPort(ctx context.Context) func() uint16 {
	return func() (port uint16) {
		err := m.loop.ask(ctx, func(n *node.Node, now mono.Time) {
			for _, t := range n.Status(now).Tuned {
				if t.ID == *m.own && t.OnAir && !t.Ended {
					port = m.port
				}
			}
		})
		if err != nil {
			return 0
		}
		return port
	}
}

// oneOfManyPort returns the node's port as often as makes a few dozen hosts in the whole network announce themselves.
func (m *mainline) oneOfManyPort(ctx context.Context) func() uint16 {
	return func() uint16 {
		size := 0
		if m.loop.ask(ctx, func(n *node.Node, now mono.Time) { size = n.Status(now).Gossip.Size }) != nil {
			return 0
		}
		if size > announcers && rand.IntN(size) >= announcers {
			return 0
		}
		return m.port
	}
}
