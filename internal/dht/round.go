// SPDX-License-Identifier: MIT

package dht

import (
	"context"
	"net/netip"
	"time"

	mainline "github.com/anacrolix/dht/v2"
)

// A Round says how a Find or an Announce went.
type Round struct {
	Asked    int // members
	Answered int // of those
	Found    int // different addresses
	Stored   int // members that took the announcement: at most 8
}

// Find asks the members nearest to key for addresses and calls found, on the caller's goroutine, with each new one, at most
// FoundMax. It returns when all were asked, which takes seconds, or when ctx ends.
func (d *DHT) Find(ctx context.Context, key Key, found func(netip.AddrPort)) (Round, error) {
	return d.round(ctx, question{key: key, found: found})
}

// Announce is Find, and then stores this host's address, as the members see it, with port under key. Members forget it
// after AnnounceEvery or later. found may be nil. It succeeds when Round.Stored is not 0.
func (d *DHT) Announce(ctx context.Context, key Key, port uint16, found func(netip.AddrPort)) (Round, error) {
	return d.round(ctx, question{key: key, port: port, found: found})
}

// A question is what a round asks.
type question struct {
	key   Key
	port  uint16 // 0: announce nothing
	found func(netip.AddrPort)
}

// round asks once, and a second time from new addresses when nobody answers any more.
func (d *DHT) round(ctx context.Context, q question) (Round, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return Round{}, ErrClosed
	}
	d.rounds.Add(1)
	d.mu.Unlock()
	defer d.rounds.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-d.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	if q.port != 0 {
		if !enter(ctx, d.announcing) {
			return Round{}, d.why(ctx)
		}
		defer func() { <-d.announcing }()
	}
	if !enter(ctx, d.slots) {
		return Round{}, d.why(ctx)
	}
	defer func() { <-d.slots }()
	for {
		m, made, err := d.current(ctx)
		if err != nil {
			return Round{}, err
		}
		r, err := m.ask(ctx, q)
		switch {
		case ctx.Err() != nil:
			return r, d.why(ctx)
		case err == nil && r.Answered > 0:
			d.cfg.Log.Debug("asked the DHT", "asked", r.Asked, "answered", r.Answered, "found", r.Found, "stored", r.Stored)
			return r, nil
		}
		d.silence(m)
		if made {
			return r, ErrSilent
		}
	}
}

// enter waits for a place, and says whether ctx lasted so long.
func enter(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// why says why a round's context ended.
func (d *DHT) why(ctx context.Context) error {
	select {
	case <-d.done:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// ask runs one traversal of the library and waits for its end.
func (m *member) ask(ctx context.Context, q question) (Round, error) {
	var options []mainline.AnnounceOpt
	var before int64
	if q.port != 0 {
		options = append(options, mainline.AnnouncePeer(mainline.AnnouncePeerOpts{Port: int(q.port)}))
		before = m.server.Stats().SuccessfulOutboundAnnouncePeerQueries
	}
	op, err := m.server.AnnounceTraversal(q.key, options...)
	if err != nil {
		return Round{}, err // round takes it for silence
	}
	silent := time.NewTimer(silentTime)
	defer silent.Stop()
	enough := time.NewTimer(searchTime)
	defer enough.Stop()
	reported := map[netip.AddrPort]bool{}
	for done := ctx.Done(); ; {
		select {
		case answer, more := <-op.Peers:
			if !more { // traversal and announcement are over
				stats := op.TraversalStats()
				r := Round{Asked: int(stats.NumAddrsTried), Answered: int(stats.NumResponses), Found: len(reported)}
				if q.port != 0 {
					r.Stored = int(m.server.Stats().SuccessfulOutboundAnnouncePeerQueries - before)
				}
				return r, nil
			}
			silent.Stop()
			m.report(answer.Peers, reported, q.found)
			if len(reported) == FoundMax && q.port == 0 {
				op.StopTraversing()
			}
		case <-silent.C:
			op.Close()
		case <-enough.C:
			op.StopTraversing()
		case <-done:
			op.Close()
			done = nil
		}
	}
}

// report tells found of the addresses that are new and can be believed.
func (m *member) report(peers []mainline.Peer, reported map[netip.AddrPort]bool, found func(netip.AddrPort)) {
	for _, p := range peers {
		a := addrPort(p)
		if len(reported) == FoundMax || reported[a] || !m.door.believes(a) {
			continue
		}
		reported[a] = true
		if found != nil {
			found(a)
		}
	}
}
