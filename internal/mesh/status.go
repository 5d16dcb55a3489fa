// SPDX-License-Identifier: MIT

package mesh

import (
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
	st := Status{Role: s.cfg.Role, Hops: -1, Counts: s.counts, Buffer: s.bufferAhead(now)}
	if h := s.place.hops(); h != wire.HopsUnknown {
		st.Hops = int(h)
	}
	if e := s.newest(); e != nil {
		st.Epoch, st.Ended, st.RateBPS = e.num, e.end != nil, int64(e.rateKBPS)*1000
		st.OnAir = e.newest != nil && e.end == nil && now.Sub(s.timers.progress) < onAirSilence
		st.Lag = s.lag(now, e)
	}
	for _, p := range s.peers {
		st.Partners = append(st.Partners, p.id)
		if p.isParent() {
			st.Parents = append(st.Parents, Neighbour{p.id, p.parent.classes})
		}
		if p.isChild() {
			st.Children = append(st.Children, Neighbour{p.id, p.child.classes})
		}
	}
	return st
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
