// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"net/netip"
	"slices"
)

// How many nodes there are is estimated by capture and recapture (Petersen 1896, Lincoln 1930): of the hosts that answers name,
// the share that this node knows already is about the share that it knows of all. Answers of one network go into one of 16
// classes; the quarter of the classes with the highest and that with the lowest share do not count, so that whoever has a few
// networks cannot move the estimate far.
const (
	classes      = 16
	classTrim    = classes / 4
	censusHits   = 256 // more than that, and what is old counts half
	censusSweeps = 180 // so it does every half hour
	censusFew    = 8
)

// A sampling is what one named host says about the size of the network.
type sampling uint8

const (
	sampleNone sampling = iota
	sampleUnknown
	sampleKnown
)

// census is all that is counted, 136 bytes.
type census struct {
	class  [classes]class
	sweeps uint16
	marked uint16 // hosts that this node knew, as last counted
}

// A class counts the answers of some networks.
type class struct {
	marked uint32 // for each host named, how many this node knew then
	hits   uint32 // how many of those named it knew
}

// sample counts a host that somebody of a group named.
func (c *census) sample(key sipKey, g group, by netip.AddrPort, s sampling) {
	if s == sampleNone || c.marked == 0 {
		return
	}
	if isPrivate(by.Addr()) {
		g = voterOf(by) // near by nobody has a network of his own
	}
	k := &c.class[key.words(7, uint64(g))%classes]
	k.marked += uint32(c.marked)
	if s == sampleKnown {
		k.hits++
	}
}

// age lets what is old count less. marked is how many hosts this node knows now.
func (c *census) age(marked int) {
	c.marked = uint16(marked)
	c.sweeps++
	hits := uint32(0)
	for i := range c.class {
		hits += c.class[i].hits
	}
	if hits <= censusHits && c.sweeps < censusSweeps {
		return
	}
	c.sweeps = 0
	for i := range c.class {
		c.class[i].hits /= 2
		c.class[i].marked /= 2
	}
}

// size estimates how many hosts there are; 0 when nothing is known.
func (c *census) size() int {
	var used [classes]class
	n := 0
	for _, k := range c.class {
		if k.marked > 0 {
			used[n] = k
			n++
		}
	}
	sorted := used[:n]
	slices.SortFunc(sorted, func(a, b class) int {
		return cmp.Compare(uint64(a.hits)*uint64(b.marked), uint64(b.hits)*uint64(a.marked))
	})
	if trim := n * classTrim / classes; n > 2*trim {
		sorted = sorted[trim : n-trim]
	}
	var marked, hits uint64
	for _, k := range sorted {
		marked += uint64(k.marked)
		hits += uint64(k.hits)
	}
	if hits < censusFew { // Chapman's correction: without it few hits would say too much
		marked += uint64(c.marked)
		hits++
	}
	return int((marked + hits/2) / hits)
}

// openSize estimates how many hosts there are that can be asked: never fewer than answer.
func (g *Gossip) openSize() int { return max(g.census.size(), g.hosts.fresh) }

// addressVotes are what others say this node's address is: the last of each of a few groups.
type addressVotes struct {
	kept [addressVotesMax]addressVote
	next uint8
}

const addressVotesMax = 12

type addressVote struct {
	by  group
	you netip.AddrPort
}

func (v *addressVotes) add(by group, you netip.AddrPort) {
	you = unmap(you)
	if !hostAddr(you) {
		return
	}
	for i := range v.kept {
		if k := &v.kept[i]; k.by == by && k.you.Addr().Is4() == you.Addr().Is4() {
			k.you = you
			return
		}
	}
	v.kept[v.next] = addressVote{by, you}
	v.next = (v.next + 1) % addressVotesMax
}

// global reports whether anybody sees this node at an address that means something to everybody.
func (v *addressVotes) global() bool {
	return slices.ContainsFunc(v.kept[:], func(k addressVote) bool { return k.you.IsValid() && !isPrivate(k.you.Addr()) })
}

// best returns the address that most groups name, one that means something to everybody if there is one, and how many name it.
func (v *addressVotes) best(ipv4 bool) (best netip.AddrPort, votes int) {
	for _, k := range v.kept {
		if !k.you.IsValid() || k.you.Addr().Is4() != ipv4 {
			continue
		}
		n := 0
		for _, o := range v.kept {
			if o.you == k.you {
				n++
			}
		}
		near, nearBest := isPrivate(k.you.Addr()), best.IsValid() && isPrivate(best.Addr())
		if !best.IsValid() || nearBest && !near || near == nearBest && n > votes {
			best, votes = k.you, n
		}
	}
	return best, votes
}
