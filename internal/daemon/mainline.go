// SPDX-License-Identifier: MIT

package daemon

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
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

// mainlineOptions say which DHT is asked, and when. The zero value is the public one, in the time of people.
type mainlineOptions struct {
	start              func(context.Context) []netip.AddrPort // members to begin with; nil: the public ones
	look, after, again time.Duration                          // instead of the constants; 0: as those say
}

// mainline asks the BitTorrent DHT when nothing else has brought a host, and announces one's own station there, so that two
// nodes that share nobody find each other. docs/decisions/0009-first-contact.md has the reasons, docs/privacy.md what it tells
// others.
type mainline struct {
	mainlineOptions
	loop *loop
	log  *slog.Logger
	port uint16
	own  *identity.StationID // of the broadcast, nil without one
	seed bool                // this node is there for others to start from

	lonely map[identity.StationID]time.Time // since when; the zero id: no host answers
	asked  map[identity.StationID]time.Time
}

// newMainline makes it for this daemon.
func (d *Daemon) newMainline() *mainline {
	m := &mainline{
		mainlineOptions: d.opts.mainline, loop: d.loop, log: d.log, port: uint16(d.conn.Port()), seed: d.opts.KeepNodeKey,
	}
	m.look, m.after, m.again = cmp.Or(m.look, mainlineLook), cmp.Or(m.after, mainlineAfter), cmp.Or(m.again, mainlineAgain)
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
		announcing.Go(func() { d.KeepAnnounced(ctx, dht.StationKey(*m.own), m.onAirPort(ctx)) })
	}
	if m.own != nil || m.seed {
		announcing.Go(func() { d.KeepAnnounced(ctx, dht.NetworkKey(), m.oneOfManyPort(ctx)) })
	}
	m.lonely, m.asked = map[identity.StationID]time.Time{}, map[identity.StationID]time.Time{}
	look := time.NewTicker(m.look)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			m.ask(ctx, d, now)
		}
	}
}

// ask asks the DHT for what has been missing long enough.
func (m *mainline) ask(ctx context.Context, d *dht.DHT, now time.Time) {
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
		if now.Sub(since[id]) < m.after || now.Sub(m.asked[id]) < m.again {
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

// onAirPort waits until the node's station is on the air, and returns the node's port then. When ctx ends, it returns 0.
func (m *mainline) onAirPort(ctx context.Context) func() uint16 {
	return func() uint16 {
		look := time.NewTicker(m.look)
		defer look.Stop()
		for {
			onAir := false
			err := m.loop.ask(ctx, func(n *node.Node, now mono.Time) {
				onAir = slices.ContainsFunc(n.Status(now).Tuned, func(t node.StationStatus) bool {
					return t.ID == *m.own && t.OnAir && !t.Ended
				})
			})
			switch {
			case err != nil:
				return 0
			case onAir:
				return m.port
			}
			select {
			case <-ctx.Done():
				return 0
			case <-look.C:
			}
		}
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
