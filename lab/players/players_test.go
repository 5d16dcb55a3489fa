// SPDX-License-Identifier: MIT

//go:build lab && linux

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
	"streamer/lab/netlab"
	"streamer/lab/players"
)

var table = flag.String("table", "", "file to write the results to, as Markdown")

const (
	playTime = 20 * time.Second
	headFrom = 10 * time.Second // a station has been on for so long when players come
	trackFor = 6 * time.Second  // a title

	restartAt, restartAfter = 6 * time.Second, 4 * time.Second
	restartTime             = 30 * time.Second // by then, what was sent before the restart has been heard long ago
)

// made is what encode has made.
var made = map[players.Format][]byte{}

// encode makes a run's length of sound without a pause.
func encode(t *testing.T, f players.Format) []byte {
	t.Helper()
	if file := made[f]; file != nil {
		return file
	}
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
	made[f] = out.Bytes()
	return made[f]
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

// A station is on the air until ctx ends, or for a minute, with a title every trackFor.
type station struct {
	channel *playback.Channel
	list    []codec.Chunk
	track   int
}

// broadcast sends from the beginning, head ahead of its time, until ctx ends or it has sent for d.
func (s *station) broadcast(ctx context.Context, epoch uint32, head, d time.Duration) {
	began := time.Now().Add(-head)
	s.channel.Begin(epoch)
	for _, chunk := range s.list {
		if wait := chunk.Start - time.Since(began); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		if chunk.Start >= d {
			return
		}
		s.channel.Chunk(chunk)
		if n := int(chunk.Start / trackFor); n != s.track && chunk.Kind == codec.ChunkAudio {
			s.track = n
			s.channel.Chunk(codec.Chunk{Kind: codec.ChunkEvent, Data: codec.AppendEvent(nil, codec.Event{
				Artist: "Ärtist", Title: fmt.Sprint("It's track ", n), StationName: "Lab",
			})})
		}
	}
}

// steady is on all the time.
func steady(ctx context.Context, s *station) { s.broadcast(ctx, 1, headFrom, time.Hour) }

// restarted is a station whose source ends after restartAt, and comes back restartAfter later with the same parameters.
func restarted(ctx context.Context, s *station) {
	s.broadcast(ctx, 1, headFrom, headFrom+restartAt)
	s.channel.End()
	select {
	case <-time.After(restartAfter):
	case <-ctx.Done():
		return
	}
	s.broadcast(ctx, 2, 0, time.Hour)
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
	rows := everyPlayer(t, steady, playTime, func(p players.Player, f players.Format, r players.Report) (faults []string) {
		if r.FirstSound == 0 || r.Played < playTime-r.FirstSound-slack() {
			faults = append(faults, fmt.Sprintf("played %v, first sound after %v", r.Played, r.FirstSound))
		}
		if r.Ended || everyFormat() && len(r.Errors) > 0 {
			faults = append(faults, fmt.Sprintf("ended: %v; complaints: %q", r.Ended, r.Errors))
		}
		if p.ShowsTitles(f) && (len(r.Titles) < 2 || slices.ContainsFunc(r.Titles, func(s string) bool {
			return !strings.HasPrefix(s, "Ärtist - It's track ")
		})) {
			faults = append(faults, fmt.Sprintf("titles %q", r.Titles))
		}
		return faults
	})
	text := render(rows)
	t.Log("\n" + text)
	if *table != "" {
		if err := os.WriteFile(*table, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// A source that restarts: listeners go on by themselves.
func TestRestart(t *testing.T) {
	rows := everyPlayer(t, restarted, restartTime, func(_ players.Player, _ players.Format, r players.Report) (faults []string) {
		// What came before the restart is over after 8 + 6 s.
		if r.Played < restartTime-r.FirstSound-restartAfter-slack() || r.Ended {
			faults = append(faults, fmt.Sprintf("played %v, ended: %v", r.Played, r.Ended))
		}
		return faults
	})
	t.Log("\n" + render(rows))
}

// everyFormat tells whether every player meets every format, which takes a quarter of an hour: with LAB_LONG and for a
// table. Otherwise each plays MP3, and mpv plays everything.
func everyFormat() bool { return os.Getenv("LAB_LONG") != "" || *table != "" }

// slack is how much sound may be missing. The short run stands beside other tests on two shared cores, where whole programs
// stand still for seconds.
func slack() time.Duration {
	if everyFormat() {
		return 2 * time.Second
	}
	return playTime / 2
}

// everyPlayer runs the players with the formats that they play, and returns what they did. The check returns what is wrong.
func everyPlayer(t *testing.T, broadcast func(context.Context, *station), d time.Duration,
	check func(players.Player, players.Format, players.Report) (faults []string),
) []row {
	t.Helper()
	stalls := netlab.WatchStalls(t)
	var mu sync.Mutex
	var rows []row
	t.Run("all", func(t *testing.T) {
		for _, f := range players.Formats() {
			list := chunks(t, encode(t, f))
			for _, p := range players.All() {
				if !p.Plays(f) || !everyFormat() && p.Name != "mpv" && f != players.MP3 {
					continue
				}
				t.Run(strings.ReplaceAll(string(f), "/", "-")+"/"+p.Name, func(t *testing.T) {
					t.Parallel()
					var r players.Report
					stalls.Fairly(t, func() []string {
						r = play(t, p, &station{channel: playback.NewChannel("Lab"), list: list, track: -1}, broadcast, d)
						return check(p, f, r)
					})
					mu.Lock()
					defer mu.Unlock()
					rows = append(rows, row{p.Name, f, r})
				})
			}
		}
	})
	return rows
}

func play(t *testing.T, p players.Player, s *station, broadcast func(context.Context, *station), d time.Duration) players.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var on sync.WaitGroup
	on.Go(func() { broadcast(ctx, s) })
	server := httptest.NewServer(playback.NewHandler(playback.Config{
		Tuner: tuner{s.channel}, Log: slog.New(slog.DiscardHandler),
	}))
	defer func() {
		s.channel.Close()
		cancel()
		on.Wait()
		server.Close()
	}()
	id := identity.NewStationKey([32]byte{1}).ID()
	r, err := p.Play(ctx, server.URL+"/listen/"+id.String(), d)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%+v", r)
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
