// SPDX-License-Identifier: MIT

package gossip

import (
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Two kinds of slice. One holds the stations that a hash chooses; it finds everything in the end. The other holds the newest
// records, whatever their station: its modulus is modulusRecent, and its salt is the least sequence number. Since nearly
// all that is new is new to most, asking for the newest spreads it as fast as a rumour at the cost of one transfer each.
const (
	modulusRecent = 0xffff
	modulusMax    = 4096
)

// moreFlag in Answer.Stations says that there are more records in the slice that the asker lacks. StationsMax is below it.
const moreFlag = 0x8000

// inSlice reports whether a station's record is in a slice.
func inSlice(s *wire.Slice, st *station, latest uint32) bool {
	if s.Modulus == modulusRecent {
		return st.seq >= s.Salt && st.seq <= latest
	}
	return s.Has(st.tag)
}

// latest is the highest sequence number that counts among the newest: records from the future would stay there for ever.
func (g *Gossip) latest(now mono.Time) uint32 { return uint32(max(0, g.unix(now)+skewSeconds)) }

// sliceRecent sets the slice of the newest records, as many as most prints allow.
func (g *Gossip) sliceRecent(now mono.Time, s *wire.Slice, most int) {
	latest := g.latest(now)
	top := g.cfg.Scratch.seqs[:0] // the most+1 highest sequence numbers, the highest first
	for i := range g.stations {
		seq := g.stations[i].seq
		if seq > latest || len(top) > most && seq <= top[most] {
			continue
		}
		if len(top) <= most {
			top = append(top, 0)
		}
		at := len(top) - 1
		for at > 0 && top[at-1] < seq {
			top[at] = top[at-1]
			at--
		}
		top[at] = seq
	}
	s.Modulus, s.Index, s.Salt = modulusRecent, 0, uint32(max(1, int64(latest)-skewSeconds-onlineSeconds))
	if len(top) > most {
		// Above the first that does not fit, or all of one second would be missing.
		s.Salt = max(s.Salt, top[most]+1)
	}
	g.print(now, s, most)
}

// A walk goes through all slices of one size in order, so that none is left out.
type walk struct {
	salt    uint32
	modulus uint16
	index   uint16
}

// sliceOfAll sets the next slice in which about most records are known.
func (g *Gossip) sliceOfAll(now mono.Time, s *wire.Slice, most int) {
	s.Modulus = g.slicesOfAll(most)
	w := &g.walk
	if w.index++; w.modulus != s.Modulus || w.index >= w.modulus {
		w.modulus, w.index, w.salt = s.Modulus, 0, g.cfg.Rand.Uint32()
	}
	s.Index, s.Salt = w.index, w.salt
	g.print(now, s, most)
}

// slicesOfAll is how many slices all known stations make, if most is what a slice should hold at the most.
func (g *Gossip) slicesOfAll(most int) uint16 {
	each := max(1, most*3/4)
	return uint16(min(modulusMax, max(1, (len(g.stations)+each-1)/each)))
}

// print lists what this node has in the slice. When there is more than fits, the rest will come again: rare, and harmless.
func (g *Gossip) print(now mono.Time, s *wire.Slice, most int) {
	latest := g.latest(now)
	for i := range g.stations {
		if st := &g.stations[i]; inSlice(s, st, latest) {
			if len(s.Prints) >= most {
				return
			}
			s.Prints = append(s.Prints, s.PrintOf(st.tag, st.seq))
		}
	}
}

// missing appends to an answer the records of the slice that are not among its prints, as many as fit into room bytes,
// beginning anywhere, and reports whether there are more.
func (g *Gossip) missing(now mono.Time, s *wire.Slice, a *wire.Answer, room int) (left int, more bool) {
	n := len(g.stations)
	if s.Modulus == 0 || n == 0 {
		return room, false
	}
	latest := g.latest(now)
	start := g.cfg.Rand.IntN(n)
	for k := range n {
		i := start + k
		if i >= n {
			i -= n
		}
		st := &g.stations[i]
		if !inSlice(s, st, latest) || hasPrint(s.Prints, s.PrintOf(st.tag, st.seq)) || hasRecord(a, st.rec) {
			continue
		}
		if size := wire.RecordLen(st.rec.Raw); size <= room && len(a.Records) < wire.AnswerRecordsMax {
			a.Records = append(a.Records, st.rec.Raw)
			room -= size
		} else {
			more = true
			if room < leastRecordBytes {
				break
			}
		}
	}
	return room, more
}

// leastRecordBytes is less than any record takes.
const leastRecordBytes = 100

func hasPrint(prints []uint32, p uint32) bool {
	for _, q := range prints {
		if p == q {
			return true
		}
	}
	return false
}

// hasRecord reports whether the very record is in the answer.
func hasRecord(a *wire.Answer, rec *Record) bool {
	for _, raw := range a.Records {
		if len(raw) > 0 && &raw[0] == &rec.Raw[0] {
			return true
		}
	}
	return false
}
