// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// Limits of stations that are relayed for others.
const (
	carriedMax  = 4
	carriedEach = 2                // for one peer
	carryLonely = 30 * time.Second // without anybody who is fed, before such a station is left
	carryAfter  = 2 * time.Second  // without a parent, before others are asked to relay
)

// carry relays a station for a peer that reaches nobody else who has it, or says that it does not: the peer then asks another.
func (n *Node) carry(now mono.Time, c reach.Request, out *Output) {
	p := n.peers[link.ID(c.Peer)]
	if p == nil || n.leaving {
		return
	}
	st := n.find(c.Station)
	switch all, same := n.carriedFor(p.node); {
	case !n.Gives():
		st = nil
	case st == nil && all < carriedMax && same < carriedEach:
		if st = n.addStation(now, c.Station, mesh.Config{Role: mesh.Relay}); st == nil {
			break
		}
		st.carried, st.carrier = now, p.node
		var buf [wire.CandidatesMax]wire.Candidate
		for _, k := range n.meeting.reach.Clients(0, wire.TagOf(c.Station), buf[:0]) {
			st.AddFound(now, k.Addr, k.Node, nil)
		}
		st.Advance(now, &n.mesh)
		n.drain(now, st, out)
	}
	if st == nil {
		n.control(link.ID(c.Peer), wire.Gone{Station: c.Station}.Append)
		return
	}
	n.peerUp(now, dial{station: st, addr: n.addrOf(link.ID(c.Peer))}, link.ID(c.Peer), out)
}

// carriedFor is how many stations this node relays for others, and for one of them.
func (n *Node) carriedFor(node identity.NodeID) (all, same int) {
	for _, st := range n.stations {
		if st.carried != 0 {
			all++
			if st.carrier == node {
				same++
			}
		}
	}
	return all, same
}

func (n *Node) addrOf(id link.ID) netip.AddrPort {
	info, _ := n.links.Peer(id)
	return info.Addr
}

// reviewCarried leaves the stations that were relayed for others when nobody needs that any more, and asks others to relay
// what this node cannot get.
func (n *Node) reviewCarried(now mono.Time, out *Output) {
	for _, st := range slices.Clone(n.stations) {
		switch {
		case st.carried != 0:
			if st.Load() > 0 {
				st.carried = now
			} else if now.Sub(st.carried) > carryLonely {
				n.untune(now, st, out)
			}
		case st.Role() == mesh.Source || st.Fed():
			st.hungry = 0
		case st.hungry == 0:
			st.hungry = now
		case now.Sub(st.hungry) > carryAfter:
			n.meeting.reach.AskCarry(now, wire.Carry{Station: st.id}, &n.meeting.out)
		}
	}
	carried, _ := n.carriedFor(identity.NodeID{})
	n.meeting.reach.SetRoom(now, n.Gives() && carried < carriedMax, &n.meeting.out)
}
