// SPDX-License-Identifier: MIT

package ingest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

const (
	ok10       = "HTTP/1.0 200 OK\r\n\r\n"
	continue11 = "HTTP/1.1 100 Continue\r\n\r\n"
	ok2        = "OK2\r\nicy-caps:11\r\n\r\n"
	basic      = "Authorization: Basic c291cmNlOmhhY2ttZQ==\r\n" // source:hackme
)

// A transcript is what one tool says, in turns, and the answer to each turn. An answer that ends in "..." is a prefix.
type transcript struct {
	name  string
	turns []turn
	kind  ingest.Kind // of the source that is then connected; "" for none
	mount string
	agent string
	info  codec.Event // station fields told
	rate  int         // bit/s claimed
	ends  bool        // the server closes the connection
}

type turn struct{ say, answer string }

// transcripts are the first bytes of real tools (captured), and of those that went wrong.
func transcripts() []transcript {
	unauthorized := "HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm=\"Streamer\"\r\n..."
	return []transcript{
		{
			name: "ffmpeg icecast",
			turns: []turn{{"PUT /live HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\nExpect: 100-continue\r\n" +
				"Connection: close\r\nHost: 127.0.0.1:8000\r\nContent-Type: audio/mpeg\r\nIcy-MetaData: 1\r\nIce-Name: Ü\r\n" +
				"ice-name: the first counts\r\n" +
				"Ice-Description: d\r\nIce-URL: http://u/\r\nIce-Genre: g\r\nIce-Public: 0\r\n" + basic + "\r\n", continue11 + ok10}},
			kind: ingest.KindIcecast, mount: "/live", agent: "Lavf/59.27.100",
			info: codec.Event{StationName: "Ü", Description: "d", URL: "http://u/", Genre: "g"},
		},
		{
			name: "ffmpeg legacy: audio at once, and it never reads our answer",
			turns: []turn{{"SOURCE /live HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\nContent-Type: audio/mpeg\r\n" + basic +
				"\r\n\xff", ""}},
			kind: ingest.KindIcecast, mount: "/live", agent: "Lavf/59.27.100",
		},
		{
			name: "ffmpeg http put, first try",
			turns: []turn{{"PUT /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUser-Agent: Lavf/59.27.100\r\n" +
				"Expect: 100-continue\r\n\r\n", unauthorized}},
			ends: true,
		},
		{
			name: "libshout 2.4.6: options, probe, login with PUT",
			turns: []turn{
				{"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: libshout/2.4.6\r\nConnection: Upgrade\r\n" +
					"Upgrade: TLS/1.0, HTTP/1.1\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nAllow: ..."},
				{"PUT /live HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: libshout/2.4.6\r\nContent-Type: audio/mpeg\r\n" +
					"Content-Length: 0\r\nConnection: Keep-Alive\r\nice-public: 0\r\nPrefer: return=minimal\r\n\r\n", unauthorized},
				{"PUT /live HTTP/1.1\r\n" + basic + "Host: 127.0.0.1:8000\r\nUser-Agent: libshout/2.4.6\r\n" +
					"Content-Type: audio/mpeg\r\nExpect: 100-continue\r\nice-public: 0\r\nice-name: no name\r\n" +
					"ice-audio-info: samplerate=44100;bitrate=128;channels=2\r\n\r\n", continue11 + ok10},
			},
			kind: ingest.KindIcecast, mount: "/live", agent: "libshout/2.4.6",
			info: codec.Event{StationName: "no name"}, rate: 128000,
		},
		{
			name: "mixxx: probe and login on one connection",
			turns: []turn{
				{"SOURCE /live HTTP/1.0\r\nUser-Agent: libshout/2.4.1\r\nContent-Type: audio/mpeg\r\nice-name: Mixxx\r\n" +
					"ice-irc: \r\nice-audio-info: bitrate=0\r\n\r\n", unauthorized},
				{"SOURCE /live HTTP/1.0\r\n" + basic + "User-Agent: libshout/2.4.1\r\nContent-Type: audio/mpeg\r\n" +
					"ice-name: Mixxx\r\nice-irc: \r\nice-audio-info: bitrate=0\r\n\r\n", ok10},
			},
			kind: ingest.KindIcecast, mount: "/live", agent: "libshout/2.4.1", info: codec.Event{StationName: "Mixxx"},
		},
		{
			name: "liquidsoap, no host",
			turns: []turn{{"SOURCE /live.ogg HTTP/1.0\r\nice-url: http://example.org/\r\nice-name: A\r\n" + basic +
				"User-Agent: Liquidsoap/2.1.3 (Unix; OCaml 4.13.1)\r\nContent-Type: application/ogg\r\n\r\n", ok10}},
			kind: ingest.KindIcecast, mount: "/live.ogg", agent: "Liquidsoap/2.1.3 (Unix; OCaml 4.13.1)",
			info: codec.Event{StationName: "A", URL: "http://example.org/"},
		},
		{
			name:  "liquidsoap chunked, empty host",
			turns: []turn{{"SOURCE /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: \r\n" + basic + "\r\n", ok10}},
			kind:  ingest.KindIcecast, mount: "/live",
		},
		{
			name: "butt",
			turns: []turn{{"PUT /live HTTP/1.1\r\n" + basic + "User-Agent: butt 0.1.37\r\nContent-Type: audio/mpeg\r\n" +
				"ice-public: 0\r\nice-audio-info: ice-bitrate=128;ice-channels=2;ice-samplerate=44100\r\n" +
				"Expect: 100-continue\r\n\r\n", continue11 + ok10}},
			kind: ingest.KindIcecast, mount: "/live", agent: "butt 0.1.37", rate: 128000,
		},
		{
			name: "darkice",
			turns: []turn{{"SOURCE /live HTTP/1.0\r\n" + basic + "User-Agent: DarkIce/1.3\r\nContent-type: audio/mpeg\r\n" +
				"ice-bitrate: 96\r\nice-public: 0\r\n\r\n", ok10}},
			kind: ingest.KindIcecast, mount: "/live", agent: "DarkIce/1.3", rate: 96000,
		},
		{
			name:  "darkice for icecast 1",
			turns: []turn{{"SOURCE hackme /live\nx-audiocast-name: Old\nx-audiocast-bitrate: 64\n\n", "OK\r\n"}},
			kind:  ingest.KindXAudio, mount: "/live", info: codec.Event{StationName: "Old"}, rate: 64000,
		},
		{
			name:  "icecast 1, wrong password",
			turns: []turn{{"SOURCE nothackme /live\n\n", "ERROR - Bad Password\r\n"}}, ends: true,
		},
		{
			name: "curl with a length",
			turns: []turn{{"PUT /live HTTP/1.1\r\nHost: h\r\n" + basic + "User-Agent: curl/7.88.1\r\nContent-Length: 100000\r\n" +
				"Expect: 100-continue\r\n\r\n", continue11 + ok10}},
			kind: ingest.KindIcecast, mount: "/live", agent: "curl/7.88.1",
		},
		{
			name:  "libshout for shoutcast, LF, all at once",
			turns: []turn{{"hackme\nicy-name:A\nicy-url:http://u/\nicy-irc:\nicy-pub:0\nicy-genre:g\nicy-br:128\n\n", ok2}},
			kind:  ingest.KindShoutcast, mount: "/",
			info: codec.Event{StationName: "A", URL: "http://u/", Genre: "g"}, rate: 128000,
		},
		{
			name:  "liquidsoap for shoutcast waits for OK2",
			turns: []turn{{"hackme\r\n", ok2}, {"icy-reset:1\r\nicy-br:64\r\nicy-name:B\r\ncontent-type:audio/aac\r\n\r\n", ""}},
			kind:  ingest.KindShoutcast, mount: "/", info: codec.Event{StationName: "B"}, rate: 64000,
		},
		{
			name:  "butt for shoutcast",
			turns: []turn{{"hackme\r\nHost: 127.0.0.1\r\nicy-name:B\r\nicy-br:128\r\ncontent-type:audio/mpeg\r\n\r\n", ok2}},
			kind:  ingest.KindShoutcast, mount: "/", info: codec.Event{StationName: "B"}, rate: 128000,
		},
		{
			name:  "shoutcast password with a stream number",
			turns: []turn{{"hackme:#1\r\n", ok2}, {"\r\n", ""}}, kind: ingest.KindShoutcast, mount: "/",
		},
		{
			name:  "shoutcast user, password and stream number",
			turns: []turn{{"dj:hackme:#1\r\n", ok2}, {"\r\n", ""}}, kind: ingest.KindShoutcast, mount: "/",
		},
		{
			name:  "shoutcast poke",
			turns: []turn{{"!POKE\nicy-name:libshout server poke request\n\n", "invalid password\r\n"}}, ends: true,
		},
		{name: "shoutcast, wrong password", turns: []turn{{"nothackme\r\n", "invalid password\r\n"}}, ends: true},
		{
			name:  "shoutcast 2",
			turns: []turn{{"\x5A\x00\x10\x09\x00\x032.1\x00", "\x5A\x00\x10\x09\x00\x11NAK:Version Error\x00"}}, ends: true,
		},
		{name: "a password that begins with Z", turns: []turn{{"Zebra\r\n", "invalid password\r\n"}}, ends: true},
		{
			name: "no login at all", turns: []turn{{string(mp3Frames(2, 1)), "HTTP/1.0 400 Bad Request\r\n..."}}, ends: true,
		},
		{
			name: "wrong password", turns: []turn{{
				"SOURCE /live HTTP/1.0\r\nAuthorization: Basic c291cmNlOm5v\r\n\r\n",
				unauthorized,
			}},
		},
		{
			name:  "an encoding that nobody has",
			turns: []turn{{"PUT /live HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + basic + "\r\n", "HTTP/1.0 501 Not Implemented\r\n..."}},
			ends:  true,
		},
		{name: "poke of libshout", turns: []turn{{"GET /admin/!POKE HTTP/1.1\r\n\r\n", "HTTP/1.0 404 Not Found\r\n..."}}, ends: true},
		{
			name: "butt asks for listeners", ends: true,
			turns: []turn{{
				"GET /stats?sid=1 HTTP/1.0\r\nUser-Agent: Mozilla\r\n\r\n",
				"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n",
			}},
		},
		{name: "unknown method", turns: []turn{{"BREW /pot HTTP/1.1\r\n\r\n", "HTTP/1.0 405 Method Not Allowed\r\n..."}}, ends: true},
		{
			name: "head too large", ends: true,
			turns: []turn{{
				"SOURCE /live HTTP/1.0\r\nice-name: " + strings.Repeat("x", ingest.HeadBytesMax) + "\r\n",
				"HTTP/1.0 431 Request Header Fields Too Large\r\n...",
			}},
		},
		{
			name: "too many lines", ends: true,
			turns: []turn{{
				"SOURCE /live HTTP/1.0\r\n" + strings.Repeat("a: b\r\n", 101),
				"HTTP/1.0 431 Request Header Fields Too Large\r\n...",
			}},
		},
	}
}

func TestLogin(t *testing.T) {
	for _, tt := range transcripts() {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
				c := r.call()
				defer c.Close()
				for i, turn := range tt.turns {
					got := c.say(turn.say)
					want, prefix := strings.CutSuffix(turn.answer, "...")
					if got != want && (!prefix || !strings.HasPrefix(got, want)) {
						t.Fatalf("turn %d: answer %q, want %q", i, got, turn.answer)
					}
				}
				if c.isClosed() != tt.ends {
					t.Errorf("connection closed: %v, want %v", !tt.ends, tt.ends)
				}
				s := r.server.Status()
				if s.Live() != (tt.kind != "") {
					t.Fatalf("live: %v, status %+v", s.Live(), s)
				}
				if s.Live() && (s.Kind != tt.kind || s.Mount != tt.mount || s.Agent != tt.agent || s.BitrateBPS != tt.rate) {
					t.Errorf("status %+v, want kind %q, mount %q, agent %q, %d bit/s", s, tt.kind, tt.mount, tt.agent, tt.rate)
				}
				if r.info != tt.info {
					t.Errorf("station %+v, want %+v", r.info, tt.info)
				}
			})
		})
	}
}

// Every client says its first bytes in pieces of any size.
func TestLoginByteByByte(t *testing.T) {
	for _, tt := range transcripts() {
		if tt.kind == "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
				c := r.call()
				defer c.Close()
				for i, turn := range tt.turns {
					got := ""
					for _, b := range []byte(turn.say) {
						got += c.say(string(b))
					}
					if want, prefix := strings.CutSuffix(turn.answer, "..."); got != want && (!prefix || !strings.HasPrefix(got, want)) {
						t.Fatalf("turn %d: answer %q, want %q", i, got, turn.answer)
					}
				}
				if s := r.server.Status(); s.Kind != tt.kind {
					t.Errorf("status %+v, want kind %q", s, tt.kind)
				}
			})
		})
	}
}

// The answer comes all the same, for whoever calls itself ffmpeg and waits for it, and at the end.
func TestLateAnswer(t *testing.T) {
	const head = "SOURCE /live HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\n" + basic
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		c := r.call()
		c.say(head + "\r\n")
		time.Sleep(1100 * time.Millisecond)
		if got := c.heard(); got != ok10 {
			t.Errorf("answer %q after a second without audio", got)
		}
		_ = c.Close()
		synctest.Wait()
		c = r.call()
		audio := mp3Frames(50, 1)
		got := c.say(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(audio), audio))
		if got != ok10 || !c.isClosed() {
			t.Errorf("answer %q at the end", got)
		}
		if len(r.frames()) != 50 {
			t.Errorf("%d frames, want 50", len(r.frames()))
		}
	})
}

func TestConfiguredMount(t *testing.T) {
	for _, tt := range []struct{ own, mount, answer string }{
		{"/live", "/live", ok10},
		{"live", "/live", ok10},
		{"/live", "live", ok10},
		{"/l%20ve", "/l ve", ok10},
		{"/live", "/other", "HTTP/1.0 404 Not Found"},
	} {
		t.Run(tt.own+" "+tt.mount, func(t *testing.T) {
			inRig(t, ingest.ServerConfig{Mount: tt.own}, func(t *testing.T, r *rig) {
				c := r.call()
				defer c.Close()
				got := c.say("SOURCE " + tt.mount + " HTTP/1.0\r\n" + basic + "\r\n")
				if !strings.HasPrefix(got, tt.answer) {
					t.Errorf("answer %q, want %q", got, tt.answer)
				}
			})
		})
	}
}

func TestOwnWordsWin(t *testing.T) {
	own := codec.Event{StationName: "Mine", Genre: "jazz"}
	inRig(t, ingest.ServerConfig{Info: own}, func(t *testing.T, r *rig) {
		c := r.logIn("ice-name: Theirs", "ice-url: http://theirs/")
		defer c.Close()
		synctest.Wait()
		if want := (codec.Event{StationName: "Mine", Genre: "jazz", URL: "http://theirs/"}); r.info != want {
			t.Errorf("station %+v, want %+v", r.info, want)
		}
	})
}

func TestWrongPasswordsAreThrottled(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		guess := func(password string) string {
			c := r.call()
			defer c.Close()
			return strings.TrimSpace(c.say(password + "\r\n"))
		}
		for range 20 { // pokes and empty lines are no guesses
			guess("!POKE")
			guess("")
		}
		if got := guess("hackme"); got != strings.TrimSpace(ok2) {
			t.Errorf("after pokes: %q", got)
		}
		for i := range 10 {
			if got := guess(fmt.Sprint("guess", i)); got != "invalid password" {
				t.Fatalf("guess %d: %q", i, got)
			}
		}
		if got := guess("hackme"); got != "invalid password" {
			t.Errorf("after ten wrong ones the right password was heard: %q", got)
		}
		c := r.call()
		defer c.Close()
		if got := c.say("SOURCE /live HTTP/1.0\r\n" + basic + "\r\n"); !strings.HasPrefix(got, "HTTP/1.0 429 ") {
			t.Errorf("answer %q, want 429", got)
		}
		time.Sleep(3 * time.Second)
		if got := guess("hackme"); got != strings.TrimSpace(ok2) {
			t.Errorf("after a rest: %q", got)
		}
	})
}

func TestSlowHeads(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		silent := r.call()
		halfway := r.call()
		halfway.say("SOURCE /live HTTP/1.0\r\n")
		probe := r.call()
		probe.say("SOURCE /live HTTP/1.0\r\n\r\n")
		time.Sleep(4900 * time.Millisecond)
		if probe.isClosed() {
			t.Error("the connection of a probe closed before 5 s")
		}
		time.Sleep(200 * time.Millisecond)
		if !probe.isClosed() {
			t.Error("the connection of a probe is open after 5 s")
		}
		time.Sleep(4700 * time.Millisecond)
		if silent.isClosed() || halfway.isClosed() {
			t.Error("closed before 10 s")
		}
		time.Sleep(300 * time.Millisecond)
		if !silent.isClosed() || !halfway.isClosed() {
			t.Error("open after 10 s")
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		source := r.logIn()
		defer source.Close()
		var idle []*caller
		for range ingest.ConnsMax - 1 {
			idle = append(idle, r.call())
		}
		if one := r.call(); !one.isClosed() {
			t.Error("one connection too many was taken")
		}
		if source.isClosed() {
			t.Error("the source lost its connection")
		}
		_ = idle[0].Close()
		synctest.Wait()
		if one := r.call(); one.isClosed() {
			t.Error("no connection taken after another went")
		}
	})
}

func TestListen(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	pair, err := ingest.Listen(t.Context(), "127.0.0.1:0", log)
	if err != nil || len(pair) != 2 {
		t.Fatalf("%d listeners, %v, want a pair", len(pair), err)
	}
	defer pair[1].Close()
	first := pair[0].Addr().(*net.TCPAddr)
	if second := pair[1].Addr().(*net.TCPAddr); second.Port != first.Port+1 {
		t.Errorf("ports %d and %d", first.Port, second.Port)
	}
	_ = pair[0].Close()
	one, err := ingest.Listen(t.Context(), first.String(), log)
	if err != nil || len(one) != 1 || !strings.Contains(said.String(), "level=WARN") {
		t.Fatalf("%d listeners, %v, log %q, want one and a warning", len(one), err, said.String())
	}
	defer one[0].Close()
	for _, bad := range []string{first.String(), "127.0.0.1", "127.0.0.1:x"} {
		if _, err := ingest.Listen(t.Context(), bad, log); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
}

func TestServerConfig(t *testing.T) {
	for _, password := range []string{"", "a\nb"} {
		if _, err := ingest.NewServer(ingest.ServerConfig{Password: password}); err == nil {
			t.Errorf("password %q was taken", password)
		}
	}
}
