// SPDX-License-Identifier: MIT

package node

import (
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// HandleCommand does what the application asks. What cannot be done is not done, and Status shows it.
func (n *Node) HandleCommand(now mono.Time, c Command, out *Output) {
	switch c := c.(type) {
	case TuneCommand:
		n.tune(now, c, out)
	case UntuneCommand:
		if st := n.find(c.Station); st != nil {
			n.untune(now, st, out)
		}
	case BeginCommand:
		n.begin(now, c, out)
	case PublishCommand:
		if st := n.find(c.Station); st != nil {
			st.Publish(now, c.Kind, c.Start, c.Duration, c.Data, &n.mesh)
			n.drain(now, st, out)
		}
	case EndCommand:
		if st := n.find(c.Station); st != nil {
			st.End(now, &n.mesh)
			n.drain(now, st, out)
			n.finder.review = mono.Min(n.finder.review, now) // others shall know
		}
	case WallClockCommand:
		n.wallOffset, n.wallKnown = c.UnixMilli*int64(time.Millisecond)-int64(now), true
		n.setGossipWall(now, c.UnixMilli/1000)
	case MappedCommand:
		n.setMapped(now, c)
	case AsideCommand:
		n.handleAside(now, c)
	case MeetCommand:
		n.meet(now, c)
	case AddPeersCommand:
		if st := n.find(c.Station); st != nil {
			for _, a := range c.Peers {
				st.AddFound(now, a, identity.NodeID{}, nil)
			}
		}
	case LocalCommand:
		n.setLocal(now, c)
	case RestoreCommand:
		n.restore(now, c)
	case DescribeCommand:
		n.describe(c)
	case UploadCommand:
		n.cfg.UploadBPS = c.BPS
		n.up.setCap(now, c.BPS)
		if c.BPS == 0 {
			n.dismiss(now, out)
		}
	case LearnedUploadCommand:
		n.up.learned(now, c.BPS)
	case MeasureUploadCommand:
		n.beginMeasure(now, out)
	case LeaveCommand:
		n.leave(now, out)
	}
	n.finish(now, out)
}

// WallClock implements mesh.Host.
func (n *Node) WallClock(now mono.Time) (int64, bool) {
	return (int64(now) + n.wallOffset) / int64(time.Millisecond), n.wallKnown
}

func (n *Node) tune(now mono.Time, c TuneCommand, out *Output) {
	role := mesh.Listener
	if c.Role == RoleRelay {
		role = mesh.Relay
	}
	st := n.find(c.Station)
	switch {
	case n.leaving:
		return
	case st == nil:
		st = n.addStation(now, c.Station, mesh.Config{Role: role, Hints: c.Peers})
		if st == nil {
			return
		}
	case st.Role() != mesh.Source:
		st.carried = 0 // it is not for others alone any more
		st.SetRole(role)
		st.AddHints(now, c.Peers)
	}
	n.tellNear(now, st)
	st.Advance(now, &n.mesh)
	n.drain(now, st, out)
	n.finder.review = mono.Min(n.finder.review, now)
}

func (n *Node) addStation(now mono.Time, id identity.StationID, cfg mesh.Config) *station {
	if len(n.stations) >= StationsMax {
		return nil
	}
	for n.nextChan++; slices.ContainsFunc(n.stations, func(s *station) bool { return s.Channel() == n.nextChan }); {
		n.nextChan++
	}
	cfg.Station, cfg.Channel, cfg.Self, cfg.Rand, cfg.Host = id, n.nextChan, n.cfg.Key.Public(), n.rand, n
	cfg.Shelf, cfg.Without = n.cfg.Shelf, n.cfg.Without
	st := &station{Station: mesh.New(now, cfg), id: id}
	n.stations = append(n.stations, st)
	return st
}

func (n *Node) untune(now mono.Time, st *station, out *Output) {
	st.Leave(now, &n.mesh)
	n.drain(now, st, out)
	n.stations = slices.DeleteFunc(n.stations, func(o *station) bool { return o == st })
	n.dials = slices.DeleteFunc(n.dials, func(d dial) bool { return d.station == st })
	n.up.forget(st)
	n.stopSearch(st)
}

// begin puts a station on the air, or begins its next epoch.
func (n *Node) begin(now mono.Time, c BeginCommand, out *Output) {
	id := c.Key.ID()
	st := n.find(id)
	if st != nil && st.Role() != mesh.Source {
		n.untune(now, st, out) // one cannot listen to oneself from others
		st = nil
	}
	if st == nil && !n.leaving {
		st = n.addStation(now, id, mesh.Config{Role: mesh.Source, Key: c.Key})
	}
	if st != nil {
		st.Begin(now, c.Epoch, c.BitrateBPS, &n.mesh)
		n.drain(now, st, out)
	}
}

// leave says goodbye to everybody.
func (n *Node) leave(now mono.Time, out *Output) {
	n.leaving = true
	n.links.Refuse()
	for len(n.stations) > 0 {
		n.untune(now, n.stations[0], out)
	}
	n.finish(now, out) // what is said must go out before the links close
	var up []link.ID
	for id, info := range n.links.All() {
		if info.Up {
			up = append(up, id)
		}
	}
	for _, id := range up {
		n.links.Close(now, id, wire.CloseLeaving, &out.Output)
	}
	n.handleEvents(now, out)
}
