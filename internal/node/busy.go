// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
)

const (
	asidePercent  = 15 // of the upload, for what goes beside the audio; then new links wait
	asideBytesMin = 8000
	busyPercent   = 80 // of the upload in use, below which new links need not wait
	debtSpan      = 100 * time.Millisecond
	referEvery    = 500 * time.Millisecond // a busy node looks for others to whom it refers those who dial it
)

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

// tookAside counts bytes beside the audio.
func (u *upload) tookAside(now mono.Time, bytes uint64) {
	u.aside += bytes
	u.earnAside(now)
	u.asideLeft = max(u.asideLeft-int64(bytes), -u.asideMost())
}

func (u *upload) earnAside(now mono.Time) {
	if earned := int64(now.Sub(u.asideAt)/time.Microsecond) * (u.fillBPS() * asidePercent / 100) / 8 / 1_000_000; earned > 0 {
		u.asideLeft, u.asideAt = min(u.asideMost(), u.asideLeft+earned), now
	}
}

// asideMost is what asideLeft is at most: a second's worth, but enough for a few newcomers.
func (u *upload) asideMost() int64 { return max(asideBytesMin, u.fillBPS()*asidePercent/100/8) }

// busy reports whether what goes beside the audio takes so much that new links have to wait.
func (u *upload) busy(now mono.Time) bool {
	switch {
	case u.capBPS == 0:
		return false // nobody dials it for long: it says that it is a leaf
	case u.indebted(now):
		return true
	case u.takenBPS == 0:
		return false
	}
	u.earnAside(now)
	return u.asideLeft < 0 && u.usedBPS > u.fillBPS()*busyPercent/100
}

// indebted reports whether what cannot wait, handshakes and control, has taken more of a capped upload than came in, and a tenth of a
// second besides. Audio waits then anyway; what else can wait, waits too, or control alone would carry a node with little upload above
// its cap.
func (u *upload) indebted(now mono.Time) bool {
	if !u.capped() {
		return false
	}
	u.refill(now)
	return u.tokens < -max(burstBytesMin, u.fillBPS()/8*int64(debtSpan)/int64(time.Second))
}

// Indebted implements mesh.Host.
func (n *Node) Indebted(now mono.Time) bool { return n.up.indebted(now) }
