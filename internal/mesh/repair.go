// SPDX-License-Identifier: MIT

package mesh

import (
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	missesMax      = 2048
	lateness       = 30 * time.Millisecond  // after a later chunk by the same way, before the first NACK
	tailLateness   = 250 * time.Millisecond // least, after the expected arrival, while nothing later has come
	hopLateness    = 30 * time.Millisecond  // and the RTT of the parent, and 4 deviations, more for each hop from the source
	hopLatenessMax = 250 * time.Millisecond
	hopsPatient    = 6
	repairTime     = 1500 * time.Millisecond // before the play deadline no patience counts
	unknownLate    = 300 * time.Millisecond  // the same while the parent's rhythm is not known
	latenessMax    = time.Second             // after the manifest, whatever the rhythm: repair needs its time, too
	newParentGrace = 300 * time.Millisecond  // more, while a parent has pushed nothing yet
	retryMin       = 100 * time.Millisecond
	triesMax       = 8       // then once a second until the deadline
	unansweredMax  = 8       // NACKs, then a peer is asked last
	repairPercent  = 15      // of the stream's rate, for one peer
	repairBurst    = 1 << 16 // bytes, for one peer
	manifestsRetry = 80 * time.Millisecond
)

// RepairWait is how long the answer to a NACK waits for upload at most.
const RepairWait = 400 * time.Millisecond

// A miss is a chunk that a manifest names and that is not there.
type miss struct {
	epoch *epoch
	seq   uint32
	due   mono.Time // when it comes if it is not lost
	at    mono.Time // next NACK
	asked PeerID    // the last one asked
	since mono.Time // when it was asked
	tries uint8
}

// expectChunks notes what m names and is not there, each with the time when its absence will mean a loss.
func (s *Station) expectChunks(now mono.Time, e *epoch, m *manifest) {
	if s.cfg.Role == Source {
		return
	}
	for i := range m.N {
		seq := m.First + uint32(i)
		sl := e.find(seq)
		if sl == nil || sl.m != m || sl.data != nil || s.missOf(e, seq) >= 0 {
			continue
		}
		due, at := now.Add(m.releaseAfter(i)), now.Add(2*m.offset(i)+unknownLate)
		if p := s.assign[seq%wire.Classes]; p != nil {
			if a := &p.parent.arrivals[seq%wire.PartManifests]; s.place.parts[seq%wire.PartManifests].Hops == wire.HopsUnknown {
				// no way from the source leads here: what comes, comes by NACK
			} else if a.samples > 0 {
				due = mono.Time(m.releaseTime(i) + a.offset)
				at = min(max(due.Add(max(tailLateness, 4*a.deviation)), now), now.Add(latenessMax))
				at = s.patient(now, at, e, seq)
			} else {
				at = at.Add(newParentGrace)
			}
			if p.parent.pending { // its answer is on its way
				rtt, dev := s.host.RoundTrip(p.id)
				at = max(at, p.parent.wantAt.Add(2*rtt+4*dev+unknownLate))
			}
			if p.parent.backlog.brings(now, e, seq) {
				at = max(at, p.parent.backlog.until)
			}
			p.owe(at)
		}
		if seq < e.base || seq < uint32(len(e.head)) {
			at = now.Add(lateness) // nobody pushes the past, unless asked
			if p := s.assign[seq%wire.Classes]; p != nil && now < p.parent.headersUntil {
				at = p.parent.headersUntil
			}
		}
		if len(s.misses) < missesMax {
			s.misses = append(s.misses, miss{epoch: e, seq: seq, due: due, at: at})
		}
	}
}

func (s *Station) missOf(e *epoch, seq uint32) int {
	for i := range s.misses {
		if s.misses[i].seq == seq && s.misses[i].epoch == e {
			return i
		}
	}
	return -1
}

// forgetMiss ends a miss; it reports whether the chunk had been asked for.
func (s *Station) forgetMiss(e *epoch, seq uint32) bool {
	i := s.missOf(e, seq)
	if i < 0 {
		return false
	}
	asked := s.misses[i].tries > 0
	s.misses = slices.Delete(s.misses, i, i+1)
	return asked
}

// sawLater tells the misses before seq that p has sent something later of the same quarter: they are lost, not late.
func (s *Station) sawLater(now mono.Time, p *peer, e *epoch, seq uint32) {
	for i := range s.misses {
		ms := &s.misses[i]
		if p.parent.backlog.brings(now, e, ms.seq) && !p.parent.backlog.brings(now, e, seq) {
			continue // what is live overtakes what is past
		}
		if ms.epoch == e && ms.seq < seq && (seq-ms.seq)%wire.PartManifests == 0 && ms.tries == 0 && s.assign[ms.seq%wire.Classes] == p {
			ms.at = min(ms.at, s.patient(now, now.Add(lateness), e, ms.seq))
		}
	}
}

// patient moves a time of asking: a node waits the longer the further it is from the source, since what its ancestors have
// lost too they get first, and then push. As long as there is time for repair.
func (s *Station) patient(now, at mono.Time, e *epoch, seq uint32) mono.Time {
	p := s.assign[seq%wire.Classes]
	if p == nil || !s.play.begun || now.Sub(s.play.begunAt) < backlogSpan {
		return at // a backlog comes in order: its holes are losses, and its time is short
	}
	rtt, dev := s.host.RoundTrip(p.id)
	hops := s.place.parts[seq%wire.PartManifests].Hops
	later := at.Add(min(rtt+4*dev+hopLateness, hopLatenessMax) * time.Duration(min(hops, hopsPatient)))
	return max(at, min(later, s.deadline(e, seq).Add(-repairTime)))
}

// suspect has what a silent parent owes asked for from others; it may be that its own parents have lost it.
func (s *Station) suspect(now mono.Time, p *peer) {
	for i := range s.misses {
		if ms := &s.misses[i]; s.assign[ms.seq%wire.Classes] == p || ms.asked == p.id {
			ms.at = min(ms.at, max(now, s.patient(now, ms.due.Add(lateness), ms.epoch, ms.seq)))
		}
	}
}

// expedite has what p owes asked for from others, as soon as it is due.
func (s *Station) expedite(now mono.Time, p *peer) {
	for i := range s.misses {
		if ms := &s.misses[i]; s.assign[ms.seq%wire.Classes] == p || ms.asked == p.id {
			ms.at = min(ms.at, max(now, ms.due.Add(lateness)))
		}
	}
}

// hasten has a chunk asked for at once that a child asks for: it has waited longer than this node.
func (s *Station) hasten(now mono.Time, e *epoch, seq uint32) {
	if i := s.missOf(e, seq); i >= 0 && s.misses[i].tries == 0 {
		s.misses[i].at = min(s.misses[i].at, max(now, s.misses[i].due.Add(lateness)))
	}
}

// repairDue sends the NACKs that are due, one message for each peer asked.
func (s *Station) repairDue(now mono.Time, out *Output) {
	s.dropStaleMisses()
	indebted := s.host.Indebted(now)
	for i := range s.misses {
		ms := &s.misses[i]
		if ms.at > now {
			continue
		}
		if indebted {
			ms.at = now.Add(cursorPause)
			continue
		}
		if asked := s.byID[ms.asked]; asked != nil && ms.tries > 0 {
			asked.unanswered++
		}
		p := s.repairer(now, ms)
		if p == nil {
			ms.at = now.Add(200 * time.Millisecond)
			continue
		}
		rtt, dev := s.host.RoundTrip(p.id)
		retry := max(retryMin, rtt+rtt/2+4*dev+lateness)
		retry += retry * time.Duration(ms.tries) / 2
		if ms.tries == 0 && p == s.assign[ms.seq%wire.Classes] && s.place.parts[ms.seq%wire.PartManifests].Hops > 1 {
			// It may have to ask for it itself.
			retry = min(retry+rtt+2*lateness, max(retry, s.deadline(ms.epoch, ms.seq).Sub(now)-repairTime))
		}
		if ms.tries++; ms.tries > triesMax {
			retry = time.Second
		}
		ms.asked, ms.since, ms.at = p.id, now, now.Add(retry)
		p.nack(ms.epoch, ms.seq)
	}
	if now >= s.timers.manifests {
		s.repairManifests(now)
	}
	for _, p := range s.peers {
		if p.nacks.NRanges > 0 || p.nacks.NManifest > 0 {
			p.nacks.Channel = s.cfg.Channel
			out.control(p.id, p.nacks.Append)
			p.nacks = wire.Nack{}
			s.counts.NacksSent++
		}
	}
}

// dropStaleMisses forgets what nobody needs any more: delivered as a gap, or out of the window.
func (s *Station) dropStaleMisses() {
	s.misses = slices.DeleteFunc(s.misses, func(ms miss) bool {
		sl := ms.epoch.find(ms.seq)
		if sl == nil || sl.data != nil || s.epochFor(ms.epoch.num) != ms.epoch {
			return true
		}
		if ms.seq < uint32(len(ms.epoch.head)) || ms.seq == ms.epoch.eventSeq {
			return false
		}
		return s.play.open && s.play.at < len(s.epochs) && s.epochs[s.play.at] == ms.epoch && ms.seq < s.play.next
	})
}

// repairer chooses whom to ask: the parent of the class first, then any other peer that has the chunk, never the same one
// twice in a row if there is another.
func (s *Station) repairer(now mono.Time, ms *miss) *peer {
	class := ms.seq % wire.Classes
	if p := s.assign[class]; p != nil && ms.tries == 0 && p.probeAt == 0 {
		return p
	}
	var best *peer
	n, bestRank := 0, 0
	for _, p := range s.peers {
		rank := p.mayHave(now, ms.epoch, ms.seq, s.assign[class] == p)
		if rank == 0 {
			continue
		}
		if p.id == ms.asked || p.probeAt != 0 || p.unanswered > unansweredMax {
			rank = 1
		}
		switch {
		case rank > bestRank:
			best, bestRank, n = p, rank, 1
		case rank == bestRank:
			if n++; s.rand.IntN(n) == 0 {
				best = p
			}
		}
	}
	return best
}

// mayHave ranks a peer as a repairer of a chunk: 0 no, 2 perhaps, 3 probably, 4 its map says so.
func (p *peer) mayHave(now mono.Time, e *epoch, seq uint32, parent bool) int {
	if !p.open || p.have.Leaf || p.gone || now.Sub(p.heardAt) > partnerSilence {
		return 0
	}
	if p.source {
		return 4
	}
	if p.have.Epoch == e.num {
		if seq < p.have.Complete {
			return 4
		}
		if bit := seq - p.have.Complete; bit/8 < uint32(p.mapLen) {
			if p.mapBits[bit/8]&(1<<(bit%8)) != 0 {
				return 4
			}
		}
	}
	if parent || p.parent.classes != 0 {
		return 3
	}
	if p.have.Epoch == 0 || p.child.classes != 0 && p.have.Epoch < e.num {
		return 0
	}
	return 2
}
