// SPDX-License-Identifier: MIT

package node

import (
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
)

// Counters count since the node was made.
type Counters struct {
	Links      link.Counters
	Hostile    uint64 // peers expelled for what no honest node sends
	Unreadable uint64 // packets with a message that cannot be parsed
	Unknown    uint64 // packets about a station that is not carried
	Late       uint64 // audio that waited too long for upload
	Stations   mesh.Counts
}

// Status returns a snapshot.
func (n *Node) Status(now mono.Time) Status {
	n.up.roll(now)
	st := Status{NodeID: n.cfg.Key.Public(), Peers: len(n.peers),
		Upload: n.up.status(), Measure: n.measure.MeasureStatus,
		Counters: Counters{Links: n.links.Counters(), Hostile: n.hostile, Unreadable: n.unreadable, Unknown: n.unknown,
			Late: n.up.Late}}
	st.Reach = n.reachStatus(now)
	if n.finder.gossip != nil {
		st.Gossip = n.finder.gossip.Counts(now)
	}
	for _, s := range n.stations {
		st.Tuned = append(st.Tuned, n.stationStatus(now, s))
		st.Counters.Stations.Add(s.Status(now).Counts)
	}
	return st
}

func (n *Node) stationStatus(now mono.Time, s *station) StationStatus {
	m := s.Status(now)
	st := StationStatus{ID: s.id, Role: Role(m.Role), OnAir: m.OnAir, Ended: m.Ended, Epoch: m.Epoch, BitrateBPS: m.RateBPS,
		Hops: m.Hops, Buffer: m.Buffer, Lag: m.Lag, Full: m.Full, TryIn: m.TryIn, Partners: len(m.Partners),
		Chunks: ChunkCounts{m.Counts.Received, m.Counts.Repaired, m.Counts.Missing, m.Counts.Duplicate},
		Bytes:  ByteCounts{PayloadIn: m.Counts.PayloadIn, WireIn: s.bytesIn, WireOut: s.bytesUp}}
	for _, id := range m.Partners {
		p := n.peers[link.ID(id)]
		info, ok := n.links.Peer(link.ID(id))
		if p == nil || !ok {
			continue
		}
		for _, u := range p.uses {
			if u.station == s {
				st.Bytes.WireIn += info.BytesIn - u.in
				st.Bytes.WireOut += info.BytesOut - u.out
			}
		}
	}
	for _, p := range m.Parents {
		st.Parents = append(st.Parents, n.peerStatus(p))
	}
	for _, c := range m.Children {
		st.Children = append(st.Children, n.peerStatus(c))
	}
	return st
}

func (n *Node) peerStatus(p mesh.Neighbour) PeerStatus {
	info, _ := n.links.Peer(link.ID(p.Peer))
	return PeerStatus{NodeID: info.NodeID, Addr: info.Addr, Classes: p.Classes, RTT: info.RTT, LAN: n.Near(p.Peer)}
}

// AncestorChars is how much of an ancestor's id is known: of the 4 bytes that a PATH has, 30 bits are whole characters.
const AncestorChars = 6

// Pictures returns where the node sits in the forests of the stations in Status.Tuned, in the same order.
func (n *Node) Pictures(now mono.Time) []Picture {
	all := make([]Picture, 0, len(n.stations))
	for _, s := range n.stations {
		all = append(all, n.picture(s.Picture(now)))
	}
	return all
}

func (n *Node) picture(m mesh.Picture) Picture {
	p := Picture{Children: m.Children, GiveBPS: m.GiveBPS, SpareBPS: m.SpareBPS, Room: m.Room}
	for c, place := range m.Classes {
		p.Classes[c] = ClassPlace{Hops: place.Hops, Children: place.Children}
		if place.Parent != 0 {
			info, _ := n.links.Peer(link.ID(place.Parent))
			p.Classes[c].Parent = info.NodeID
		}
	}
	for _, parent := range m.Parents {
		place := ParentPlace{ParentPlace: parent, Above: []string{}}
		for _, id := range parent.Above {
			whole := identity.NodeID{}
			copy(whole[:], id[:])
			place.Above = append(place.Above, whole.String()[:AncestorChars])
		}
		p.Parents = append(p.Parents, place)
	}
	return p
}
