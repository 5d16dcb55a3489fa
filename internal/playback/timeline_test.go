// SPDX-License-Identifier: MIT

package playback_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/playback"
)

// A heard is what a player got until it was stopped.
type heard struct {
	code int
	at   time.Duration // as the answer says
	body []byte
}

// hear asks for a place of a station's timeline, and listens for a time of the bubble. It closes the channel.
func hear(t *testing.T, c *playback.Channel, query string, listen time.Duration) heard {
	t.Helper()
	h := playback.NewHandler(playback.Config{Tuner: &tuner{channel: c}, Log: slog.New(slog.DiscardHandler), StartWait: time.Second})
	w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/listen/"+stationID.String()+query, nil))
	}()
	time.Sleep(listen)
	synctest.Wait()
	c.Close()
	<-done
	ms, err := strconv.ParseInt(w.Header().Get("X-Position-Ms"), 10, 64)
	if w.Code == 200 && err != nil {
		t.Fatal(err)
	}
	return heard{w.Code, time.Duration(ms) * time.Millisecond, bytes.Clone(w.Body.Bytes())}
}

// A deadlined recorder has the deadlines of a connection.
type deadlined struct{ *httptest.ResponseRecorder }

func (*deadlined) SetWriteDeadline(time.Time) error { return nil }

// Every codec can be joined at any place that is held: what comes is frame for frame what came after that place.
func TestFrom(t *testing.T) {
	for _, r := range recipes() {
		s := newShow(t, r, 20, 48000)
		for _, from := range []time.Duration{0, time.Millisecond, 4321 * time.Millisecond, 11 * time.Second, 19 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				c := playback.NewChannel(r.name)
				c.Begin(1)
				feed(c, s.chunks)
				got := hear(t, c, fmt.Sprintf("?from=%d", from.Milliseconds()), 3*time.Second)
				if got.code != 200 || got.at < from-time.Millisecond || got.at > from+150*time.Millisecond {
					t.Fatalf("%s from %v: %d, begins at %v", r.name, from, got.code, got.at)
				}
				frames := frameHashes(t, got.body, r.demuxer)
				if len(frames) > len(s.hashes) || !slices.Equal(frames, s.hashes[len(s.hashes)-len(frames):]) {
					t.Errorf("%s from %v: %d frames, which are not the last ones", r.name, from, len(frames))
				}
				share := float64(len(frames)) / float64(len(s.hashes))
				if want := 1 - got.at.Seconds()/20; share < want-0.01 || share > want+0.01 {
					t.Errorf("%s from %v: %.3f of all frames, want %.3f", r.name, from, share, want)
				}
			})
		}
	}
}

// Without a place, and with one that nobody knows of, a player begins where it always did; before all that is held, at its
// beginning; nonsense is told.
func TestFromElsewhere(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	for _, test := range []struct {
		query string
		code  int
		at    func(playback.Timeline) time.Duration
	}{
		{"", 200, func(t playback.Timeline) time.Duration { return t.Live }},
		{"?from=", 200, func(t playback.Timeline) time.Duration { return t.Live }},
		{"?from=9223372036854775807", 200, func(t playback.Timeline) time.Duration { return t.Live }},
		{"?from=0", 200, func(t playback.Timeline) time.Duration { return t.From }},
		{"?from=-1", 400, nil}, {"?from=x", 400, nil}, {"?from=1.5", 400, nil}, {"?from=99999999999999999999", 400, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel("x")
			for epoch := range uint32(40) {
				c.Begin(epoch)
				feed(c, s.chunks)
			}
			line, ok := c.Timeline()
			if !ok || line.Live-line.From < playback.RingDuration-10*time.Second || line.Live < 790*time.Second || line.Live > 795*time.Second {
				t.Fatalf("the timeline is %+v", line)
			}
			got := hear(t, c, test.query, 2*time.Second)
			if got.code != test.code {
				t.Fatalf("%q: %d", test.query, got.code)
			}
			if test.at != nil && (got.at-test.at(line)).Abs() > time.Millisecond {
				t.Errorf("%q: begins at %v of %+v", test.query, got.at, line)
			}
		})
	}
}

// Who begins long ago gets half a minute at once, and then what he has time for.
func TestFromIsPaced(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	for listen, want := range map[time.Duration]time.Duration{time.Second: 30 * time.Second, time.Minute: 90 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel("x")
			for epoch := range uint32(20) {
				c.Begin(epoch)
				feed(c, s.chunks)
			}
			got := time.Duration(len(hear(t, c, "?from=0", listen).body)) * time.Second / 16000
			if got < want || got > want+5*time.Second {
				t.Errorf("after %v: %v of audio, want %v and less than a batch", listen, got, want)
			}
		})
	}
}

// A station that has ended can be heard to its end by those who paused.
func TestFromAfterTheEnd(t *testing.T) {
	r := recipeOf(t, "opus")
	s := newShow(t, r, 20, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		c.Begin(1)
		feed(c, s.chunks)
		c.End()
		line, ok := c.Timeline()
		if !ok || line.From != 0 || line.Live < 19*time.Second {
			t.Errorf("the timeline is %+v", line)
		}
		got := hear(t, c, "?from=10000", 2*time.Second)
		if frames := frameHashes(t, got.body, r.demuxer); got.at != 10*time.Second || len(frames) < len(s.hashes)*49/100 ||
			!slices.Equal(frames, s.hashes[len(s.hashes)-len(frames):]) {
			t.Errorf("begins at %v, %d frames of %d", got.at, len(frames), len(s.hashes))
		}
	})
}

func TestNoTimeline(t *testing.T) {
	if line, ok := playback.NewChannel("x").Timeline(); ok {
		t.Errorf("nothing came: %+v", line)
	}
}

// Titles have their places, each once, and the oldest are forgotten.
func TestTitlesOnTheTimeline(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	before, after := s.split(10 * time.Second)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		c.Begin(1)
		feed(c, before[:3])
		c.Chunk(event(codec.Event{Artist: "A", Title: "One"}))
		feed(c, before[3:])
		time.Sleep(10 * time.Second)
		c.Chunk(event(codec.Event{Artist: "B", Title: "Two"}))
		c.Chunk(event(codec.Event{Artist: "B", Title: "Two", Genre: "rock"}))
		c.Chunk(event(codec.Event{Genre: "rock"}))
		feed(c, after)
		got := c.Titles()
		if len(got) != 2 || got[0].At != 0 || got[0].Text != "A - One" || (got[1].At-10*time.Second).Abs() > 100*time.Millisecond ||
			got[1].Artist != "B" || got[1].Title != "Two" || got[1].Heard.Sub(got[0].Heard) != 10*time.Second {
			t.Errorf("got %+v", got)
		}
		for n := range 2 * playback.TitlesMax {
			c.Chunk(event(codec.Event{Title: fmt.Sprint(n)}))
		}
		if got = c.Titles(); len(got) != playback.TitlesMax || got[0].Text != fmt.Sprint(playback.TitlesMax) {
			t.Errorf("%d titles, the first is %+v", len(got), got[0])
		}
	})
}

// What stands in a request's from= never moves a player outside of what is held.
func FuzzFrom(f *testing.F) {
	for _, seed := range []string{"", "0", "12000", "-1", "9223372036854775807", "1e3", "0x10", "%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, from string) {
		r := &http.Request{URL: listenURL(from)}
		if at, err := playback.WantedPlace(r); err == nil && at < -1 {
			t.Errorf("%q: %v", from, at)
		}
	})
}

func listenURL(from string) *url.URL {
	return &url.URL{Path: "/listen/x", RawQuery: url.Values{"from": {from}}.Encode()}
}
