// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The node ends and starts again: the page says so, comes back by itself and plays on.
func TestRestart(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	v := open(t, nd.url("/#/station/"+studio.ready.StationID))
	v.run(earScript)
	v.await(`document.querySelector("#station-play").checkVisibility()`)
	v.click("#station-play")
	v.settled()
	address := strings.TrimSuffix(strings.TrimPrefix(nd.ready.HTTP, "http://"), "/")
	nd.leave(t)
	v.await(`document.querySelector("#gone").checkVisibility()`)
	v.state("waiting")
	if err := nd.start(address); err != nil {
		t.Fatal(err)
	}
	v.await(`!document.querySelector("#gone").checkVisibility()`)
	v.settled()
}

// A node that started again has another token; a page that was open before asks for it.
func TestNewToken(t *testing.T) {
	t.Parallel()
	nd := newNode(t, "run")
	v := open(t, nd.url("/#/you"))
	old := value[string](v, `document.querySelector('meta[name="streamer-token"]').content`)
	address := strings.TrimSuffix(strings.TrimPrefix(nd.ready.HTTP, "http://"), "/")
	nd.leave(t)
	v.await(`document.querySelector("#gone").checkVisibility()`)
	if err := nd.start(address); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(nd.dir, "data", "control-token")); err != nil || strings.TrimSpace(string(text)) == old {
		t.Fatalf("the token is the old one: %v", err)
	}
	v.await(`!document.querySelector("#gone").checkVisibility()`)
	v.click(`#upload [value="none"]`)
	await(t, "no upload", func() bool {
		var s settings
		nd.get(t, "/api/v1/settings", &s)
		return s.Upload != nil && *s.Upload == 0
	})
}

// What this browser cannot play says so, and offers the player that can. Chromium says that it may play any MPEG audio, and finds
// out when it hears layer II.
func TestUnplayable(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	if err := encode(t.Context(), filepath.Join(music, "old.mp2"), sweep(0, 30), "-c:a", "mp2", "-b:a", "64k"); err != nil {
		t.Fatal(err)
	}
	old := newNode(t, "broadcast", music, "--name", "Layer II")
	v := open(t, old.url("/#/station/"+old.ready.StationID))
	v.await(`document.querySelector("#station-play").checkVisibility()`)
	v.click("#station-play")
	v.state("unplayable")
	v.await(`document.querySelector("#unplayable").checkVisibility()`)
	if words := v.text("#unplayable"); !strings.Contains(words, "MP2") {
		t.Errorf("the page says %q", words)
	}
	list := value[string](v, `fetch(document.querySelector("#unplayable a").href).then((r) => r.text())`)
	if !strings.Contains(list, "File1="+old.url("/listen/"+old.ready.StationID)) {
		t.Errorf("the player is offered %q", list)
	}
}
