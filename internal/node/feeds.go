// SPDX-License-Identifier: MIT

package node

import (
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
)

// A Feed is a parent, and the classes that it has agreed to bring.
type Feed struct {
	NodeID  identity.NodeID
	Classes uint16 // bit i: chunks with seq mod 16 == i
}

// feedsMost is for how many parents AppendFeeds needs no memory.
const feedsMost = 16

// AppendFeeds appends who feeds the station that this node carries, and returns how far from the source the node is: -1 when
// that is not known, or no station is carried. Of several stations it is the newest. For drivers that look at many nodes often;
// Status has more.
func (n *Node) AppendFeeds(dst []Feed) (feeds []Feed, hops int) {
	if len(n.stations) == 0 {
		return dst, -1
	}
	var buf [feedsMost]mesh.Neighbour
	parents, hops := n.stations[len(n.stations)-1].AppendParents(buf[:0])
	for _, p := range parents {
		info, _ := n.links.Peer(link.ID(p.Peer))
		dst = append(dst, Feed{info.NodeID, p.Classes})
	}
	return dst, hops
}
