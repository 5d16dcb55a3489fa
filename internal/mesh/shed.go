// SPDX-License-Identifier: MIT

package mesh

import (
	"cmp"
	"math/bits"
	"slices"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// shedWait is how long a child that was sent away should wait before it asks again, in tenths of a second.
const shedWait = 100

// Shed ends subscriptions of others than those on the LAN until bps of the upload are free, and returns how much is: leaves go
// first, then those that are worth least, of equals the youngest. A child loses whole quarters and is told whom to ask.
func (s *Station) Shed(now mono.Time, bps int64, out *Output) (freed int64) {
	order := slices.Clone(s.children)
	slices.Reverse(order)
	slices.SortStableFunc(order, func(a, b *peer) int {
		if a.have.Leaf != b.have.Leaf {
			if a.have.Leaf {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.claim.value(now), b.claim.value(now))
	})
	for _, p := range order {
		if freed >= bps {
			break
		}
		if !p.near {
			freed += s.shedChild(p, bps-freed, out)
		}
	}
	return freed
}

// Dismiss ends the subscriptions of all children.
func (s *Station) Dismiss(out *Output) {
	for _, p := range slices.Clone(s.children) {
		s.leave(p, 0, out)
	}
}

// NearTaken is what children on the LAN have taken of the upload, in bit/s.
func (s *Station) NearTaken() (bps int64) {
	for _, p := range s.children {
		if p.near {
			bps += p.child.takenBPS
		}
	}
	return bps
}

// MovingTaken is what is given twice for a moment, in bit/s: children are changing to those who take their places.
func (s *Station) MovingTaken() int64 {
	n := 0
	for _, p := range s.children {
		n += bits.OnesCount16(p.child.moving) + bits.OnesCount16(p.child.ends)
	}
	return int64(n) * s.classBPS()
}

// shedChild takes quarters from a child.
func (s *Station) shedChild(p *peer, bps int64, out *Output) (freed int64) {
	before, rest := p.child.takenBPS, p.child.classes
	need := int(bps/max(1, s.classBPS())) + 1
	for part := range wire.PartManifests {
		if bits.OnesCount16(p.child.classes)-bits.OnesCount16(rest) < need {
			rest &^= quarter << part
		}
	}
	s.leave(p, rest, out)
	return before - p.child.takenBPS
}

// leave leaves a child some of its classes, and says so.
func (s *Station) leave(p *peer, rest uint16, out *Output) {
	manifests := p.child.manifests && rest != 0
	if rest == 0 {
		s.endChild(p)
	} else {
		s.setChild(p, rest, manifests)
	}
	g := wire.Grant{Channel: s.cfg.Channel, Token: p.asked, Manifests: manifests, Reason: wire.GrantFull, Classes: rest, Wait: shedWait}
	if e := s.newest(); e != nil {
		g.Epoch, g.From = e.num, e.next
	}
	var buf [wire.CandidatesMax]wire.Candidate
	g.Candidates = s.offer(p, buf[:0])
	out.control(p.id, g.Append)
}
