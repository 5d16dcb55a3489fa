// SPDX-License-Identifier: MIT

//go:build lab

package players_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/playback"
	"streamer/lab/players"
)

var table = flag.String("table", "", "file to write the results to, as Markdown")

const (
	playTime = 20 * time.Second
	headFrom = 10 * time.Second // a station has been on for so long when players come
	trackFor = 6 * time.Second  // a title
)

// encode makes a run's length of sound without a pause.
func encode(t *testing.T, f players.Format) []byte {
	t.Helper()
	options := map[players.Format]string{
		players.MP3: "-c:a libmp3lame -b:a 128k -f mp3", players.AAC: "-c:a aac -b:a 128k -f adts",
		players.Vorbis: "-c:a libvorbis -b:a 128k -f ogg", players.Opus: "-c:a libopus -b:a 128k -f ogg",
		players.OggFLAC: "-c:a flac -f ogg", players.FLAC: "-c:a flac -f flac", players.WebM: "-c:a libopus -b:a 128k -f webm",
	}[f]
	args := "-v error -nostdin -f lavfi -i aevalsrc=0.3*sin(2*PI*440*t)+0.1*random(0)|0.3*sin(2*PI*554*t)+0.1*random(1):s=48000:d=60 "
	cmd := exec.CommandContext(t.Context(), "ffmpeg", strings.Fields(args+options+" -")...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg: %v %s (apt-get install ffmpeg)", err, said.String())
	}
	return out.Bytes()
}

func chunks(t *testing.T, file []byte) []codec.Chunk {
	t.Helper()
	d, p := codec.NewDemuxer(), codec.NewPacketizer()
	take := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
		for it, ok := d.Next(); ok; it, ok = d.Next() {
			switch it.Kind {
			case codec.ItemHeader:
				if err := p.Begin(it.Header); err != nil {
					t.Fatal(err)
				}
			case codec.ItemFrame:
				p.Frame(it.Frame)
			case codec.ItemEvent, codec.ItemGap:
			}
		}
	}
	take(d.Write(file))
	take(d.Flush())
	var list []codec.Chunk
	p.Flush()
	for c, ok := p.Next(); ok; c, ok = p.Next() {
		list = append(list, c)
	}
	return list
}

// broadcast keeps a station on the air until ctx ends, or for a minute, with a title every trackFor.
func broadcast(ctx context.Context, c *playback.Channel, list []codec.Chunk) {
	began := time.Now().Add(-headFrom)
	track := -1
	c.Begin(1)
	for _, chunk := range list {
		if wait := chunk.Start - time.Since(began); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		c.Chunk(chunk)
		if n := int(chunk.Start / trackFor); n > track && chunk.Kind == codec.ChunkAudio {
			track = n
			c.Chunk(codec.Chunk{Kind: codec.ChunkEvent, Data: codec.AppendEvent(nil, codec.Event{
				Artist: "Ärtist", Title: fmt.Sprint("It's track ", n), StationName: "Lab",
			})})
		}
	}
}

type tuner struct{ channel *playback.Channel }

func (t tuner) Tune(context.Context, identity.StationID) (*playback.Channel, func(), error) {
	return t.channel, func() {}, nil
}

type row struct {
	player string
	format players.Format
	report players.Report
}

// Every player plays every format that it can from the playlist that it is usually given, in mid-stream.
func TestPlayers(t *testing.T) {
	var mu sync.Mutex
	var rows []row
	t.Run("all", func(t *testing.T) {
		for _, f := range players.Formats() {
			list := chunks(t, encode(t, f))
			for _, p := range players.All() {
				if !p.Plays(f) {
					continue
				}
				t.Run(strings.ReplaceAll(string(f), "/", "-")+"/"+p.Name, func(t *testing.T) {
					t.Parallel()
					report := play(t, p, f, list)
					mu.Lock()
					defer mu.Unlock()
					rows = append(rows, row{p.Name, f, report})
				})
			}
		}
	})
	text := render(rows)
	t.Log("\n" + text)
	if *table != "" {
		if err := os.WriteFile(*table, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

func play(t *testing.T, p players.Player, f players.Format, list []codec.Chunk) players.Report {
	t.Helper()
	channel := playback.NewChannel("Lab")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var on sync.WaitGroup
	on.Go(func() { broadcast(ctx, channel, list) })
	s := httptest.NewServer(playback.NewHandler(playback.Config{Tuner: tuner{channel}, Log: slog.New(slog.DiscardHandler)}))
	defer func() {
		channel.Close()
		cancel()
		on.Wait()
		s.Close()
	}()
	id := identity.NewStationKey([32]byte{1}).ID()
	r, err := p.Play(ctx, s.URL+"/listen/"+id.String(), playTime)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%+v", r)
	if r.FirstSound == 0 || r.Played < playTime-r.FirstSound-2*time.Second {
		t.Errorf("played %v, first sound after %v", r.Played, r.FirstSound)
	}
	if r.Ended || len(r.Errors) > 0 {
		t.Errorf("ended: %v; complaints: %q", r.Ended, r.Errors)
	}
	if p.ShowsTitles(f) {
		if len(r.Titles) < 2 || slices.ContainsFunc(r.Titles, func(s string) bool { return !strings.Contains(s, "It's track ") }) {
			t.Errorf("titles %q", r.Titles)
		}
	}
	return r
}

func render(rows []row) string {
	var b strings.Builder
	b.WriteString("| Player | Format | First sound | Played | Holes (longest) | Titles | Complaints |\n|---|---|---|---|---|---|---|\n")
	slices.SortStableFunc(rows, func(x, y row) int { return strings.Compare(x.player+string(x.format), y.player+string(y.format)) })
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %.2f s | %.1f s | %d (%v) | %d | %d |\n", r.player, r.format, r.report.FirstSound.Seconds(),
			r.report.Played.Seconds(), r.report.Holes, r.report.LongestGap, len(r.report.Titles), len(r.report.Errors))
	}
	return b.String()
}
