// SPDX-License-Identifier: MIT

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/playback"
)

const (
	tuneGrace    = 10 * time.Second // a station that nobody listens to any more is kept so long
	sweepEvery   = time.Second
	searchAfter  = 10 * time.Second // nothing heard for so long: ask the hints again
	searchEvery  = 30 * time.Second
	hintsMax     = 64 // HOST:PORT kept for one station
	tunePeersMax = 32 // addresses in one TuneCommand
)

// A tuned is one station that this node carries.
type tuned struct {
	id      identity.StationID
	name    string // as whoever tuned in called it
	channel *playback.Channel
	own     bool      // this node is its source
	pinned  node.Role // listen or relay for as long as the daemon runs; 0 neither
	role    node.Role // as the node was told
	readers int       // players and pages
	idle    time.Time // since when there are none, or one was announced; zero: never any
	hints   []string  // HOST:PORT
	heard   time.Time // of the last notice, or of tuning in
	alive   bool      // there has been a notice
	asked   time.Time // when the hints were last resolved; zero: not yet
}

// stations are what the node carries, and who wants it. It is a playback.Tuner.
type stations struct {
	loop *loop
	log  *slog.Logger

	order sync.Mutex // held over a change and its command, so that commands come in the order of changes; never by the loop
	mu    sync.Mutex // guards the fields below; held for a moment only
	byID  map[identity.StationID]*tuned
	shut  bool

	wake chan struct{} // new hints
}

func newStations(l *loop, log *slog.Logger) *stations {
	return &stations{
		loop: l, log: log, byID: make(map[identity.StationID]*tuned), wake: make(chan struct{}, 1),
	}
}

// Tune implements playback.Tuner.
func (s *stations) Tune(ctx context.Context, id identity.StationID) (*playback.Channel, func(), error) {
	st, err := s.join(ctx, identity.Link{Station: id}, func(st *tuned) { st.readers++ })
	if err != nil {
		return nil, nil, err
	}
	var once sync.Once
	return st.channel, func() { once.Do(func() { s.leave(st) }) }, nil
}

// pin keeps a station for as long as the daemon runs, or until unpin.
func (s *stations) pin(ctx context.Context, l identity.Link, role node.Role) error {
	_, err := s.join(ctx, l, func(st *tuned) {
		if st.pinned != node.RoleListener {
			st.pinned = role
		}
	})
	return err
}

// hold keeps a station for a player that is about to come: no longer than the grace time.
func (s *stations) hold(ctx context.Context, l identity.Link) error {
	_, err := s.join(ctx, l, func(st *tuned) {
		if st.readers == 0 {
			st.idle = time.Now()
		}
	})
	return err
}

// unpin takes back what pin did. It reports whether the station was pinned.
func (s *stations) unpin(ctx context.Context, id identity.StationID) (bool, error) {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	st := s.byID[id]
	was := st != nil && st.pinned != 0
	if was {
		st.pinned = 0
		st.idle = time.Time{} // no grace: it was asked for
	}
	s.mu.Unlock()
	if !was {
		return false, nil
	}
	return true, s.settle(ctx, st, time.Now())
}

// addOwn adds the station that this node is the source of. Its Channel is written by the broadcast.
func (s *stations) addOwn(id identity.StationID, name string) *playback.Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &tuned{id: id, name: name, channel: playback.NewChannel(name), own: true, role: node.RoleSource}
	s.byID[id] = st
	return st.channel
}

// join finds or makes a station, lets change say who wants it, and tells the node.
func (s *stations) join(ctx context.Context, l identity.Link, change func(*tuned)) (*tuned, error) {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return nil, ErrStopped
	}
	st := s.byID[l.Station]
	if st == nil {
		if len(s.byID) >= StationsMax {
			s.mu.Unlock()
			return nil, fmt.Errorf("this node carries %d stations already: leave one first", StationsMax)
		}
		st = &tuned{id: l.Station, name: l.Name, channel: playback.NewChannel(l.Name), heard: time.Now()}
		s.byID[l.Station] = st
	}
	st.name = cmp.Or(st.name, l.Name)
	news := st.asked.IsZero()
	for _, h := range l.Peers {
		if len(st.hints) < hintsMax && !slices.Contains(st.hints, h) {
			st.hints = append(st.hints, h)
			news = true
		}
	}
	change(st)
	s.mu.Unlock()
	if st.own {
		return st, nil
	}
	if err := s.settle(ctx, st, time.Now()); err != nil {
		return nil, err
	}
	if news {
		s.mu.Lock()
		st.asked = time.Time{}
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return st, nil
}

func (s *stations) leave(st *tuned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.readers--
	if st.readers == 0 {
		st.idle = time.Now()
	}
}

// wanted is the role in which a station is wanted now; 0: no more. s.mu is held.
func (st *tuned) wanted(now time.Time) node.Role {
	switch {
	case st.own:
		return node.RoleSource
	case st.readers > 0, st.pinned == node.RoleListener:
		return node.RoleListener
	case !st.idle.IsZero() && now.Sub(st.idle) < tuneGrace:
		return cmp.Or(st.role, st.pinned, node.RoleListener)
	default:
		return st.pinned
	}
}

// settle tells the node when the role in which a station is wanted has changed. s.order is held.
func (s *stations) settle(ctx context.Context, st *tuned, now time.Time) error {
	s.mu.Lock()
	want, have := st.wanted(now), st.role
	peers := addresses(slices.Clone(st.hints))
	s.mu.Unlock()
	if want == have || st.own {
		return nil
	}
	var err error
	if want == 0 {
		err = s.loop.do(ctx, node.UntuneCommand{Station: st.id})
	} else {
		err = s.loop.do(ctx, node.TuneCommand{Station: st.id, Role: want, Peers: peers})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && want != 0 {
		if have == 0 {
			delete(s.byID, st.id)
			st.channel.Close()
		}
		return fmt.Errorf("tune in: %w", err)
	}
	st.role = want
	if want == 0 {
		delete(s.byID, st.id)
		st.channel.Close()
		s.log.Info("left a station", keyStation, st.id.Short())
	} else if have == 0 {
		s.log.Info("tuned in", keyStation, st.id.Short(), keyRole, roleName(want))
	}
	return nil
}

// run leaves stations whose grace is over, and asks hints again. It ends with ctx.
func (s *stations) run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-sweep.C:
		}
		now := time.Now()
		s.sweep(ctx, now)
		s.search(ctx, now)
	}
}

// sweep settles every station. They are taken by id, so that equal runs give equal commands.
func (s *stations) sweep(ctx context.Context, now time.Time) {
	s.order.Lock()
	defer s.order.Unlock()
	for _, st := range s.all() {
		if err := s.settle(ctx, st, now); err != nil && !errors.Is(err, ErrStopped) && ctx.Err() == nil {
			s.log.Warn("station not settled", keyStation, st.id.Short(), keyError, err)
		}
	}
}

// search resolves the hints of stations that nothing comes from, and gives them to the node.
func (s *stations) search(ctx context.Context, now time.Time) {
	for _, st := range s.all() {
		hints := s.searchDue(ctx, st, now)
		if len(hints) == 0 {
			continue
		}
		peers, unknown := resolve(ctx, hints)
		if len(unknown) > 0 {
			s.log.Warn("hosts not found", keyHosts, unknown)
		}
		if err := s.offer(ctx, st, peers); err != nil && !errors.Is(err, ErrStopped) && ctx.Err() == nil {
			s.log.Warn("station not searched", keyStation, st.id.Short(), keyError, err)
		}
	}
}

// searchDue returns the hosts to ask for a station now, if that is due: at first, and every searchEvery while nothing comes.
func (s *stations) searchDue(ctx context.Context, st *tuned, now time.Time) []string {
	s.mu.Lock()
	first := st.asked.IsZero()
	silent := now.Sub(st.heard) >= searchAfter && now.Sub(st.asked) >= searchEvery
	hints := slices.Clone(st.hints)
	if !st.own && (first || silent) {
		st.asked = now
	} else {
		hints = nil
	}
	s.mu.Unlock()
	if !first && len(hints) > 0 && s.onAir(ctx, st.id) {
		return nil // a relay hears no notices
	}
	return hints
}

// onAir asks the node whether anything comes from a station.
func (s *stations) onAir(ctx context.Context, id identity.StationID) (yes bool) {
	err := s.loop.ask(ctx, func(n *node.Node, now mono.Time) {
		for _, st := range n.Status(now).Tuned {
			yes = yes || st.ID == id && st.OnAir
		}
	})
	return err == nil && yes
}

// offer gives the node more peers of a station that it still carries.
func (s *stations) offer(ctx context.Context, st *tuned, peers []netip.AddrPort) error {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	role := st.role
	gone := s.byID[st.id] != st
	s.mu.Unlock()
	if gone || role == 0 || len(peers) == 0 {
		return nil
	}
	return s.loop.do(ctx, node.TuneCommand{Station: st.id, Role: role, Peers: peers[:min(len(peers), tunePeersMax)]})
}

// all returns the stations by id.
func (s *stations) all() []*tuned {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*tuned, 0, len(s.byID))
	for _, st := range s.byID {
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b *tuned) int { return slices.Compare(a.id[:], b.id[:]) })
	return list
}

// notice passes on what the node says. The loop calls it.
func (s *stations) notice(n node.Notice) {
	s.mu.Lock()
	st := s.byID[n.Station]
	if st == nil || st.own { // the channel of one's own station is written by the broadcast
		s.mu.Unlock()
		return
	}
	st.heard, st.alive = time.Now(), true
	s.mu.Unlock()
	switch n.Kind {
	case node.NoticeEpoch:
		st.channel.Begin(n.Epoch)
	case node.NoticeChunk:
		st.channel.Chunk(codec.Chunk{
			Kind: codec.ChunkKind(n.Chunk), Start: n.Start, Duration: n.Duration, Data: n.Data,
		})
	case node.NoticeGap:
		st.channel.Gap(int(n.Count))
	case node.NoticeEnded:
		st.channel.End()
	}
}

// close ends every channel, so that players end. The node is told by LeaveCommand.
func (s *stations) close() {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	for _, st := range s.all() {
		st.channel.Close()
	}
}

// roleName is a role in the words of the status.
func roleName(r node.Role) string {
	switch r {
	case node.RoleListener:
		return "listener"
	case node.RoleRelay:
		return "relay"
	case node.RoleSource:
		return "source"
	}
	return "unknown"
}
