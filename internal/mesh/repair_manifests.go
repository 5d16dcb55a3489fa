// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// scheduleManifests sets the time of the next NACK for manifests.
func (s *Station) scheduleManifests(now mono.Time) {
	if s.lacksManifests(now) {
		s.timers.manifests = mono.Min(s.timers.manifests, now.Add(manifestGrace))
		return
	}
	s.timers.manifests, s.timers.manTries = mono.Never, 0
	if s.manifests != nil && now < s.manifests.parent.backlog.until {
		s.timers.manifests = s.manifests.parent.backlog.until
	}
}

func (s *Station) lacksManifests(now mono.Time) bool {
	if len(s.early) > 0 {
		return true
	}
	for _, e := range s.epochs {
		if e.unknown > 0 && s.lacksNamed(now, e) || e.lacksBeside() {
			return true
		}
	}
	return false
}

// lacksNamed reports whether chunks of e have no manifest, other than those whose manifests the backlog brings.
func (s *Station) lacksNamed(now mono.Time, e *epoch) bool {
	if s.manifests == nil || !s.manifests.parent.backlog.brings(now, e, e.base) {
		return true
	}
	for seq := s.manifests.parent.backlog.end; seq < e.next; seq++ {
		if sl := e.at(seq); sl != nil && sl.m == nil {
			return true
		}
	}
	return false
}

// lacksBeside reports whether a manifest of a header chunk or of the event in force is missing.
func (e *epoch) lacksBeside() bool {
	for i := range e.head {
		if e.head[i].m == nil {
			return true
		}
	}
	return e.eventSeq != wire.NoEvent && e.event.m == nil
}

// repairManifests asks for the manifests that are missing, each time another peer.
func (s *Station) repairManifests(now mono.Time) {
	s.timers.manifests = mono.Never
	if !s.lacksManifests(now) {
		s.scheduleManifests(now)
		return
	}
	s.timers.manTries++
	retry := manifestsRetry
	if p := s.manifestRepairer(); p != nil {
		rtt, dev := s.host.RoundTrip(p.id)
		retry = max(retryMin, rtt+4*dev+lateness/3)
		s.askManifests(now, p)
	}
	if s.timers.manTries > triesMax {
		retry = time.Second
		s.early = s.early[:0]
	}
	s.timers.manifests = now.Add(retry)
}

// playFrontier is the next chunk of e that the application has not got.
func (s *Station) playFrontier(e *epoch) uint32 {
	if s.play.open && s.play.at < len(s.epochs) && s.epochs[s.play.at] == e {
		return s.play.next
	}
	return e.base
}

// manifestRepairer chooses whom to ask: the parent of the manifests first, then in turn a peer that is nearest to the source, where news is,
// and any that may have them.
func (s *Station) manifestRepairer() *peer {
	if s.manifests != nil && s.timers.manTries == 1 {
		return s.manifests
	}
	nearest := s.timers.manTries%2 == 0
	var best *peer
	n, hops := 0, uint8(wire.HopsUnknown)
	for _, p := range s.peers {
		if !p.open || p.gone || p.have.Leaf || p.have.Epoch == 0 && p.parent.classes == 0 && !p.source {
			continue
		}
		h := p.have.Nearest()
		if p.source {
			h = 0
		}
		switch {
		case nearest && h > hops:
			continue
		case nearest && h < hops:
			hops, n = h, 0
		}
		if n++; s.rand.IntN(n) == 0 {
			best = p
		}
	}
	return best
}

// askManifests collects what is missing into one NACK. Every eighth number is enough: a manifest names at most eight.
func (s *Station) askManifests(now mono.Time, p *peer) {
	for i := len(s.epochs) - 1; i >= 0; i-- {
		e := s.epochs[i]
		for j := range e.head {
			if e.head[j].m == nil {
				p.nackManifest(e.num, uint32(j))
				break
			}
		}
		if e.eventSeq != wire.NoEvent && e.event.m == nil {
			p.nackManifest(e.num, e.eventSeq)
		}
		if e.unknown == 0 {
			continue
		}
		seq := s.playFrontier(e)
		if s.manifests != nil && s.manifests.parent.backlog.brings(now, e, seq) {
			seq = s.manifests.parent.backlog.end
		}
		for ; seq < e.next; seq++ {
			if sl := e.at(seq); sl != nil && sl.m == nil {
				p.nackManifest(e.num, seq)
				seq += wire.ManifestChunksMax - 1
			}
		}
	}
	for i := range s.early {
		p.nackManifest(uint32(s.early[i].epochLow), s.early[i].seq)
	}
}
