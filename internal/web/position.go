// SPDX-License-Identifier: MIT

package web

import (
	"streamer/internal/node"
	"streamer/internal/wire"
)

// A peerJSON is what a parent and a child have in common.
type peerJSON struct {
	NodeID    string `json:"node_id"`
	Addr      string `json:"addr"`
	Classes   []int  `json:"classes"`
	Manifests bool   `json:"manifests"`
	RTT       int64  `json:"rtt_ms"`
	LAN       bool   `json:"lan"`
}

type parentJSON struct {
	peerJSON

	Hops      *int     `json:"hops"`
	Lag       *int64   `json:"lag_ms"`
	Ancestors []string `json:"ancestors"`
}

type childJSON struct {
	peerJSON

	Upload int64 `json:"upload_bps"`
	Leaf   bool  `json:"leaf"`
}

// A positionJSON is where the node sits in the forest of a station.
type positionJSON struct {
	Standing string           `json:"standing"`
	Classes  []classPlaceJSON `json:"classes"`
	Give     int64            `json:"give_bps"`
	Spare    int64            `json:"spare_bps"`
	Room     int              `json:"room_classes"`
}

// A classPlaceJSON is the node's place in the tree of one class.
type classPlaceJSON struct {
	Parent   *string `json:"parent"`
	Hops     *int    `json:"hops"`
	Children int     `json:"children"`
}

func newPosition(t node.StationStatus, pic *node.Picture) positionJSON {
	j := positionJSON{Standing: standing(t), Give: pic.GiveBPS, Spare: pic.SpareBPS, Room: pic.Room}
	for i := range pic.Classes {
		c := &pic.Classes[i]
		place := classPlaceJSON{Hops: known(c.Hops), Children: c.Children}
		if !c.Parent.IsZero() {
			id := c.Parent.String()
			place.Parent = &id
		}
		j.Classes = append(j.Classes, place)
	}
	return j
}

// standing is what a node is to the others of a station: its source, one that feeds somebody, or one that feeds nobody.
func standing(t node.StationStatus) string {
	switch {
	case t.Role == node.RoleSource:
		return "source"
	case len(t.Children) > 0:
		return "relay"
	}
	return "leaf"
}

// known is nil for a number below 0.
func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func newPeer(p node.PeerStatus, manifests bool) peerJSON {
	j := peerJSON{NodeID: p.NodeID.String(), Classes: []int{}, Manifests: manifests, RTT: p.RTT.Milliseconds(), LAN: p.LAN}
	if p.Addr.IsValid() {
		j.Addr = p.Addr.String()
	}
	for class := range wire.Classes {
		if p.Classes&(1<<class) != 0 {
			j.Classes = append(j.Classes, class)
		}
	}
	return j
}

func newParents(peers []node.PeerStatus, pic *node.Picture) []parentJSON {
	list := make([]parentJSON, 0, len(peers))
	for i, p := range peers {
		place := &pic.Parents[i]
		j := parentJSON{peerJSON: newPeer(p, place.Manifests), Hops: known(place.Hops), Ancestors: place.Above}
		if place.Lag > 0 {
			ms := place.Lag.Milliseconds()
			j.Lag = &ms
		}
		list = append(list, j)
	}
	return list
}

func newChildren(peers []node.PeerStatus, pic *node.Picture) []childJSON {
	list := make([]childJSON, 0, len(peers))
	for i, p := range peers {
		place := &pic.Children[i]
		list = append(list, childJSON{newPeer(p, place.Manifests), place.BPS, place.Leaf})
	}
	return list
}
