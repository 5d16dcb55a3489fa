// SPDX-License-Identifier: MIT

package mesh

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// deadAfter is how long a probed peer is silent before its link is given up.
const deadAfter = 1500 * time.Millisecond

// deadAlone is the same when no parent answers: then it is this node's own line that changed, its NAT perhaps, and those behind NATs of their
// own hear it only when they are introduced again.
const deadAlone = 700 * time.Millisecond

// A peer is a link whose other end carries the station, or may.
type peer struct {
	id     PeerID
	node   identity.NodeID
	addr   netip.AddrPort
	open   bool // it said that it carries the station
	source bool // it said that it is the broadcaster
	dialed bool // by this node
	gone   bool // it said that it leaves
	near   bool // on this node's LAN

	heardAt mono.Time // any station message
	probeAt mono.Time // a ping was sent because of its silence; 0 none

	have    wire.Have // Map is in mapBits
	haveAt  mono.Time // when it came; 0 never
	mapBits [wire.MapBytesMax]byte
	mapLen  int
	path    *wire.Path // as parent; nil until told

	claim   claim
	climbAt mono.Time // not asked for a better place before
	climbs  int       // how often it was, without success

	parent parentState
	child  childState
	asked  uint8     // token of its last WANT
	toldAt mono.Time // when it was last told of candidates; 0 never
	nacks  wire.Nack // being collected

	stalls     int    // times in a row that it was left because it did not advance
	strays     int    // chunks that it pushed unasked
	pushed     uint32 // the chunk that it pushed last of pushedIn, other than of the past
	pushedIn   uint32
	repeats    int // chunks of the past that it pushed since, in a row
	unanswered int // NACKs in a row that brought nothing

	owedManifests mono.Time // since when a manifest that must exist has not come from it; 0 none
	repairLeft    int64
	repairAt      mono.Time
	junkSince     mono.Time
	junkCount     int
}

// parentState is what a peer gives to this node.
type parentState struct {
	want             uint16 // asked of it
	wantManifests    bool
	classes          uint16 // granted
	manifests        bool
	token            uint8
	pending          bool   // its Grant has not come
	from             uint32 // where its backlog begins
	backlog          backlog
	wantAt           mono.Time // when the Want was sent
	wantFlags        wire.Want // for sending it again
	tries            int
	refusedUntil     mono.Time
	full             bool      // that is why
	refusals         int       // times in a row, for that reason
	noManifestsUntil mono.Time // they stalled here

	owed         mono.Time // since when a chunk that it should have pushed has not come; 0 none
	arrivals     [wire.PartManifests]arrival
	headersUntil mono.Time // it is sending the headers: no NACK for them before
}

func (p *peer) isParent() bool { return p.parent.want != 0 || p.parent.wantManifests }
func (p *peer) isChild() bool  { return p.child.classes != 0 || p.child.manifests }

// candidate describes p to others.
func (s *Station) candidate(p *peer) wire.Candidate {
	return wire.Candidate{Node: p.node, Addr: p.addr, Source: p.source, Open: s.host.Open(p.id), Hops: p.have.Nearest(), Free: p.have.Free}
}

// hops is how far p is from the source with a part of the stream, as it says.
func (p *peer) hops(part int) uint8 {
	if part < wire.PartManifests {
		return p.have.Hops[part]
	}
	return p.have.Nearest()
}

// backlogPatience is how long a backlog may take.
func (s *Station) backlogPatience(now mono.Time) time.Duration {
	if s.play.begun && now.Sub(s.play.begunAt) > beginning {
		return resumeTime * 5 / 4
	}
	return backlogTime * 5 / 4
}

// A backlog is what a parent sends of the past, beside what is live.
type backlog struct {
	epoch uint32
	end   uint32    // what it pushes begins here
	until mono.Time // then what has not come is missing
}

// brings reports whether a chunk is part of a backlog that is still coming.
func (b *backlog) brings(now mono.Time, e *epoch, seq uint32) bool {
	return now < b.until && e.num == b.epoch && seq < b.end
}

// owe notes that p should push something by at.
func (p *peer) owe(at mono.Time) {
	if p.parent.owed == 0 {
		p.parent.owed = at
	}
}

// An arrival says when a parent's pushes of one quarter come: quarters reach it by different ways.
type arrival struct {
	offset    int64 // mono time of arrival minus the source's release time, smoothed
	deviation time.Duration
	samples   int
}

// learn takes one more sample, as RFC 6298 learns round-trip times.
func (a *arrival) learn(offset int64) {
	diff := offset - a.offset
	if a.samples == 0 || diff > int64(time.Second) || diff < -int64(time.Second) { // first, another clock, another way
		*a = arrival{offset, 60 * time.Millisecond, 1}
		return
	}
	a.offset += diff / 8
	a.deviation += (time.Duration(max(diff, -diff)) - a.deviation) / 4
	a.samples++
}

// nack adds a chunk to the NACK that is being collected for p.
func (p *peer) nack(e *epoch, seq uint32) {
	n := &p.nacks
	if !p.nackEpoch(uint8(e.num)) {
		return
	}
	for i := range n.NRanges {
		r := &n.Ranges[i]
		if r.Seq == seq {
			return
		}
		if seq > r.Seq && seq-r.Seq <= 32 {
			r.Also |= 1 << (seq - r.Seq - 1)
			return
		}
	}
	if n.NRanges < wire.NackRangesMax {
		n.Ranges[n.NRanges] = wire.NackRange{Seq: seq}
		n.NRanges++
	}
}

// nackManifest adds a manifest to the NACK that is being collected for p.
func (p *peer) nackManifest(epoch, seq uint32) {
	n := &p.nacks
	if !p.nackEpoch(uint8(epoch)) || n.NManifest == wire.NackManifests || slices.Contains(n.Manifests[:n.NManifest], seq) {
		return
	}
	n.Manifests[n.NManifest] = seq
	n.NManifest++
}

// nackEpoch reports whether the NACK being collected can name the epoch: it names one only, others wait for the next.
func (p *peer) nackEpoch(low uint8) bool {
	if p.nacks.NRanges == 0 && p.nacks.NManifest == 0 {
		p.nacks.EpochLow = low
	}
	return p.nacks.EpochLow == low
}

// addPeer makes a peer, nil when there are too many.
func (s *Station) addPeer(now mono.Time, id PeerID, node identity.NodeID, addr netip.AddrPort) *peer {
	if p := s.byID[id]; p != nil {
		return p
	}
	if len(s.peers) >= peersMax {
		return nil
	}
	p := &peer{id: id, node: node, addr: addr, near: s.host.Near(id), heardAt: now, repairAt: now, repairLeft: repairBurst, junkSince: now}
	s.peers = append(s.peers, p)
	s.byID[id] = p
	return p
}

// dropPeer forgets a peer and all that goes with it.
func (s *Station) dropPeer(now mono.Time, p *peer, out *Output) {
	s.endChild(p)
	if i := slices.Index(s.peers, p); i >= 0 {
		s.peers = slices.Delete(s.peers, i, i+1)
	}
	delete(s.byID, p.id)
	s.loseParent(now, p, out)
}

// dropDead gives up the links to peers that have answered no probe for a while, so that they are dialled again: a
// broadcaster that restarts is another node at the same address.
func (s *Station) dropDead(now mono.Time, out *Output) {
	after := deadAfter
	if s.play.begun && s.orphaned(now) {
		after = deadAlone
	}
	for i := len(s.peers) - 1; i >= 0; i-- {
		p := s.peers[i]
		if p.probeAt == 0 || now.Sub(p.probeAt) < after || now.Sub(p.heardAt) < after {
			continue
		}
		out.Dead = append(out.Dead, p.id)
		s.dropPeer(now, p, out)
		s.addCandidate(now, candidate{Candidate: s.candidate(p)})
		for j := range s.cands {
			if c := &s.cands[j]; c.Addr == p.addr {
				c.nextTry = now
			}
		}
	}
}

// PeerDown is called when a link is gone.
func (s *Station) PeerDown(now mono.Time, id PeerID, out *Output) {
	if p := s.byID[id]; p != nil {
		s.callBack(now, p, out)
		if p.dialed || p.open {
			s.addCandidate(now, candidate{Candidate: s.candidate(p)})
		}
		s.dropPeer(now, p, out)
	}
}

// PeerMoved is called when the address of a link has changed.
func (s *Station) PeerMoved(id PeerID, addr netip.AddrPort) {
	if p := s.byID[id]; p != nil {
		p.addr, p.near = addr, s.host.Near(id)
	}
}

// Uses reports whether the station needs the link.
func (s *Station) Uses(id PeerID) bool { return s.byID[id] != nil }

// Pong is called when a peer has answered a ping.
func (s *Station) Pong(now mono.Time, id PeerID) {
	if p := s.byID[id]; p != nil {
		p.heardAt, p.probeAt = now, 0
	}
}
