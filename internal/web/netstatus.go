// SPDX-License-Identifier: MIT

package web

import (
	"fmt"
	"net/http"
)

// netStatusJSON is the network in a few numbers, as this node sees it.
//
// No page of another site may read it, though the numbers are no secret: a site would learn that its visitor runs a node,
// and could know him again by them. Who shows them on a site of his own has its server ask the node.
type netStatusJSON struct {
	Stations       int `json:"stations"`
	OnAir          int `json:"on_air"`
	Listeners      int `json:"listeners"`
	Audience       int `json:"audience_estimate"`
	HostsKnown     int `json:"hosts_known"`
	HostsAnswering int `json:"hosts_answering"`
	HostsEstimate  int `json:"hosts_estimate"`
}

// newNetStatus counts listeners of what is on the air.
func newNetStatus(s Snapshot) netStatusJSON {
	n := netStatusJSON{
		Stations: len(s.Stations), HostsKnown: s.HostsKnown, HostsAnswering: s.HostsAlive, HostsEstimate: s.Node.Gossip.Size,
	}
	for i := range s.Stations {
		if st := &s.Stations[i]; st.Online {
			n.OnAir++
			n.Listeners += st.Listeners
			n.Audience += st.Audience
		}
	}
	return n
}

func (s *Server) serveNetStatusJSON(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		answer(w, http.StatusOK, newNetStatus(snap))
	}
}

// serveNetStatus serves the same as text: one line for each kind of thing.
func (s *Server) serveNetStatus(w http.ResponseWriter, r *http.Request) {
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	n := newNetStatus(snap)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintf(w, "stations %d (%d on the air)\nlisteners %d known here, about %d\nhosts %d known here, %d answering, about %d\n",
		n.Stations, n.OnAir, n.Listeners, n.Audience, n.HostsKnown, n.HostsAnswering, n.HostsEstimate)
}
