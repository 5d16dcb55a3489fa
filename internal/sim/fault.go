// SPDX-License-Identifier: MIT

package sim

import (
	"slices"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// A refill watches a host that lost a parent: the longest that a chunk took, beyond what its chunks took before, is how much
// of its buffer the loss has cost.
type refill struct {
	since, until mono.Time // of publishing
	base         time.Duration
	worst        time.Duration
}

// What a refill watches: chunks on their way when the parent vanished, and those published until all has settled.
const (
	refillBefore = 500 * time.Millisecond
	refillAfter  = 3 * time.Second
)

// faults is where a run stands with its scenario's faults.
type faults struct {
	quietSince mono.Time // the last fault, or the end of the longest that lasts
	ended      bool      // the source signed the end
}

// strike begins a fault.
func (w *World) strike(index int32) {
	f := &w.scenario.Faults[index]
	w.faults.quietSince = max(w.faults.quietSince, w.now.Add(f.For))
	source := &w.hosts[sourceIndex]
	switch f.Kind {
	case FaultCrash, FaultLeave:
		victims := w.victims(f)
		for _, h := range victims {
			w.watchChildren(h)
		}
		for _, h := range victims {
			w.end(h, f.Kind == FaultLeave, f.Replace)
		}
	case FaultRestart:
		w.stop(source)
		w.heal(index)
	case FaultPartition:
		for _, h := range w.victims(f) {
			h.island = 1 + uint8(index)
		}
		w.heal(index)
	case FaultLoss:
		w.net.path.LossPPM = f.LossPPM
		w.heal(index)
	case FaultEnd:
		w.faults.ended = true
		source.lives++ // the encoder stops
		w.command(source, node.EndCommand{Station: w.station.ID()})
	case FaultNextEpoch:
		source.lives++
		w.onAir(source)
	case FaultSeeds:
		for i := w.scenario.Nodes + 1; i < len(w.hosts); i++ {
			w.stop(&w.hosts[i])
		}
	case FaultReboot:
		w.restartBoxes(w.victims(f), false)
	case FaultReaddress:
		w.restartBoxes(w.victims(f), true)
	}
}

// end ends a host's life, with a good-bye or without, and begins that of another in its place when that is wanted. Who says good-bye
// goes on for as long as the daemon does, and nobody listens to it.
func (w *World) end(h *host, polite, replace bool) {
	if !polite {
		w.gone(h, replace)
		return
	}
	w.settle(h)
	h.leaving = true
	w.command(h, node.LeaveCommand{})
	life := int32(h.lives)
	if replace {
		life = -life
	}
	w.events.push(event{at: w.now.Add(node.LeaveTime), kind: eventGone, host: h.index, arg: life})
}

// gone takes a host away, and puts another in its place when that is wanted.
func (w *World) gone(h *host, replace bool) {
	w.stop(h)
	if replace {
		w.measure.replaced++
		w.move(h)
		w.join(h)
	}
}

// heal queues the end of a fault.
func (w *World) heal(index int32) {
	at := w.now.Add(w.scenario.Faults[index].For)
	w.events.push(event{at: at, kind: eventHeal, arg: index})
}

// healed ends a fault.
func (w *World) healed(index int32) {
	switch f := &w.scenario.Faults[index]; f.Kind {
	case FaultRestart:
		source := &w.hosts[sourceIndex]
		w.start(source)
		w.onAir(source)
	case FaultPartition:
		for i := range w.hosts {
			if w.hosts[i].island == 1+uint8(index) {
				w.hosts[i].island = 0
			}
		}
	case FaultLoss:
		w.net.path.LossPPM = w.scenario.Path.LossPPM
	case FaultCrash, FaultLeave, FaultEnd, FaultNextEpoch, FaultSeeds, FaultReboot, FaultReaddress:
	}
}

// victims draws the hosts that a fault hits.
func (w *World) victims(f *Fault) []*host {
	var able []*host
	for i := 1; i <= w.scenario.Nodes; i++ {
		if h := &w.hosts[i]; h.stays() && (f.Group == "" || h.group.Name == f.Group) && (!f.Network.IsValid() || f.Network.Contains(h.addr.Addr())) {
			able = append(able, h)
		}
	}
	w.setup.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
	if f.Feeding {
		slices.SortStableFunc(able, func(a, b *host) int { return w.children(b) - w.children(a) })
	}
	count := f.Count
	if f.Permille > 0 {
		count = len(able) * f.Permille / 1000
	}
	return able[:min(count, len(able))]
}

func (w *World) children(h *host) (n int) {
	for _, t := range h.node.Status(w.now).Tuned {
		n += len(t.Children)
	}
	return n
}

// watchChildren begins to watch those that lose h as a parent.
func (w *World) watchChildren(h *host) {
	for _, t := range h.node.Status(w.now).Tuned {
		for _, c := range t.Children {
			if i, up := w.byID[c.NodeID]; up {
				w.watch(&w.hosts[i])
			}
		}
	}
}

func (w *World) watch(h *host) {
	if h.refill != nil || h.ear.first < 0 || !h.stays() {
		return
	}
	h.refill = &refill{since: w.now.Add(-refillBefore), until: w.now.Add(refillAfter), base: h.ear.lag}
	w.measure.watched = append(w.measure.watched, h.index)
}

// refilled collects the watches whose chunks are all due.
func (w *World) refilled() {
	keep := w.measure.watched[:0]
	for _, i := range w.measure.watched {
		h := &w.hosts[i]
		switch r := h.refill; {
		case r == nil: // the host has vanished too
		case w.now < r.until.Add(max(w.scenario.PlayDelay, h.ear.player.delay)):
			keep = append(keep, i)
		default:
			w.measure.refills = append(w.measure.refills, max(0, r.worst-r.base))
			w.measure.lost.add(w.lostOf(h))
			h.refill = nil
		}
	}
	w.measure.watched = keep
}

// lostChunks are those that children did not get on time around the loss of a parent.
type lostChunks struct {
	chunks   uint64
	children uint64 // that lost any
}

func (l *lostChunks) add(chunks uint64) {
	if l.chunks += chunks; chunks > 0 {
		l.children++
	}
}

// lostOf counts the audio chunks that a host did not get on time, of those that its refill watches.
func (w *World) lostOf(h *host) (n uint64) {
	for i := max(0, h.ear.first, w.published.at(h.refill.since)); i < len(w.published.chunks); i++ {
		p := &w.published.chunks[i]
		if p.at >= h.refill.until {
			break
		}
		if p.Kind == codec.ChunkAudio && p.escaped && p.at >= h.ear.joined && !h.ear.onTime.has(i) {
			n++
		}
	}
	return n
}
