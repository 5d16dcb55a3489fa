// SPDX-License-Identifier: MIT

package playback_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/playback"
)

// A tuner is a node that carries one station.
type tuner struct {
	channel *playback.Channel
	err     error
	tuned   atomic.Int32 // now
}

func (t *tuner) Tune(context.Context, identity.StationID) (*playback.Channel, func(), error) {
	if t.err != nil {
		return nil, nil, t.err
	}
	t.tuned.Add(1)
	return t.channel, func() { t.tuned.Add(-1) }, nil
}

// A host is a node's HTTP side on loopback.
type host struct {
	*httptest.Server
	handler *playback.Handler
	tuner   *tuner
	channel *playback.Channel
	url     string // of the audio
}

var stationID = identity.NewStationKey([32]byte{1}).ID()

func newHost(t *testing.T, c playback.Config) *host {
	t.Helper()
	h := &host{channel: playback.NewChannel("Test Röck")}
	h.tuner = &tuner{channel: h.channel}
	c.Tuner, c.Log = h.tuner, slog.New(slog.DiscardHandler)
	h.handler = playback.NewHandler(c)
	h.Server = httptest.NewUnstartedServer(h.handler)
	h.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if err := conn.(*net.TCPConn).SetWriteBuffer(16 << 10); err != nil {
			t.Error(err)
		}
		return ctx
	}
	h.Start()
	t.Cleanup(func() {
		h.channel.Close()
		h.Client().CloseIdleConnections()
		h.Close()
		if n := h.tuner.tuned.Load(); n != 0 {
			t.Errorf("%d tunings not released", n)
		}
	})
	h.url = h.URL + "/listen/" + stationID.String()
	return h
}

// An answer is an http.Response whose body is closed when the test ends.
type answer struct {
	code   int
	header http.Header
	body   io.ReadCloser
}

// get asks for the audio; headers are name and value in turn.
func (h *host) get(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	r, err := h.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Body.Close() })
	return answer{r.StatusCode, r.Header, r.Body}
}

func readAll(t *testing.T, a answer) []byte {
	t.Helper()
	b, err := io.ReadAll(a.body)
	if err != nil {
		t.Fatalf("read the response: %v", err)
	}
	return b
}

// Every frame of a station reaches a player that was there from the beginning, byte for byte, and a real client sees the
// end as an end.
func TestEveryFrame(t *testing.T) {
	for _, r := range recipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := newShow(t, r, 12, 48000)
			h := newHost(t, playback.Config{EndGrace: 50 * time.Millisecond})
			before, after := s.split(4 * time.Second)
			h.channel.Begin(1)
			feed(h.channel, before)
			a := h.get(t, "GET", h.url, "Range", "bytes=0-")
			if got := a.header.Get("Content-Type"); a.code != 200 || got != r.mime {
				t.Fatalf("got %d, %s, want 200, %s", a.code, got, r.mime)
			}
			feed(h.channel, after)
			h.channel.End()
			got := readAll(t, a)
			want := s.hashes
			if hashes := frameHashes(t, got, r.demuxer); !slices.Equal(hashes, want) {
				t.Errorf("got %d frames, want %d, first difference at %d", len(hashes), len(want), differ(hashes, want))
			}
			seconds(t, got, r.demuxer)
		})
	}
}

func differ(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// A player that joins in the middle begins 8 s behind the newest frame, with the codec's headers, at once.
func TestJoinInTheMiddle(t *testing.T) {
	for _, r := range recipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := newShow(t, r, 20, 48000)
			h := newHost(t, playback.Config{EndGrace: 50 * time.Millisecond})
			h.channel.Begin(1)
			feed(h.channel, s.chunks)
			asked := time.Now()
			a := h.get(t, "GET", h.url)
			first := make([]byte, 1)
			if _, err := io.ReadFull(a.body, first); err != nil {
				t.Fatal(err)
			}
			waited := time.Since(asked)
			h.channel.End()
			got := slices.Concat(first, readAll(t, a))
			t.Logf("first bytes after %v, %d bytes at once", waited, len(got))
			if d := seconds(t, got, r.demuxer); d < 7.8 || d > 8.6 {
				t.Errorf("begins %.2f s behind the newest frame, want about 8", d)
			}
			hashes, want := frameHashes(t, got, r.demuxer), s.hashes
			if !slices.Equal(hashes, want[max(0, len(want)-len(hashes)):]) {
				t.Errorf("the %d frames are not the station's last ones", len(hashes))
			}
			if waited > 2*time.Second {
				t.Errorf("first bytes after %v", waited)
			}
		})
	}
}

// curl records the same as Go's client does: it is the tool that people use for it.
func TestCurlRecords(t *testing.T) {
	s := newShow(t, recipeOf(t, "vorbis"), 12, 48000)
	h := newHost(t, playback.Config{EndGrace: 50 * time.Millisecond})
	h.channel.Begin(1)
	before, after := s.split(4 * time.Second)
	feed(h.channel, before)
	go func() {
		for h.handler.Stats().Served == 0 {
			time.Sleep(time.Millisecond)
		}
		feed(h.channel, after)
		h.channel.End()
	}()
	got := run(t, nil, "curl", "--silent", "--show-error", "--fail", "--max-time", "20", h.url)
	if hashes, want := frameHashes(t, got, "ogg"), s.hashes; !slices.Equal(hashes, want) {
		t.Errorf("curl got %d frames, want %d", len(hashes), len(want))
	}
}

// send writes a request by hand.
func send(t *testing.T, conn net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, format, args...); err != nil {
		t.Fatal(err)
	}
}

func closeConn(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestResponseHead(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 12, 48000)
	h := newHost(t, playback.Config{EndGrace: time.Millisecond})
	h.channel.Begin(1)
	h.channel.Chunk(s.chunks[0])
	h.channel.Chunk(event(codec.Event{
		Title: "T", Artist: "A", StationName: "Röck & Roll", Genre: "rock", Description: "all day", URL: "http://x.example/",
	}))
	feed(h.channel, s.chunks[1:])
	for _, method := range []string{"GET", "HEAD"} {
		for _, proto := range []string{"HTTP/1.0", "HTTP/1.1"} {
			t.Run(method+" "+proto, func(t *testing.T) {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer closeConn(t, conn)
				send(t, conn, "%s /listen/%s %s\r\nHost: x\r\nRange: bytes=0-\r\nConnection: keep-alive\r\nicy-metadata: 1\r\n\r\n",
					method, stationID, proto)
				r := bufio.NewReader(conn)
				var head []string
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if line == "\r\n" {
						break
					}
					head = append(head, strings.TrimSpace(line))
				}
				if head[0] != proto+" 200 OK" {
					t.Errorf("got %q", head[0])
				}
				for _, want := range []string{
					"Content-Type: audio/mpeg", "Connection: close", "icy-name: Röck & Roll", "icy-genre: rock",
					"icy-description: all day", "icy-url: http://x.example/", "icy-br: 128", "icy-metaint: 16000",
				} {
					if !slices.Contains(head, want) {
						t.Errorf("%q is missing from %q", want, head)
					}
				}
				for _, line := range head {
					name, _, _ := strings.Cut(strings.ToLower(line), ":")
					if slices.Contains([]string{"content-length", "transfer-encoding", "accept-ranges", "content-range"}, name) {
						t.Errorf("unwanted %q", line)
					}
				}
				if method == "HEAD" {
					if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
						t.Errorf("a HEAD got %d bytes of body, %v", len(rest), err)
					}
				}
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	h := newHost(t, playback.Config{StartWait: 30 * time.Millisecond})
	for _, c := range []struct {
		name, method, path string
		headers            []string
		code               int
		says               string
	}{
		{"method", "POST", "/listen/" + stationID.String(), nil, 405, "use GET"},
		{"no id", "GET", "/listen/", nil, 404, "station id"},
		{"short id", "GET", "/listen/abc", nil, 404, "station id"},
		{"other extension", "GET", "/listen/" + stationID.String() + ".m3u8", nil, 404, ".m3u"},
		{"another site's page", "GET", "/listen/" + stationID.String(), []string{"Sec-Fetch-Site", "cross-site"}, 403, "site"},
		{"off the air", "GET", "/listen/" + stationID.String(), nil, 503, "off the air"},
		{"off the air, HEAD", "HEAD", "/listen/" + stationID.String(), nil, 503, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h.get(t, c.method, h.URL+c.path, c.headers...)
			if body := readAll(t, r); r.code != c.code || !strings.Contains(string(body), c.says) {
				t.Errorf("got %d %q, want %d and %q", r.code, body, c.code, c.says)
			}
		})
	}
	h.tuner.err = errors.New("the node is stopping")
	if r := h.get(t, "GET", h.url); r.code != 503 || !strings.Contains(string(readAll(t, r)), "the node is stopping") {
		t.Errorf("got %d", r.code)
	}
}

// The server's deadline for short answers does not cut off one that had to wait.
func TestRefusalAfterTheServersDeadline(t *testing.T) {
	h := newHost(t, playback.Config{StartWait: 80 * time.Millisecond})
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		h.handler.ServeHTTP(w, r)
	})
	if r := h.get(t, "GET", h.url); r.code != 503 {
		t.Errorf("got %d", r.code)
	}
}

func TestPlayersMax(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 12, 48000)
	h := newHost(t, playback.Config{PlayersMax: 2})
	h.channel.Begin(1)
	feed(h.channel, s.chunks)
	h.get(t, "GET", h.url)
	h.get(t, "GET", h.url)
	if r := h.get(t, "GET", h.url); r.code != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("a third player got %d", r.code)
	}
	if st := h.handler.Stats(); st.Players != 2 || st.Served != 2 || st.Refused != 1 {
		t.Errorf("got %+v", st)
	}
}

// A player that stops reading is dropped alone; one that reads gets every frame.
func TestSlowPlayerIsDroppedAlone(t *testing.T) {
	r := recipeOf(t, "flac")
	s := newShow(t, r, 60, 48000)
	h := newHost(t, playback.Config{StallMax: 300 * time.Millisecond, EndGrace: time.Millisecond})
	before, after := s.split(4 * time.Second)
	h.channel.Begin(1)
	feed(h.channel, before)

	slow, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t, slow)
	if err := slow.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	send(t, slow, "GET /listen/%s HTTP/1.0\r\n\r\n", stationID)
	fast := h.get(t, "GET", h.url)
	recorded := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(fast.body)
		recorded <- b
	}()
	for h.handler.Stats().Served < 2 {
		time.Sleep(time.Millisecond)
	}
	for len(after) > 0 { // about 20 times as fast as real, so that the slow one falls out of nothing but its own socket
		n := min(len(after), 40)
		feed(h.channel, after[:n])
		after = after[n:]
		time.Sleep(5 * time.Millisecond)
	}
	for deadline := time.Now().Add(20 * time.Second); h.handler.Stats().Slow == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the slow player was not dropped")
		}
	}
	h.channel.End()
	got, want := frameHashes(t, <-recorded, r.demuxer), s.hashes
	if !slices.Equal(got, want) {
		t.Errorf("the fast player got %d frames, want %d", len(got), len(want))
	}
	if st := h.handler.Stats(); st.Slow != 1 || st.Served != 2 {
		t.Errorf("got %+v", st)
	}
}

// A player that closes its connection is let go though the station is silent.
func TestPlayerGoesInSilence(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 12, 48000)
	h := newHost(t, playback.Config{})
	h.channel.Begin(1)
	feed(h.channel, s.chunks)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	send(t, conn, "GET /listen/%s HTTP/1.0\r\n\r\n", stationID)
	if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	closeConn(t, conn)
	for deadline := time.Now().Add(10 * time.Second); h.tuner.tuned.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the player was not let go")
		}
	}
}

// icyTitles takes the metadata blocks out of a recording.
func icyTitles(t *testing.T, b []byte) (audio []byte, titles []string) {
	t.Helper()
	for len(b) >= playback.IcyInterval+1 {
		audio = append(audio, b[:playback.IcyInterval]...)
		n := int(b[playback.IcyInterval]) * 16
		b = b[playback.IcyInterval+1:]
		if n > len(b) {
			t.Fatalf("a block of %d bytes is cut", n)
		}
		if n > 0 {
			titles = append(titles, string(bytes.TrimRight(b[:n], "\x00")))
		}
		b = b[n:]
	}
	return append(audio, b...), titles
}

func TestTitles(t *testing.T) {
	for _, r := range recipes() {
		for _, c := range []struct {
			name    string
			headers []string
			titles  bool
		}{
			{"asked", []string{"icy-metadata", "1"}, true},
			{"not asked", nil, false},
			{"asked for none", []string{"Icy-MetaData", "0"}, false},
			{"MPlayer", []string{"Icy-MetaData", "1", "User-Agent", "MPlayer 1.5"}, r.demuxer != "ogg" && r.name != "webm"},
		} {
			t.Run(r.name+" "+c.name, func(t *testing.T) {
				s := newShow(t, r, 12, 48000)
				h := newHost(t, playback.Config{EndGrace: time.Millisecond})
				before, after := s.split(6 * time.Second)
				h.channel.Begin(1)
				feed(h.channel, before[:len(before)/2])
				h.channel.Chunk(event(codec.Event{Title: "It's a; 'quote'; 日本", Artist: "Ä"}))
				feed(h.channel, before[len(before)/2:])
				a := h.get(t, "GET", h.url, c.headers...)
				h.channel.Chunk(event(codec.Event{Title: "second"}))
				feed(h.channel, after)
				h.channel.End()
				got := readAll(t, a)
				if asked := a.header.Get("Icy-Metaint") != ""; asked != c.titles {
					t.Fatalf("titles promised: %v, want %v", asked, c.titles)
				}
				if c.titles {
					var titles []string
					got, titles = icyTitles(t, got)
					want := []string{"StreamTitle='Ä - It's a; 'quote' ; 日本';", "StreamTitle='second';"}
					if !slices.Equal(titles, want) {
						t.Errorf("got titles %q, want %q", titles, want)
					}
				}
				// What shows in the codec's headers would hide what comes in the blocks.
				if inside := bytes.Contains(got, []byte("It's a;")); inside && c.titles {
					t.Error("a title in the codec's headers beside ICY")
				} else if !inside && !c.titles && (r.demuxer == "ogg" || r.name == "flac" || r.name == "webm") {
					t.Error("no title in the codec's headers")
				}
				if c.name != "asked" {
					return
				}
				if hashes, want := frameHashes(t, got, r.demuxer), s.hashes; !slices.Equal(hashes, want) {
					t.Errorf("got %d frames, want %d, first difference at %d", len(hashes), len(want), differ(hashes, want))
				}
			})
		}
	}
}
