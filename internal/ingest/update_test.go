// SPDX-License-Identifier: MIT

package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

// Metadata requests as the tools send them, and the title that goes on the air.
func TestUpdates(t *testing.T) {
	const okBody = "<iceresponse><message>Metadata update successful</message><return>1</return></iceresponse>\n"
	get := func(query string, fields ...string) string {
		return "GET /admin/metadata?" + query + " HTTP/1.0\r\n" + basic + strings.Join(fields, "") + "\r\n"
	}
	form := "mode=updinfo&charset=UTF-8&mount=%2flive&song=Unknown+%2d%20Unknown"
	for _, tt := range []struct {
		name, say, answer string
		want              codec.Event
	}{
		{"libshout", get("mode=updinfo&mount=%2flive&song=%c3%84rtist%20%2d%20T"), okBody, codec.Event{Title: "Ärtist - T"}},
		{"gstreamer", get("mode=updinfo&charset=UTF-8&mount=%2flive&song=a"), okBody, codec.Event{Title: "a"}},
		{
			"libshout with POST", "POST /admin/metadata HTTP/1.1\r\n" + basic +
				"Content-Type: application/x-www-form-urlencoded\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(form)) + form,
			okBody,
			codec.Event{Title: "Unknown - Unknown"},
		},
		{
			"ezstream", get("mode=updinfo&charset=UTF%2d8&mount=%2flive&artist=A%26B&title=T"), okBody,
			codec.Event{Artist: "A&B", Title: "T"},
		},
		{
			"liquidsoap", get("mode=updinfo&mount=/live&charset=UTF-8&title=T&artist=A&song=A%20-%20T&genre=0"), okBody,
			codec.Event{Artist: "A", Title: "T"},
		},
		{"butt, raw UTF-8", get("mode=updinfo&mount=/live&song=Füß & more=x"), okBody, codec.Event{Title: "Füß"}},
		{"butt, wrong charset", get("mode=updinfo&mount=/live&charset=ISO-8859-1&song=F\xc3\xbc\xc3\x9f"), okBody, codec.Event{Title: "Füß"}},
		{"charset named", get("mode=updinfo&charset=koi8-r&song=%F0%D2%C9%D7%C5%D4"), okBody, codec.Event{Title: "Привет"}},
		{"no charset, not UTF-8", get("mode=updinfo&song=%93caf%e9%94"), okBody, codec.Event{Title: "“café”"}},
		{"artist alone", get("mode=updinfo&artist=A"), okBody, codec.Event{Title: "A"}},
		{"bad escapes stay", get("mode=updinfo&song=100%&x=1"), okBody, codec.Event{Title: "100%"}},
		{"control characters", get("mode=updinfo&song=a%0d%0ab%00c"), okBody, codec.Event{Title: "a  b c"}},
		{"plus is plus", get("mode=updinfo&song=AC+DC"), okBody, codec.Event{Title: "AC+DC"}},
		{
			"shoutcast", "GET /admin.cgi?mode=updinfo&pass=hackme&song=S HTTP/1.0\r\nUser-Agent: (Mozilla compatible)\r\n\r\n",
			okBody,
			codec.Event{Title: "S"},
		},
		{
			"xaudiocast", "GET /admin.cgi?mode=updinfo&pass=hackme&mount=/live&song=S HTTP/1.0\r\n\r\n",
			okBody,
			codec.Event{Title: "S"},
		},
		{"no login", "GET /admin/metadata?mode=updinfo&song=S HTTP/1.1\r\n\r\n", "HTTP/1.0 401 ", codec.Event{}},
		{"wrong password", "GET /admin.cgi?mode=updinfo&pass=no&song=S HTTP/1.1\r\n\r\n", "HTTP/1.0 401 ", codec.Event{}},
		{"another mount", get("mode=updinfo&mount=/other&song=S"), "Source does not exist", codec.Event{}},
		{"another mode", get("mode=fallback&song=S"), "HTTP/1.0 400 ", codec.Event{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
				source := r.logIn()
				defer source.Close()
				c := r.call()
				defer c.Close()
				if got := c.say(tt.say); !strings.Contains(got, tt.answer) {
					t.Fatalf("answer %q, want %q in it", got, tt.answer)
				}
				source.stream(mp3Frames(40, 1), realTime)
				titles := r.titles()
				got := codec.Event{}
				if len(titles) > 0 {
					got = titles[len(titles)-1]
				}
				if got != tt.want {
					t.Errorf("titles %+v, want %+v", titles, tt.want)
				}
			})
		})
	}
}

func TestUpdateWithoutSource(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		c := r.call()
		got := c.say("GET /admin/metadata?mode=updinfo&song=S HTTP/1.0\r\n" + basic + "\r\n")
		if !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, "Source does not exist") {
			t.Errorf("answer %q", got)
		}
		// It is not kept for the next source.
		source := r.logIn()
		defer source.Close()
		source.stream(mp3Frames(20, 1), realTime)
		for _, title := range r.titles() {
			if title.Title != "" {
				t.Errorf("title %q", title.Title)
			}
		}
	})
}

// A title whose source ended before another frame came is not for the next one.
func TestTitleOfTheSourceBefore(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		source := r.logIn()
		source.stream(mp3Frames(20, 1), realTime)
		r.call().say("GET /admin/metadata?mode=updinfo&song=S HTTP/1.0\r\n" + basic + "\r\n")
		_ = source.Close()
		source = r.logIn()
		defer source.Close()
		source.stream(mp3Frames(20, 2), realTime)
		if got := r.titles(); len(got) > 0 {
			t.Errorf("titles %+v, want none", got)
		}
	})
}

// GStreamer opens about 48 connections for 16 equal updates, mostly probes without a login.
func TestManyEqualUpdates(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		source := r.logIn()
		defer source.Close()
		source.stream(mp3Frames(20, 1), realTime)
		for range 16 {
			probe := r.call()
			probe.say("OPTIONS * HTTP/1.1\r\n\r\n")
			_ = probe.Close()
			c := r.call()
			c.say("GET /admin/metadata?mode=updinfo&song=S HTTP/1.1\r\n\r\n")
			c.say("GET /admin/metadata?mode=updinfo&song=S HTTP/1.1\r\n" + basic + "\r\n")
			source.say(string(mp3Frames(1, 1)))
			_ = c.Close()
		}
		source.stream(mp3Frames(20, 2), realTime)
		synctest.Wait()
		events := 0
		for _, chunk := range r.epochs[0].chunks {
			if chunk.Kind == codec.ChunkEvent {
				events++
			}
		}
		if events > 3 { // station without title, title, and perhaps its repetition
			t.Errorf("%d event chunks for one title", events)
		}
		if got := r.server.Status().Title; got != "S" {
			t.Errorf("status title %q", got)
		}
	})
}

// The title changes with the sound: between the frames around which the request came.
func TestTitleIsInStreamOrder(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		source := r.logIn()
		defer source.Close()
		update := func(song string) {
			c := r.call()
			defer c.Close()
			c.say("GET /admin/metadata?mode=updinfo&song=" + song + " HTTP/1.1\r\n" + basic + "\r\n")
		}
		source.stream(mp3Frames(40, 1), realTime)
		update("first")
		source.stream(mp3Frames(40, 2), realTime)
		update("second")
		update("third") // the one before never sounded
		source.stream(mp3Frames(40, 3), realTime)
		var got []string
		for _, e := range r.titles() {
			got = append(got, e.Title)
		}
		if want := "[first third]"; fmt.Sprint(got) != want {
			t.Errorf("titles %v, want %s", got, want)
		}
		if r.info.Title != "third" {
			t.Errorf("Info told %q", r.info.Title)
		}
	})
}
