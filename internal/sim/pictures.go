// SPDX-License-Identifier: MIT

package sim

import (
	"math/bits"
	"slices"
	"time"

	"streamer/internal/node"
)

// Pictures are what a run's page draws, beside its figures.
type Pictures struct {
	Seconds []Second // of the run
	Lag     []uint64 // chunks by their lag in milliseconds; the last are all that are longer
	Hops    []uint64 // samples of hosts by their hops; the last are all that are more
	Tree    []Branch // who feeds whom at the end; a sample that is closed towards the source, which is the first
	Settled time.Duration
	Ends    time.Duration
}

// A Second of a run: listeners that were up at its end, and the share of the chunks published in it that came on time; -1: none
// was due.
type Second struct {
	Listeners int
	OnTime    float64
}

// A Branch is a host and who feeds it.
type Branch struct {
	Class   int   // index of Result.Classes; -1: the source
	Parents []int // indexes in Pictures.Tree, of those who feed the most classes first; empty: nobody in the sample
}

// treeMost is how many hosts a drawn tree has at most.
const treeMost = 220

func (w *World) pictures(tree []Branch) Pictures {
	p := Pictures{
		Lag: w.measure.lag[:], Hops: w.measure.hops[:], Tree: tree, Settled: w.scenario.Settled, Ends: w.scenario.Duration,
	}
	for i, up := range w.measure.audience {
		s := Second{Listeners: up, OnTime: -1}
		if i < len(w.measure.series) && w.measure.series[i].due > 0 {
			s.OnTime = w.measure.series[i].ratio()
		}
		p.Seconds = append(p.Seconds, s)
	}
	return p
}

// tree draws hosts at random, and adds to each whoever feeds it the most, up to the source.
func (w *World) tree() []Branch {
	parents := make([][]node.PeerStatus, len(w.hosts))
	var up []int32
	for i := 1; i <= w.scenario.Nodes; i++ {
		h := &w.hosts[i]
		if !h.isUp() || h.liar != nil && h.group.Hostile >= HostileMap {
			continue
		}
		up = append(up, int32(i))
		for _, t := range h.node.Status(w.now).Tuned {
			parents[i] = slices.Clone(t.Parents)
		}
		slices.SortStableFunc(parents[i], func(a, b node.PeerStatus) int {
			return bits.OnesCount16(b.Classes) - bits.OnesCount16(a.Classes)
		})
	}
	w.setup.Shuffle(len(up), func(i, j int) { up[i], up[j] = up[j], up[i] })
	places := map[int32]int{sourceIndex: 0}
	chosen := []int32{sourceIndex}
	for _, i := range up {
		for at, known := i, false; len(chosen) < treeMost; {
			if _, known = places[at]; known {
				break
			}
			places[at] = len(chosen)
			chosen = append(chosen, at)
			if at = w.feeder(parents[at]); at < 0 {
				break
			}
		}
	}
	tree := make([]Branch, len(chosen))
	for place, i := range chosen {
		tree[place].Class = int(w.hosts[i].class)
		for _, p := range parents[i] {
			host, up := w.byID[p.NodeID]
			if from, known := places[host]; up && known && p.Classes != 0 && from != place {
				tree[place].Parents = append(tree[place].Parents, from)
			}
		}
	}
	return tree
}

// feeder returns the host that feeds the most classes, -1 when nobody does.
func (w *World) feeder(parents []node.PeerStatus) int32 {
	for _, p := range parents {
		if from, up := w.byID[p.NodeID]; up && p.Classes != 0 {
			return from
		}
	}
	return -1
}
