// SPDX-License-Identifier: MIT

package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"streamer/internal/identity"
	"streamer/internal/node"
)

// fail answers with an error that says what to do.
func fail(w http.ResponseWriter, code int, text string) {
	answer(w, code, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // whoever asked has gone: nothing to do
}

// snapshot asks the Backend, and answers itself when there is no answer.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) (Snapshot, bool) {
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	snap, err := s.Backend.Snapshot(ctx)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, "the node does not answer: "+err.Error())
		return Snapshot{}, false
	}
	return snap, true
}

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		answer(w, http.StatusOK, newStatus(snap))
	}
}

func (s *Server) serveStations(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		answer(w, http.StatusOK, newStations(snap.Stations))
	}
}

func (s *Server) serveStation(w http.ResponseWriter, r *http.Request) {
	id, ok := stationID(w, r)
	if !ok {
		return
	}
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	if st, ok := findStation(w, snap, id); ok {
		answer(w, http.StatusOK, newStation(st))
	}
}

// findStation looks a station up, and answers itself when it is not known.
func findStation(w http.ResponseWriter, snap Snapshot, id identity.StationID) (st Station, ok bool) {
	i := slices.IndexFunc(snap.Stations, func(st Station) bool { return st.ID == id })
	if i < 0 {
		fail(w, http.StatusNotFound, "this node knows no such station")
		return Station{}, false
	}
	return snap.Stations[i], true
}

func stationID(w http.ResponseWriter, r *http.Request) (identity.StationID, bool) {
	id, err := identity.ParseStationID(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
	}
	return id, err == nil
}

// tuneRequest is the body of POST /api/v1/tune.
type tuneRequest struct {
	Station string `json:"station"` // a streamerp2p: link, or an id
	Role    string `json:"role"`    // listener, which "" is too, relay or player
}

func (s *Server) serveTune(w http.ResponseWriter, r *http.Request) {
	var q tuneRequest
	if !readJSON(w, r, &q) {
		return
	}
	l, err := parseStation(q.Station)
	if err != nil {
		fail(w, http.StatusBadRequest, "station: "+err.Error())
		return
	}
	role := node.RoleListener
	switch q.Role {
	case "", "listener":
	case "relay":
		role = node.RoleRelay
	case "player":
		role = 0
	default:
		fail(w, http.StatusBadRequest, "role: use listener, relay or player")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	if err := s.Backend.Tune(ctx, l, role); err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	s.Changed()
	answer(w, http.StatusOK, map[string]string{"id": l.Station.String(), "listen": "/listen/" + l.Station.String()})
}

// parseStation reads a link or an id.
func parseStation(s string) (identity.Link, error) {
	l, err := identity.ParseLink(s)
	if errors.Is(err, identity.ErrNotLink) {
		l.Station, err = identity.ParseStationID(s)
	}
	return l, err
}

// readJSON reads a request's JSON body into v, or answers what is wrong with it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "send Content-Type: application/json")
		return false
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is something after the JSON value")
		} else if errors.Is(err, io.EOF) {
			return true
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
	} else {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
	}
	return false
}

func (s *Server) serveUntune(w http.ResponseWriter, r *http.Request) {
	id, ok := stationID(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	was, err := s.Backend.Untune(ctx, id)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	case !was:
		fail(w, http.StatusNotFound, "this node was not told to tune in to that station")
	default:
		s.Changed()
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) serveMeasure(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	switch err := s.Backend.MeasureUpload(ctx); {
	case errors.Is(err, ErrGivesNothing):
		fail(w, http.StatusConflict, err.Error())
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	default:
		answer(w, http.StatusAccepted, map[string]bool{"measuring": true})
	}
}

func (s *Server) serveStop(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusAccepted, map[string]bool{"stopping": true})
	s.Backend.Stop()
}

func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	if err := s.Backend.Healthy(ctx); err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}
