// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
)

// referEvery is how often a busy node looks for others to whom it refers those who dial it.
const referEvery = 500 * time.Millisecond

// referrals is what a busy node tells those whom it has no upload to link.
type referrals struct {
	at    mono.Time // when to look again
	addrs []netip.AddrPort
}

// noteBusy has new links refused while the upload has no room for them, and those who dial sent to others who carry its stations.
func (n *Node) noteBusy(now mono.Time) {
	busy := n.up.busy(now)
	n.links.Busy(busy)
	if !busy || now < n.elsewhere.at {
		return
	}
	e := &n.elsewhere
	e.at, e.addrs = now.Add(referEvery), e.addrs[:0]
	for _, st := range n.stations {
		e.addrs = st.Refer(e.addrs)
	}
	n.links.Refer(e.addrs)
}

// referred tells the stations that dial a busy host where else they may be had.
func (n *Node) referred(now mono.Time, ev link.Event) {
	for i := range n.dials {
		if d := &n.dials[i]; d.link == ev.ID && d.link != 0 {
			d.station.AddFound(now, ev.Addr, identity.NodeID{}, nil)
		}
	}
}
