// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/uplink"
)

const shedEvery = time.Second // what a child that was sent away costs is seen by then

// learned takes what the network that the node has come to is known to carry.
func (u *upload) learned(now mono.Time, bps int64) {
	if bps > 0 {
		u.line.Remember(bps)
	} else if !u.capped() {
		u.line.Reset(now, 0)
	}
}

// status is for people and metrics.
func (u *upload) status() UploadStatus {
	s := UploadStatus{BudgetBPS: u.capBPS, UsedBPS: u.usedBPS}
	if u.line.Known() {
		s.MeasuredBPS = u.line.BPS()
	}
	return s
}

// handleReports takes what children say of how audio arrives. Those on the LAN say nothing about the line.
func (n *Node) handleReports(now mono.Time, out *Output) {
	for _, r := range out.Output.Reports {
		n.padsReported(now, r)
		if n.measure.State == MeasureRunning || n.Near(mesh.PeerID(r.ID)) {
			continue
		}
		n.up.line.Reported(now, uplink.Report{Peer: uint32(r.ID), Sent: r.Sent, Lost: r.Lost, Delay: r.Delay, Measured: r.Measured,
			First: r.First, Last: r.Last, Took: r.Took})
	}
	out.Output.Reports = out.Output.Reports[:0]
	n.up.line.Review(now, n.up.takenBPS-n.nearTaken())
	n.shed(now, out)
}

// nearAddr reports whether an address is on the LAN; it is quick about those of the internet.
func (n *Node) nearAddr(a netip.Addr) bool {
	return (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is6()) && n.local.near(a)
}

// nearTaken is what children on the LAN have taken: the line carries none of it.
func (n *Node) nearTaken() (bps int64) {
	if n.up.capped() || !n.local.known {
		return 0
	}
	for _, st := range n.stations {
		bps += st.NearTaken()
	}
	return bps
}

// shed ends subscriptions that the line does not carry, politely: the others stay whole, and who is sent away finds another
// parent before its buffer is empty.
func (n *Node) shed(now mono.Time, out *Output) {
	taken := n.up.takenBPS - n.nearTaken()
	for _, st := range n.stations {
		taken -= st.MovingTaken()
	}
	if taken <= n.up.fillBPS() || now.Sub(n.up.shedAt) < shedEvery {
		return
	}
	n.up.shedAt = now
	over := taken - n.up.giveBPS()
	for _, st := range n.stations {
		if over <= 0 {
			return
		}
		over -= st.Shed(now, over, &n.mesh)
		n.drain(now, st, out)
	}
}

// dismiss ends all subscriptions, those of the LAN too: nothing is given any more, and who is told so finds others at once.
func (n *Node) dismiss(now mono.Time, out *Output) {
	for _, st := range n.stations {
		st.Dismiss(&n.mesh)
		n.drain(now, st, out)
	}
}
