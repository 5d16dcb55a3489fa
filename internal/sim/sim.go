// SPDX-License-Identifier: MIT

// Package sim runs a station and its audience in one process and in simulated time: hosts with lines that have rates, queues
// and delays, an internet that loses and reorders, people who come, go and lie. On each host runs the node core that ships,
// driven through the same calls as in the daemon. A run is a discrete-event simulation on one goroutine; everything in it
// follows from a scenario and a seed, so that equal runs have equal traces. Checkers look on in every run, whatever it
// measures (check.go).
//
// It refuses to guess: a scenario that does not add up is an error. A World belongs to the goroutine that runs it.
package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// wallOrigin is what hosts' clocks show when a run begins, in milliseconds since 1970: 2026-11-22 00:00 UTC.
const wallOrigin = 1795305600000

// clockPeriod is how often a host's node is told the wall time.
const clockPeriod = time.Minute

// Options are what a run needs beside its scenario.
type Options struct {
	Seed     uint64
	Trace    io.Writer                       // gets a JSON line for each call, datagram and notice; may be nil
	Progress func(done, total time.Duration) // called each simulated second; may be nil
	Sampled  func(w *World)                  // called after each sample; may be nil
	Explain  int                             // how many listeners' first late or missing chunk is told in the result
	Repeat   string                          // the command that repeats this run, for reports
}

// A World is one run.
type World struct {
	scenario  Scenario
	options   Options
	seed      uint64
	now       mono.Time
	events    queue
	random    *rand.Rand // of the network
	setup     *rand.Rand // of everything that is decided about hosts
	churn     *rand.Rand // of who comes and goes
	net       network
	nat       *natNet // nil: hosts know each other's addresses, and nothing is between them
	pairs     map[[2]int32]*pair
	punches   map[punchKey]mono.Time
	seeds     Group
	hosts     []host // 0 is the source
	liars     bool   // some are hostile
	byID      map[identity.NodeID]int32
	out       node.Output
	trace     *trace
	station   identity.StationKey
	epoch     uint32
	encoder   *encoder
	pending   codec.Chunk // what the encoder is working at
	published broadcast
	faults    faults
	sampler   sampler
	measure   measure
	count     counts
	failures  []Failure
	explained []Failure
	timers    uint64
	manifests map[uint64][]byte // that honest nodes forwarded and that are right, by epoch and first chunk
	scratch   []byte
	shelf     *mesh.Shelf  // what all nodes have verified
	agreed    *link.Agreed // the secrets of their handshakes
	heapStart uint64
}

// counts are totals of the network and of the nodes' work.
type counts struct {
	events, delivered, lost, dropped, forwarded, witnessed uint64
}

// New prepares a run.
func New(s Scenario, o Options) (*World, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	w := &World{
		scenario:  s,
		options:   o,
		seed:      o.Seed,
		random:    rand.New(newSource(o.Seed, streamNetwork, 0)),
		setup:     rand.New(newSource(o.Seed, streamSetup, 0)),
		churn:     rand.New(newSource(o.Seed, streamChurn, 0)),
		net:       network{path: s.Path},
		byID:      make(map[identity.NodeID]int32, s.Nodes+1),
		manifests: map[uint64][]byte{},
		shelf:     &mesh.Shelf{},
		agreed:    &link.Agreed{},
		trace:     newTrace(o.Trace),
		station:   identity.NewStationKey(seed32(newSource(o.Seed, streamStation, 0))),
		epoch:     uint32(wallOrigin / 1000),
		heapStart: heapBytes(),
	}
	w.hosts = make([]host, s.Nodes+1+s.Seeds)
	w.openWindows()
	w.place(&w.hosts[sourceIndex], &w.scenario.Source)
	w.placeGroups()
	w.placeSeeds()
	if s.Gossip {
		w.build()
	}
	for i := range s.Faults {
		w.events.push(event{at: mono.Time(s.Faults[i].At), kind: eventFault, arg: int32(i)})
	}
	if s.Settled > 0 {
		w.events.push(event{at: mono.Time(s.Settled), kind: eventSettled})
	}
	if s.Churn.Permille > 0 {
		w.events.push(event{at: mono.Time(s.Churn.From), kind: eventChurn})
	}
	w.events.push(event{at: mono.Time(samplePeriod), kind: eventSample})
	w.events.push(event{at: mono.Time(clockPeriod), kind: eventClock})
	return w, nil
}

// placeGroups deals the hosts out to the groups: shuffled, so that a host's number says nothing about its line.
func (w *World) placeGroups() {
	s := &w.scenario
	groups := make([]int, 0, s.Nodes)
	for i, members := range s.members() {
		for range members {
			groups = append(groups, i)
		}
	}
	w.setup.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	seen := make([]int, len(s.Groups))
	for i, class := range groups {
		h, g := &w.hosts[i+1], &s.Groups[class]
		h.index = int32(i + 1)
		w.place(h, g)
		h.class = int32(class)
		if g.Hostile != 0 {
			w.liars = true
			h.liar = newLiar(g.Hostile, newSource(w.seed, streamLiar, uint64(i)))
		}
		at := s.joinAt(i, class, seen[class])
		seen[class]++
		w.events.push(event{at: mono.Time(at), kind: eventJoin, host: h.index})
	}
}

// members returns how many hosts each group has: its share of all, and together all.
func (s *Scenario) members() []int {
	counts := make([]int, len(s.Groups))
	dealt, before := 0, 0
	for i := range s.Groups {
		dealt += s.Groups[i].Permille
		counts[i] = s.Nodes*dealt/1000 - before
		before += counts[i]
	}
	return counts
}

// arrival returns when the i-th host joins whose group does not say.
func (s *Scenario) arrival(i int) time.Duration {
	first, dealt := 0, 0
	for j := range s.Arrivals {
		dealt += s.Arrivals[j].Permille
		end := s.Nodes * dealt / 1000
		if i < end {
			return s.Arrivals[j].time(i-first, end-first)
		}
		first = end
	}
	return 0
}

// seedGroup is the name of the seeds' group.
const seedGroup = "seed"

// placeSeeds gives the seeds good lines.
func (w *World) placeSeeds() {
	w.seeds = Group{Name: seedGroup, UploadBPS: node.UploadAuto, Line: homeLine(100*mbit, 100*mbit)}
	for i := w.scenario.Nodes + 1; i < len(w.hosts); i++ {
		w.hosts[i].index = int32(i)
		w.place(&w.hosts[i], &w.seeds)
	}
}

// isSeed reports whether a host is there for others to start from.
func (w *World) isSeed(h *host) bool { return int(h.index) > w.scenario.Nodes }

// place gives a host its address and its line.
func (w *World) place(h *host, g *Group) {
	h.group, h.class = g, -1
	h.addr = addrOf(h.index)
	h.timer = mono.Never
	h.delay = g.Line.DelayMin
	if spread := g.Line.DelayMax - g.Line.DelayMin; spread > 0 {
		h.delay += time.Duration(w.setup.Int64N(int64(spread)))
	}
	if w.scenario.Skew > 0 {
		h.skew = time.Duration(w.setup.Int64N(int64(2*w.scenario.Skew))) - w.scenario.Skew
	}
	depth := g.Line.Queue
	if depth == 0 {
		depth = QueueDefault
	}
	h.up = pipe{bps: g.Line.UpBPS, depth: depth}
	h.down = pipe{bps: g.Line.DownBPS, depth: depth}
}

// Run runs the whole scenario. It returns an error when ctx ends before the scenario or the trace cannot be written; what
// the checkers found is in the result.
func (w *World) Run(ctx context.Context) (Result, error) {
	begun := time.Now()
	source := &w.hosts[sourceIndex]
	for i := w.scenario.Nodes + 1; i < len(w.hosts); i++ {
		w.start(&w.hosts[i])
	}
	w.start(source)
	w.onAir(source)
	end := mono.Time(w.scenario.Duration)
	for w.events.len() > 0 {
		e := w.events.pop()
		if e.at > end {
			break
		}
		w.advance(e.at)
		w.happen(&e)
		w.count.events++
		if e.kind == eventSample && ctx.Err() != nil {
			return Result{}, fmt.Errorf("simulation stopped at %v: %w", time.Duration(w.now), ctx.Err())
		}
	}
	w.advance(end)
	w.checkPlaying()
	w.checkPackets()
	bytesPerNode := w.footprint()
	nat := w.natResult()
	tree := w.tree()
	for i := range w.hosts {
		if w.hosts[i].isUp() {
			w.checkCounted(&w.hosts[i])
			w.stop(&w.hosts[i])
		}
	}
	result := w.result()
	result.WallS = time.Since(begun).Seconds()
	result.BytesPerNode = bytesPerNode
	result.NAT = nat
	result.Pictures = w.pictures(tree)
	if err := w.trace.flush(); err != nil {
		return result, fmt.Errorf("write the trace: %w", err)
	}
	return result, nil
}

// happen does what an event stands for.
func (w *World) happen(e *event) {
	h := &w.hosts[e.host]
	switch e.kind {
	case eventArrive:
		w.arrive(h, e.arg)
	case eventDeliver:
		w.deliver(h, e.arg)
	case eventTimer:
		w.fire(h, e.at)
	case eventJoin:
		w.join(h)
	case eventPublish:
		if h.isUp() && int32(h.lives) == e.arg {
			w.encoded(h)
		}
	case eventFault:
		w.strike(e.arg)
	case eventHeal:
		w.healed(e.arg)
	case eventSample:
		w.sampled()
	case eventSettled:
		w.settled()
	case eventChurn:
		w.beginChurn()
	case eventReplace:
		if h.stays() && int32(h.lives) == e.arg {
			w.replace(h)
		}
	case eventGone:
		if life := max(e.arg, -e.arg); h.isUp() && int32(h.lives) == life {
			w.gone(h, e.arg < 0)
		}
	case eventClock:
		for i := range w.hosts {
			if w.hosts[i].isUp() {
				w.command(&w.hosts[i], w.wallClock(&w.hosts[i]))
			}
		}
		w.events.push(event{at: w.now.Add(clockPeriod), kind: eventClock})
	}
}

// sampled looks at everybody and plans the next look.
func (w *World) sampled() {
	w.sample()
	w.refilled()
	if w.options.Sampled != nil {
		w.options.Sampled(w)
	}
	if w.options.Progress != nil && w.now%mono.Time(time.Second) == 0 {
		w.options.Progress(time.Duration(w.now), w.scenario.Duration)
	}
	w.events.push(event{at: w.now.Add(samplePeriod), kind: eventSample})
}

// footprint returns the memory that a run occupies for each host.
func (w *World) footprint() uint64 {
	used := heapBytes()
	return (used - min(used, w.heapStart)) / uint64(len(w.hosts))
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
