// SPDX-License-Identifier: MIT

//go:build lab

package players

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/playback"
	"streamer/internal/web"
)

// A lone is a node that carries one station.
type lone struct {
	channel *playback.Channel
	id      identity.StationID
}

func (l lone) Snapshot(context.Context) (web.Snapshot, error) {
	return web.Snapshot{
		Version: "test",
		Node: node.Status{
			Upload: node.UploadStatus{BudgetBPS: node.UploadAuto},
			Tuned:  []node.StationStatus{{ID: l.id, Role: node.RoleListener, OnAir: true, Hops: 1, Buffer: 4 * time.Second}},
		},
		Pictures: make([]node.Picture, 1),
		Playing:  make([]web.Playing, 1),
		Stations: []web.Station{{
			ID: l.id, Name: "<img src=x onerror=document.title='owned'>", Title: l.channel.Info().Title(), Codec: "mp3", Online: true,
			Link: "streamerp2p://" + l.id.String(),
		}},
	}, nil
}

func (l lone) Tune(context.Context, identity.Link, node.Role) error     { return nil }
func (l lone) Untune(context.Context, identity.StationID) (bool, error) { return true, nil }
func (l lone) ChangeSettings(context.Context, web.SettingsChange) error { return nil }
func (l lone) MeasureUpload(context.Context) error                      { return nil }
func (l lone) Stop()                                                    {}
func (l lone) Healthy(context.Context) error                            { return nil }

type loneTuner struct{ lone }

func (l loneTuner) Tune(context.Context, identity.StationID) (*playback.Channel, func(), error) {
	return l.channel, func() {}, nil
}

// fill puts a minute of MP3 and a title into a channel.
func fill(t *testing.T, c *playback.Channel) {
	t.Helper()
	file, err := exec.CommandContext(t.Context(), "ffmpeg", strings.Fields("-v error -nostdin -f lavfi -i sine=d=60 -ac 2 -c:a libmp3lame "+
		"-b:a 128k -f mp3 -")...).Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v (apt-get install ffmpeg)", err)
	}
	d, p := codec.NewDemuxer(), codec.NewPacketizer()
	if err := d.Write(file); err != nil {
		t.Fatal(err)
	}
	c.Begin(1)
	for it, ok := d.Next(); ok; it, ok = d.Next() {
		switch it.Kind {
		case codec.ItemHeader:
			if err := p.Begin(it.Header); err != nil {
				t.Fatal(err)
			}
			p.Event(codec.Event{Artist: "<b>A</b>", Title: "T"})
		case codec.ItemFrame:
			p.Frame(it.Frame)
		case codec.ItemEvent, codec.ItemGap:
		}
		for chunk, ok := p.Next(); ok; chunk, ok = p.Next() {
			c.Chunk(chunk)
		}
	}
}

// The page shows a station, whatever its texts, and plays it, in a real browser.
func TestPage(t *testing.T) {
	l := lone{playback.NewChannel("x"), identity.NewStationKey([32]byte{1}).ID()}
	fill(t, l.channel)
	log := slog.New(slog.DiscardHandler)
	s := web.NewServer(web.Config{Backend: l, Log: log, Listen: playback.NewHandler(playback.Config{Tuner: loneTuner{l}, Log: log})})
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.HTTPServer()
	server.Start()
	defer func() { l.channel.Close(); s.Close(); server.Close() }()
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing in it is worth keeping
	card, err := newCard(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer card.close() //nolint:errcheck // heard below
	b, err := chromiumOn(t.Context(), card)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // it is killed
	p, err := b.Open(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Name, Song, Link, Title, Forest string }
	if err := p.Evaluate(`new Promise((done) => { const look = () => {
		const row = document.querySelector(".row-station");
		const link = document.querySelector("#station-link");
		if (!row || link.hidden || !link.href) return setTimeout(look, 50);
		done({Name: row.querySelector(".name").textContent, Song: row.querySelector(".under").textContent, Link: link.href,
			Title: document.title, Forest: document.querySelector("#forest-words").textContent});
	}; look(); })`, &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "<img src=x onerror=document.title='owned'>" || got.Song != "<b>A</b> - T" || got.Title != "Streamer" ||
		!strings.HasPrefix(got.Link, "streamerp2p://") || !strings.Contains(got.Forest, "straight from the studio") {
		t.Errorf("the page shows %+v", got)
	}
	var at float64
	if err := p.Evaluate(`(async () => {
		document.querySelector("#station-play").click();
		await new Promise((done) => setTimeout(done, 3500));
		return document.querySelector("#audio").currentTime;
	})()`, &at); err != nil {
		t.Fatal(err)
	}
	if h := card.heard(); at < 1.5 || h.played < time.Second {
		t.Errorf("the page's player is at %.1f s, %v were heard", at, h.played)
	}
	var again string
	if err := p.Evaluate(`(async () => {
		const a = document.querySelector("#audio");
		const state = () => document.querySelector("#bar").dataset.state;
		document.querySelector("#play").click();
		await new Promise((done) => setTimeout(done, 500));
		const place = a.currentTime;
		if (!a.paused || state() !== "paused") return "is " + state();
		document.querySelector("#play").click();
		await new Promise((done) => setTimeout(done, 1500));
		return a.currentTime > place && a.currentTime < place + 2 ? "goes on" : "went from " + place + " to " + a.currentTime;
	})()`, &again); err != nil {
		t.Fatal(err)
	}
	if again != "goes on" {
		t.Errorf("after a pause the page %s", again)
	}
}
