// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// join starts a node, with what it saved or, warm, with random hosts, or with seeds alone.
func (d *discovery) join(i int32, saved *gossip.Saved) {
	n := &d.nodes[i]
	n.life++
	n.born = d.now
	cfg := gossip.Config{
		Self: n.id, HostsMax: d.s.HostsMax, AskEvery: d.s.AskEvery, Parse: d.shared, Scratch: &d.scratch,
		Rand: rand.New(newSource(d.seed, streamRand, uint64(n.life)<<32|uint64(i))),
	}
	for k := 0; k < len(cfg.Secret); k += 8 {
		fillFrom(cfg.Secret[k:k+8], d.random.Uint64())
	}
	n.gossip = gossip.New(d.now, cfg)
	n.gossip.SetWall(d.now, d.unix())
	if n.hidden {
		n.gossip.SetReach(true, d.proxies())
	}
	switch {
	case saved != nil:
		n.gossip.Restore(d.now, *saved)
	case d.s.Warm && n.life == 1:
		start := gossip.Saved{Records: d.saved.Records}
		for range d.s.HostsMax {
			if o := &d.nodes[d.random.IntN(len(d.nodes))]; o != n && !o.hidden {
				start.Hosts = append(start.Hosts, gossip.SavedHost{Host: wire.Host{Addr: o.addr, Node: o.id}, Tried: true})
			}
		}
		n.gossip.Restore(d.now, start)
	}
	if saved == nil && (!d.s.Warm || n.life > 1) {
		d.measure.joining = append(d.measure.joining, i)
	}
	if saved == nil && !d.s.Warm || n.life > 1 {
		for s := range d.s.Seeds {
			if int32(s) != i {
				n.gossip.AddSeed(d.now, d.nodes[s].addr)
			}
		}
	}
	if n.station >= 0 && d.stations[n.station].state == stationOn {
		d.publish(&d.stations[n.station])
		n.gossip.SetBusy(true)
	}
	d.tune(i)
	d.settle(i)
}

// proxies are open nodes.
func (d *discovery) proxies() (list []netip.AddrPort) {
	for len(list) < wire.ProxiesMax {
		if o := &d.nodes[d.random.IntN(d.s.Nodes)]; !o.hidden {
			list = append(list, o.addr)
		}
	}
	return list
}

// leave stops a node and returns what it saved.
func (d *discovery) leave(i int32) gossip.Saved {
	n := &d.nodes[i]
	saved := n.gossip.Save()
	d.untune(n)
	n.gossip, n.wake = nil, mono.Never
	d.measure.left(n)
	return saved
}

// shared verifies each record once for all nodes.
func (d *discovery) shared(raw []byte) (*gossip.Record, error) {
	if r, ok := d.records[string(raw)]; ok {
		return r, nil
	}
	r, err := gossip.ParseRecord(raw)
	if err == nil {
		d.records[string(raw)] = r
	}
	return r, err
}

// tune gives a node a station to listen to.
func (d *discovery) tune(i int32) {
	n := &d.nodes[i]
	d.untune(n)
	if n.station < 0 && d.random.IntN(1000) < d.s.Listeners {
		k, _ := slices.BinarySearch(d.zipf, d.random.IntN(d.zipf[len(d.zipf)-1])+1)
		if d.stations[k].state == stationOn {
			n.tuned = int32(k)
			d.stations[k].tuned++
			n.gossip.SetTuned([]identity.StationID{d.stations[k].id})
			n.gossip.SetBusy(true)
		}
	}
}

func (d *discovery) untune(n *discoverer) {
	if n.tuned >= 0 {
		d.stations[n.tuned].tuned--
		n.tuned = -1
		n.gossip.SetTuned(nil)
		n.gossip.SetBusy(false)
	}
}

// publish signs a station's record and gives it to its source.
func (d *discovery) publish(st *broadcastStation) {
	n := &d.nodes[st.source]
	if n.gossip != nil && st.state != stationCrashed && st.state != stationSilent {
		n.gossip.SetOwn(d.now, d.sign(st, int64(d.now)/int64(time.Second)))
		st.signAt = d.now.Add(signEvery)
	}
}

// sign returns the record of a station at a second of the run.
func (d *discovery) sign(st *broadcastStation, at int64) []byte {
	st.signedAt = max(st.signedAt+1, uint32(discoveryWall+at))
	r := wire.StationRecord{
		Seq: st.signedAt, OnAir: st.state == stationOn, Codec: 1, KBPS: 128, Name: "Station " + st.id.Short(), Genre: "various",
		Description: "One of very many stations in a simulation", URL: "https://example.org/" + st.id.Short(),
		Title: "Somebody - Something", Entries: []netip.AddrPort{d.nodes[st.source].addr},
	}
	return r.Sign(nil, st.key)
}

// settle does what a call of a node asked for.
func (d *discovery) settle(i int32) {
	n := &d.nodes[i]
	for k := range d.out.Asks {
		d.sendAsk(i, &d.out.Asks[k])
	}
	if d.out.Changed {
		d.measure.look(d, n)
	}
	d.out.Reset()
	if at := n.gossip.Deadline(); at != n.wake {
		n.wake = max(at, d.now)
		d.events.push(event{at: n.wake, kind: discoveryTimer, host: i})
	}
}

// tick does what happens each second: people come, go and tune; sources sign; hostile nodes flood; looks are taken.
func (d *discovery) tick() {
	at := func(moment time.Duration) bool { return moment > 0 && d.now == mono.Time(moment) }
	s := &d.s
	if at(s.PublishAt) {
		for k := range s.Publish {
			d.begin(&d.stations[s.Stations+k], watchNew)
		}
	}
	if at(s.StopAt) {
		for k := range s.Stop {
			d.stop(&d.stations[k*s.Stations/s.Stop])
		}
	}
	if at(s.CrashAt) {
		for k := range s.Crash {
			d.crash(&d.stations[k*s.Stations/s.Crash+s.Stations/s.Crash/2])
		}
	}
	if at(s.PartitionAt) {
		d.parted = true
	}
	if s.PartitionFor > 0 {
		if at(s.PartitionAt + s.PartitionFor - time.Minute) {
			for k := range 2 * partitionStations {
				d.begin(&d.stations[s.Stations+s.Publish+k], watchHealed)
			}
		}
		if at(s.PartitionAt + s.PartitionFor) {
			d.parted = false
		}
	}
	for k := range d.stations {
		if st := &d.stations[k]; st.state == stationOn && d.now >= st.signAt {
			d.publish(st)
			if n := &d.nodes[st.source]; n.gossip != nil {
				d.settle(st.source)
			}
		}
	}
	d.churn()
	d.flood()
	d.measure.tick(d)
}

// partitionStations is how many stations begin in each half while the network is parted.
const partitionStations = 3

// begin puts a station on the air.
func (d *discovery) begin(st *broadcastStation, kind watchKind) {
	st.state = stationOn
	d.measure.watch(d, st, kind)
	d.publish(st)
	d.measure.look(d, &d.nodes[st.source])
	d.settle(st.source)
}

// stop signs off.
func (d *discovery) stop(st *broadcastStation) {
	st.state = stationStopped
	d.measure.watch(d, st, watchOff)
	d.publish(st)
	d.measure.look(d, &d.nodes[st.source])
	d.settle(st.source)
	d.deafen(st)
}

// crash ends a station without a word: its source's node is gone.
func (d *discovery) crash(st *broadcastStation) {
	st.state = stationCrashed
	d.measure.crashed = append(d.measure.crashed, crashWatch{station: st, at: d.now})
	d.leave(st.source)
	d.deafen(st)
}

// deafen sends the listeners of a station away.
func (d *discovery) deafen(st *broadcastStation) {
	for i := range d.nodes {
		if n := &d.nodes[i]; n.tuned >= 0 && &d.stations[n.tuned] == st {
			d.untune(n)
		}
	}
}

// churn lets some nodes go, others come back, and others tune elsewhere. Half of those that come back have moved and know
// only the seeds.
func (d *discovery) churn() {
	d.churned += d.s.Nodes * d.s.ChurnPermille / 60
	for ; d.churned >= 1000; d.churned -= 1000 {
		i := int32(d.s.Seeds + d.random.IntN(d.s.Nodes-d.s.Seeds))
		n := &d.nodes[i]
		if n.gossip == nil || n.station >= 0 {
			continue
		}
		saved := d.leave(i)
		d.newID(n)
		if d.random.IntN(2) == 0 {
			d.join(i, &saved)
		} else {
			d.move(i, min(len(d.nodes)/3+1, 8000))
			d.join(i, nil)
		}
		if j := int32(d.random.IntN(d.s.Nodes)); d.nodes[j].gossip != nil {
			d.tune(j)
		}
	}
}
