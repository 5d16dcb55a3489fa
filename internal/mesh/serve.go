// SPDX-License-Identifier: MIT

package mesh

import (
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// handleNack answers with what is there, within the peer's share of repair.
func (s *Station) handleNack(now mono.Time, p *peer, m *wire.Nack, out *Output) {
	e, _ := s.epochByLow(m.EpochLow)
	if e == nil || !s.host.Gives() {
		s.counts.NacksRefused++
		return
	}
	for _, r := range m.Ranges[:m.NRanges] {
		s.serve(now, p, e, r.Seq, out)
		for i := range uint32(32) {
			if r.Also&(1<<i) != 0 {
				s.serve(now, p, e, r.Seq+1+i, out)
			}
		}
	}
	for _, seq := range m.Manifests[:m.NManifest] {
		if sl := e.find(seq); sl != nil {
			s.serveManifest(now, p, e, sl.m, out)
		} else if e.end != nil && seq >= e.next {
			s.serveManifest(now, p, e, e.end, out)
		}
	}
}

func (s *Station) serve(now mono.Time, p *peer, e *epoch, seq uint32, out *Output) {
	sl := e.find(seq)
	if sl == nil || sl.data == nil {
		s.hasten(now, e, seq)
		return // the asker tries somebody else
	}
	if s.justPushed(now, p, e, seq) {
		return // it is on its way
	}
	if c := &p.child; c.mask&(1<<(seq%wire.Classes)) != 0 && c.covers(e, seq) {
		return // its backlog comes to it
	}
	if !p.spendRepair(now, len(*sl.data), s.rateBPS()) {
		s.counts.NacksRefused++
		return
	}
	s.counts.NacksServed++
	out.send(Send{Priority: Repair, Epoch: e.num, Seq: seq, Data: *sl.data})
	out.addPeer(p.id)
}

func (s *Station) serveManifest(now mono.Time, p *peer, e *epoch, m *manifest, out *Output) {
	if !p.spendRepair(now, len(m.raw), s.rateBPS()) {
		s.counts.NacksRefused++
		return
	}
	out.send(Send{Priority: Repair, Manifest: true, Epoch: e.num, Seq: m.First, Data: m.raw})
	out.addPeer(p.id)
}

// spendRepair takes n bytes from the peer's share of repair.
func (p *peer) spendRepair(now mono.Time, n int, rateBPS int64) bool {
	earned := int64(now.Sub(p.repairAt)) / int64(time.Microsecond) * (rateBPS * repairPercent / 100 / 8) / 1_000_000
	if earned > 0 {
		p.repairLeft = min(repairBurst, p.repairLeft+earned)
		p.repairAt = now
	}
	if p.repairLeft < int64(n) {
		return false
	}
	p.repairLeft -= int64(n)
	return true
}
