// SPDX-License-Identifier: MIT

package sim

import (
	"maps"
	"slices"
	"time"

	"streamer/internal/mono"
)

type watchKind uint8

const (
	watchNew    watchKind = iota // a station that began is known
	watchOff                     // one that signed off is shown offline
	watchHealed                  // one that began in the other half is known, after the halves met again
	watchKinds
)

// watchesMax is how many stations of all kinds can be watched: the bits of discoverer.waiting.
const watchesMax = 32

// A watch waits for all nodes that live to show something of one station.
type watch struct {
	station *broadcastStation
	kind    watchKind
	at      mono.Time
}

// A crashWatch waits for the sampled nodes to show that a station is offline, then gone.
type crashWatch struct {
	station *broadcastStation
	at      mono.Time
	offline map[int32]bool
	gone    map[int32]bool
}

// discoveryMeasure is what a run counts.
type discoveryMeasure struct {
	heapStart uint64
	watches   []watch
	times     [watchKinds][]time.Duration
	departed  [watchKinds]int // watched nodes that went before
	crashed   []crashWatch
	offline   []time.Duration
	gone      []time.Duration
	sampled   []int32
	joining   []int32 // that do not know nearly all stations yet
	joinedAll []time.Duration
	joinLate  int // newcomers that did not know all within joinTime

	events, exchanges, failed, bytes uint64
	steadyBytes, steadyExchanges     uint64 // when the last minute began
	steadyAt                         mono.Time
	listeners                        listenerFigures
	eclipse                          eclipseFigures
}

// listenerFigures compare what nodes show with the truth, at one moment.
type listenerFigures struct {
	heard     []int // permille of the truth, for each sampled node and large station
	audience  []int // permille of the truth that the estimate is off
	size      []int // likewise of the number of nodes
	sizes     []int // the estimate itself, permille of the truth
	top       []int // how many of the ten with the most listeners a node has among its first ten
	heardOff  []int // permille that Heard is off from what those heard of are tuned to in truth
	dead      []int // stations on the air that a node shows offline
	lied      []int // estimate for the station that hostile nodes are tuned to, permille of all nodes
	lastHeard []int // Heard of it
}

// eclipseFigures are about hosts that answered honest nodes.
type eclipseFigures struct {
	nodes, eclipsed int
	hostile         []int // permille of the answering hosts of each node
}

func (m *discoveryMeasure) begin(d *discovery) {
	for len(m.sampled) < min(d.s.SampledNodes, d.s.Nodes-d.s.Seeds) {
		if i := int32(d.s.Seeds + d.random.IntN(d.s.Nodes-d.s.Seeds)); !slices.Contains(m.sampled, i) {
			m.sampled = append(m.sampled, i)
		}
	}
}

// watch begins to wait for all that live.
func (m *discoveryMeasure) watch(d *discovery, st *broadcastStation, kind watchKind) {
	if len(m.watches) == watchesMax {
		return
	}
	bit := uint32(1) << len(m.watches)
	at := d.now
	if kind == watchHealed {
		at = mono.Time(d.s.PartitionAt + d.s.PartitionFor)
	}
	m.watches = append(m.watches, watch{st, kind, at})
	for i := range d.s.Nodes {
		if d.nodes[i].gossip != nil {
			d.nodes[i].waiting |= bit
		}
	}
}

// look looks whether a node shows what it is waited for.
func (m *discoveryMeasure) look(d *discovery, n *discoverer) {
	for k := range m.watches {
		bit := uint32(1) << k
		if n.waiting&bit == 0 {
			continue
		}
		w := &m.watches[k]
		if rec, ok := n.gossip.Record(w.station.id); !ok || w.kind == watchOff && rec.OnAir {
			continue
		}
		n.waiting &^= bit
		if took := d.now.Sub(w.at); took >= 0 {
			m.times[w.kind] = append(m.times[w.kind], took)
		}
	}
}

// left forgets a node that goes.
func (m *discoveryMeasure) left(n *discoverer) {
	for k := range m.watches {
		if n.waiting&(1<<k) != 0 {
			m.departed[m.watches[k].kind]++
		}
	}
	n.waiting = 0
}

// unmet counts what nodes that live never showed.
func (m *discoveryMeasure) unmet(d *discovery, kind watchKind) (n int) {
	for i := range d.s.Nodes {
		for k := range m.watches {
			if m.watches[k].kind == kind && d.nodes[i].waiting&(1<<k) != 0 {
				n++
			}
		}
	}
	return n
}

// tick takes the looks of a second.
func (m *discoveryMeasure) tick(d *discovery) {
	if d.now == mono.Time(d.s.Duration-time.Minute) {
		m.steadyBytes, m.steadyExchanges, m.steadyAt = m.bytes, m.exchanges, d.now
	}
	if d.s.CountAt > 0 && d.now == mono.Time(d.s.CountAt) {
		m.countListeners(d)
		m.countEclipsed(d)
	}
	m.lookAtJoining(d)
	if d.now%mono.Time(time.Minute) == 0 {
		maps.DeleteFunc(d.openings, func(_ opening, at mono.Time) bool { return d.now.Sub(at) > hiddenFor })
	}
	if d.now%mono.Time(d.s.SamplePeriod) == 0 {
		m.lookAtCrashed(d)
	}
}

// joinTime is how long newcomers are watched.
const joinTime = 5 * time.Minute

// lookAtJoining measures how long newcomers take to know all stations.
func (m *discoveryMeasure) lookAtJoining(d *discovery) {
	on := 0
	for k := range d.stations {
		if d.stations[k].state == stationOn {
			on++
		}
	}
	m.joining = slices.DeleteFunc(m.joining, func(i int32) bool {
		n := &d.nodes[i]
		if n.gossip == nil {
			return true
		}
		known := n.gossip.Counts(d.now).Stations
		took := max(0, d.now.Sub(max(n.born, mono.Time(d.s.JoinOver)))) // the last source joined then
		if known >= on {
			m.joinedAll = append(m.joinedAll, took)
			return true
		}
		if took > joinTime {
			m.joinLate++
			return true
		}
		return false
	})
}

// lookAtCrashed looks at what the sampled nodes show of stations that fell silent.
func (m *discoveryMeasure) lookAtCrashed(d *discovery) {
	for k := range m.crashed {
		w := &m.crashed[k]
		if w.offline == nil {
			w.offline, w.gone = map[int32]bool{}, map[int32]bool{}
		}
		for _, i := range m.sampled {
			n := &d.nodes[i]
			if n.gossip == nil || n.born > w.at || w.gone[i] || w.offline[i] && d.now.Sub(w.at) < time.Hour {
				continue
			}
			info, ok := n.gossip.Station(d.now, w.station.id)
			if !w.offline[i] && !info.Online {
				w.offline[i] = true
				m.offline = append(m.offline, d.now.Sub(w.at))
			}
			if !ok {
				w.gone[i] = true
				m.gone = append(m.gone, d.now.Sub(w.at))
			}
		}
	}
}

// countListeners compares what the sampled nodes show with the truth.
func (m *discoveryMeasure) countListeners(d *discovery) {
	f := &m.listeners
	alive, tuned := 0, 0
	for i := range d.nodes {
		if n := &d.nodes[i]; n.hostile || n.gossip != nil {
			alive++
			if n.tuned >= 0 {
				tuned++
			}
		}
	}
	truth, byID := map[string]int{}, map[string]*broadcastStation{}
	var order []*broadcastStation
	for k := range d.stations {
		truth[string(d.stations[k].id[:])] = d.stations[k].tuned
		byID[string(d.stations[k].id[:])] = &d.stations[k]
		order = append(order, &d.stations[k])
	}
	slices.SortStableFunc(order, func(a, b *broadcastStation) int { return b.tuned - a.tuned })
	var lied string
	if d.s.HostileTuned {
		lied = string(d.stations[d.s.Stations-1].id[:])
	}
	for _, i := range m.sampled {
		n := &d.nodes[i]
		if n.gossip == nil || d.now.Sub(n.born) < 2*time.Minute {
			continue
		}
		size := n.gossip.Counts(d.now).Size
		f.size = append(f.size, off(size, alive-1))
		f.sizes = append(f.sizes, size*1000/(alive-1))
		met := m.metTuned(d, n)
		top, dead := 0, 0
		for rank, info := range n.gossip.Stations(d.now) {
			id := string(info.Record.Station[:])
			want := truth[id]
			if st := byID[id]; st.state == stationOn && !info.Online {
				dead++
			}
			if rank < 10 && want >= order[min(9, len(order)-1)].tuned {
				top++
			}
			if id == lied {
				f.lied = append(f.lied, info.Audience*1000/alive)
				f.lastHeard = append(f.lastHeard, info.Heard)
			} else if want*100 >= tuned && want > 0 {
				f.heard = append(f.heard, info.Heard*1000/want)
				f.audience = append(f.audience, off(info.Audience, want))
				if met[id] > 0 && d.s.Hidden == 0 { // of hidden ones nobody has a list
					f.heardOff = append(f.heardOff, off(info.Heard, met[id]))
				}
			}
		}
		f.top, f.dead = append(f.top, top), append(f.dead, dead)
	}
}

// metTuned counts to what the hosts that answered a node are tuned in truth.
func (m *discoveryMeasure) metTuned(d *discovery, n *discoverer) map[string]int {
	met := map[string]int{}
	for _, h := range n.gossip.Hosts(d.now) {
		if k, ok := d.byAddr[h.Addr]; ok && d.nodes[k].tuned >= 0 {
			met[string(d.stations[d.nodes[k].tuned].id[:])]++
		}
	}
	return met
}

// off is how far a figure is off the truth, in permille of it.
func off(got, want int) int {
	if got < want {
		return (want - got) * 1000 / want
	}
	return (got - want) * 1000 / want
}

// countEclipsed counts nodes that hostile nodes have surrounded.
func (m *discoveryMeasure) countEclipsed(d *discovery) {
	e := &m.eclipse
	for i := d.s.Seeds; i < d.s.Nodes; i++ {
		n := &d.nodes[i]
		if n.gossip == nil || d.now.Sub(n.born) < time.Minute {
			continue
		}
		hosts := n.gossip.Hosts(d.now)
		hostile := 0
		for _, h := range hosts {
			if k, ok := d.byAddr[h.Addr]; ok && d.nodes[k].hostile {
				hostile++
			}
		}
		e.nodes++
		if hostile == len(hosts) {
			e.eclipsed++
		}
		e.hostile = append(e.hostile, hostile*1000/max(1, len(hosts)))
	}
}
