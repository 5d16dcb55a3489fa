// SPDX-License-Identifier: MIT

package web_test

import (
	"testing"

	"streamer/internal/identity"
	"streamer/internal/web"
)

// Stations that are off the air are counted, but not their listeners.
func TestNetStatus(t *testing.T) {
	s := newSite(t)
	s.backend.set(func(snap *web.Snapshot) {
		for i, st := range []web.Station{
			{Online: true, Listeners: 137, Audience: 860},
			{Online: false, Listeners: 5, Audience: 50},
		} {
			st.ID = identity.NewStationKey([32]byte{9, byte(i)}).ID()
			snap.Stations = append(snap.Stations, st)
		}
		snap.Node.Gossip.Size = 1200
	})
	for path, want := range map[string]struct{ mime, text string }{
		"/netstatus": {
			"text/plain; charset=utf-8",
			"stations 3 (2 on the air)\nlisteners 140 known here, about 900\nhosts 7 known here, 3 answering, about 1200\n",
		},
		"/netstatus.json": {
			"application/json",
			`{"stations":3,"on_air":2,"listeners":140,"audience_estimate":900,"hosts_known":7,"hosts_answering":3,"hosts_estimate":1200}` + "\n",
		},
	} {
		a := s.ask(t, "GET", path, "")
		if got := text(t, a); a.code != 200 || got != want.text || a.header.Get("Content-Type") != want.mime {
			t.Errorf("%s: got %d %q %q", path, a.code, a.header.Get("Content-Type"), got)
		}
		if cors := a.header.Get("Access-Control-Allow-Origin"); cors != "" {
			t.Errorf("%s may be read by %s", path, cors)
		}
	}
}
