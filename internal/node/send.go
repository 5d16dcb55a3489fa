// SPDX-License-Identifier: MIT

package node

import (
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// pendingMessages are the control messages for one link of one call; they share a packet.
type pendingMessages struct {
	link   link.ID
	buf    []byte
	begins []int // where in buf the messages begin
	ping   bool
	moved  bool // this node may be elsewhere now, and the peer shall see it at once
	report bool
}

// add adds a message.
func (p *pendingMessages) add(message []byte) {
	p.begins = append(p.begins, len(p.buf))
	p.buf = append(p.buf, message...)
}

// RoundTrip implements mesh.Host.
func (n *Node) RoundTrip(p mesh.PeerID) (rtt, deviation time.Duration) {
	info, _ := n.links.Peer(link.ID(p))
	return info.RTT, info.RTTDev
}

// drain does what a station's call wants done. Notices, control messages and audio go out in the order of the calls.
func (n *Node) drain(now mono.Time, st *station, out *Output) {
	m := &n.mesh
	for i := range m.Notices {
		out.Notices = append(out.Notices, notice(st.id, &m.Notices[i]))
	}
	for _, c := range m.Controls {
		n.enqueue(link.ID(c.Peer), m.Message(c))
	}
	for i := range m.Sends {
		n.sendAudio(now, st, &m.Sends[i], out)
	}
	for _, p := range m.Pings {
		n.pending(link.ID(p)).ping = true
	}
	if m.Alone {
		n.tellMoved()
	}
	dials := slices.Clone(m.Dials)
	hostile, idle, dead := slices.Clone(m.Hostile), slices.Clone(m.Idle), slices.Clone(m.Dead)
	m.Reset()
	for _, p := range hostile {
		n.expel(now, link.ID(p), out)
	}
	for _, p := range idle {
		n.release(now, st, link.ID(p), false, out)
	}
	for _, p := range dead {
		n.release(now, st, link.ID(p), true, out)
	}
	for _, d := range dials { // after that: a dead link's address is dialled again, not met again
		n.dial(now, st, d, out)
	}
}

func notice(id identity.StationID, m *mesh.Notice) Notice {
	return Notice{Kind: NoticeKind(m.Kind), Station: id, Epoch: m.Epoch, Seq: m.Seq, Count: m.Count, Chunk: m.Chunk,
		Start: m.Start, Duration: m.Duration, Data: m.Data}
}

// dial begins a link for a station, or hands it one that is up.
func (n *Node) dial(now mono.Time, st *station, d mesh.Dial, out *Output) {
	if len(n.dials) >= dialsMax || len(n.errands) >= errandsMax ||
		slices.ContainsFunc(n.bans, func(b ban) bool { return b.node == d.Node }) {
		st.DialFailed(now, d.Addr)
		return
	}
	if _, linked := n.links.Find(d.Node); !linked && !d.Open && !d.Node.IsZero() && n.dialHidden(now, st, d, out) {
		return
	}
	n.dialDirect(now, dial{node: d.Node, addr: d.Addr, station: st}, out)
	if !d.Open && !d.Node.IsZero() { // nobody has said that strangers reach it
		n.meeting.reach.MeetThroughOpen(now, d.Node, d.Addr, &n.meeting.out)
		n.drainReach(now, out)
	}
}

// dialDirect begins a link to an address, or hands out one that is up.
func (n *Node) dialDirect(now mono.Time, d dial, out *Output) {
	if n.find(d.station.id) != d.station {
		return
	}
	d.link, d.at = n.links.Dial(now, d.addr, d.node, &out.Output), d.addr
	if d.link == 0 {
		d.station.DialFailed(now, d.addr)
		return
	}
	if info, ok := n.links.Peer(d.link); ok && info.Up {
		n.peerUp(now, d, d.link, out)
		return
	}
	n.dials = append(n.dials, d)
}

// expel ends the link to a peer that sent what no honest node sends, and does not take it back for a while.
func (n *Node) expel(now mono.Time, id link.ID, out *Output) {
	p := n.peers[id]
	if p == nil {
		return
	}
	n.hostile++
	if len(n.bans) == bansMax {
		n.bans = slices.Delete(n.bans, 0, 1)
	}
	n.bans = append(n.bans, ban{p.node, now.Add(banFor)})
	n.links.Close(now, id, wire.CloseViolation, &out.Output)
	n.handleEvents(now, out)
}

// release ends a station's use of a link, and the link when nobody uses it any more. Both happen after what this call has
// queued for the link.
func (n *Node) release(now mono.Time, st *station, id link.ID, dead bool, out *Output) {
	p := n.peers[id]
	if p == nil {
		return
	}
	if info, ok := n.links.Peer(id); ok {
		for _, u := range p.uses {
			if u.station == st {
				st.bytesIn += info.BytesIn - u.in
				st.bytesUp += info.BytesOut - u.out
			}
		}
	}
	p.uses = slices.DeleteFunc(p.uses, func(u usage) bool { return u.station == st })
	n.releaseIdle(now, id, dead, out)
}

// sendAudio hands a chunk or manifest to the driver, or to the queue when the upload is not enough for all at once.
func (n *Node) sendAudio(now mono.Time, st *station, s *mesh.Send, out *Output) {
	if !n.up.affords(now, len(n.mesh.Peers(*s))*(len(s.Data)+overheadBytesMax)) {
		n.queueAudio(now, st, s, out)
		return
	}
	n.fanOut(now, st, s, n.mesh.Peers(*s), out)
}

// queueAudio queues a chunk or manifest, but for peers on the LAN.
func (n *Node) queueAudio(now mono.Time, st *station, s *mesh.Send, out *Output) {
	var near []mesh.PeerID
	for _, p := range n.mesh.Peers(*s) {
		if !n.up.capped() && n.Near(p) {
			near = append(near, p)
		} else {
			n.up.push(now, st, s, link.ID(p))
		}
	}
	if len(near) > 0 {
		n.fanOut(now, st, s, near, out)
	}
}

// fanOut hands a chunk or manifest for peers to the driver.
func (n *Node) fanOut(now mono.Time, st *station, s *mesh.Send, peers []mesh.PeerID, out *Output) {
	start := len(out.payloads)
	out.payloads = s.AppendMessage(out.payloads, st.Channel())
	payload := out.payloads[start:len(out.payloads):len(out.payloads)]
	first := len(out.tickets)
	kind := wire.MessageKind(payload[0])
	for _, p := range peers {
		if t, ok := n.links.Ticket(now, link.ID(p), kind, len(payload)); ok {
			out.tickets = append(out.tickets, t)
			n.charge(now, t.To, ipBytes(t.To, wire.DataBytesMin+len(payload)))
		}
	}
	if len(out.tickets) > first {
		out.Fanouts = append(out.Fanouts, Fanout{payload, out.tickets[first:len(out.tickets):len(out.tickets)]})
	}
}

// control queues one message.
func (n *Node) control(id link.ID, appendTo func([]byte) []byte) {
	n.scratch = appendTo(n.scratch[:0])
	n.enqueue(id, n.scratch)
}

// enqueue queues messages for a link until the end of the call, so that they share packets.
func (n *Node) enqueue(id link.ID, message []byte) {
	p := n.pending(id)
	if len(p.buf)+len(message) > wire.PayloadBytesMax-wire.PingBytes {
		n.queue = append(n.queue, pendingMessages{link: id})
		p = &n.queue[len(n.queue)-1]
	}
	p.add(message)
}

// pending returns the packet that is being collected for a link.
func (n *Node) pending(id link.ID) *pendingMessages {
	for i := len(n.queue) - 1; i >= 0; i-- {
		if n.queue[i].link == id {
			return &n.queue[i]
		}
	}
	if len(n.queue) < cap(n.queue) {
		n.queue = n.queue[:len(n.queue)+1]
	} else {
		n.queue = append(n.queue, pendingMessages{})
	}
	p := &n.queue[len(n.queue)-1]
	p.link, p.buf, p.begins, p.ping, p.moved, p.report = id, p.buf[:0], p.begins[:0], false, false, false
	return p
}

// flush sends the queued messages.
func (n *Node) flush(now mono.Time, out *Output) {
	for i := range n.queue {
		p := &n.queue[i]
		for range n.pingsWith(now, p) {
			before := len(p.buf)
			if p.buf = n.links.AppendPing(now, p.link, p.buf); len(p.buf) > before {
				p.begins = append(p.begins, before)
			}
		}
		if p.report || len(p.buf) > 0 && n.links.ReportDue(now, p.link, false) {
			before := len(p.buf)
			if p.buf = n.links.AppendReport(now, p.link, p.buf); len(p.buf) > before {
				p.begins = append(p.begins, before)
			}
		}
		if len(p.buf) > 0 && n.links.Seal(now, p.link, p.buf, &out.Output) {
			n.countSent(p)
		}
	}
	n.queue = n.queue[:0]
}

// pingsWith is how many PINGs go with what is queued. Two pay for the PATH_CHALLENGE that a peer sends to a new address; one does not
// (docs/protocol/links.md, section 9), and the next packet may be seconds away.
func (n *Node) pingsWith(now mono.Time, p *pendingMessages) int {
	switch {
	case p.moved:
		return 2
	case p.ping || n.links.PingDue(now, p.link):
		return 1
	}
	return 0
}

// countSent counts the messages behind the first one for their own kinds.
func (n *Node) countSent(p *pendingMessages) {
	first := wire.MessageKind(p.buf[0])
	for i := 1; i < len(p.begins); i++ {
		at, end := p.begins[i], len(p.buf)
		if i+1 < len(p.begins) {
			end = p.begins[i+1]
		}
		n.links.Split(link.Out, first, wire.MessageKind(p.buf[at]), end-at)
	}
}

// finish ends a call: what is queued goes out, as far as the upload allows.
func (n *Node) finish(now mono.Time, out *Output) {
	n.flush(now, out)
	n.handleEvents(now, out)
	if len(n.queue) > 0 {
		n.flush(now, out)
	}
	n.up.tookAside(now, n.account(now, out))
	n.sendQueued(now, out)
}

// account charges the upload for the datagrams of this call that have not been charged yet, and returns how many bytes they are.
func (n *Node) account(now mono.Time, out *Output) (bytes uint64) {
	n.noteContacts(now, out.Datagrams[out.charged:])
	for i := out.charged; i < len(out.Datagrams); i++ {
		d := &out.Datagrams[i]
		size := ipBytes(d.To, len(d.Data))
		bytes += uint64(size)
		n.charge(now, d.To, size)
	}
	out.charged = len(out.Datagrams)
	return bytes
}

// sendQueued sends the audio that waited for upload.
func (n *Node) sendQueued(now mono.Time, out *Output) {
	for {
		item, ok := n.up.pop(now)
		if !ok {
			return
		}
		if item.send.Priority != mesh.Repair && !item.station.Serves(mesh.PeerID(item.link)) {
			continue // it is dead, or has another parent
		}
		n.scratch = item.send.AppendMessage(n.scratch[:0], item.station.Channel())
		n.links.Seal(now, item.link, n.scratch, &out.Output)
		n.account(now, out)
	}
}
