// SPDX-License-Identifier: MIT

package web

import (
	"net/http"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
)

// A timelineJSON is the part of a station that can be played, in milliseconds of its audio.
type timelineJSON struct {
	From int64 `json:"from_ms"`
	Live int64 `json:"live_ms"`
}

func newTimeline(p *Playing) *timelineJSON {
	if !p.Held {
		return nil
	}
	// The beginning is rounded up: who asks for it gets it.
	return &timelineJSON{From: (p.From + time.Millisecond - 1).Milliseconds(), Live: p.Live.Milliseconds()}
}

// A titleJSON is a title with its place on the timeline.
type titleJSON struct {
	At     int64  `json:"at_ms"`
	Text   string `json:"text"`
	Title  string `json:"title"`
	Artist string `json:"artist"`
	Heard  int64  `json:"heard_s"`
}

func newTitles(titles []Title, now time.Time) []titleJSON {
	list := make([]titleJSON, 0, len(titles))
	for _, t := range titles {
		list = append(list, titleJSON{
			At: t.At.Milliseconds(), Text: t.Text, Title: t.Title, Artist: t.Artist, Heard: max(0, int64(now.Sub(t.Heard)/time.Second)),
		})
	}
	return list
}

// titlesJSON is an event: the titles of one station.
type titlesJSON struct {
	ID     string      `json:"id"`
	Titles []titleJSON `json:"titles"`
}

// titlesOf are the titles of a station that is tuned in; ok is false when it is not.
func titlesOf(s Snapshot, id identity.StationID) (titles []Title, ok bool) {
	i := slices.IndexFunc(s.Node.Tuned, func(t node.StationStatus) bool { return t.ID == id })
	if i < 0 {
		return nil, false
	}
	return s.Playing[i].Titles, true
}

// serveTitles answers for a station that is known but not tuned in with none.
func (s *Server) serveTitles(w http.ResponseWriter, r *http.Request) {
	id, ok := stationID(w, r)
	if !ok {
		return
	}
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	titles, tuned := titlesOf(snap, id)
	if !tuned {
		if _, ok := findStation(w, snap, id); !ok {
			return
		}
	}
	answer(w, http.StatusOK, newTitles(titles, time.Now()))
}
