// SPDX-License-Identifier: MIT

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
)

// A DiscoveryScenario says how many find each other, under which conditions, and what happens meanwhile. Zero moments mean
// never.
type DiscoveryScenario struct {
	Name      string
	Nodes     int // honest nodes; the first Seeds of them are seeds
	Seeds     int
	Stations  int
	HostsMax  int           // of each node
	AskEvery  time.Duration // 0: the default
	Duration  time.Duration
	Listeners int // permille of the nodes that are tuned to a station, by Zipf's law
	Hidden    int // permille of the nodes, but the seeds, that only those can ask whom they asked within hiddenFor

	// Nodes begin with random hosts and all records, as after a restart (Warm), or within JoinOver with the seeds alone.
	Warm     bool
	JoinOver time.Duration

	LossPPM            int
	DelayMin, DelayMax time.Duration // one way, half of it at each end
	ChurnPermille      int           // of the nodes go and come, and as many tune elsewhere, each minute

	HostilePermille int  // hostile addresses of all addresses
	HostileNetworks int  // the /16s that these are in
	HostileFlood    int  // asks a second with 8 invented hosts, of each hostile node
	HostileTuned    bool // they all say that they are tuned to the smallest station

	PublishAt     time.Duration // stations begin
	Publish       int
	CountAt       time.Duration // listeners are counted
	StopAt        time.Duration // stations sign off
	Stop          int
	CrashAt       time.Duration // stations fall silent, their listeners leave
	Crash         int
	PartitionAt   time.Duration // in two halves; a minute before the end each half has a new station
	PartitionFor  time.Duration
	SamplePeriod  time.Duration // between looks at what nodes show; 0: 5 s
	SampledNodes  int           // 0: 200
	MeasureMemory bool
}

// DiscoveryOptions are what a run needs beside its scenario.
type DiscoveryOptions struct {
	Scenario DiscoveryScenario
	Seed     uint64
	Repeat   string                          // the command that repeats the run
	Progress func(done, total time.Duration) // called each simulated second; may be nil
}

// Events of a discovery run; eventKind and queue are the World's.
const (
	discoveryTimer  eventKind = iota + 1 // a node's deadline
	discoveryAsk                         // arg: message that arrives
	discoveryAnswer                      // arg: message whose answer arrives
	discoveryFail                        // arg: message that nobody answered
	discoveryTick                        // each second
	discoveryJoin
)

// A discoverer is one node of the run.
type discoverer struct {
	gossip  *gossip.Gossip
	id      identity.NodeID
	addr    netip.AddrPort
	wake    mono.Time
	delay   time.Duration
	born    mono.Time
	life    uint32
	allowed mono.Time // answers until then are paid for
	waiting uint32    // watches that it has not met
	station int32     // it is the source of; -1
	tuned   int32     // -1
	hostile bool
	hidden  bool
	side    bool
}

// A broadcastStation is one station of the run.
type broadcastStation struct {
	key      identity.StationKey
	id       identity.StationID
	source   int32
	signAt   mono.Time
	state    stationState
	tuned    int // honest nodes that are
	signedAt uint32
}

type stationState uint8

const (
	stationSilent stationState = iota
	stationOn
	stationStopped
	stationCrashed
)

// A discovery is one run.
type discovery struct {
	s        DiscoveryScenario
	seed     uint64
	now      mono.Time
	events   queue
	random   *rand.Rand
	nodes    []discoverer // honest ones, then hostile ones
	byAddr   map[netip.AddrPort]int32
	stations []broadcastStation
	zipf     []int // cumulated weights of the stations that are on from the start
	records  map[string]*gossip.Record
	saved    gossip.Saved // what warm nodes begin with: records only
	scratch  gossip.Scratch
	out      gossip.Output
	messages []message
	unused   []int32
	parted   bool
	openings map[opening]mono.Time
	churned  int // thousandths of a node that wait for their turn
	measure  discoveryMeasure
	invent   uint32
}

// discoveryWall is the unix second when runs begin.
const discoveryWall = wallOrigin / 1000

// signEvery is how often a source signs its record at least.
const signEvery = 10 * time.Minute

// RunDiscovery runs a scenario. It returns an error when the scenario does not add up or ctx ends first.
func RunDiscovery(ctx context.Context, o DiscoveryOptions) (DiscoveryResult, error) {
	d, err := newDiscovery(o)
	if err != nil {
		return DiscoveryResult{}, err
	}
	begun := time.Now()
	end := mono.Time(o.Scenario.Duration)
	for {
		e := d.events.pop()
		if e.at > end {
			break
		}
		d.now = e.at
		d.measure.events++
		d.happen(&e)
		if e.kind == discoveryTick {
			if err := ctx.Err(); err != nil {
				return DiscoveryResult{}, fmt.Errorf("simulation stopped at %v: %w", time.Duration(d.now), err)
			}
			if o.Progress != nil {
				o.Progress(time.Duration(d.now), o.Scenario.Duration)
			}
		}
	}
	d.now = end
	r := d.result()
	r.Repeat = o.Repeat
	r.WallS = time.Since(begun).Seconds()
	return r, nil
}

func newDiscovery(o DiscoveryOptions) (*discovery, error) {
	s := o.Scenario
	if s.HostsMax == 0 {
		s.HostsMax = gossip.HostsMaxDefault
	}
	if s.SamplePeriod == 0 {
		s.SamplePeriod = 5 * time.Second
	}
	if s.SampledNodes == 0 {
		s.SampledNodes = 200
	}
	all := s.Stations + s.Publish + 2*partitionStations
	switch {
	case s.Nodes < 2 || s.Seeds < 1 || s.Seeds+all > s.Nodes:
		return nil, fmt.Errorf("discovery: %d nodes cannot be %d seeds and %d sources", s.Nodes, s.Seeds, all)
	case s.DelayMin < 0 || s.DelayMax <= s.DelayMin || s.Duration <= 0:
		return nil, fmt.Errorf("discovery: delays or duration are empty")
	case tooEarly(&s):
		return nil, fmt.Errorf("discovery: something happens before all have joined")
	case s.HostilePermille >= 1000 || s.HostilePermille > 0 && s.HostileNetworks < 1 || s.Stop+s.Crash > s.Stations:
		return nil, fmt.Errorf("discovery: hostile nodes or stations do not add up")
	}
	hostile := s.Nodes * s.HostilePermille / (1000 - s.HostilePermille)
	d := &discovery{
		s: s, seed: o.Seed, random: rand.New(newSource(o.Seed, streamNetwork, 1)),
		nodes: make([]discoverer, s.Nodes+hostile), byAddr: make(map[netip.AddrPort]int32, s.Nodes+hostile),
		records: map[string]*gossip.Record{}, openings: map[opening]mono.Time{},
	}
	d.measure.heapStart = heapBytes()
	d.placeNodes()
	d.placeStations(all)
	d.measure.begin(d)
	d.joinAll()
	d.events.push(event{at: mono.Time(time.Second), kind: discoveryTick})
	return d, nil
}

// tooEarly reports whether something happens before everybody is there.
func tooEarly(s *DiscoveryScenario) bool {
	for _, at := range []time.Duration{s.PublishAt, s.StopAt, s.CrashAt, s.PartitionAt} {
		if at != 0 && at < s.JoinOver+3*time.Second {
			return true
		}
	}
	return false
}

// placeNodes gives addresses: honest ones in many networks, some crowded, hostile ones in few.
func (d *discovery) placeNodes() {
	networks := min(len(d.nodes)/3+1, 8000)
	for i := range d.nodes {
		n := &d.nodes[i]
		n.station, n.tuned, n.wake, n.side = -1, -1, mono.Never, i%2 == 1
		n.hostile = i >= d.s.Nodes
		n.hidden = d.s.Hidden > 0 && i >= d.s.Seeds && !n.hostile && d.random.IntN(1000) < d.s.Hidden
		n.delay = d.s.DelayMin/2 + time.Duration(d.random.Int64N(int64(d.s.DelayMax-d.s.DelayMin)/2))
		d.newID(n)
		d.move(int32(i), networks)
	}
}

// newID draws a node id. No key belongs to it.
func (d *discovery) newID(n *discoverer) {
	for i := 0; i < len(n.id); i += 8 {
		fillFrom(n.id[i:i+8], d.random.Uint64())
	}
}

func fillFrom(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

// move gives a node a new address.
func (d *discovery) move(i int32, networks int) {
	n := &d.nodes[i]
	if n.addr.IsValid() {
		delete(d.byAddr, n.addr)
	}
	for {
		var net uint32
		if n.hostile {
			net = 150<<8 + uint32(d.random.IntN(d.s.HostileNetworks))
		} else {
			// The product of two even numbers is skewed: the first networks are crowded.
			net = 11<<8 + uint32(d.random.IntN(networks))*uint32(d.random.IntN(networks))/uint32(networks)
		}
		a := addrIn(net, d.random.Uint32(), uint16(1024+d.random.IntN(60000)))
		if _, taken := d.byAddr[a]; !taken {
			n.addr = a
			d.byAddr[a] = i
			return
		}
	}
}

// addrIn returns an address in a /16.
func addrIn(net, low uint32, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(net >> 8), byte(net), byte(low >> 8), byte(low)}), port)
}

// placeStations makes stations; their sources are nodes that stay.
func (d *discovery) placeStations(n int) {
	d.stations = make([]broadcastStation, n)
	sources := d.random.Perm(d.s.Nodes - d.s.Seeds)[:n]
	sum := 0
	for i := range d.stations {
		st := &d.stations[i]
		st.key = identity.NewStationKey(seed32(newSource(d.seed, streamStation, uint64(i)+1)))
		st.id = st.key.ID()
		st.source = int32(d.s.Seeds + sources[i])
		d.nodes[st.source].station = int32(i)
		if i < d.s.Stations {
			sum += 1_000_000 / (i + 1)
			d.zipf = append(d.zipf, sum)
			st.state = stationOn
			// The last record is up to 10 minutes old when a warm run begins.
			st.signAt = mono.Time(d.random.Int64N(int64(signEvery)))
		}
	}
}

// joinAll plans when nodes begin, and what warm ones begin with.
func (d *discovery) joinAll() {
	if d.s.Warm {
		for i := range d.s.Stations {
			st := &d.stations[i]
			d.saved.Records = append(d.saved.Records, d.sign(st, int64(st.signAt)/int64(time.Second)-int64(signEvery/time.Second)))
		}
		slices.SortFunc(d.saved.Records, slices.Compare) // the list of a node fills in order
	}
	for i := range d.s.Nodes {
		at := mono.Time(d.random.Int64N(int64(time.Second)))
		if i >= d.s.Seeds && d.s.JoinOver > 0 {
			at = at.Add(time.Duration(d.random.Int64N(int64(d.s.JoinOver))))
		}
		if !d.s.Warm && i >= d.s.Seeds {
			at = at.Add(time.Second)
		}
		d.events.push(event{at: at, kind: discoveryJoin, host: int32(i)})
	}
}

// unix is the wall clock of everybody.
func (d *discovery) unix() int64 { return discoveryWall + int64(d.now)/int64(time.Second) }

func (d *discovery) happen(e *event) {
	n := &d.nodes[e.host]
	switch e.kind {
	case discoveryTimer:
		if n.gossip != nil && n.wake == e.at {
			n.gossip.Advance(d.now, &d.out)
			d.settle(e.host)
		}
	case discoveryAsk:
		d.askArrives(e.arg)
	case discoveryAnswer:
		d.answerArrives(e.arg)
	case discoveryFail:
		d.askFails(e.arg)
	case discoveryTick:
		d.tick()
		d.events.push(event{at: d.now.Add(time.Second), kind: discoveryTick})
	case discoveryJoin:
		d.join(e.host, nil)
	}
}
