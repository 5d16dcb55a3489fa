// SPDX-License-Identifier: MIT

package playback_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/playback"
)

func playlistHandler(name string) *playback.Handler {
	return playback.NewHandler(playback.Config{
		Log: slog.New(slog.DiscardHandler), Name: func(identity.StationID) string { return name },
	})
}

func TestPlaylists(t *testing.T) {
	id := stationID.String()
	for _, c := range []struct{ path, name, mime, body string }{
		{".pls", "Röck\n& Roll", "audio/x-scpls", "[playlist]\nNumberOfEntries=1\nFile1=http://localhost:8467/listen/" + id +
			"\nTitle1=Röck & Roll\nLength1=-1\nVersion=2\n"},
		{".m3u", "Röck", "audio/x-mpegurl", "http://localhost:8467/listen/" + id + "\r\n"},
		{".xspf", "<&>", "application/xspf+xml", xml.Header + `<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>` +
			`<track><location>http://localhost:8467/listen/` + id + `</location><title>&lt;&amp;&gt;</title></track></trackList>` +
			"</playlist>\n"},
		{".pls", "", "audio/x-scpls", "[playlist]\nNumberOfEntries=1\nFile1=http://localhost:8467/listen/" + id +
			"\nTitle1=Station " + id[:8] + "\nLength1=-1\nVersion=2\n"},
	} {
		w := httptest.NewRecorder()
		q := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost:8467/listen/"+id+c.path, nil)
		playlistHandler(c.name).ServeHTTP(w, q)
		if w.Code != 200 || w.Header().Get("Content-Type") != c.mime || w.Body.String() != c.body {
			t.Errorf("%s: got %d %s %q, want %s %q", c.path, w.Code, w.Header().Get("Content-Type"), w.Body, c.mime, c.body)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8467": true, "127.0.0.1:8467": true, "[::1]:8467": true, "[::1]": true,
		"radio-1.example.org.": true, "my_box:1": true, "10.0.0.7": true,
		"": false, ":8467": false, "a b": false, "a\nb": false, "a\"b": false, "a/b": false, "x@y": false, "a..b": false,
		"host:0": false, "host:65536": false, "host:+1": false, "host:": false, "::1": false, "[::1": false, "[fe80::1%eth0]": false,
		"[127.0.0.1]": false, "höst": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 130): false,
	} {
		if got := playback.ValidHost(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

// Whatever Host a client claims, a playlist names one URL with that host, or there is none.
func FuzzPlaylistHost(f *testing.F) {
	for _, s := range []string{"localhost:8467", "[::1]:1", "a.b", "evil\nFile2=http://x", "<x>", ""} {
		f.Add(s, "name")
	}
	f.Fuzz(func(t *testing.T, host, name string) {
		for _, kind := range []string{".pls", ".m3u", ".xspf"} {
			q := httptest.NewRequestWithContext(t.Context(), "GET", "/listen/"+stationID.String()+kind, nil)
			q.Host = host
			w := httptest.NewRecorder()
			playlistHandler(name).ServeHTTP(w, q)
			if (w.Code == 200) != playback.ValidHost(host) {
				t.Fatalf("%q: got %d", host, w.Code)
			}
			if w.Code != 200 {
				continue
			}
			want := "http://" + host + "/listen/" + stationID.String()
			u, err := url.Parse(want)
			if err != nil || u.Host != host {
				t.Fatalf("%q makes the URL %q: %v", host, want, err)
			}
			var got string
			switch kind {
			case ".pls":
				lines := strings.Split(w.Body.String(), "\n")
				if len(lines) != 7 {
					t.Fatalf("%q: %d lines", w.Body, len(lines))
				}
				got = strings.TrimPrefix(lines[2], "File1=")
			case ".m3u":
				got = strings.TrimSuffix(w.Body.String(), "\r\n")
			case ".xspf":
				var list struct {
					Tracks []struct {
						Location string `xml:"location"`
					} `xml:"trackList>track"`
				}
				if err := xml.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Tracks) != 1 {
					t.Fatalf("%q: %v", w.Body, err)
				}
				got = list.Tracks[0].Location
			}
			if got != want {
				t.Fatalf("%s: got %q, want %q", kind, got, want)
			}
		}
	})
}

// The request of a player may be anything; only a plain 1 asks for titles.
func FuzzIcyRequest(f *testing.F) {
	f.Add("GET /listen/x HTTP/1.0\r\nIcy-MetaData:1\r\n\r\n")
	f.Add("GET /listen/x HTTP/1.1\r\nHost: x\r\nicy-metadata: 1 \r\nUser-Agent: MPlayer\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		for _, format := range []codec.Format{codec.FormatMPEG, codec.FormatOggOpus} {
			if playback.WantsTitles(q.Header, format) && !slices.ContainsFunc(q.Header.Values("Icy-Metadata"),
				func(s string) bool { return strings.TrimSpace(s) == "1" }) {
				t.Fatalf("%q gets titles", text)
			}
		}
	})
}

// Whatever the titles, the audio is whole between the blocks, and every block is a title that was set, once each time.
func FuzzTitles(f *testing.F) {
	f.Add(uint16(400), uint8(100), "a';b", "日本", strings.Repeat("é", 3000))
	f.Fuzz(func(t *testing.T, part uint16, kilobytes uint8, a, b, c string) {
		audio := bytes.Repeat([]byte("0123456789abcdef"), int(kilobytes)*64)
		out := playback.Interleave(audio, int(part)+1, []string{a, b, c})
		got, titles := icyTitles(t, out)
		if !bytes.Equal(got, audio) {
			t.Fatalf("%d bytes of audio became %d", len(audio), len(got))
		}
		if len(titles) > 4 {
			t.Fatalf("%d titles of 3", len(titles))
		}
		for _, title := range titles {
			inner, ok := strings.CutPrefix(title, "StreamTitle='")
			inner, ok2 := strings.CutSuffix(inner, "';")
			if !ok || !ok2 || strings.Contains(inner, "';") {
				t.Fatalf("block %q", title)
			}
			if utf8.ValidString(a) && utf8.ValidString(b) && utf8.ValidString(c) && !utf8.ValidString(inner) {
				t.Fatalf("block %q is no UTF-8", title)
			}
		}
	})
}
