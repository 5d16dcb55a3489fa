// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// An impostor looks like a node: it has real links and speaks the protocol, and nothing that it says of the stream is true.
// It has no stream. As HostileMap it tells everybody that it has every chunk, next to the source, and grants what it is
// asked for; as HostileStorm it asks everybody for everything.
type impostor struct {
	kind    Hostility
	table   *link.Table
	out     link.Output
	station identity.StationID
	hints   []netip.AddrPort
	peers   []impostorPeer
	epoch   uint32 // of the newest chunk that anybody told of
	next    uint32
	tick    mono.Time // next lie
	dial    mono.Time // next look for victims
	cands   []wire.Candidate
	buf     []byte
	told    uint64                                     // claims and demands
	witness func(from identity.NodeID, message []byte) // is told each chunk and manifest that comes: here the checkers see what nodes with a cap send
}

// An impostorPeer is somebody who listens to the impostor.
type impostorPeer struct {
	link link.ID
	open bool // it told its channel
}

// The pace of an impostor.
const (
	impostorChannel  = 1
	impostorLies     = 500 * time.Millisecond // between two buffer maps
	impostorStorm    = 20 * time.Millisecond  // between two rounds of NACKs
	impostorNacks    = 4                      // to each peer in a round
	impostorDials    = 2 * time.Second
	impostorVictims  = 64 // peers
	impostorAhead    = 40 // chunks that it claims to have before they exist
	impostorHintsMax = 256
)

func newImpostor(now mono.Time, cfg node.Config, kind Hostility) *impostor {
	table := link.NewTable(now, link.Config{Key: cfg.Key, Rand: rand.New(cfg.Rand), Secrets: cfg.Secrets})
	return &impostor{kind: kind, table: table, tick: mono.Never, dial: mono.Never}
}

// HandleCommand tunes in; everything else means nothing to an impostor.
func (m *impostor) HandleCommand(now mono.Time, c node.Command, out *node.Output) {
	if c, ok := c.(node.TuneCommand); ok {
		m.station, m.hints = c.Station, c.Peers
		m.tick, m.dial = now, now
		m.HandleDeadline(now, out)
	}
}

// HandleDatagram takes what victims send.
func (m *impostor) HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *node.Output) {
	id, rest := m.table.HandleDatagram(now, from, b, &m.out)
	for len(rest) > 0 {
		var err error
		if rest[0] < wire.TypeLinkEnd {
			rest, err = m.table.HandleMessage(now, id, rest, &m.out)
		} else {
			rest, err = m.handleMessage(now, id, rest)
		}
		if err != nil {
			break
		}
	}
	m.drain(now, out)
}

// HandleDeadline lies.
func (m *impostor) HandleDeadline(now mono.Time, out *node.Output) {
	if m.table.Deadline() <= now {
		m.table.Advance(now, &m.out)
	}
	if m.dial <= now {
		m.dial = now.Add(impostorDials)
		for _, a := range m.hints {
			if m.table.Len() < impostorVictims {
				m.table.Dial(now, a, identity.NodeID{}, &m.out)
			}
		}
	}
	if m.tick <= now {
		m.lie(now)
	}
	m.drain(now, out)
}

// Deadline is the next lie.
func (m *impostor) Deadline() mono.Time {
	return mono.Min(m.table.Deadline(), mono.Min(m.tick, m.dial))
}

// Status says nothing: nobody measures an impostor.
func (m *impostor) Status(mono.Time) node.Status { return node.Status{Peers: len(m.peers)} }

// AppendFeeds likewise.
func (m *impostor) AppendFeeds(dst []node.Feed) (feeds []node.Feed, hops int) { return dst, -1 }

func (m *impostor) lie(now mono.Time) {
	if m.kind == HostileStorm {
		m.tick = now.Add(impostorStorm)
	} else {
		m.tick = now.Add(impostorLies)
	}
	for i := range m.peers {
		if !m.peers[i].open {
			m.open(now, m.peers[i].link, true)
			continue
		}
		if m.epoch == 0 {
			m.buf = wire.Have{Channel: impostorChannel, Ask: true}.Append(m.buf[:0])
			m.table.Seal(now, m.peers[i].link, m.buf, &m.out)
			continue
		}
		if m.kind == HostileStorm {
			m.storm(now, m.peers[i].link)
		} else {
			m.claim(now, m.peers[i].link)
		}
	}
}

// claim says that everything is here, and more, one hop from the source.
func (m *impostor) claim(now mono.Time, to link.ID) {
	if m.epoch == 0 {
		return
	}
	have := wire.Have{
		Channel: impostorChannel, Epoch: m.epoch, Next: m.next + impostorAhead, Complete: m.next + impostorAhead, Free: wire.Classes,
		Hops: [...]uint8{1, 1, 1, 1}, Parts: 0xf,
	}
	m.buf = have.Append(m.buf[:0])
	path := wire.Path{Channel: impostorChannel}
	for i := range path.Parts {
		path.Parts[i].Hops = 1
	}
	m.buf = path.Append(m.buf)
	m.told++
	m.table.Seal(now, to, m.buf, &m.out)
}

// storm asks for all chunks that a NACK can name, again and again.
func (m *impostor) storm(now mono.Time, to link.ID) {
	for range impostorNacks {
		nack := wire.Nack{Channel: impostorChannel, EpochLow: uint8(m.epoch), NRanges: wire.NackRangesMax}
		for i := range nack.Ranges {
			nack.Ranges[i] = wire.NackRange{Seq: m.next - min(m.next, uint32(33*(i+1))), Also: 1<<32 - 1}
		}
		m.buf = nack.Append(m.buf[:0])
		m.told++
		m.table.Seal(now, to, m.buf, &m.out)
	}
}

// handleMessage takes one message about the station and returns what follows it.
func (m *impostor) handleMessage(now mono.Time, id link.ID, b []byte) (rest []byte, err error) {
	body := b[1:]
	m.cands = m.cands[:0]
	switch b[0] {
	case wire.TypeOpen:
		var open wire.Open
		open, rest, err = wire.ParseOpen(body)
		m.opened(now, id, open.Reply)
	case wire.TypeGone:
		var gone wire.Gone
		gone, rest, err = wire.ParseGone(body, m.cands)
		m.learn(gone.Candidates)
	case wire.TypeHave:
		var have wire.Have
		have, rest, err = wire.ParseHave(body)
		m.heard(have.Epoch, have.Next)
	case wire.TypePath:
		var path wire.Path
		rest, err = wire.ParsePath(body, &path)
	case wire.TypeWant:
		var want wire.Want
		want, rest, err = wire.ParseWant(body)
		grant := wire.Grant{
			Channel: impostorChannel, Token: want.Token, Manifests: want.Manifests, Classes: want.Classes, Epoch: m.epoch, From: m.next,
		}
		m.buf = grant.Append(m.buf[:0])
		m.table.Seal(now, id, m.buf, &m.out)
	case wire.TypeGrant:
		var grant wire.Grant
		grant, rest, err = wire.ParseGrant(body, m.cands)
		m.learn(grant.Candidates)
	case wire.TypePeers:
		var peers wire.Peers
		peers, rest, err = wire.ParsePeers(body, m.cands)
		m.learn(peers.Candidates)
	case wire.TypeManifest:
		if len(body) < 1 {
			return nil, wire.ErrTruncated
		}
		var manifest wire.Manifest
		if _, rest, err = wire.ParseManifest(body[1:], &manifest); err == nil {
			m.saw(id, b[:len(b)-len(rest)])
		}
		m.heard(manifest.Epoch, manifest.First+uint32(manifest.N))
	case wire.TypeChunk:
		m.saw(id, b) // the last of a packet
	case wire.TypeNack: // never answered
		var nack wire.Nack
		rest, err = wire.ParseNack(body, &nack)
	}
	return rest, err
}

func (m *impostor) saw(id link.ID, message []byte) {
	if info, ok := m.table.Peer(id); ok {
		m.witness(info.NodeID, message)
	}
}

// opened is told that a peer carries the station; the impostor does, too.
func (m *impostor) opened(now mono.Time, id link.ID, reply bool) {
	for i := range m.peers {
		if m.peers[i].link == id {
			m.peers[i].open = true
		}
	}
	if reply {
		m.open(now, id, false)
	}
	if m.kind == HostileMap {
		m.claim(now, id)
	}
}

func (m *impostor) open(now mono.Time, id link.ID, reply bool) {
	m.buf = wire.Open{Channel: impostorChannel, Reply: reply, Station: m.station}.Append(m.buf[:0])
	m.table.Seal(now, id, m.buf, &m.out)
}

func (m *impostor) heard(epoch, next uint32) {
	if epoch > m.epoch || epoch == m.epoch && next > m.next {
		m.epoch, m.next = epoch, next
	}
}

func (m *impostor) learn(cands []wire.Candidate) {
	for _, c := range cands {
		if len(m.hints) < impostorHintsMax {
			m.hints = append(m.hints, c.Addr)
		}
	}
}

// drain follows the links' events and hands over what is to be sent.
func (m *impostor) drain(now mono.Time, out *node.Output) {
	for i := 0; i < len(m.out.Events); i++ { // grows while it is read
		switch e := m.out.Events[i]; e.Kind {
		case link.EventUp:
			m.peers = append(m.peers, impostorPeer{link: e.ID})
			m.open(now, e.ID, true)
		case link.EventDown:
			for j := range m.peers {
				if m.peers[j].link == e.ID {
					m.peers = append(m.peers[:j], m.peers[j+1:]...)
					break
				}
			}
		case link.EventAddrChanged, link.EventReferred:
		}
	}
	for _, d := range m.out.Datagrams {
		out.Datagrams = append(out.Datagrams, node.Datagram{To: d.To, Data: append([]byte(nil), d.Data...)})
	}
	m.out.Reset()
}
