// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// AsideCommand says that a PUNCH arrived at the node's second port, from which Output.Asides are sent.
type AsideCommand struct {
	From  netip.AddrPort
	Token wire.PunchToken
}

func (AsideCommand) command() {}

// handleAside takes it.
func (n *Node) handleAside(now mono.Time, c AsideCommand) {
	n.meeting.reach.HandleAside(now, c.From, c.Token)
}

// setKeepalives has links say something as often as the NATs in their way need.
func (n *Node) setKeepalives(now mono.Time) {
	for id := range n.links.All() {
		n.links.SetKeepalive(id, n.meeting.reach.Keepalive(now, reach.PeerID(id)))
	}
}
