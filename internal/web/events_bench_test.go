// SPDX-License-Identifier: MIT

package web_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/web"
)

// crowded is a node that knows n stations, half of them on the air.
func crowded(n int) web.Snapshot {
	snap := snapshot()
	snap.Stations = snap.Stations[:1]
	for i := 1; i < n; i++ {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], uint64(i))
		id := identity.NewStationKey(seed).ID()
		snap.Stations = append(snap.Stations, web.Station{
			ID: id, Name: fmt.Sprintf("Radio number %d", i), Genre: "rock", Description: "what is said of it, in one line or two", Codec: "mp3",
			URL: "https://radio.example/" + fmt.Sprint(i), Title: "An Artist - A Title", BitrateBPS: 128_000, Listeners: i % 50, Audience: i % 70,
			Online: i%2 == 0, LastAlive: time.Duration(i) * time.Second, Link: identity.Link{Station: id, Name: "x", Peers: []string{"192.0.2.1:8466"}}.String(),
		})
	}
	return snap
}

// age is the same node a second later, with other titles and listeners on some stations.
func age(snap web.Snapshot, changes, round int) web.Snapshot {
	snap.Stations = slices.Clone(snap.Stations)
	snap.Uptime += time.Second
	for i := range snap.Stations {
		if !snap.Stations[i].Online {
			snap.Stations[i].LastAlive += time.Second
		}
	}
	for i := range changes {
		s := &snap.Stations[(round*changes+i)*7%len(snap.Stations)]
		s.Title, s.Listeners = fmt.Sprintf("Artist %d - Title", round), s.Listeners+1
	}
	return snap
}

// With many stations, event streams tell what changed and nothing else, however time goes by.
func TestEventsOfManyStations(t *testing.T) {
	snap := crowded(5000)
	before := web.NewView(snap)
	if changes := string(web.NewView(age(snap, 0, 0)).Since(before)); strings.Contains(changes, "stations") {
		t.Errorf("though nothing happened: %.300q", changes)
	}
	whole, changes := len(before.Everything()), len(web.NewView(age(snap, 200, 1)).Since(before))
	if changes < 200*300 || changes > whole/15 {
		t.Errorf("%d bytes for 200 changes, the whole list has %d", changes, whole)
	}
}

// Those that nobody knows any more are named, and one that was heard again is not what it was.
func TestStationsThatGo(t *testing.T) {
	snap := crowded(4)
	before := web.NewView(snap)
	next := snap
	next.Stations = slices.Clone(snap.Stations[1:])
	next.Stations[0].LastAlive = 0
	_, got, _ := strings.Cut(string(web.NewView(next).Since(before)), "stations_changed")
	if want := `"gone":["` + snap.Stations[0].ID.String() + `"]`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := strings.Count(got, `"name":`); n != 1 || !strings.Contains(got, `"changed":[{"id":"`+next.Stations[0].ID.String()) {
		t.Errorf("%d are changed: %s", n, got)
	}
}

// BenchmarkEvents looks at 5,000 stations of which 200 changed, with one new subscriber (whole) or none.
func BenchmarkEvents(b *testing.B) {
	snap := crowded(5000)
	after, before := age(snap, 200, 1), web.NewView(snap)
	b.Run("changes", func(b *testing.B) {
		bytes := 0
		for b.Loop() {
			bytes = len(web.NewView(after).Since(before))
		}
		b.ReportMetric(float64(bytes), "bytes")
	})
	b.Run("whole", func(b *testing.B) {
		bytes := 0
		for b.Loop() {
			bytes = len(web.NewView(after).Everything())
		}
		b.ReportMetric(float64(bytes), "bytes")
	})
}
