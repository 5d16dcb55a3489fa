// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/playback"
	"streamer/internal/web"
)

// loopStuckAfter is how long the loop may take for a turn before it counts as stuck.
const loopStuckAfter = 5 * time.Second

// A backend shows the daemon to the page and the API: a web.Backend.
type backend struct {
	d       *Daemon
	players *playback.Handler
}

// Snapshot implements web.Backend.
func (b *backend) Snapshot(ctx context.Context) (web.Snapshot, error) {
	snap := web.Snapshot{
		Version: b.d.opts.Version,
		UDPPort: b.d.conn.Port(),
		Uptime:  time.Since(b.d.begun),
		Players: web.Players(b.players.Stats()),
		Socket:  b.d.socket(),
		Portmap: b.d.ports.status(),

		Settings: b.d.settings.show(),
	}
	var listed []gossip.StationInfo
	err := b.d.loop.ask(ctx, func(n *node.Node, now mono.Time) {
		snap.Node, snap.Pictures, listed = n.Status(now), n.Pictures(now), n.Stations(now)
	})
	if err != nil {
		return web.Snapshot{}, err
	}
	snap.HostsKnown, snap.HostsAlive = snap.Node.Gossip.Hosts, snap.Node.Gossip.Answering
	snap.Given = b.d.given.count(givenBytes(&snap.Node), time.Now())
	snap.Playing = b.d.stations.playing(snap.Node.Tuned)
	snap.Stations = mergeStations(b.d.aboutStations(snap.Node.Tuned), listed, time.Now())
	return snap, nil
}

// socket counts what the socket and the loop's queue behind it did.
func (d *Daemon) socket() web.Socket {
	s := d.conn.Stats()
	return web.Socket{
		Received: s.Received, Oversized: s.Oversized + d.loop.oversized.Load(), ReadErrors: s.ReadErrors,
		Overrun: d.loop.overrun.Load(), Sent: s.Sent, Segmented: s.Segmented, WriteErrors: s.WriteErrors,
	}
}

// Tune implements web.Backend.
func (b *backend) Tune(ctx context.Context, l identity.Link, role node.Role) error {
	if role == 0 {
		return b.d.stations.hold(ctx, l)
	}
	return b.d.stations.pin(ctx, l, role)
}

// Untune implements web.Backend.
func (b *backend) Untune(ctx context.Context, id identity.StationID) (bool, error) {
	return b.d.stations.unpin(ctx, id)
}

// ChangeSettings implements web.Backend.
func (b *backend) ChangeSettings(ctx context.Context, c web.SettingsChange) error {
	return b.d.settings.change(ctx, b.d.loop, c)
}

// MeasureUpload implements web.Backend.
func (b *backend) MeasureUpload(ctx context.Context) error {
	if b.d.settings.gives() {
		return b.d.loop.do(ctx, node.MeasureUploadCommand{})
	}
	return web.ErrGivesNothing
}

// Stop implements web.Backend.
func (b *backend) Stop() { b.d.Stop() }

// Healthy implements web.Backend: the loop answers, in time.
func (b *backend) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loopStuckAfter)
	defer cancel()
	err := b.d.loop.ask(ctx, func(*node.Node, mono.Time) {})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the node's loop has not turned for %v", loopStuckAfter)
	}
	return err
}

// aboutStations is what is known about the stations that the node carries; the node says how it carries them.
func (d *Daemon) aboutStations(carried []node.StationStatus) []web.Station {
	status := make(map[identity.StationID]*node.StationStatus, len(carried))
	for i := range carried {
		status[carried[i].ID] = &carried[i]
	}
	var list []web.Station
	for _, st := range d.stations.all() {
		about := d.about(st)
		if c := status[st.id]; c != nil {
			about.Online = c.OnAir && !c.Ended
			about.Listeners = audience(c)
			if about.Online {
				about.LastAlive = 0
			}
		}
		list = append(list, about)
	}
	return list
}

// audience is how many listeners this node knows of: itself and those that it feeds.
func audience(c *node.StationStatus) int {
	n := len(c.Children)
	if c.Role == node.RoleListener {
		n++
	}
	return n
}

// about is what the channel of a station says.
func (d *Daemon) about(st *tuned) web.Station {
	info := st.channel.Info()
	d.stations.mu.Lock()
	heard, alive, hints := st.heard, st.alive, st.hints
	d.stations.mu.Unlock()
	s := web.Station{
		ID: st.id, Name: info.Name, Genre: info.Event.Genre, Description: info.Event.Description, URL: info.Event.URL,
		Title: info.Title(), BitrateBPS: info.BitrateBPS, LastAlive: -1,
	}
	if info.OnAir {
		s.Codec = info.Header.Codec()
	}
	if alive {
		s.LastAlive = max(0, time.Since(heard))
	}
	link := identity.Link{Station: st.id, Name: info.Name, Peers: hints[:min(len(hints), identity.LinkPeersMax)]}
	if st.own {
		link = d.ownLink()
		own := d.own.words()
		s.Name, s.Genre, s.Description, s.URL = link.Name, own.Genre, own.Description, own.URL
		if own.StationName != "" {
			s.Name = own.StationName
		}
	}
	link.Name = clipName(link.Name)
	s.Link = link.String()
	return s
}
