// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// What the fewest have is given first: a quarter that the source gives nobody reaches nobody.

// copies counts the children that have each quarter and keep it.
func (s *Station) copies() (n [wire.PartManifests]int) {
	for _, c := range s.children {
		for part := range n {
			if c.child.classes&^c.child.ends&(quarter<<part) != 0 {
				n[part]++
			}
		}
	}
	return n
}

// rarest is the quarters in the order of how often they are given, the one first that the fewest children have.
func (s *Station) rarest() (parts [wire.PartManifests]int) {
	for part := range parts {
		parts[part] = part
	}
	copies := s.copies()
	slices.SortStableFunc(parts[:], func(a, b int) int { return copies[a] - copies[b] })
	return parts
}

// unfed is the quarters that the source gives nobody, though it has children: all of an audience would have to ask for them, chunk by chunk.
func (s *Station) unfed() (mask uint16) {
	if s.cfg.Role != Source || len(s.children) == 0 {
		return 0
	}
	for part, n := range s.copies() {
		if n == 0 {
			mask |= quarter << part
		}
	}
	return mask
}

// giveUnfed gives p, who passes it on, one quarter that nobody has, and takes the room for it from a child whose quarter others have
// too: that child has to look elsewhere.
func (s *Station) giveUnfed(now mono.Time, p *peer, fresh uint16, out *Output) uint16 {
	fresh &= s.unfed()
	if fresh == 0 || !s.uses(ClassTrees) || s.leaving || s.newest() == nil || p.claim.gives < wire.Classes/4 {
		return 0
	}
	one := quarter << bits.TrailingZeros16(fresh)
	if s.freeClasses(true) < bits.OnesCount16(one) && !s.takeDouble(now, p, out) {
		return 0
	}
	return one
}

// takeDouble ends the subscription to a quarter that several children have, of the one that is worth least.
func (s *Station) takeDouble(now mono.Time, but *peer, out *Output) bool {
	var least *peer
	mask := uint16(0)
	for part, copies := range s.copies() {
		m := quarter << part
		for _, c := range s.children {
			if copies > 1 && c != but && !c.near && c.child.moving == 0 && c.child.ends == 0 && c.child.classes&m != 0 &&
				(least == nil || c.claim.value(now) < least.claim.value(now)) {
				least, mask = c, c.child.classes&m
			}
		}
	}
	if least == nil {
		return false
	}
	s.end(now, least, mask, out)
	return true
}

// end tells a child that a part of its subscription ends soon.
func (s *Station) end(now mono.Time, c *peer, mask uint16, out *Output) {
	m := wire.Move{Channel: s.cfg.Channel, Wait: uint8(movingMax / (100 * time.Millisecond)), Classes: mask}
	out.control(c.id, m.Append)
	c.child.endsAt, c.child.ends = now.Add(movingMax), mask
}
