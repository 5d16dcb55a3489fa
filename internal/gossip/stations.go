// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"slices"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// A station is what is known of one, 32 bytes beside the record.
type station struct {
	tag   wire.StationTag
	rec   *Record
	seq   uint32 // of the record
	alive uint32 // unix second when somebody was last heard to be tuned to it; 0 never
	first uint32 // unix second when it became known
	own   bool
}

// lastAlive is the unix second when the station last gave a sign of life.
func (s *station) lastAlive() int64 { return int64(max(s.seq, s.alive)) }

// online reports whether the station is on the air: it says so and signed that lately, or not very long ago and somebody
// is heard to be tuned to it.
func (s *station) online(unix int64, heard int) bool {
	if !s.rec.OnAir {
		return false
	}
	age := unix - int64(s.seq)
	return s.own || age <= onlineSeconds || heard > 0 && age <= lingerSeconds
}

// search returns where a station is in the list, or would be.
func (g *Gossip) search(id identity.StationID) (int, bool) {
	tag := wire.TagOf(id)
	i, found := slices.BinarySearchFunc(g.stations, tag, func(s station, t wire.StationTag) int { return cmp.Compare(s.tag, t) })
	if !found {
		return i, false
	}
	// Equal tags are made, not met: 64 bits. The first one known keeps the tag.
	return i, g.stations[i].rec.Station == id
}

// station returns what is known of a station, nil if nothing.
func (g *Gossip) station(id identity.StationID) *station {
	if i, ok := g.search(id); ok {
		return &g.stations[i]
	}
	return nil
}

// byTag is station for a tag.
func (g *Gossip) byTag(tag wire.StationTag) *station {
	i, found := slices.BinarySearchFunc(g.stations, tag, func(s station, t wire.StationTag) int { return cmp.Compare(s.tag, t) })
	if !found {
		return nil
	}
	return &g.stations[i]
}

// recordFate is what became of a record.
type recordFate uint8

const (
	recordKnown   recordFate = iota // this one or a newer one is known, or it is too old to matter
	recordForged                    // nobody signed it
	recordRefused                   // no room
	recordLater                     // the same again, signed later, or another title
	recordNews                      // a new station, or one that changed
)

// learn takes a record that somebody sent.
func (g *Gossip) learn(now mono.Time, raw []byte) recordFate {
	id, seq, err := wire.PeekStationRecord(raw)
	if err != nil {
		return recordForged
	}
	i, known := g.search(id)
	unix := g.unix(now)
	if known && (seq <= g.stations[i].seq || g.stations[i].own) || unix-int64(seq) > goneSeconds {
		return recordKnown
	}
	if !known && i < len(g.stations) && g.stations[i].tag == wire.TagOf(id) {
		return recordRefused
	}
	rec, err := g.cfg.Parse(raw)
	if err != nil {
		return recordForged
	}
	return g.keep(now, rec)
}

// keep puts a verified record that is newer than what is known into the list.
func (g *Gossip) keep(now mono.Time, rec *Record) recordFate {
	unix := g.unix(now)
	i, known := g.search(rec.Station)
	if known {
		s := &g.stations[i]
		old := s.rec
		s.rec, s.seq = rec, rec.Seq
		if sameStation(old, rec) && int64(old.Seq)+onlineSeconds >= int64(rec.Seq) {
			return recordLater
		}
		g.rumour(now, rec)
		return recordNews
	}
	if len(g.stations) >= StationsMax && !g.makeRoom(rec) {
		return recordRefused
	}
	i, _ = g.search(rec.Station)
	g.grow()
	g.stations = slices.Insert(g.stations, i, station{
		tag: wire.TagOf(rec.Station), rec: rec, seq: rec.Seq, first: uint32(max(0, unix)),
	})
	g.rumour(now, rec)
	return recordNews
}

// grow makes room for one more station. The list grows by an eighth, not by a quarter as append does: there are many lists.
func (g *Gossip) grow() {
	if n := len(g.stations); n == cap(g.stations) {
		g.stations = append(make([]station, 0, n+max(8, n/8)), g.stations...)
	}
}

// sameStation reports whether two records of a station differ in nothing but the title and the time.
func sameStation(a, b *Record) bool {
	return a.OnAir == b.OnAir && a.Codec == b.Codec && a.KBPS == b.KBPS && a.Name == b.Name && a.Genre == b.Genre &&
		a.Description == b.Description && a.URL == b.URL && slices.Equal(a.Entries, b.Entries)
}

// makeRoom forgets a station for the sake of another when the list is full: one of those whose entry points are in the
// network that has the most of them, unless that is the newcomer's own, and nobody was heard to be tuned to it. So whoever
// invents stations pushes out his own.
func (g *Gossip) makeRoom(rec *Record) bool {
	mine := entryGroup(rec)
	crowd := make(map[group]int, len(g.stations))
	for i := range g.stations {
		crowd[entryGroup(g.stations[i].rec)]++
	}
	worst := -1
	for i := range g.stations {
		s := &g.stations[i]
		if s.own || s.alive != 0 || g.wanted(s.rec.Station) {
			continue
		}
		if worst < 0 || crowd[entryGroup(s.rec)] > crowd[entryGroup(g.stations[worst].rec)] ||
			crowd[entryGroup(s.rec)] == crowd[entryGroup(g.stations[worst].rec)] && s.seq < g.stations[worst].seq {
			worst = i
		}
	}
	if worst < 0 || entryGroup(g.stations[worst].rec) == mine && crowd[mine] > 1 || crowd[mine] >= crowd[entryGroup(g.stations[worst].rec)] {
		return false
	}
	g.stations = slices.Delete(g.stations, worst, worst+1)
	return true
}

// entryGroup is the network of a station's first entry point.
func entryGroup(rec *Record) group {
	if len(rec.Entries) == 0 || !hostAddr(rec.Entries[0]) {
		return kindOther
	}
	return groupOf(rec.Entries[0].Addr())
}

// wanted reports whether a station is looked for, or this node is tuned to it.
func (g *Gossip) wanted(id identity.StationID) bool {
	return slices.Contains(g.tuned, wire.TagOf(id)) || slices.ContainsFunc(g.finds, func(f find) bool { return f.id == id })
}

// SetOwn takes a record of a station of this node, signed just now. With OnAir it stays until it is replaced by one that is
// not, which ends it for everybody.
func (g *Gossip) SetOwn(now mono.Time, raw []byte) {
	rec, err := g.cfg.Parse(raw)
	if err != nil {
		return
	}
	s := g.station(rec.Station)
	if s != nil && rec.Seq <= s.seq {
		return
	}
	if g.keep(now, rec) == recordLater && g.reach.hidden {
		g.rumour(now, rec) // nobody asks a hidden node for the newest
	}
	if s = g.station(rec.Station); s == nil {
		return
	}
	s.own = rec.OnAir
	g.nextAsk = mono.Min(g.nextAsk, now.Add(followEvery))
}

// sweepStations notes who is heard, and forgets stations that are gone.
func (g *Gossip) sweepStations(now mono.Time, out *Output) {
	unix := g.unix(now)
	if unix == 0 {
		return
	}
	sec := g.second(now)
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if h.tuned[0] == 0 || !h.proven(sec, heardSeconds) {
			continue
		}
		g.noteAlive(unix, sec-h.seen, h.tuned[:])
	}
	for i := range g.hidden.places {
		if h := &g.hidden.places[i]; h.heard(sec) {
			g.noteAlive(unix, sec-h.proven, h.tuned[:])
		}
	}
	before := len(g.stations)
	g.stations = slices.DeleteFunc(g.stations, func(s station) bool { return !s.own && unix-s.lastAlive() > goneSeconds })
	if len(g.stations) != before {
		out.Changed = true
	}
}

// noteAlive notes that somebody was tuned to some stations so many seconds ago.
func (g *Gossip) noteAlive(unix int64, ago uint32, tuned []wire.StationTag) {
	for _, tag := range tuned {
		if s := g.byTag(tag); tag != 0 && s != nil && unix-int64(s.seq) <= lingerSeconds {
			s.alive = max(s.alive, uint32(unix)-ago)
		}
	}
}

// A rumour is news that is passed on a few times.
type rumour struct {
	rec  *Record
	left uint8
}

// rumour begins to pass on a record that was signed just now. What is older goes its way by reconciliation.
func (g *Gossip) rumour(now mono.Time, rec *Record) {
	age := g.unix(now) - int64(rec.Seq)
	if age > freshSeconds || age < -skewSeconds {
		return
	}
	g.rumours = slices.DeleteFunc(g.rumours, func(r rumour) bool { return r.rec.Station == rec.Station })
	if len(g.rumours) >= rumoursMax {
		g.rumours = slices.Delete(g.rumours, 0, 1)
	}
	g.rumours = append(g.rumours, rumour{rec, rumourPushes})
}

// pushed counts a push of each of the first n rumours, and puts them behind the others: all get their turn.
func (g *Gossip) pushed(n int) {
	if n == 0 {
		return
	}
	turn := slices.Clone(g.rumours[:n])
	g.rumours = append(g.rumours[:0], g.rumours[n:]...)
	for _, r := range turn {
		r.left--
		g.rumours = append(g.rumours, r)
	}
	g.dropRumours()
}

// dropRumours forgets rumours that were pushed often enough.
func (g *Gossip) dropRumours() {
	g.rumours = slices.DeleteFunc(g.rumours, func(r rumour) bool { return r.left == 0 })
	if len(g.rumours) == 0 {
		g.rumours = nil
	}
}
