// SPDX-License-Identifier: MIT

package web

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"streamer/internal/identity"
)

// An event is one or more server-sent events, ready to be written.
type event []byte

// add appends an event of JSON, which has no line breaks.
func (e *event) add(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("web: " + err.Error()) // types of ours, which always can be written
	}
	*e = append(*e, "event: "+name+"\ndata: "...)
	*e = append(*e, b...)
	*e = append(*e, "\n\n"...)
}

// A view is what event streams show at one moment. Nobody alters one; everything fills in whole, under the hub's lock.
type view struct {
	at       time.Time
	status   event
	settings Settings
	stations []Station
	index    map[identity.StationID]int // in stations
	tuned    []tunedTitles
	whole    event // nil: nobody asked
}

// tunedTitles are the titles of a station that is tuned in.
type tunedTitles struct {
	id     identity.StationID
	titles []Title
}

// look makes a view of the node.
func (s *Server) look(ctx context.Context) (*view, error) {
	snap, err := s.Backend.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return newView(snap, time.Now()), nil
}

func newView(snap Snapshot, now time.Time) *view {
	v := &view{at: now, settings: snap.Settings, stations: snap.Stations, index: make(map[identity.StationID]int, len(snap.Stations))}
	v.status.add("status", newStatus(snap))
	for i := range v.stations {
		v.index[v.stations[i].ID] = i
	}
	for i, t := range snap.Node.Tuned {
		v.tuned = append(v.tuned, tunedTitles{t.ID, snap.Playing[i].Titles})
	}
	return v
}

// everything is what somebody gets who knows nothing.
func (v *view) everything() event {
	if v.whole == nil {
		e := slices.Clone(v.status)
		e.add("stations", newStations(v.stations))
		e.add("settings", newSettings(v.settings))
		for _, t := range v.tuned {
			e.addTitles(t, v.at)
		}
		v.whole = e
	}
	return v.whole
}

func (e *event) addTitles(t tunedTitles, now time.Time) {
	e.add("titles", titlesJSON{t.id.String(), newTitles(t.titles, now)})
}

// changesJSON is an event: the stations that are not what they were, and those that are no more.
type changesJSON struct {
	Changed []stationJSON `json:"changed"`
	Gone    []string      `json:"gone"`
}

// since is what somebody gets who knows what was before; nil when that was all, or when there was nothing before.
func (v *view) since(before *view) event {
	if before == nil {
		return nil
	}
	var e event
	if !bytes.Equal(v.status, before.status) {
		e = append(e, v.status...)
	}
	if c := v.changes(before); len(c.Changed)+len(c.Gone) > 0 {
		e.add("stations_changed", c)
	}
	if v.settings != before.settings {
		e.add("settings", newSettings(v.settings))
	}
	for _, t := range v.tuned {
		i := slices.IndexFunc(before.tuned, func(b tunedTitles) bool { return b.id == t.id })
		if i < 0 || !slices.Equal(t.titles, before.tuned[i].titles) {
			e.addTitles(t, v.at)
		}
	}
	return e
}

// changes are those of stations. With 5,000 of them, all that is done for one that stays as it is counts.
func (v *view) changes(before *view) changesJSON {
	c := changesJSON{Changed: []stationJSON{}, Gone: []string{}}
	for i := range v.stations {
		s := &v.stations[i]
		if j, ok := before.index[s.ID]; !ok || s.differs(&before.stations[j]) {
			c.Changed = append(c.Changed, newStation(*s))
		}
	}
	for i := range before.stations {
		if _, ok := v.index[before.stations[i].ID]; !ok {
			c.Gone = append(c.Gone, before.stations[i].ID.String())
		}
	}
	return c
}

// differs reports whether s is not what it was before. That time goes by is no difference: everybody has a clock.
func (s *Station) differs(before *Station) bool {
	a, b := *s, *before
	heardAgain := !a.Online && (a.LastAlive < b.LastAlive || b.LastAlive < 0 && a.LastAlive >= 0)
	a.LastAlive, b.LastAlive = 0, 0
	return heardAgain || a != b
}
