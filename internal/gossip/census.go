// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"net/netip"
	"slices"

	"streamer/internal/wire"
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

// size estimates how many hosts there are: never fewer than answer.
func (g *Gossip) size() int { return max(g.census.size(), g.hosts.fresh) }

// Each small network has one vote, and where hosts of many networks answer, no network has more than a share.
const (
	votesGroups = 16 // from so many groups on,
	votesShare  = 64 // a group has one in so many votes
)

// A ballot is a host that may vote.
type ballot struct {
	group group  // of the network that one owner may have whole
	voter group  // the small network
	order uint64 // which host of a small network votes, which small networks of a group do
	place int
}

// listeners counts, for each station of the list, the hosts heard to be tuned to it, and votes of hosts that came by chance.
// voters is how many voted.
func (g *Gossip) listeners(sec uint32) (heard, votes []int, voters int) {
	heard, votes = make([]int, len(g.stations)), make([]int, len(g.stations))
	var ballots []ballot
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if h.proven(sec, heardSeconds) {
			g.countTuned(h, heard)
		}
		if h.proven(sec, voteSeconds) && h.flags&hostSought == 0 {
			a := h.addrPort()
			voter := voterOf(a)
			b := ballot{groupOf(a.Addr()), voter, g.hosts.hash(a), i}
			if isPrivate(a.Addr()) {
				b.group = voter // near by nobody has a network of his own
			}
			ballots = append(ballots, b)
		}
	}
	ballots = oneOfEach(ballots, func(b ballot) group { return b.voter }, 1)
	groups := map[group]bool{}
	for _, b := range ballots {
		groups[b.group] = true
	}
	if len(groups) >= votesGroups {
		ballots = oneOfEach(ballots, func(b ballot) group { return b.group }, max(1, len(ballots)/votesShare))
	}
	for _, b := range ballots {
		g.countTuned(&g.hosts.slots[b.place], votes)
	}
	return heard, votes, len(ballots)
}

// oneOfEach keeps the first ballots of each network, at most most.
func oneOfEach(ballots []ballot, network func(ballot) group, most int) []ballot {
	slices.SortFunc(ballots, func(a, b ballot) int {
		return cmp.Or(cmp.Compare(network(a), network(b)), cmp.Compare(a.order, b.order), cmp.Compare(a.place, b.place))
	})
	kept, n := ballots[:0], 0
	for i, b := range ballots {
		if n++; i > 0 && network(b) != network(kept[len(kept)-1]) || i == 0 {
			n = 1
		}
		if n <= most {
			kept = append(kept, b)
		}
	}
	return kept
}

// countTuned adds one to each station that a host is tuned to.
func (g *Gossip) countTuned(h *host, counts []int) {
	for _, tag := range h.tuned {
		if k, ok := g.index(tag); ok {
			counts[k]++
		}
	}
}

// index returns where the station with a tag is in the list.
func (g *Gossip) index(tag wire.StationTag) (int, bool) {
	if tag == 0 {
		return 0, false
	}
	return slices.BinarySearchFunc(g.stations, tag, func(s station, t wire.StationTag) int { return cmp.Compare(s.tag, t) })
}

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
