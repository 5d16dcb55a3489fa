// SPDX-License-Identifier: MIT

package mesh

import (
	"math/bits"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Status is a snapshot of a station.
type Status struct {
	Role     Role
	OnAir    bool
	Ended    bool
	Epoch    uint32
	RateBPS  int64
	Hops     int // -1 unknown
	Buffer   time.Duration
	Lag      time.Duration // 0 unknown
	Full     int           // peers that have no upload left for this node, while nobody brings it a part of the stream; 0: it has all, or they are asked
	TryIn    time.Duration // until the first of them is asked again
	Counts   Counts
	Parents  []Neighbour
	Children []Neighbour
	Partners []PeerID // all peers
}

// A Neighbour is a parent or a child and the classes that it brings or gets.
type Neighbour struct {
	Peer    PeerID
	Classes uint16
}

// onAirSilence is how long without a manifest a station still counts as on the air.
const onAirSilence = 10 * time.Second

// Status returns a snapshot.
func (s *Station) Status(now mono.Time) Status {
	st := Status{Role: s.cfg.Role, Counts: s.counts, Buffer: s.bufferAhead(now)}
	st.Parents, st.Hops = s.AppendParents(nil)
	if e := s.newest(); e != nil {
		st.Epoch, st.Ended, st.RateBPS = e.num, e.end != nil, int64(e.rateKBPS)*1000
		st.OnAir = e.newest != nil && e.end == nil && now.Sub(s.timers.progress) < onAirSilence
		st.Lag = s.lag(now, e)
	}
	st.Full, st.TryIn = s.turnedAway(now)
	for _, p := range s.peers {
		st.Partners = append(st.Partners, p.id)
		if p.isChild() {
			st.Children = append(st.Children, Neighbour{p.id, p.child.classes})
		}
	}
	return st
}

// turnedAway counts the peers that refused this node for want of upload while a part of the stream has nobody to bring it, and says when
// the first of them is asked again.
func (s *Station) turnedAway(now mono.Time) (full int, tryIn time.Duration) {
	if s.cfg.Role == Source || s.leaving || s.fed() {
		return 0, 0
	}
	next := mono.Never
	for _, p := range s.peers {
		if p.parent.full && !p.gone && now.Sub(p.heardAt) < partnerSilence {
			full++
			next = mono.Min(next, max(now, p.parent.refusedUntil))
		}
	}
	if full == 0 {
		return 0, 0
	}
	return full, next.Sub(now)
}

// lag is the age, by wall clocks, of the newest chunk that is there with all before it.
func (s *Station) lag(now mono.Time, e *epoch) time.Duration {
	wall, ok := s.host.WallClock(now)
	if !ok || e.complete == 0 || s.cfg.Role == Source {
		return 0
	}
	sl := e.at(e.complete - 1)
	if sl == nil || sl.m == nil {
		return 0
	}
	return max(0, time.Duration(wall)*time.Millisecond-time.Duration(sl.m.chunkTime(int(e.complete-1-sl.m.First))))
}

// A Picture is where a node sits in the forest of a station: 16 trees, one for each class of chunks, with the source as the root
// of all. It is for people, and made only when somebody asks.
type Picture struct {
	Classes  [wire.Classes]ClassPlace
	Parents  []ParentPlace // those of Status, in the same order
	Children []ChildPlace  // likewise
	GiveBPS  int64         // upload that subscriptions of all stations together may take
	SpareBPS int64         // of it, what none has taken
	Room     int           // classes that a newcomer would get
}

// A ClassPlace is a node's place in the tree of one class.
type ClassPlace struct {
	Parent   PeerID // 0: nobody brings it, or this is the source
	Hops     int    // to the source; -1 unknown
	Children int
}

// A ParentPlace is how the stream comes from one parent.
type ParentPlace struct {
	Manifests bool          // it brings them, too
	Hops      int           // from the parent to the source, by the longest way of what it brings; -1 unknown
	Lag       time.Duration // from the source's release of a chunk to its arrival by this parent, the mean; 0 unknown
	Above     []wire.PathID // the parent's ancestors, as it says: beginnings of node ids, the source first where there is one way only
}

// A ChildPlace is what goes to one child.
type ChildPlace struct {
	Manifests bool
	BPS       int64 // of the upload, as counted on
	Leaf      bool  // it said that it passes nothing on
}

// Picture returns where the node sits.
func (s *Station) Picture(now mono.Time) Picture {
	pic := Picture{Room: s.freeForOthers()}
	free, whole := s.host.FreeUpload()
	pic.SpareBPS, pic.GiveBPS = max(0, free), whole // more may be taken for a moment
	for c := range pic.Classes {
		place := ClassPlace{Hops: s.hopsOf(c)}
		if s.brings(c) {
			place.Parent = s.assign[c].id
		}
		for _, p := range s.children {
			place.Children += int(p.child.classes >> c & 1)
		}
		pic.Classes[c] = place
	}
	for _, p := range s.peers {
		if p.isParent() {
			pic.Parents = append(pic.Parents, s.parentPlace(now, p))
		}
		if p.isChild() {
			pic.Children = append(pic.Children, ChildPlace{p.child.manifests, p.child.takenBPS, p.haveAt != 0 && p.have.Leaf})
		}
	}
	return pic
}

// hopsOf is how far the source is for one class, -1 unknown.
func (s *Station) hopsOf(c int) int {
	if h := s.place.parts[c%wire.PartManifests].Hops; h != wire.HopsUnknown && (s.cfg.Role == Source || s.brings(c)) {
		return int(h)
	}
	return -1
}

func (s *Station) parentPlace(now mono.Time, p *peer) ParentPlace {
	place := ParentPlace{Manifests: p.parent.manifests, Hops: -1}
	var above wire.PathPart
	var sum, weight int64
	for part := range wire.PathParts {
		n := bits.OnesCount16(p.parent.classes & (quarter << part))
		if part == wire.PartManifests {
			if n = 0; p.parent.classes == 0 && p.parent.manifests {
				n = 1
			}
		}
		if n == 0 {
			continue
		}
		if p.path != nil {
			way := &p.path.Parts[part]
			for _, id := range way.IDs[:way.N] {
				above.Add(id)
			}
			if way.Hops != wire.HopsUnknown {
				place.Hops = max(place.Hops, int(way.Hops))
			}
		}
		if part < wire.PartManifests && p.parent.arrivals[part].samples > 0 {
			sum += p.parent.arrivals[part].offset / int64(time.Microsecond) * int64(n)
			weight += int64(n)
		}
	}
	place.Above = append(place.Above, above.IDs[:above.N]...)
	if wall, ok := s.host.WallClock(now); ok && weight > 0 {
		place.Lag = max(0, time.Duration(sum/weight)*time.Microsecond+time.Duration(wall)*time.Millisecond-time.Duration(now))
	}
	return place
}
