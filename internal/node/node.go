// SPDX-License-Identifier: MIT

// Package node is the core: one participant, which composes links and stations. It does no I/O, reads no clock and starts
// no goroutine; equal calls give equal output. One goroutine owns a Node.
//
// The contract of the calls:
//
//  1. now never goes back. HandleDeadline called early does nothing.
//  2. Datagrams given in belong to the caller again after the call.
//  3. Drivers read Deadline after every call: one timer for each node.
//  4. No call returns an error. A hostile datagram costs a counter.
//  5. Drivers queue output; they never deliver it inside the call.
//  6. Every collection has a stated maximum.
package node

import (
	"math/rand/v2"
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

// Limits of a node.
const (
	StationsMax = 64 // carried at the same time
	dialsMax    = 256
	bansMax     = 256
	banFor      = 10 * time.Minute
)

// A Node is one participant.
type Node struct {
	cfg       Config
	rand      *rand.Rand
	links     *link.Table
	up        upload
	elsewhere referrals

	measure measurement
	hosted  []hosting

	finder  discovery
	meeting meeting
	local   local

	stations []*station // in order of tuning in
	nextChan uint8
	peers    map[link.ID]*peer
	dials    []dial
	errands  []errand
	bans     []ban
	queue    []pendingMessages // control messages of this call, one entry for each link

	wallOffset int64 // nanoseconds since 1970 minus now
	wallKnown  bool
	leaving    bool
	mesh       mesh.Output
	scratch    []byte
	hostile    uint64
	unreadable uint64
	unknown    uint64
}

// A station is one that this node carries.
type station struct {
	*mesh.Station
	id      identity.StationID
	bytesIn uint64 // of links that are gone
	bytesUp uint64
	sought  bool // gossip looks for hosts on it

	lonely  mono.Time       // since when at most one peer carries it, too; 0 more do
	hungry  mono.Time       // since when nobody brings it; 0 somebody does
	carried mono.Time       // for others, who needed it at that time; 0 this node's application asked for it
	carrier identity.NodeID // who asked for that
}

// A peer is a link that is up and what its channel numbers mean.
type peer struct {
	channels []channel
	node     identity.NodeID
	uses     []usage
}

type channel struct {
	number  uint8
	station *station
}

// A usage is when a station began to use a link: bytes before do not count for it.
type usage struct {
	station *station
	in, out uint64
}

// A dial is what a station waits for: a link that is being dialled or, while link is 0, an introduction.
type dial struct {
	link    link.ID
	node    identity.NodeID // zero: whoever is there
	addr    netip.AddrPort  // as the station knows it
	at      netip.AddrPort  // that was dialled
	station *station
}

type ban struct {
	node  identity.NodeID
	until mono.Time
}

// New makes a node that carries nothing yet.
func New(now mono.Time, cfg Config) *Node {
	n := &Node{cfg: cfg, rand: rand.New(cfg.Rand), peers: map[link.ID]*peer{}}
	n.links = link.NewTable(now, link.Config{Key: cfg.Key, Rand: n.rand, Secrets: cfg.Secrets, Agreed: cfg.Agreed,
		LinksMax: cfg.LinksMax, HandshakesPerPrefix: cfg.HandshakesPerPrefix, PrefixExempt: cfg.PrefixExempt})
	n.up.init(now, cfg.UploadBPS)
	n.initDiscovery(now)
	n.initReach(now)
	return n
}

// HandleDatagram takes one UDP payload.
func (n *Node) HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *Output) {
	n.noteArrival(now, from, b)
	n.noteBusy(now)
	id, payload := n.links.HandleDatagram(now, from, b, &out.Output)
	n.handleEvents(now, out)
	n.handleExchanges(now, out)
	n.handlePunches(now, out)
	if len(payload) > 0 {
		n.handlePayload(now, id, payload, out)
		if n.links.ReportDue(now, id, true) {
			n.pending(id).report = true
		}
	}
	n.finish(now, out)
}

// HandleDeadline does what is due.
func (n *Node) HandleDeadline(now mono.Time, out *Output) {
	n.links.Advance(now, &out.Output)
	n.handleEvents(now, out)
	n.handleExchanges(now, out)
	for i := 0; i < len(n.stations); i++ {
		if st := n.stations[i]; st.Deadline() <= now {
			st.Advance(now, &n.mesh)
			n.drain(now, st, out)
		}
	}
	n.runMeasure(now, out)
	n.runDiscovery(now, out)
	n.runReach(now, out)
	n.finish(now, out)
}

// Deadline is when HandleDeadline is to be called; mono.Never when nothing is pending.
func (n *Node) Deadline() mono.Time {
	t := mono.Min(mono.Min(n.links.Deadline(), n.up.deadline()), n.discoveryDeadline())
	if !n.leaving {
		t = mono.Min(t, n.meeting.reach.Deadline())
	}
	for _, st := range n.stations {
		t = mono.Min(t, st.Deadline())
	}
	return mono.Min(t, n.measureDeadline())
}

// handlePayload handles the messages of one packet, in order.
func (n *Node) handlePayload(now mono.Time, id link.ID, payload []byte, out *Output) {
	p := n.peers[id]
	if p == nil {
		return
	}
	for _, u := range p.uses {
		u.station.Pong(now, mesh.PeerID(id))
	}
	first, whole := wire.MessageKind(payload[0]), len(payload)
	for len(payload) > 0 {
		var err error
		typ, before := payload[0], len(payload)
		switch {
		case typ < wire.TypeLinkEnd:
			payload, err = n.links.HandleMessage(now, id, payload, &out.Output)
			n.handleReports(now, out)
			n.handleEvents(now, out)
			if n.peers[id] == nil {
				return
			}
		case typ == wire.TypeOpen:
			var m wire.Open
			if m, payload, err = wire.ParseOpen(payload[1:]); err == nil {
				n.handleOpen(now, id, p, m, out)
			}
		case typ == wire.TypeGone:
			var buf [wire.CandidatesMax]wire.Candidate
			var m wire.Gone
			if m, payload, err = wire.ParseGone(payload[1:], buf[:0]); err == nil {
				n.handleGone(now, id, p, m, out)
			}
		case typ >= wire.TypeReach && typ < wire.TypeReachEnd:
			payload, err = n.meeting.reach.HandleMessage(now, reach.PeerID(id), typ, payload[1:], &n.meeting.out)
			if n.drainReach(now, out); n.peers[id] == nil {
				return
			}
		case typ >= wire.TypeMeasure && typ <= wire.TypePad:
			payload, err = n.handleMeasure(now, id, typ, payload[1:])
		default:
			if len(payload) < 2 {
				n.unreadable++
				return
			}
			st := p.station(payload[1])
			if st == nil {
				n.unknown++ // its Open is lost, or this node has left the station
				return
			}
			payload, err = st.HandleMessage(now, mesh.PeerID(id), typ, payload[1:], &n.mesh)
			n.drain(now, st, out)
		}
		if before < whole {
			n.links.Split(link.In, first, wire.MessageKind(typ), before-len(payload))
		}
		if err != nil {
			n.unreadable++
			return
		}
	}
}

func (n *Node) handleOpen(now mono.Time, id link.ID, p *peer, m wire.Open, out *Output) {
	st := n.find(m.Station)
	if st == nil {
		if m.Reply {
			var buf [wire.CandidatesMax]wire.Candidate
			gone := wire.Gone{Station: m.Station, Candidates: n.meeting.reach.Clients(reach.PeerID(id), wire.TagOf(m.Station), buf[:0])}
			n.control(id, gone.Append)
		}
		return
	}
	p.setChannel(m.Channel, st)
	info, _ := n.links.Peer(id)
	n.use(p, st, info)
	st.HandleOpen(now, mesh.PeerID(id), info.NodeID, info.Addr, m, &n.mesh)
	n.drain(now, st, out)
}

func (n *Node) handleGone(now mono.Time, id link.ID, p *peer, m wire.Gone, out *Output) {
	st := n.find(m.Station)
	if st == nil {
		return
	}
	p.dropChannels(st)
	if len(m.Candidates) == 0 {
		n.meeting.reach.CarryRefused(now, reach.PeerID(id), m.Station, &n.meeting.out)
		n.drainReach(now, out)
	}
	if len(m.Candidates) > 0 {
		n.meeting.reach.Hold(now, reach.PeerID(id)) // it may introduce this node to them
	}
	st.HandleGone(now, mesh.PeerID(id), m, &n.mesh)
	n.drain(now, st, out)
}

// takeDials returns what waited for a link, or for a node, and forgets it: each station once.
func (n *Node) takeDials(id link.ID, node identity.NodeID) []dial {
	var of []dial
	n.dials = slices.DeleteFunc(n.dials, func(d dial) bool {
		if d.link != id && (node.IsZero() || d.node != node) {
			return false
		}
		if !slices.ContainsFunc(of, func(o dial) bool { return o.station == d.station }) {
			of = append(of, d)
		}
		return true
	})
	return of
}

// use notes that a station uses a link from now on.
func (n *Node) use(p *peer, st *station, info link.Info) {
	if !slices.ContainsFunc(p.uses, func(u usage) bool { return u.station == st }) {
		p.uses = append(p.uses, usage{st, info.BytesIn, info.BytesOut})
	}
}

func (n *Node) find(id identity.StationID) *station {
	for _, st := range n.stations {
		if st.id == id {
			return st
		}
	}
	return nil
}

func (p *peer) station(number uint8) *station {
	for _, c := range p.channels {
		if c.number == number {
			return c.station
		}
	}
	return nil
}

func (p *peer) setChannel(number uint8, st *station) {
	p.channels = slices.DeleteFunc(p.channels, func(c channel) bool { return c.number == number || c.station == st })
	p.channels = append(p.channels, channel{number, st})
}

func (p *peer) dropChannels(st *station) {
	p.channels = slices.DeleteFunc(p.channels, func(c channel) bool { return c.station == st })
}
