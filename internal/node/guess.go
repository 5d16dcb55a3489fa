// SPDX-License-Identifier: MIT

package node

import (
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// lonelyAfter is how long a station has one peer at most, before ports are guessed for it.
const lonelyAfter = 3 * time.Second

// lonely reports whether a station comes from nobody, or has come over one link alone for a while.
func (n *Node) lonely(now mono.Time) bool {
	for _, st := range n.stations {
		links := 0
		for id := range n.links.All() {
			if p := n.peers[id]; p != nil && slices.ContainsFunc(p.uses, func(u usage) bool { return u.station == st }) {
				links++
			}
		}
		if st.Role() == mesh.Source || links > 1 || st.carried != 0 {
			st.lonely = 0
		} else if st.lonely == 0 {
			st.lonely = now
		}
		if st.lonely != 0 && now.Sub(st.lonely) > lonelyAfter {
			return true
		}
	}
	return false
}

// openExtras hands on which further ports are to be opened and closed.
func (n *Node) openExtras(now mono.Time, extras []reach.Extra, out *Output) {
	for _, e := range extras {
		out.Extras = append(out.Extras, e)
		n.up.sent(now, e.Ports*ipBytes(e.To, wire.PunchBytes))
	}
}

// awaitGuessed has the stations that have nobody else wait for a node whose port was guessed, when no other waits any more.
func (n *Node) awaitGuessed(d reach.Dial) {
	if n.meeting.reach.Guesses(d.Addr.Addr()) && !slices.ContainsFunc(n.dials, func(w dial) bool { return w.node == d.Node }) {
		for _, st := range n.stations { // that takes longer than they wait
			if st.lonely != 0 && len(n.dials) < dialsMax {
				n.dials = append(n.dials, dial{node: d.Node, addr: d.Addr, station: st})
			}
		}
	}
}

// giveUp ends the dials to a node that is not to be met.
func (n *Node) giveUp(now mono.Time, node identity.NodeID, out *Output) {
	var links []link.ID
	n.dials = slices.DeleteFunc(n.dials, func(d dial) bool {
		if d.node != node {
			return false
		}
		d.station.DialFailed(now, d.addr)
		if info, ok := n.links.Peer(d.link); ok && !info.Up {
			links = append(links, d.link)
		}
		return true
	})
	for _, id := range links {
		if !slices.ContainsFunc(n.dials, func(d dial) bool { return d.link == id }) {
			n.links.Close(now, id, wire.CloseDone, &out.Output)
		}
	}
	n.handleEvents(now, out)
}
