// SPDX-License-Identifier: MIT

package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

// A show is a Player in a bubble with its station.
type show struct {
	*station
	player *ingest.Player
	log    *bytes.Buffer
	ended  chan error
	cancel func()
}

// begin starts a Player; it must be called in a bubble.
func begin(t *testing.T, cfg ingest.PlayerConfig) *show {
	t.Helper()
	s := &show{station: newStation(), log: &bytes.Buffer{}, ended: make(chan error, 1)}
	cfg.Station = s.station
	cfg.Log = slog.New(slog.NewTextHandler(io.MultiWriter(s.log, t.Output()), nil))
	player, err := ingest.NewPlayer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.player = player
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() { s.ended <- player.Run(ctx) }()
	t.Cleanup(cancel)
	return s
}

// files writes named files below a new directory.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mp3File is a second of audio that is known by its seed.
func mp3File(seed uint64) string { return string(mp3Frames(38, seed)) }

// id3 makes an ID3v2.4 tag with title and artist.
func id3(title, artist string) string {
	frame := func(id, text string) string {
		return id + string([]byte{0, 0, 0, byte(len(text) + 1), 0, 0, 3}) + text
	}
	body := frame("TIT2", title) + frame("TPE1", artist)
	return "ID3\x04\x00\x00" + string([]byte{0, 0, 0, byte(len(body))}) + body
}

func (s *show) songs() []string {
	var all []string
	for _, e := range s.titles() {
		all = append(all, strings.TrimPrefix(e.Artist+" - "+e.Title, " - "))
	}
	return all
}

func TestPlayFolder(t *testing.T) {
	dir := files(t, map[string]string{
		"02 - Beta.mp3":          mp3File(2),
		"01 - Ann - Alpha.mp3":   id3("Tagged", "Tina") + mp3File(1),
		"04.mp3":                 id3("", "Nobody") + mp3File(6), // a tag that names no title
		"03_Gamma_Ray.mp3":       mp3File(3),
		"sub/99 Luftballons.mp3": mp3File(4),
		".hidden.mp3":            mp3File(5),
		"cover.jpg":              "\xff\xd8\xff\xe0",
		"notes.txt":              "hello",
		"zz.wav":                 "RIFF\x00\x00\x00\x00WAVE" + strings.Repeat("\x00", 4000),
		"list.m3u":               "02 - Beta.mp3\n",
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := begin(t, ingest.PlayerConfig{Inputs: []string{dir}, Once: true})
		if err := <-s.ended; err != nil {
			t.Fatal(err)
		}
		want := mp3Hashes([]byte(mp3File(1) + mp3File(2) + mp3File(3) + mp3File(6) + mp3File(4)))
		if got := s.hashes(); !slices.Equal(got, want) {
			t.Errorf("%d frames, want the %d of five files in order", len(got), len(want))
		}
		if len(s.epochs) != 1 {
			t.Errorf("%d epochs for equal headers, want 1", len(s.epochs))
		}
		length := 5 * 38 * mp3FrameTime
		if took := time.Since(start); took < length-2*time.Second-300*time.Millisecond || took > length {
			t.Errorf("%v of audio played in %v", length, took)
		}
		if got, want := s.songs(), []string{"Tina - Tagged", "Beta", "03 Gamma Ray", "04", "99 Luftballons"}; !slices.Equal(got, want) {
			t.Errorf("titles %q, want %q", got, want)
		}
		if !strings.Contains(s.log.String(), "zz.wav") || strings.Contains(s.log.String(), "cover.jpg") {
			t.Errorf("log %s, want zz.wav skipped with a reason and not a word of cover.jpg", s.log)
		}
		if st := s.player.Status(); st.Live() || st.Sources != 6 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestPlayLoop(t *testing.T) {
	dir := files(t, map[string]string{"a.mp3": mp3File(1), "b.mp3": mp3File(2)})
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, ingest.PlayerConfig{Inputs: []string{dir}})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if st := s.player.Status(); !st.Live() || st.Kind != ingest.KindFile || st.Format != codec.FormatMPEG {
			t.Errorf("status %+v", st)
		}
		// A file that comes later is heard in the next round.
		if err := os.WriteFile(filepath.Join(dir, "c.mp3"), []byte(mp3File(3)), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		s.cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		songs := s.songs()
		if len(songs) < 20 || !slices.Equal(songs[:4], []string{"a", "b", "a", "b"}) || !slices.Contains(songs, "c") {
			t.Errorf("played %q", songs)
		}
		if len(s.epochs) != 1 {
			t.Errorf("%d epochs", len(s.epochs))
		}
	})
}

func TestPlayShuffled(t *testing.T) {
	content := map[string]string{}
	for i := range 8 {
		content[string(rune('a'+i))+".mp3"] = mp3File(uint64(i))
	}
	dir := files(t, content)
	play := func(seed uint64) (songs []string) {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, ingest.PlayerConfig{
				Inputs: []string{dir}, Shuffle: true, Once: true, Rand: rand.NewPCG(seed, 0),
			})
			if err := <-s.ended; err != nil {
				t.Fatal(err)
			}
			songs = s.songs()
		})
		return songs
	}
	first, again, other := play(1), play(1), play(2)
	if !slices.Equal(first, again) {
		t.Errorf("one seed, two orders: %q, %q", first, again)
	}
	if slices.Equal(first, other) || slices.IsSorted(first) {
		t.Errorf("not shuffled: %q, %q", first, other)
	}
	slices.Sort(first)
	if strings.Join(first, "") != "abcdefgh" {
		t.Errorf("played %q, want each once", first)
	}
}

func TestPlayChangeOfFormat(t *testing.T) {
	dir := files(t, map[string]string{
		"a.mp3": mp3File(1),
		"b.mp3": string(mpegFrames(40, 2, [4]byte{0xFF, 0xFB, 0x94, 0x04}, 384)), // 48 kHz
		"c.mp3": mp3File(3),
	})
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, ingest.PlayerConfig{Inputs: []string{dir}, Once: true})
		if err := <-s.ended; err != nil {
			t.Fatal(err)
		}
		if len(s.epochs) != 3 || len(s.frames()) != 38+40+38 {
			t.Fatalf("%d epochs, %d frames", len(s.epochs), len(s.frames()))
		}
		for i, e := range s.epochs {
			if c := e.chunks[0]; c.Kind != codec.ChunkHeader || c.Start != 0 {
				t.Errorf("epoch %d begins with %v at %v", i, c.Kind, c.Start)
			}
			if len(e.titles) == 0 {
				t.Errorf("epoch %d has no title", i)
			}
		}
	})
}

func TestPlayLists(t *testing.T) {
	dir := files(t, map[string]string{
		"m/a.mp3":         mp3File(1),
		"m/b c.mp3":       mp3File(2),
		"m/\xe9t\xe9.mp3": mp3File(3),
		"m/d.mp3":         mp3File(4),
		"plain.m3u":       "\xef\xbb\xbfm/a.mp3\r\n\r\n# comment\r\nm\\b c.mp3\r\nm/\xe9t\xe9.mp3\r\nm/none.mp3\r\n",
		"ext.m3u8":        "#EXTM3U\n#EXTINF:123,Ann - Alpha\nm/a.mp3\n#EXTINF:-1,Solo\nm/d.mp3\n",
		"x.pls":           "[playlist]\nFile2=m/d.mp3\nFile1=m/a.mp3\nTitle1=One\nNumberOfEntries=2\nVersion=2\n",
		"x.xspf":          `<?xml version="1.0" encoding="ISO-8859-1"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><title>no</title><trackList><track><location>m/b%20c.mp3</location><creator>Caf` + "\xe9" + `</creator><title>T &amp; U</title></track></trackList></playlist>`,
		"nested.m3u":      "x.pls\nm\n",
		"loop.m3u":        "loop.m3u\nm/a.mp3\n",
		"hls.m3u8":        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nseg1.ts\n",
		"empty.m3u":       "# nothing\n",
		"asx.m3u":         "<asx version=\"3.0\"><entry/></asx>",
	})
	uri := "file://" + filepath.ToSlash(dir) + "/m/b%20c.mp3"
	if err := os.WriteFile(filepath.Join(dir, "uri.m3u"), []byte(uri+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		list   string
		songs  string
		reason string // why something, or all, was skipped
	}{
		{"plain.m3u", "a|b c|été", "none.mp3"},
		{"ext.m3u8", "Ann - Alpha|Solo", ""},
		{"x.pls", "d|One", ""},
		{"x.xspf", "Café - T & U", ""},
		{"nested.m3u", "d|One|a|b c|d|été", ""},
		{"uri.m3u", "b c", ""},
		{"loop.m3u", "a|a|a|a", "4 deep"},
		{"hls.m3u8", "", "HLS"},
		{"empty.m3u", "", "names nothing"},
		{"asx.m3u", "", "<asx>"},
	} {
		t.Run(tt.list, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, ingest.PlayerConfig{Inputs: []string{filepath.Join(dir, tt.list)}, Once: true})
				err := <-s.ended
				if (err == nil) != (tt.songs != "") {
					t.Errorf("ended with %v", err)
				}
				if tt.songs == "" && (!errors.Is(err, ingest.ErrNothing) || !strings.Contains(err.Error(), tt.reason)) {
					t.Errorf("error %v does not say %q", err, tt.reason)
				}
				got := strings.Join(s.songs(), "|")
				if tt.list == "loop.m3u" { // equal titles in a row are one
					got, tt.songs = fmt.Sprint(len(s.frames())), fmt.Sprint(4*38)
				}
				if got != tt.songs {
					t.Errorf("played %q, want %q", got, tt.songs)
				}
				if !strings.Contains(s.log.String(), tt.reason) {
					t.Errorf("log %s does not say %q", s.log, tt.reason)
				}
			})
		})
	}
}

func TestNothingToPlay(t *testing.T) {
	dir := files(t, map[string]string{
		"empty/readme.txt": "", "bad/a.mp3": strings.Repeat("no audio at all ", 20_000), "zero.mp3": "",
	})
	for _, tt := range []struct{ input, reason string }{
		{"empty", "no audio files"},
		{"bad", "a.mp3"},
		{"zero.mp3", "no audio in it"},
	} {
		t.Run(tt.input, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, ingest.PlayerConfig{Inputs: []string{filepath.Join(dir, tt.input)}})
				err := <-s.ended
				if !errors.Is(err, ingest.ErrNothing) || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("ended with %v, want %q", err, tt.reason)
				}
			})
		})
	}
}

func TestPlayerConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg    ingest.PlayerConfig
		reason string
	}{
		{ingest.PlayerConfig{}, "no input"},
		{ingest.PlayerConfig{Inputs: []string{"/no/such/file"}}, "no such file"},
		{ingest.PlayerConfig{Inputs: []string{"-"}}, "standard input"},
		{ingest.PlayerConfig{Inputs: []string{"http://[::1"}}, "missing ']'"},
	} {
		if _, err := ingest.NewPlayer(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%q: error %v, want %q", tt.cfg.Inputs, err, tt.reason)
		}
	}
}

func TestPlayStdin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"-"}, Stdin: r})
		_, _ = io.WriteString(w, mp3File(1))
		time.Sleep(5 * time.Second)
		_, _ = io.WriteString(w, mp3File(2))
		_ = w.Close()
		if err := <-s.ended; err != nil {
			t.Fatal(err)
		}
		if got, want := s.hashes(), mp3Hashes([]byte(mp3File(1)+mp3File(2))); !slices.Equal(got, want) {
			t.Errorf("%d frames, want %d", len(got), len(want))
		}
	})
}

// Standard input is played once, whatever is played again.
func TestPlayStdinAndMore(t *testing.T) {
	dir := files(t, map[string]string{"a.mp3": mp3File(2)})
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"-", dir}, Stdin: strings.NewReader(mp3File(1))})
		time.Sleep(5 * time.Second)
		s.cancel()
		<-s.ended
		if got := len(s.frames()); got < 4*38 {
			t.Errorf("%d frames", got)
		}
		if strings.Contains(s.log.String(), "skipped") {
			t.Errorf("log %s", s.log)
		}
	})
}

func TestStdinThatWaitsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"-"}, Stdin: r})
		_, _ = io.WriteString(w, mp3File(1))
		synctest.Wait()
		s.cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestFileTitle(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"Artist - Title.mp3", "Artist|Title"},
		{"Title.flac", "|Title"},
		{"01 - Artist - Title.ogg", "Artist|Title"},
		{"01. Title.ogg", "|Title"},
		{"1-Title.ogg", "|Title"},
		{"99 Luftballons.mp3", "|99 Luftballons"},
		{"2001.mp3", "|2001"},
		{"Some_Artist_-_Some_Title.mp3", "Some Artist|Some Title"},
		{"A - B - C.mp3", "A|B - C"},
		{"no extension", "|no extension"},
		{".mp3", "|.mp3"},
		{"caf\xe9.mp3", "|café"},
		{" - .mp3", "|-"},
	} {
		e := ingest.FileTitle(tt.name)
		if got := e.Artist + "|" + e.Title; got != tt.want {
			t.Errorf("%q: %q, want %q", tt.name, got, tt.want)
		}
	}
}
