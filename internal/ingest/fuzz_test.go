// SPDX-License-Identifier: MIT

package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

// FuzzHead reads a request head and body of any bytes, whole and byte by byte: both must give the same.
func FuzzHead(f *testing.F) {
	for _, tt := range transcripts() {
		for _, turn := range tt.turns {
			f.Add([]byte(turn.say))
		}
	}
	f.Add([]byte("PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1A1;a=b\r\nabc"))
	f.Add([]byte("PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("SOURCE /x HTTP/1.0\nContent-Length: 5\n\nabcdefg"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, body, err := ingest.ParseHead(bytes.NewReader(data))
		fields2, body2, err2 := ingest.ParseHead(oneByte{bytes.NewReader(data)})
		if fmt.Sprint(fields) != fmt.Sprint(fields2) || !bytes.Equal(body, body2) || (err == nil) != (err2 == nil) {
			t.Errorf("whole: %q %q %v; in bytes: %q %q %v", fields, body, err, fields2, body2, err2)
		}
		if len(fields) > 100 || len(body) > len(data) {
			t.Errorf("%d fields and %d bytes of body out of %d bytes", len(fields), len(body), len(data))
		}
	})
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

// FuzzConn lets any bytes be a whole connection: the server must answer or close, end, and publish only sound chunks.
func FuzzConn(f *testing.F) {
	for _, tt := range transcripts() {
		all := ""
		for _, turn := range tt.turns {
			all += turn.say
		}
		f.Add([]byte(all + string(mp3Frames(4, 1))))
	}
	f.Add([]byte("SOURCE /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + basic + "\r\n4\r\nOggS\r\n"))
	f.Add([]byte("POST /admin/metadata HTTP/1.0\r\nContent-Length: 20\r\n" + basic + "\r\nmode=updinfo&song=aa"))
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newStation()
			server, err := ingest.NewServer(ingest.ServerConfig{Station: s, Password: "hackme", Log: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			port := newPipeListener()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go server.Serve(ctx, port)
			conn := port.dial()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_, _ = conn.Write(data)
			_ = conn.Close()
			time.Sleep(time.Hour)
			if server.Status().Live() {
				t.Error("the source is there an hour later")
			}
			for _, e := range s.epochs {
				for _, c := range e.chunks {
					if len(c.Data) == 0 || len(c.Data) > codec.ChunkBytesMax {
						t.Errorf("a chunk of %d bytes", len(c.Data))
					}
				}
			}
		})
	})
}

// FuzzUpdate reads any query of a metadata request, and any target.
func FuzzUpdate(f *testing.F) {
	for _, q := range []string{
		"mode=updinfo&mount=%2flive%2emp3&song=%c3%84rtist%20%2d%20T", "mode=updinfo&charset=UTF%2d8&artist=A&title=T",
		"song=%", "song=%4", "a=b&&=&%3d=%26", "charset=koi8-r&song=%F0", "charset=utf-16&song=%ff%fe", "charset=iso-2022-jp&song=%1b",
		"/admin/metadata?mode=updinfo", "HTTP://x:1/admin.cgi?y",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		_, _, artist, title := ingest.ParseUpdate(query)
		for _, text := range []string{artist, title} {
			checkText(t, text)
		}
		ingest.SplitTarget(query)
	})
}

func checkText(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) || len(text) > codec.EventTextMax || strings.ContainsAny(text, "\x00\r\n") {
		t.Errorf("unclean text %q", text)
	}
}

// FuzzList reads any bytes as a playlist.
func FuzzList(f *testing.F) {
	for _, list := range []string{
		"a.mp3\r\nb.mp3\r", "#EXTM3U\n#EXTINF:1,A - B\nx\n", "[playlist]\nFile1=a\nTitle1=b\nFile2=c\nFile-1=x\nFile99999999999=y\n",
		"<?xml version='1.0' encoding='iso-8859-1'?><playlist><trackList><track><location>a</location><title>\xe9</title></track></trackList></playlist>",
		"<playlist><track><track><location>a</location></track></track></playlist>", "<asx/>", "#EXT-X-ENDLIST\n", "\xef\xbb\xbf[PLAYLIST]\nfile1=x",
	} {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ingest.ParseList(data)
		if err == nil && (len(entries) == 0 || len(entries) > ingest.ListEntriesMax) {
			t.Errorf("%d entries", len(entries))
		}
		for _, e := range entries {
			if e.Place == "" || strings.ContainsAny(e.Place, "\r\n") && data[0] != '<' {
				t.Errorf("place %q", e.Place)
			}
		}
	})
}

// FuzzICY takes any bytes with any interval: whatever is not audio is at most what the metadata blocks hold.
func FuzzICY(f *testing.F) {
	f.Add([]byte(icy(mp3File(1), 1000, "StreamTitle='a';", "StreamTitle='b';StreamUrl='c';")), uint16(1000))
	f.Add([]byte("abc\x00def\xff"), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, interval uint16) {
		r, err := ingest.NewICYReader(bytes.NewReader(data), fmt.Sprint(interval), func(title string) { checkText(t, title) })
		if err != nil {
			t.Fatal(err)
		}
		audio, err := io.ReadAll(oneByte{r})
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
		if len(audio) > len(data) || interval == 0 && len(audio) != len(data) {
			t.Errorf("%d bytes of audio out of %d", len(audio), len(data))
		}
		ingest.ParseStreamTitle(string(data))
	})
}

// Every proper prefix of a head is refused or waited for, never taken.
func TestTruncatedHeads(t *testing.T) {
	for _, tt := range transcripts() {
		say := tt.turns[0].say
		if tt.kind == "" || !strings.Contains(say, " /") {
			continue
		}
		for n := range len(say) - 2 {
			if _, _, err := ingest.ParseHead(strings.NewReader(say[:n])); err == nil {
				t.Fatalf("%s: the first %d of %d bytes were taken: %q", tt.name, n, len(say), say[:n])
			}
		}
	}
}

func TestListBounds(t *testing.T) {
	for _, list := range []string{
		strings.Repeat("a\n", ingest.ListEntriesMax+1),
		"[playlist]\n" + strings.Repeat("x", ingest.ListBytesMax),
		strings.Repeat("\x00\x01binary\n", 10),
	} {
		if entries, err := ingest.ParseList([]byte(list)); err == nil {
			t.Errorf("%d entries of %.20q...", len(entries), list)
		}
	}
	var pls strings.Builder
	pls.WriteString("[playlist]\n")
	for i := range ingest.ListEntriesMax + 2 {
		fmt.Fprintf(&pls, "File%d=x\n", i)
	}
	if _, err := ingest.ParseList([]byte(pls.String())); err == nil {
		t.Error("a pls of too many entries was taken")
	}
}
