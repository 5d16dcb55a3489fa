// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"streamer/internal/codec"
	"streamer/internal/daemon"
)

// What is taken as a key file is written again as the same station; anything else is refused without a panic.
func FuzzParseStation(f *testing.F) {
	dir := f.TempDir()
	s, err := daemon.OpenStore(dir)
	if err != nil {
		f.Fatal(err)
	}
	info := codec.Event{StationName: "Rádio \"x\"", Genre: "g", Description: "d", URL: "https://example.org/"}
	if _, err = s.New("a", info, bytes.NewReader(make([]byte, 32))); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "stations", "a.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"format":"streamer station key 1","seed":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := daemon.ParseStation(b)
		if err != nil {
			return
		}
		text, err := st.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := daemon.ParseStation(text)
		if err != nil || again.Key.Seed() != st.Key.Seed() || again.Info != st.Info || again.LastEpoch != st.LastEpoch {
			t.Errorf("%q became %+v, %v", b, again, err)
		}
	})
}
