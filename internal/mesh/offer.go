// SPDX-License-Identifier: MIT

package mesh

import (
	"net/netip"

	"streamer/internal/wire"
)

// Whom a node names to those who look for room.

// referMax is how many hosts a station names to those who cannot even be linked.
const referMax = 8

const roomRanks = 4

// roomRank ranks free classes: room for a whole stream, for a quarter, for something, for nothing.
func roomRank(free uint8) int {
	switch {
	case free >= wire.Classes:
		return 4
	case free >= wire.Classes/4:
		return 3
	case free > 0:
		return 2
	}
	return 1
}

// byRoom visits those who may have room, those with most first, of equals in an order by lot, until visit returns false: never leaves, nor
// those on the LAN, unless near.
func (s *Station) byRoom(near bool, visit func(o *peer) bool) {
	n := len(s.peers)
	if n == 0 {
		return
	}
	start := s.rand.IntN(n)
	for rank := roomRanks; rank > 0; rank-- {
		for i := range n {
			o := s.peers[(start+i)%n]
			if (near || !o.near) && o.open && !o.gone && !o.have.Leaf && o.have.Epoch != 0 && roomRank(o.have.Free) == rank && !visit(o) {
				return
			}
		}
	}
}

// offer names others that may have room: those with free classes, near the source, not the asker; those on the LAN, with their
// addresses there, to those on the LAN alone.
func (s *Station) offer(p *peer, into []wire.Candidate) []wire.Candidate {
	s.byRoom(p.near, func(o *peer) bool {
		if len(into) == wire.CandidatesMax {
			return false
		}
		if o != p && o.node != p.node {
			into = append(into, s.candidate(o))
		}
		return true
	})
	return into
}

// Refer appends at most 8 addresses where else the station may be had, never the source's: of peers that strangers reach first.
func (s *Station) Refer(into []netip.AddrPort) []netip.AddrPort {
	most := len(into) + referMax
	for _, open := range []bool{true, false} { // who is reached is not always known
		s.byRoom(false, func(o *peer) bool {
			if len(into) == most {
				return false
			}
			if !o.source && s.host.Open(o.id) == open {
				into = append(into, o.addr)
			}
			return true
		})
	}
	return into
}
