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

// ReachConfig is how far a node helps others to meet.
type ReachConfig struct {
	Carries bool // relays a station for those who reach nobody else that has it, when strangers reach this node
	Aside   bool // AsideCommand tells what arrives at the second port
}

// contactsAge is when the peers of links are noted as contacted again.
const contactsAge = 5 * time.Minute

// meeting is the node's part in reaching others.
type meeting struct {
	reach  *reach.Reach
	out    reach.Output
	mapped bool      // by a router
	noted  mono.Time // when the peers of links were noted as contacted
}

func (n *Node) initReach(now mono.Time) {
	n.meeting.reach = reach.New(now, reach.Config{Self: n.cfg.Key.Public(), Rand: n.rand, Carries: n.cfg.Reach.Carries,
		Aside: n.cfg.Reach.Aside})
}

// Open implements mesh.Host.
func (n *Node) Open(p mesh.PeerID) bool { return n.meeting.reach.Open(reach.PeerID(p)) }

// noteArrival looks whether a datagram comes from a stranger.
func (n *Node) noteArrival(now mono.Time, from netip.AddrPort, b []byte) {
	if len(b) > 0 && first(b[0]) && !n.meeting.reach.Guesses(from.Addr()) {
		n.meeting.reach.Observer().Arrived(now, from)
	}
}

// noteContacts remembers whom this node has sent something.
func (n *Node) noteContacts(now mono.Time, sent []Datagram) {
	for i := range sent {
		if d := &sent[i]; first(d.Data[0]) && !n.meeting.reach.Guesses(d.To.Addr()) {
			n.meeting.reach.Observer().Contacted(now, d.To)
		}
	}
}

// first reports whether a datagram may be the first that goes to an address.
func first(kind byte) bool {
	t := wire.DatagramType(kind)
	return t == wire.DatagramHello || t == wire.DatagramAsk || t == wire.DatagramPunch
}

// handlePunches hands over the PUNCHes that arrived.
func (n *Node) handlePunches(now mono.Time, out *Output) {
	for i := range out.Output.Punches {
		p := &out.Output.Punches[i]
		n.meeting.reach.HandlePunch(now, p.From, p.Punch, &n.meeting.out)
	}
	if len(out.Output.Punches) > 0 {
		out.Output.Punches = out.Output.Punches[:0]
		n.drainReach(now, out)
	}
}

// runReach does what is due.
func (n *Node) runReach(now mono.Time, out *Output) {
	r := n.meeting.reach
	if n.leaving || now < r.Deadline() {
		return
	}
	var tags [wire.CarriedMax]wire.StationTag
	carried := tags[:0]
	for _, st := range n.stations {
		if len(carried) < cap(carried) && st.Fed() {
			carried = append(carried, wire.TagOf(st.id))
		}
	}
	r.SetCarried(now, carried, &n.meeting.out)
	if now.Sub(n.meeting.noted) >= contactsAge {
		n.meeting.noted = now
		for _, info := range n.links.All() {
			r.Observer().Contacted(now, info.Addr)
		}
	}
	r.Advance(now, &n.meeting.out)
	n.setKeepalives(now)
	r.SetNeed(n.lonely(now))
	n.reviewCarried(now, out)
	n.drainReach(now, out)
}

// drainReach does what reach wants done.
func (n *Node) drainReach(now mono.Time, out *Output) {
	m := &n.meeting.out
	for _, c := range m.Messages {
		n.enqueue(link.ID(c.To), m.Bytes(c))
	}
	for _, p := range m.Punches {
		n.sendPunch(now, p, out)
	}
	n.openExtras(now, m.Extras, out)
	dials, failed := slices.Clone(m.Dials), slices.Clone(m.Failed)
	hopeless, idle, carry := slices.Clone(m.Hopeless), slices.Clone(m.Idle), slices.Clone(m.Carry)
	links, hosts, changed := slices.Clone(m.Links), m.Hosts, m.Changed
	m.Reset()
	for _, d := range dials {
		n.meetAt(now, d, out)
	}
	for _, node := range hopeless {
		n.giveUp(now, node, out)
	}
	for _, node := range failed {
		n.meetingFailed(now, node, out)
	}
	for _, h := range links {
		n.links.Dial(now, h.Addr, h.Node, &out.Output)
	}
	for _, id := range idle {
		n.releaseIdle(now, link.ID(id), false, out)
	}
	for _, c := range carry {
		n.carry(now, c, out)
	}
	n.offerHosts(now, hosts[:], out)
	if changed {
		n.tellReach(now)
	}
	n.handleEvents(now, out)
}

// offerHosts names hosts that may become proxies: so many of each reach.Family.
func (n *Node) offerHosts(now mono.Time, wanted []int, out *Output) {
	if n.finder.gossip == nil {
		return
	}
	var buf [4]wire.Host
	hosts := buf[:0]
	for f, count := range wanted {
		if count == 0 {
			continue
		}
		avoid := func(h wire.Host) bool {
			_, linked := n.links.Find(h.Node)
			return linked || !reach.Family(f).Has(h.Addr.Addr())
		}
		hosts = n.finder.gossip.Reachable(now, avoid, hosts, count)
	}
	if len(hosts) > 0 {
		n.meeting.reach.Offer(hosts, &n.meeting.out)
		n.drainReach(now, out)
	}
}

// setMapped takes what a router says.
func (n *Node) setMapped(now mono.Time, c MappedCommand) {
	n.meeting.mapped = c.Outside.IsValid()
	if n.meeting.mapped {
		n.meeting.reach.Observer().SetMapped(now, c.Outside, c.Lifetime)
	} else {
		n.meeting.reach.Observer().ClearMapped(now)
	}
}

func (n *Node) reachStatus(now mono.Time) ReachStatus {
	r := n.meeting.reach
	return ReachStatus{Standing: r.Observer().Standing(now), Mapped: n.meeting.mapped, Proxies: r.Proxies(nil),
		Clients: r.ClientCount(), Counts: r.Counts()}
}

// sendPunch sends one PUNCH.
func (n *Node) sendPunch(_ mono.Time, p reach.Punch, out *Output) {
	start := len(out.payloads)
	out.payloads = wire.Punch{Token: p.Token}.Append(out.payloads)
	d := Datagram{To: p.To, Data: out.payloads[start:len(out.payloads):len(out.payloads)]}
	if p.Aside {
		out.Asides = append(out.Asides, d)
	} else {
		out.Datagrams = append(out.Datagrams, d)
	}
}

// meetAt dials a node to which the way is open or opening, for all that wait for it.
func (n *Node) meetAt(now mono.Time, d reach.Dial, out *Output) {
	n.awaitGuessed(d)
	for _, w := range slices.Clone(n.dials) {
		if w.node != d.Node || slices.ContainsFunc(n.dials, func(o dial) bool { return o.link != 0 && o.at == d.Addr && o.station == w.station }) {
			continue
		}
		id := n.links.Dial(now, d.Addr, d.Node, &out.Output)
		if id == 0 || len(n.dials) >= dialsMax {
			continue
		}
		w.link, w.at = id, d.Addr
		if info, ok := n.links.Peer(id); ok && info.Up {
			n.dials = slices.DeleteFunc(n.dials, func(o dial) bool { return o.node == d.Node && o.station == w.station })
			n.peerUp(now, w, id, out)
			continue
		}
		n.dials = append(n.dials, w)
	}
	for _, w := range n.dials {
		if w.link != 0 && w.at == d.Addr { // also one that does not know whom it meets there: of an entry in a record
			n.links.Hasten(now, w.link, &out.Output)
			return
		}
	}
}

// meetingFailed dials a node directly that nobody could introduce this node to.
func (n *Node) meetingFailed(now mono.Time, node identity.NodeID, out *Output) {
	if n.meeting.reach.Meets(node) || slices.ContainsFunc(n.errands, func(e errand) bool { return e.target == node }) {
		return // somebody else is being asked
	}
	waiting := slices.Clone(n.dials)
	n.dials = slices.DeleteFunc(n.dials, func(d dial) bool { return d.node == node && d.link == 0 })
	for _, d := range waiting {
		if d.node == node && d.link == 0 && !n.dialling(d) {
			n.dialDirect(now, d, out)
		}
	}
}

// dialling reports whether the node that a dial wants is being dialled for its station elsewhere.
func (n *Node) dialling(d dial) bool {
	return !d.node.IsZero() && slices.ContainsFunc(n.dials, func(o dial) bool { return o.node == d.node && o.station == d.station })
}

// dialHidden begins an introduction to a node that strangers do not reach; it reports whether somebody may make one.
func (n *Node) dialHidden(now mono.Time, st *station, d mesh.Dial, out *Output) bool {
	w := dial{node: d.Node, addr: d.Addr, station: st}
	if n.peers[link.ID(d.Via)] != nil && n.peers[link.ID(d.Via)].node != d.Node {
		n.dials = append(n.dials, w)
		n.meeting.reach.Meet(now, reach.PeerID(d.Via), d.Node, d.Addr, &n.meeting.out)
		n.drainReach(now, out)
		return true
	}
	asked := 0
	for _, proxy := range d.Proxies {
		if asked == errandsEach || len(n.errands) >= errandsMax {
			break
		}
		id := n.links.Dial(now, proxy, identity.NodeID{}, &out.Output)
		if id == 0 {
			continue
		}
		if asked++; asked == 1 {
			n.dials = append(n.dials, w)
		}
		n.errands = append(n.errands, errand{id, d.Node, d.Addr})
		if info, ok := n.links.Peer(id); ok && info.Up {
			n.runErrands(now, id, id, out)
		}
	}
	return asked > 0
}

// An errand is a link that is being dialled because its peer may introduce this node to another.
type errand struct {
	link   link.ID
	target identity.NodeID
	addr   netip.AddrPort // where others say it is
}

const (
	errandsMax  = 64
	errandsEach = 2 // proxies of one host: the first may be gone
)

// runErrands asks a peer for the introductions that the link id was dialled for: via is the link to it, 0 if there is none.
func (n *Node) runErrands(now mono.Time, id, via link.ID, out *Output) {
	var targets []errand
	n.errands = slices.DeleteFunc(n.errands, func(e errand) bool {
		if e.link == id {
			targets = append(targets, e)
		}
		return e.link == id
	})
	for _, t := range targets {
		if n.peers[via] == nil {
			n.meetingFailed(now, t.target, out)
			continue
		}
		n.meeting.reach.Hold(now, reach.PeerID(via))
		n.meeting.reach.Meet(now, reach.PeerID(via), t.target, t.addr, &n.meeting.out)
	}
	if len(targets) > 0 {
		n.drainReach(now, out)
	}
}

// releaseIdle closes a link that neither a station nor, unless it is dead, reach needs.
func (n *Node) releaseIdle(now mono.Time, id link.ID, dead bool, out *Output) {
	p := n.peers[id]
	if p == nil || len(p.uses) > 0 || !dead && n.meeting.reach.Holds(now, reach.PeerID(id)) ||
		slices.ContainsFunc(n.dials, func(d dial) bool { return d.link == id }) {
		return
	}
	n.flush(now, out)
	n.links.Close(now, id, wire.CloseDone, &out.Output)
	n.handleEvents(now, out)
}

// tellReach tells gossip how this node stands.
func (n *Node) tellReach(now mono.Time) {
	if n.finder.gossip == nil {
		return
	}
	var buf [3]netip.AddrPort
	proxies := n.meeting.reach.Proxies(buf[:0])
	n.finder.gossip.SetReachOf(n.meeting.reach.Hidden(), proxies)
	n.finder.review = mono.Min(n.finder.review, now) // entry points may be others
}
