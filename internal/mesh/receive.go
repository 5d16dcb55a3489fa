// SPDX-License-Identifier: MIT

package mesh

import (
	"bytes"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	earlyMax      = 64   // chunks kept until their manifest comes
	farAhead      = 4096 // a manifest that is further ahead than this starts afresh
	junkMax       = 512  // useless chunks and manifests from one peer in junkSpan
	junkSpan      = 10 * time.Second
	manifestGrace = 30 * time.Millisecond // before a manifest that should have come first is asked for
)

// An earlyChunk came before its manifest and is not believed yet.
type earlyChunk struct {
	from     PeerID
	epochLow uint8
	seq      uint32
	data     []byte
}

// HandleMessage handles one station message of a peer: typ and what follows it. It returns what follows the message. An
// error says that the rest of the packet cannot be read.
func (s *Station) HandleMessage(now mono.Time, from PeerID, typ uint8, body []byte, out *Output) ([]byte, error) {
	p := s.byID[from]
	if p != nil {
		p.heardAt, p.probeAt = now, 0
	}
	switch typ {
	case wire.TypeChunk:
		m, err := wire.ParseChunk(body)
		if err == nil && p != nil {
			s.handleChunk(now, p, m, out)
		}
		return nil, err
	case wire.TypeManifest:
		return s.handleManifestMessage(now, p, body, out)
	case wire.TypeHave:
		m, rest, err := wire.ParseHave(body)
		if err == nil && p != nil {
			s.handleHave(now, p, m, out)
		}
		return rest, err
	case wire.TypeNack:
		rest, err := wire.ParseNack(body, &s.nack)
		if err == nil && p != nil {
			s.handleNack(now, p, &s.nack, out)
		}
		return rest, err
	case wire.TypePath:
		rest, err := wire.ParsePath(body, &s.pathIn)
		if err == nil && p != nil {
			s.handlePath(now, p, &s.pathIn, out)
		}
		return rest, err
	case wire.TypeWant:
		m, rest, err := wire.ParseWant(body)
		if err == nil && p != nil {
			s.handleWant(now, p, m, out)
		}
		return rest, err
	case wire.TypeGrant:
		var buf [wire.CandidatesMax]wire.Candidate
		m, rest, err := wire.ParseGrant(body, buf[:0])
		if err == nil && p != nil {
			s.handleGrant(now, p, m, out)
		}
		return rest, err
	case wire.TypeMove:
		var buf [wire.CandidatesMax]wire.Candidate
		m, rest, err := wire.ParseMove(body, buf[:0])
		if err == nil && p != nil {
			s.handleMove(now, p, m, out)
		}
		return rest, err
	case wire.TypePeers:
		var buf [wire.CandidatesMax]wire.Candidate
		m, rest, err := wire.ParsePeers(body, buf[:0])
		if err == nil && p != nil {
			s.handlePeers(now, p, m, out)
		}
		return rest, err
	}
	return nil, wire.ErrMalformed
}

func (s *Station) handleManifestMessage(now mono.Time, p *peer, body []byte, out *Output) ([]byte, error) {
	if len(body) < 1 {
		return nil, wire.ErrTruncated
	}
	body = body[1:] // the channel brought it here
	var m wire.Manifest
	size, rest, err := wire.ParseManifest(body, &m)
	if err == nil && p != nil {
		s.handleManifest(now, p, &m, body[:size], out)
	}
	return rest, err
}

// handleManifest takes a manifest from a peer: verified before anything is done with it.
func (s *Station) handleManifest(now mono.Time, p *peer, m *wire.Manifest, raw []byte, out *Output) {
	if s.cfg.Role == Source {
		s.junk(now, p, out)
		return
	}
	e := s.epochFor(m.Epoch)
	if e != nil && e.knows(m, raw) {
		if p != s.manifests { // its parent may repeat itself, but not advance by that
			s.junk(now, p, out)
		}
		return
	}
	verified := s.verify(m, raw)
	if verified == nil {
		s.counts.Forged++
		out.Hostile = append(out.Hostile, p.id)
		return
	}
	if e == nil {
		if e = s.openEpoch(now, m); e == nil {
			s.counts.Stale++
			s.junk(now, p, out)
			return
		}
	}
	if p == s.manifests {
		p.owedManifests = 0
	}
	s.accept(now, e, verified, p, out)
}

// verify returns a manifest to keep, or nil when the station did not sign it.
func (s *Station) verify(m *wire.Manifest, raw []byte) *manifest {
	if kept := s.cfg.Shelf.manifest(s.cfg.Station, m, raw); kept != nil {
		return kept
	}
	var ok bool
	if ok, s.scratch = wire.VerifyManifest(s.cfg.Station, raw, s.scratch); !ok {
		return nil
	}
	kept := &manifest{Manifest: *m, raw: bytes.Clone(raw)}
	s.cfg.Shelf.putManifest(s.cfg.Station, kept)
	return kept
}

// knows reports whether this very manifest has been taken before.
func (e *epoch) knows(m *wire.Manifest, raw []byte) bool {
	if m.End {
		return e.end != nil && bytes.Equal(e.end.raw, raw)
	}
	if sl := e.find(m.First); sl != nil && bytes.Equal(sl.m.raw, raw) {
		return true
	}
	return e.placed && m.First+uint32(m.N) <= e.base && m.First >= uint32(len(e.head)) && m.First > e.eventSeq
}

// epochFor returns the epoch with this number, or nil.
func (s *Station) epochFor(num uint32) *epoch {
	for _, e := range s.epochs {
		if e.num == num {
			return e
		}
	}
	return nil
}

// openEpoch makes the epoch of a verified manifest when it is newer than all that are known, or known to come before the
// newest; otherwise it returns nil.
func (s *Station) openEpoch(now mono.Time, m *wire.Manifest) *epoch {
	newest := s.newest()
	if newest != nil && m.Epoch < newest.num {
		return nil // replayed: older epochs that this node needs are open already
	}
	e := s.newEpoch(m.Epoch)
	e.opened = now
	s.epochs = append(s.epochs, e)
	if len(s.epochs) > epochsMax {
		s.epochs = slices.Delete(s.epochs, 0, 1)
		s.play.at = max(0, s.play.at-1)
	}
	return e
}

// accept takes a verified manifest into its epoch, forwards it, and looks at what it makes known.
func (s *Station) accept(now mono.Time, e *epoch, m *manifest, from *peer, out *Output) {
	if m.End {
		s.acceptEnd(now, e, m, from, out)
		return
	}
	s.settleStart(e, m)
	if e.placed && m.First > e.next+farAhead {
		e.dropTo(m.First)
	}
	if end := m.First + uint32(m.N); e.placed && end > e.next && end > e.base {
		e.extend(end)
	}
	advanced := e.newest == nil || m.First > e.newest.First
	if advanced {
		e.newest = m
		e.rateKBPS = m.RateKBPS
		s.timers.progress = now
	}
	if m.Previous {
		e.prev, e.prevEnd = m.PrevEpoch, m.PrevEnd
		if pe := s.epochFor(e.prev); pe != nil && pe.placed && e.prevEnd > pe.next && e.prevEnd-pe.next <= farAhead {
			pe.extend(e.prevEnd)
		}
	}
	if !e.name(m) {
		return
	}
	s.pushManifest(e, m, from, out)
	s.expectChunks(now, e, m)
	s.takeEarly(now, e, m, out)
	s.scheduleManifests(now)
	if s.cfg.Role == Source {
		return // seal fills in the chunks and goes on
	}
	if advanced {
		if !s.play.known {
			s.timers.have, s.timers.haveOthers = now, now // all learn at once that this node can feed others
		}
		s.play.learn(now, m)
		s.trim()
	}
	s.deliver(now, out)
}

// settleStart settles where an epoch begins for this node. A newcomer begins where its parent says that the backlog
// begins, so that it waits neither for what nobody sends nor, when manifests of headers come first, at the wrong end.
func (s *Station) settleStart(e *epoch, m *manifest) {
	const near = windowSlotsMax / 8
	begins := m.Media <= backlogSpan
	hinted := e.num == s.play.hintEpoch && s.play.hintFrom <= m.First && m.First-s.play.hintFrom < near
	switch {
	case e.placed:
	case hinted:
		e.start(s.play.hintFrom)
	case len(s.epochs) > 1 && begins && m.First <= near:
		e.start(0) // this node has been there from the beginning
	case len(s.epochs) > 1:
		e.start(m.First)
	}
}

func (s *Station) acceptEnd(now mono.Time, e *epoch, m *manifest, from *peer, out *Output) {
	if e.end != nil {
		return
	}
	e.end = m
	if e.placed && m.First > e.next && m.First-e.next <= farAhead {
		e.extend(m.First)
		s.scheduleManifests(now)
	}
	if !e.placed {
		e.start(m.First)
	}
	s.pushManifest(e, m, from, out)
	s.deliver(now, out)
}

// handleChunk takes a chunk from a peer: verified before it is stored, delivered or forwarded.
func (s *Station) handleChunk(now mono.Time, p *peer, m wire.Chunk, out *Output) {
	if s.cfg.Role == Source {
		s.junk(now, p, out)
		return
	}
	e, ambiguous := s.epochByLow(m.EpochLow)
	var sl *slot
	if e != nil {
		sl = e.find(m.Seq)
	}
	if sl == nil {
		if e != nil && e.placed && m.Seq < e.base && !ambiguous {
			s.counts.Duplicate++
			s.junk(now, p, out)
			return
		}
		s.keepEarly(now, p, m)
		return
	}
	s.pushed(now, p, e, sl.m, m.Seq, out)
	if sl.data != nil {
		s.counts.Duplicate++
		s.junk(now, p, out)
		return
	}
	data := s.cfg.Shelf.verified(m.Data, sl.m.Hashes[m.Seq-sl.m.First])
	if data == nil {
		s.counts.Polluted++
		if !ambiguous {
			out.Hostile = append(out.Hostile, p.id)
		}
		return
	}
	p.unanswered = 0
	s.store(now, e, m.Seq, data, p, out)
}

// store takes a verified chunk: to the subscribers, to those who asked for it, to the application.
func (s *Station) store(now mono.Time, e *epoch, seq uint32, data *[]byte, from *peer, out *Output) {
	s.counts.Received++
	s.counts.PayloadIn += uint64(len(*data))
	if s.forgetMiss(e, seq) {
		s.counts.Repaired++
	}
	e.fill(seq, data)
	s.pushChunk(now, e, seq, *data, from, out)
	s.deliver(now, out)
}

// keepEarly keeps a chunk whose manifest is not there yet.
func (s *Station) keepEarly(now mono.Time, p *peer, m wire.Chunk) {
	for i := range s.early {
		if c := &s.early[i]; c.seq == m.Seq && c.epochLow == m.EpochLow && c.from == p.id {
			return
		}
	}
	if len(s.early) == earlyMax {
		s.counts.EarlyDropped++
		s.early = slices.Delete(s.early, 0, 1)
	}
	s.early = append(s.early, earlyChunk{p.id, m.EpochLow, m.Seq, bytes.Clone(m.Data)})
	if s.manifests != nil && s.manifests.owedManifests == 0 {
		s.manifests.owedManifests = now
	}
	s.timers.manifests = mono.Min(s.timers.manifests, now.Add(manifestGrace))
}

// takeEarly verifies the early chunks that m names.
func (s *Station) takeEarly(now mono.Time, e *epoch, m *manifest, out *Output) {
	for i := 0; i < len(s.early); {
		c := s.early[i]
		if c.epochLow != uint8(e.num) || c.seq < m.First || c.seq >= m.First+uint32(m.N) || e.find(c.seq) == nil {
			i++
			continue
		}
		s.early = slices.Delete(s.early, i, i+1)
		if p := s.byID[c.from]; p != nil {
			s.handleChunk(now, p, wire.Chunk{EpochLow: c.epochLow, Seq: c.seq, Data: c.data}, out)
		}
	}
}

// junk counts what a peer sent without use; a peer that sends little else is hostile or broken.
func (s *Station) junk(now mono.Time, p *peer, out *Output) {
	if now.Sub(p.junkSince) > junkSpan {
		p.junkSince, p.junkCount = now, 0
	}
	if p.junkCount++; p.junkCount == junkMax {
		out.Hostile = append(out.Hostile, p.id)
	}
}

// trim lets go of what is older than the window.
func (s *Station) trim() {
	newest := s.newest()
	for i, e := range s.epochs {
		keep := e.next
		if s.cfg.Role != Relay && s.cfg.Role != Source {
			if i == s.play.at {
				keep = s.play.next
			} else if i > s.play.at {
				keep = e.base
			}
		}
		e.trim(keep)
	}
	for len(s.epochs) > 1 && (s.play.at > 0 || s.cfg.Role != Listener) && newest.newest != nil {
		old := s.epochs[0].newest
		if old != nil && newest.newest.Wall-old.Wall < windowSpan.Milliseconds() {
			return
		}
		s.epochs = slices.Delete(s.epochs, 0, 1)
		s.play.at = max(0, s.play.at-1)
	}
}
