// SPDX-License-Identifier: MIT

package playback_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"streamer/internal/codec"
	"streamer/internal/playback"
)

// evil are texts that a broadcaster may send.
var evil = []string{
	"x\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>", "x\nFile2=http://evil.example/", "x\rNumberOfEntries=9",
	"</title></track><track><location>http://evil.example/</location>", "]]>", "&#10;", "';StreamUrl='http://evil.example/", "\x00\x1b[2J\x7f", "\xff\xfe",
	strings.Repeat("long ", 100),
}

// Playlists have one entry, this node's, whatever the station is called.
func TestHostilePlaylists(t *testing.T) {
	address := "http://localhost:8467/listen/" + stationID.String()
	for _, name := range evil {
		for _, suffix := range []string{".pls", ".m3u", ".xspf"} {
			w := httptest.NewRecorder()
			playlistHandler(name).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", address+suffix, nil))
			body := w.Body.String()
			if w.Code != 200 || strings.ContainsFunc(body, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }) {
				t.Errorf("%q%s: %d %q", name, suffix, w.Code, body)
			}
			switch suffix {
			case ".pls":
				var keys []string
				for line := range strings.Lines(body) {
					key, _, _ := strings.Cut(strings.TrimSpace(line), "=")
					keys = append(keys, key)
				}
				if want := []string{"[playlist]", "NumberOfEntries", "File1", "Title1", "Length1", "Version"}; !slices.Equal(keys, want) ||
					!strings.Contains(body, "\nFile1="+address+"\n") || strings.Contains(body, "\r") {
					t.Errorf("%q: got %q", name, body)
				}
			case ".m3u":
				if body != address+"\r\n" {
					t.Errorf("%q: got %q", name, body)
				}
			case ".xspf":
				var list struct {
					Tracks []struct {
						Location string `xml:"location"`
					} `xml:"trackList>track"`
				}
				if err := xml.Unmarshal([]byte(body), &list); err != nil || len(list.Tracks) != 1 || list.Tracks[0].Location != address {
					t.Errorf("%q: %v, got %+v", name, err, list)
				}
			}
		}
	}
}

// The head of the audio has the lines that it always has, and a block of titles says one thing.
func TestHostileHead(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	for _, text := range evil {
		t.Run(fmt.Sprintf("%.10q", text), func(t *testing.T) {
			h := newHost(t, playback.Config{EndGrace: time.Millisecond})
			h.channel.Begin(1)
			h.channel.Chunk(s.chunks[0])
			h.channel.Chunk(event(codec.Event{Title: text, Artist: text, StationName: text, Genre: text, Description: text, URL: text}))
			feed(h.channel, s.chunks[1:])
			h.channel.End()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer closeConn(t, conn)
			send(t, conn, "GET /listen/%s?from=0 HTTP/1.1\r\nHost: x\r\nIcy-MetaData: 1\r\n\r\n", stationID)
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
			for line := range strings.SplitSeq(head, "\r\n") {
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("%q: the line %q", text, line)
				}
				name, _, _ := strings.Cut(strings.ToLower(line), ":")
				if !slices.Contains([]string{
					"http/1.1 200 ok", "content-type", "connection", "cache-control", "x-position-ms", "pragma", "expires", "icy-name",
					"icy-description", "icy-genre", "icy-url", "icy-br", "icy-pub", "icy-metaint", "date",
				}, name) {
					t.Errorf("%q: the line %q", text, line)
				}
			}
			n := int(body[playback.IcyInterval]) * 16
			block := strings.TrimRight(body[playback.IcyInterval+1:][:n], "\x00")
			if !strings.HasPrefix(block, "StreamTitle='") || !strings.HasSuffix(block, "';") || strings.Count(block, "';") != 1 {
				t.Errorf("%q: the block %q", text, block)
			}
		})
	}
}
