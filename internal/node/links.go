// SPDX-License-Identifier: MIT

package node

import (
	"slices"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// handleEvents handles what the links have told, until they tell nothing more.
func (n *Node) handleEvents(now mono.Time, out *Output) {
	for i := 0; i < len(out.Events); i++ {
		ev := out.Events[i]
		out.Events[i].Kind = 0 // handling it may lead here again
		switch ev.Kind {
		case link.EventUp:
			n.linkUp(now, ev, out)
		case link.EventDown:
			n.linkDown(now, ev, out)
		case link.EventAddrChanged:
			for _, st := range n.stations {
				st.PeerMoved(mesh.PeerID(ev.ID), ev.Addr)
			}
			n.meeting.reach.PeerMoved(now, reach.PeerID(ev.ID), ev.Addr, &n.meeting.out)
			n.drainReach(now, out)
		case link.EventReferred:
			n.referred(now, ev)
		}
	}
	out.Events = out.Events[:0]
}

func (n *Node) linkUp(now mono.Time, ev link.Event, out *Output) {
	n.bans = slices.DeleteFunc(n.bans, func(b ban) bool { return now >= b.until })
	if slices.ContainsFunc(n.bans, func(b ban) bool { return b.node == ev.NodeID }) {
		n.links.Close(now, ev.ID, wire.CloseViolation, &out.Output)
		return
	}
	n.peers[ev.ID] = &peer{node: ev.NodeID}
	if n.finder.gossip != nil { // whoever has a link here is a host: hints of links are a first contact, too
		n.finder.gossip.AddHost(now, wire.Host{Addr: ev.Addr, Node: ev.NodeID}, ev.Addr.Addr())
	}
	n.meeting.reach.PeerUp(now, reach.PeerID(ev.ID), ev.NodeID, ev.Addr, &n.meeting.out)
	n.drainReach(now, out)
	for _, d := range n.takeDials(ev.ID, ev.NodeID) {
		n.peerUp(now, d, ev.ID, out)
	}
	n.runErrands(now, ev.ID, ev.ID, out)
	if info, ok := n.links.Peer(ev.ID); ok && info.Initiator {
		n.meeting.reach.Hold(now, reach.PeerID(ev.ID)) // so that it is let go if nobody needs it any more
	}
}

func (n *Node) linkDown(now mono.Time, ev link.Event, out *Output) {
	if p := n.peers[ev.ID]; p != nil {
		delete(n.peers, ev.ID)
		n.meeting.reach.PeerDown(reach.PeerID(ev.ID))
		for _, u := range p.uses {
			u.station.PeerDown(now, mesh.PeerID(ev.ID), &n.mesh)
			n.drain(now, u.station, out)
		}
	}
	var other link.ID // to the same node
	if ev.Reason == link.DownDuplicate || ev.Reason == link.DownReplaced {
		other, _ = n.links.Find(ev.NodeID)
	}
	n.runErrands(now, ev.ID, other, out)
	for _, d := range n.takeDials(ev.ID, identity.NodeID{}) {
		if other != 0 {
			n.peerUp(now, d, other, out)
			continue
		}
		if !n.dialling(d) {
			d.station.DialFailed(now, d.addr)
		}
	}
}

// peerUp tells a station that its dial has succeeded.
func (n *Node) peerUp(now mono.Time, d dial, id link.ID, out *Output) {
	info, ok := n.links.Peer(id)
	p := n.peers[id]
	switch {
	case n.find(d.station.id) != d.station:
		return
	case !ok || p == nil:
		d.station.DialFailed(now, d.addr) // it is gone already
		return
	}
	n.use(p, d.station, info)
	d.station.PeerUp(now, mesh.PeerID(id), info.NodeID, d.addr, &n.mesh)
	n.drain(now, d.station, out)
}
