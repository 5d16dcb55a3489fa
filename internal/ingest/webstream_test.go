// SPDX-License-Identifier: MIT

package ingest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/ingest"
)

// A web answers requests over in-memory connections: each handler writes its whole answer, head and all.
type web struct {
	handlers map[string]func(w net.Conn, r *http.Request)
	requests atomic.Int32
}

func (w *web) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		r, err := http.ReadRequest(bufio.NewReader(there))
		if err != nil {
			return
		}
		w.requests.Add(1)
		if h := w.handlers[r.URL.Path]; h != nil {
			h(there, r)
			return
		}
		_, _ = io.WriteString(there, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	}()
	return here, nil
}

// answer makes a handler of a fixed answer.
func fixed(text string) func(net.Conn, *http.Request) {
	return func(w net.Conn, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func withLength(contentType, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

// icy puts a metadata block into audio after every interval bytes: the titles in turn, then none.
func icy(audio string, interval int, titles ...string) string {
	var b strings.Builder
	for len(audio) > interval {
		b.WriteString(audio[:interval])
		audio = audio[interval:]
		text := ""
		if len(titles) > 0 {
			text, titles = titles[0], titles[1:]
		}
		b.WriteByte(byte((len(text) + 15) / 16))
		b.WriteString(text)
		b.WriteString(strings.Repeat("\x00", (16-len(text)%16)%16))
	}
	return b.String() + audio
}

func TestPlayShoutcastStream(t *testing.T) {
	audio := mp3File(1) + mp3File(2) + mp3File(3)
	synctest.Test(t, func(t *testing.T) {
		w := &web{handlers: map[string]func(net.Conn, *http.Request){
			"/": func(w net.Conn, r *http.Request) {
				if r.Header.Get("Icy-MetaData") != "1" {
					t.Error("metadata was not asked for")
				}
				_, _ = io.WriteString(w, "ICY 200 OK\r\nicy-name:Jazz\r\nicy-genre:jazz\r\nicy-br:128\r\nicy-metaint:8000\r\n"+
					"content-type:audio/mpeg\r\n\r\n"+icy(audio, 8000, "StreamTitle='It's a; 'quote'';StreamUrl='';", "", "StreamTitle='caf\xe9';"))
				time.Sleep(time.Hour)
			},
		}}
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"http://radio.test/"}, Dial: w.dial})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := s.player.Status(); !st.Live() || st.Kind != ingest.KindHTTP || st.BitrateBPS != 128000 {
			t.Errorf("status %+v", st)
		}
		s.cancel()
		<-s.ended
		time.Sleep(time.Hour)
		want := mp3Hashes([]byte(audio))
		if got := s.hashes(); len(got) < len(want)-1 || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("%d frames, want the %d sent", len(got), len(want))
		}
		if got, want := s.songs(), []string{"It's a; 'quote'", "café"}; !slices.Equal(slices.DeleteFunc(got, isEmpty), want) {
			t.Errorf("titles %q, want %q", got, want)
		}
		if s.info.StationName != "Jazz" || s.info.Genre != "jazz" {
			t.Errorf("station %+v", s.info)
		}
	})
}

func isEmpty(s string) bool { return s == "" }

func TestStreamComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		audio := mp3Frames(400, 1)
		w := &web{handlers: map[string]func(net.Conn, *http.Request){
			"/live": func(w net.Conn, _ *http.Request) {
				at = append(at, time.Since(start).Round(time.Second))
				if n := len(at); n == 3 || n == 4 {
					return // refused twice
				}
				_, _ = io.WriteString(w, "HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")
				part := audio[:min(len(audio), 100*mp3FrameBytes+77)] // cut off in mid-frame
				audio = audio[len(part):]
				_, _ = w.Write(part)
			},
		}}
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"http://radio.test/live"}, Once: true, Dial: w.dial})
		time.Sleep(20 * time.Second)
		s.cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v: an endless stream has no end", err)
		}
		// Twice 2.6 s of audio, less 2 s ahead, and 1 s of wait after each; after the third and fourth try 2 and 4 s.
		if got, want := fmt.Sprint(at[:5]), "[0s 2s 4s 6s 10s]"; got != want {
			t.Errorf("tried at %v, want %v", got, want)
		}
		if len(s.epochs) != 1 || len(s.frames()) < 290 {
			t.Errorf("%d epochs, %d frames", len(s.epochs), len(s.frames()))
		}
		if s.waits == 0 {
			t.Error("the station was not told to wait")
		}
	})
}

// A stream that has played is waited for, however long it takes, even when everything is to be played once.
func TestStreamComesBackLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &web{handlers: map[string]func(net.Conn, *http.Request){
			"/live": func(w net.Conn, _ *http.Request) {
				if since := time.Since(start); since == 0 || since > 10*time.Minute {
					_, _ = io.WriteString(w, "HTTP/1.0 200 OK\r\n\r\n"+mp3File(1))
				}
			},
		}}
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"http://radio.test/live"}, Once: true, Dial: w.dial})
		time.Sleep(11 * time.Minute)
		s.cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if len(s.epochs) != 1 || len(s.frames()) < 2*38 {
			t.Errorf("%d epochs, %d frames", len(s.epochs), len(s.frames()))
		}
	})
}

func TestURLs(t *testing.T) {
	handlers := map[string]func(net.Conn, *http.Request){
		"/a.mp3":     fixed(withLength("audio/mpeg", mp3File(1))),
		"/b.mp3":     fixed(withLength("application/octet-stream", mp3File(2))),
		"/list":      fixed(withLength("audio/x-scpls; charset=utf-8", "[playlist]\nFile1=a.mp3\nTitle1=One\nFile2=http://other.test/b.mp3\n")),
		"/l.m3u":     fixed(withLength("text/plain", "a.mp3\n")),
		"/xspf":      fixed(withLength("application/xspf+xml", `<playlist><trackList><track><location>/b.mp3</location></track></trackList></playlist>`)),
		"/evil.m3u":  fixed(withLength("audio/x-mpegurl", "/etc/passwd\nfile:///etc/passwd\nftp://x/y\na.mp3\n")),
		"/self.m3u":  fixed(withLength("audio/x-mpegurl", "self.m3u\n")),
		"/hls":       fixed(withLength("application/vnd.apple.mpegurl", "#EXTM3U\n")),
		"/hls2":      fixed(withLength("audio/mpegurl", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n")),
		"/page":      fixed(withLength("text/html; charset=utf-8", "<html>")),
		"/forbidden": fixed("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
		"/busy":      fixed("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
		"/moved":     fixed("HTTP/1.1 302 Found\r\nLocation: /a.mp3\r\nContent-Length: 0\r\n\r\n"),
		"/round":     fixed("HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n"),
		"/metaint":   fixed("HTTP/1.1 200 OK\r\nicy-metaint: -3\r\n\r\n" + mp3File(1)),
		"/head":      fixed("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200_000) + "\r\n\r\n" + mp3File(1)),
		"/foreign":   fixed(withLength("audio/wav", "RIFF\x00\x00\x00\x00WAVE"+strings.Repeat("\x00", 4000))),
		"/silent":    func(net.Conn, *http.Request) { time.Sleep(time.Minute) },
	}
	for _, tt := range []struct {
		path   string
		files  []uint64 // seeds of what is heard
		reason string
		took   time.Duration // at least
	}{
		{"/a.mp3", []uint64{1}, "", 0},
		{"/b.mp3", []uint64{2}, "", 0},
		{"/list", []uint64{1, 2}, "", 0},
		{"/l.m3u", []uint64{1}, "", 0},
		{"/xspf", []uint64{2}, "", 0},
		{"/evil.m3u", []uint64{1}, "", 0},
		{"/self.m3u", nil, "deep", 0},
		{"/hls", nil, "HLS", 0},
		{"/hls2", nil, "HLS", 0},
		{"/page", nil, "web page", 0},
		{"/forbidden", nil, "403", 0},
		{"/busy", nil, "503", 15 * time.Second}, // 1+2+4+8 s of waiting
		{"/none", nil, "404", 15 * time.Second},
		{"/moved", []uint64{1}, "", 0},
		{"/round", nil, "redirects", 0},
		{"/metaint", nil, "icy-metaint", 0},
		{"/head", nil, "header", 0},
		{"/foreign", nil, "WAV", 0},
		{"/silent", nil, "timeout", 75 * time.Second},
	} {
		t.Run(tt.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &web{handlers: handlers}
				start := time.Now()
				s := begin(t, ingest.PlayerConfig{Inputs: []string{"http://radio.test" + tt.path}, Once: true, Dial: w.dial})
				err := <-s.ended
				var want []string
				for _, seed := range tt.files {
					want = append(want, mp3Hashes([]byte(mp3File(seed)))...)
				}
				if got := s.hashes(); !slices.Equal(got, want) {
					t.Errorf("%d frames, want %d", len(got), len(want))
				}
				if tt.files == nil && (!errors.Is(err, ingest.ErrNothing) || !strings.Contains(err.Error(), tt.reason)) {
					t.Errorf("ended with %v, want %q", err, tt.reason)
				}
				if tt.files != nil && err != nil {
					t.Errorf("ended with %v", err)
				}
				if strings.Contains(s.log.String(), "file:") || strings.Contains(s.log.String(), "ftp:") {
					t.Errorf("log %s", s.log)
				}
				if took := time.Since(start); took < tt.took {
					t.Errorf("gave up after %v, want %v at least", took, tt.took)
				}
				time.Sleep(time.Hour) // let the servers end
				if n := w.requests.Load(); n > 60 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// The password in a URL is used, and told nobody.
func TestPasswordOfURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user, password := "", ""
		w := &web{handlers: map[string]func(net.Conn, *http.Request){
			"/live": func(w net.Conn, r *http.Request) {
				user, password, _ = r.BasicAuth()
				_, _ = io.WriteString(w, withLength("audio/mpeg", mp3File(1)))
			},
		}}
		s := begin(t, ingest.PlayerConfig{
			Inputs: []string{"http://dj:s3cret@radio.test/live", "http://dj:s3cret@radio.test/none"}, Once: true, Dial: w.dial,
		})
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		if user != "dj" || password != "s3cret" {
			t.Errorf("logged in as %q with %q", user, password)
		}
		if st := s.player.Status(); strings.Contains(fmt.Sprint(st), "s3cret") || strings.Contains(s.log.String(), "s3cret") {
			t.Errorf("status %+v, log %s", st, s.log)
		}
	})
}

// A dead stream does not hold up the rest of the show.
func TestDeadStreamIsSkipped(t *testing.T) {
	dir := files(t, map[string]string{"a.mp3": mp3File(1)})
	synctest.Test(t, func(t *testing.T) {
		w := &web{}
		s := begin(t, ingest.PlayerConfig{Inputs: []string{"http://dead.test/", dir}, Once: true, Dial: w.dial})
		if err := <-s.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if len(s.frames()) != 38 {
			t.Errorf("%d frames", len(s.frames()))
		}
	})
}

func TestICYReader(t *testing.T) {
	audio := mp3File(1)
	for _, interval := range []int{1, 16, 1000, 8192, len(audio), len(audio) + 1} {
		var titles []string
		r, err := ingest.NewICYReader(strings.NewReader(icy(audio, interval, "StreamTitle='a';", "StreamTitle='';")),
			fmt.Sprint(interval), func(title string) { titles = append(titles, title) })
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != audio {
			t.Errorf("interval %d: %d bytes of audio, want %d; %v", interval, len(got), len(audio), err)
		}
		if interval <= 1000 && !slices.Equal(titles, []string{"a", ""}) {
			t.Errorf("interval %d: titles %q", interval, titles)
		}
	}
	for _, bad := range []string{"x", "-1", "99999999", "1e3"} {
		if _, err := ingest.NewICYReader(strings.NewReader(""), bad, nil); err == nil {
			t.Errorf("icy-metaint %q was taken", bad)
		}
	}
}

func TestStreamTitle(t *testing.T) {
	for _, tt := range []struct{ block, title string }{
		{"StreamTitle='a';", "a"},
		{"StreamTitle='It's a; 'quote'';", "It's a; 'quote'"},
		{"StreamTitle='a';StreamUrl='http://x/';", "a"},
		{"StreamTitle='it's';StreamUrl='';StreamFoo='x';\x00\x00", "it's"},
		{"StreamTitle='';", ""},
		{"StreamTitle='cut off", "cut off"},
		{"StreamUrl='x';StreamTitle='y';", "y"},
	} {
		got, ok := ingest.ParseStreamTitle(tt.block)
		if !ok || got != tt.title {
			t.Errorf("%q: %q, %v, want %q", tt.block, got, ok, tt.title)
		}
	}
	if _, ok := ingest.ParseStreamTitle("StreamUrl='x';"); ok {
		t.Error("a title where there is none")
	}
}
