// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/playback"
	"streamer/internal/web"
)

// pages is the HTTP side of a running daemon.
type pages struct {
	server *http.Server
	web    *web.Server
}

// startHTTP serves the page, the API and the audio; nil when the daemon has no such door.
func (d *Daemon) startHTTP(doors *sync.WaitGroup, fail context.CancelCauseFunc) *pages {
	if d.listener == nil {
		return nil
	}
	players := playback.NewHandler(playback.Config{Tuner: d, Log: d.log, Name: d.stationName})
	b := &backend{d: d, players: players}
	p := &pages{web: web.NewServer(web.Config{Backend: b, Listen: players, Log: d.log, Password: d.password})}
	dir, err := d.opts.dataDir()
	if err == nil {
		err = keepToken(dir, p.web.Token)
	}
	if err != nil {
		d.log.Warn("programs find no token to change anything with", keyError, err)
	}
	p.server = p.web.HTTPServer()
	doors.Go(func() {
		if err := p.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve the page: %w", err))
		}
	})
	return p
}

// stop lets answers end within ctx, then ends them.
func (p *pages) stop(ctx context.Context) {
	p.web.Close() // event streams last for ever
	if err := p.server.Shutdown(ctx); err != nil {
		_ = p.server.Close()
	}
}

// stationName is what a station calls itself, or is called in the link it was tuned in with.
func (d *Daemon) stationName(id identity.StationID) string {
	d.stations.mu.Lock()
	st := d.stations.byID[id]
	d.stations.mu.Unlock()
	if st == nil {
		return ""
	}
	return st.channel.Info().Name
}

// playing is what players can get of each of the stations that the node carries.
func (s *stations) playing(carried []node.StationStatus) []web.Playing {
	list := make([]web.Playing, len(carried))
	for i := range carried {
		s.mu.Lock()
		st := s.byID[carried[i].ID]
		s.mu.Unlock()
		if st == nil {
			continue
		}
		p := &list[i]
		var line playback.Timeline
		line, p.Held = st.channel.Timeline()
		p.From, p.Live = line.From, line.Live
		for _, t := range st.channel.Titles() {
			p.Titles = append(p.Titles, web.Title(t))
		}
	}
	return list
}
