// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"slices"

	"streamer/internal/wire"
)

// Each small network has one vote, and where hosts of many networks answer, no network has more than a share.
const (
	votesGroups = 16 // from so many groups on,
	votesShare  = 64 // a group has one in so many votes
)

// A ballot is a host that may vote, or somebody who tells of askers.
type ballot struct {
	voter group  // the small network
	order uint64 // which host of a small network votes, which small networks of a group do
	place int
}

// A population is what a node estimates of all nodes. Open ones are counted as hosts (census.go). The measure of hidden ones are
// the askers: an open asker that is tuned to something stands for so many open nodes that are, and a hidden one for as many,
// since it asks as often; likewise those that are tuned to nothing.
type population struct {
	heard  []int // of each station of the list: hosts that this node itself heard to be tuned to it
	votes  []int // of hosts that came by chance
	hidden []int // estimate of the hidden nodes that are tuned to it
	voters int   // hosts that came by chance
	open   int   // estimate of all open nodes
	others int   // and of all hidden ones
}

// size estimates how many nodes there are beside this one.
func (p *population) size() int { return p.open + p.others }

// audience estimates how many nodes are tuned to a station.
func (p *population) audience(i int) int {
	open := 0
	if p.voters > 0 {
		open = (p.open*p.votes[i] + p.voters/2) / p.voters
	}
	return max(p.heard[i], open+p.hidden[i])
}

// population counts votes and askers.
func (g *Gossip) population(sec uint32) population {
	n := len(g.stations)
	counts := make([]int, 3*n)
	p := population{heard: counts[:n:n], votes: counts[n : 2*n : 2*n], hidden: counts[2*n:], open: g.openSize()}
	tuned := 0 // voters that are tuned to something
	var ballots []ballot
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if h.proven(sec, heardSeconds) {
			g.countTuned(h.tuned[:], p.heard)
		}
		if h.proven(sec, voteSeconds) && h.flags&hostSought == 0 {
			ballots = append(ballots, ballot{voterOf(h.addrPort()), g.hosts.hash(h.addrPort()), i})
		}
	}
	for i := range g.hidden.places {
		if h := &g.hidden.places[i]; h.heard(sec) {
			g.countTuned(h.tuned[:], p.heard)
		}
	}
	ballots = fair(ballots)
	for _, b := range ballots {
		h := &g.hosts.slots[b.place]
		g.countTuned(h.tuned[:], p.votes)
		if h.tuned[0] != 0 {
			tuned++
		}
	}
	p.voters = len(ballots)
	g.countHidden(sec, &p, tuned)
	return p
}

// Weights of askers and of what one stands for.
const (
	askerUnit  = 1 << 10 // one that this node knows itself
	scaleShift = 16
)

// askerWeights are how much the askers of each kind weigh.
type askerWeights struct {
	open, hidden [2]int // tuned to nothing, to something
	station      []int  // hidden, tuned to each station of the list
}

// countHidden estimates the hidden nodes. tuned is how many voters are tuned to something.
func (g *Gossip) countHidden(sec uint32, p *population, tuned int) {
	w := g.weighAskers(sec, p.hidden)
	if w.hidden[0]+w.hidden[1] == 0 {
		return
	}
	open := p.open
	if !g.reach.hidden {
		open++ // this node, who is among the askers of others, too
	}
	listening := 0
	if p.voters > 0 {
		listening = open * tuned / p.voters
	}
	// What one asker of either kind stands for if all ask alike: it counts as one more asker of each kind, for few say little.
	each := open * askerUnit * askerUnit / max(askerUnit, w.open[0]+w.open[1])
	var scale [2]int
	for k, nodes := range [2]int{open - listening, listening} {
		scale[k] = (nodes*askerUnit + each) << scaleShift / (w.open[k] + askerUnit)
	}
	times := func(weight, scale int) int {
		return (weight*scale + askerUnit<<scaleShift/2) / (askerUnit << scaleShift)
	}
	p.others = times(w.hidden[0], scale[0]) + times(w.hidden[1], scale[1])
	if g.reach.hidden {
		p.others = max(0, p.others-1) // this node
	}
	for i := range p.hidden {
		p.hidden[i] = times(p.hidden[i], scale[1])
	}
}

// weighAskers weighs the askers that this node knows itself, one of each small network, and those of which answers told: of each
// answerer's small network as much as of any other's. station is memory for the weights of each station.
func (g *Gossip) weighAskers(sec uint32, station []int) askerWeights {
	w := askerWeights{station: station}
	s := &g.askers
	var own, by []ballot
	for i := range s.known {
		if a := &s.known[i]; sec-a.seen <= voteSeconds {
			own = append(own, ballot{voterOf(a.addrPort()), g.hosts.hash(a.addrPort()), i})
		}
	}
	for _, b := range fair(own) {
		a := &s.known[b.place]
		g.weigh(&w, a.hidden, a.tuned, askerUnit)
	}
	if !g.reach.hidden && len(own) > 0 {
		w.open[kindOfTuned(len(g.tuned) > 0)] += askerUnit
	}
	for i := range s.told {
		if t := &s.told[i]; sec-t.sec <= voteSeconds {
			by = append(by, ballot{t.voter, s.key.words(11, uint64(t.voter)), i})
		}
	}
	tellers := fair(slices.Clone(by))
	by = slices.DeleteFunc(by, func(b ballot) bool {
		return !slices.ContainsFunc(tellers, func(t ballot) bool { return t.voter == b.voter })
	})
	slices.SortFunc(by, func(a, b ballot) int { return cmp.Or(cmp.Compare(a.voter, b.voter), cmp.Compare(a.place, b.place)) })
	for i := 0; i < len(by); {
		n := 1
		for i+n < len(by) && by[i+n].voter == by[i].voter {
			n++
		}
		weight := askerUnit * len(by) / (len(tellers) * n)
		for _, b := range by[i : i+n] {
			g.weighTold(&w, &s.told[b.place], weight)
		}
		i += n
	}
	return w
}

func kindOfTuned(tuned bool) int {
	if tuned {
		return 1
	}
	return 0
}

func (g *Gossip) weigh(w *askerWeights, hidden bool, tuned wire.StationTag, weight int) {
	kind := kindOfTuned(tuned != 0)
	if !hidden {
		w.open[kind] += weight
		return
	}
	w.hidden[kind] += weight
	if k, ok := g.index(tuned); ok {
		w.station[k] += weight
	}
}

// weighTold weighs an asker of which an answer told, and the answerer, who is open and one more beside those that it was chosen
// from: in a small network that is the most reliable figure.
func (g *Gossip) weighTold(w *askerWeights, t *toldAsker, weight int) {
	if t.of < wire.AskersMax {
		by := weight / (int(t.of) + 1)
		w.open[kindOfTuned(t.byTuned)] += by
		weight -= by
	}
	g.weigh(w, t.hidden, t.tuned, weight)
}

// fair keeps one ballot of each small network, and of no group more than its share. It alters ballots.
func fair(ballots []ballot) []ballot {
	ballots = oneOfEach(ballots, func(b ballot) group { return b.voter }, 1)
	groups := map[group]bool{}
	for _, b := range ballots {
		groups[b.voter.owner()] = true
	}
	if len(groups) >= votesGroups {
		ballots = oneOfEach(ballots, func(b ballot) group { return b.voter.owner() }, max(1, len(ballots)/votesShare))
	}
	return ballots
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
func (g *Gossip) countTuned(tuned []wire.StationTag, counts []int) {
	for _, tag := range tuned {
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
