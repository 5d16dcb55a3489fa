// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"streamer/lab/players"
)

// The playlist that the page offers plays in the players that people have.
func TestPlaylist(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	v := open(t, nd.url("/#/station/"+studio.ready.StationID))
	v.await(`document.querySelector("#elsewhere").checkVisibility()`)
	dir, err := os.MkdirTemp("", "downloads")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // VLC refuses root
		t.Fatal(err)
	}
	v.must(v.Downloads(dir))
	v.click(`#elsewhere [data-suffix=".pls"]`)
	var path string
	await(t, "the playlist is downloaded", func() bool {
		lists, err := filepath.Glob(filepath.Join(dir, "*.pls"))
		if err == nil && len(lists) == 1 {
			path = lists[0]
		}
		return path != ""
	})
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // likewise
		t.Fatal(err)
	}
	const playFor = 8 * time.Second
	t.Run("in", func(t *testing.T) {
		for _, p := range players.All() {
			if !slices.Contains([]string{"mpv", "VLC"}, p.Name) {
				continue
			}
			t.Run(p.Name, func(t *testing.T) {
				t.Parallel()
				r, err := p.Open(t.Context(), path, playFor)
				t.Logf("%+v", r)
				if err != nil || r.Played < time.Second || r.Ended {
					t.Errorf("%s played %v: %v %q", p.Name, r.Played, err, r.Errors)
				}
			})
		}
	})
}
