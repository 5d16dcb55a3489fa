// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// StationInfo is a station as the list shows it.
type StationInfo struct {
	Record    wire.StationRecord
	Raw       []byte // as signed; never altered
	Heard     int    // hosts that told this node itself, within 10 minutes, that they are tuned to it; hidden ones, too
	Audience  int    // estimate of all listeners: never below Heard
	Online    bool
	Own       bool
	LastAlive int64 // unix seconds
	FirstSeen int64 // unix seconds when this node first knew it
}

// Counts are totals since the start, and how much is known now.
type Counts struct {
	Hosts     int // known
	Tried     int // of them in the tried table
	Answering int // that answered within 10 minutes
	Stations  int
	Hidden    int // hidden hosts that are kept, since they are tuned to something
	Size      int // estimate of how many nodes there are beside this one
	SizeOpen  int // of them that are not hidden

	AsksSent, AsksFailed, AsksAnswered, AsksRefused, AnswersReceived uint64
	RecordsNew, RecordsKnown, RecordsForged                          uint64
}

// Counts returns a snapshot.
func (g *Gossip) Counts(now mono.Time) Counts {
	c := g.counts
	sec := g.second(now)
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if h.port == 0 {
			continue
		}
		c.Hosts++
		if g.hosts.isTried(i) {
			c.Tried++
		}
		if h.proven(sec, heardSeconds) {
			c.Answering++
		}
	}
	c.Stations = len(g.stations)
	for i := range g.hidden.places {
		if h := &g.hidden.places[i]; h.port != 0 && sec-h.seen <= heardSeconds {
			c.Hidden++
		}
	}
	p := g.population(sec)
	c.Size, c.SizeOpen = p.size(), p.open
	return c
}

// Stations returns the list: stations on the air by listeners, the others by when they were last alive.
func (g *Gossip) Stations(now mono.Time) []StationInfo {
	p := g.population(g.second(now))
	list := make([]StationInfo, len(g.stations))
	for i := range g.stations {
		list[i] = g.info(now, i, &p)
	}
	slices.SortFunc(list, func(a, b StationInfo) int {
		switch {
		case a.Online != b.Online:
			if a.Online {
				return -1
			}
			return 1
		case a.Online:
			return cmp.Or(cmp.Compare(b.Heard, a.Heard), cmp.Compare(b.Audience, a.Audience),
				strings.Compare(a.Record.Name, b.Record.Name), slices.Compare(a.Record.Station[:], b.Record.Station[:]))
		}
		return cmp.Or(cmp.Compare(b.LastAlive, a.LastAlive), slices.Compare(a.Record.Station[:], b.Record.Station[:]))
	})
	return list
}

// Station returns one station of the list.
func (g *Gossip) Station(now mono.Time, id identity.StationID) (StationInfo, bool) {
	i, ok := g.search(id)
	if !ok {
		return StationInfo{}, false
	}
	p := g.population(g.second(now))
	return g.info(now, i, &p), true
}

// Record returns the newest record of a station, which is never altered.
func (g *Gossip) Record(id identity.StationID) (*Record, bool) {
	if s := g.station(id); s != nil {
		return s.rec, true
	}
	return nil, false
}

func (g *Gossip) info(now mono.Time, i int, p *population) StationInfo {
	s := &g.stations[i]
	heard := p.heard[i]
	audience, online := heard, s.online(g.unix(now), heard)
	if online {
		audience = p.audience(i)
	}
	return StationInfo{
		Record: s.rec.StationRecord, Raw: s.rec.Raw, Heard: heard, Audience: audience, Online: online,
		Own: s.own, LastAlive: s.lastAlive(), FirstSeen: int64(s.first),
	}
}

// Lookup returns the stations whose name a person may mean, as Stations orders them: those with that very name, whatever the
// case of letters; if there are none, those whose name begins so; if there are none, those that have it in their name.
func (g *Gossip) Lookup(now mono.Time, name string) []StationInfo {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return nil
	}
	all := g.Stations(now)
	for _, matches := range []func(s string) bool{
		func(s string) bool { return s == name },
		func(s string) bool { return strings.HasPrefix(s, name) },
		func(s string) bool { return strings.Contains(s, name) },
	} {
		var found []StationInfo
		for _, s := range all {
			if matches(strings.ToLower(s.Record.Name)) {
				found = append(found, s)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// OwnAddress returns the address of this node that most answerers of different networks see, and how many of them; the zero
// AddrPort when nobody answered.
func (g *Gossip) OwnAddress(ipv4 bool) (netip.AddrPort, int) { return g.votes.best(ipv4) }

// Hosts returns the hosts that answered within 10 minutes, in no particular but a repeatable order.
func (g *Gossip) Hosts(now mono.Time) []wire.Host {
	var list []wire.Host
	sec := g.second(now)
	for i := range g.hosts.slots {
		if h := &g.hosts.slots[i]; h.proven(sec, heardSeconds) {
			list = append(list, h.wire())
		}
	}
	return list
}
