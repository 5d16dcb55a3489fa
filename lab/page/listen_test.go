// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"math"
	"strings"
	"testing"
)

// An instant is where the sound is: the music's second that the browser decoded, and the place that the page says.
type instant struct {
	Sound float64 // second of the music, by its pitch
	Place float64 // s on the station's timeline
	DB    float64
	Title string // that the page shows
	State string
}

const instantScript = `({Sound: lab.ear().second, DB: lab.ear().db, Place: lab.place(), Title: document.querySelector("#bar-title").textContent,
	State: lab.state()})`

// settled is the instant after another second has been heard: then all that the ear hears came after what was clicked.
func (v *view) settled() instant {
	v.t.Helper()
	v.state("playing")
	v.run("await lab.pass(1)")
	now := value[instant](v, instantScript)
	if now.DB < -50 || now.Sound < 0 || now.Sound > musicSec+1 {
		v.t.Fatalf("the page plays something else: %+v", now)
	}
	return now
}

// apart is how far two seconds of the music are apart: it begins again after musicSec.
func apart(a, b float64) float64 { return math.Abs(math.Remainder(a-b, musicSec)) }

// A listener finds a station, plays it, pauses, goes back, and comes back to the live end. What is heard tells whether that is so.
func TestListen(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	nd.hear(t, studio.ready.Link)
	v := open(t, nd.url("/"))
	id := studio.ready.StationID

	v.awaitText(row(id)+" .name", studioName)
	v.click("#search")
	v.must(v.Type("no such thing"))
	v.await(`!document.querySelector("#empty").hidden && document.querySelectorAll(".row-station").length === 0`)
	v.run(`document.querySelector("#search").select()`)
	v.must(v.Type("làB f")) // without its accent
	v.awaitText(row(id)+" .name", studioName)

	v.run(earScript)
	v.must(v.Click(row(id)+" .lines", 2))
	first := v.settled()
	if at := value[float64](v, "lab.at()"); at < 1 {
		t.Errorf("the audio element is at %.2f s", at)
	}
	next := v.settled()
	if d := next.Sound - first.Sound; math.Remainder(d, musicSec) < 0.8 || apart(next.Sound, first.Sound) > 30 {
		t.Errorf("a second later the sound went on by %.2f s: %+v, then %+v", d, first, next)
	}
	// The page says the place that is heard: both go on alike, whatever comes.
	offset := next.Place - next.Sound
	honest := func(what string, now instant) {
		t.Helper()
		t.Logf("%s: %+v", what, now)
		if d := apart(now.Place-now.Sound, offset); d > 0.7 {
			t.Errorf("%s: the page is wrong about its place by %.2f s: %+v; at first %+v", what, d, now, next)
		}
	}

	// Two pauses: one in which the browser keeps the stream, and one after which it is asked for again.
	for _, kept := range []bool{true, false} {
		before := v.settled()
		v.click("#play")
		v.state("paused")
		paused := value[instant](v, instantScript)
		if !kept { // as after a long pause
			v.run(`const a = document.querySelector("#audio"); a.dispatchEvent(new Event("error"))`)
		}
		line := "(async () => (await import('/assets/state.js')).timeline(" + quote(id) + ").live / 1000)()"
		live := value[float64](v, line)
		await(t, "the station goes on", func() bool { return value[float64](v, line) > live+3 })
		v.click("#play")
		after := v.settled()
		honest("after a pause", after)
		if d := after.Place - paused.Place; d < 0.5 || d > 4 {
			t.Errorf("the pause (stream kept: %v) was at %.2f s, a second later the listener is at %.2f s (%+v)", kept, paused.Place, after.Place, before)
		}
	}

	// 30 seconds back, once there are so many.
	await(t, "30 s of the station are kept", func() bool {
		return value[bool](v, `(async () => {const l = (await import("/assets/state.js")).timeline(`+quote(id)+`); return lab.place() * 1000 - l.from > 32000})()`)
	})
	before := value[instant](v, instantScript)
	v.click("#back")
	v.state("starting")
	after := v.settled()
	honest("30 s back", after)
	if d := after.Place - before.Place; d < -30 || d > -25 {
		t.Errorf("30 s back went from %.2f to %.2f s", before.Place, after.Place)
	}
	if words := v.text("#live"); !strings.HasPrefix(words, "\u22120:") {
		t.Errorf("behind live, the button says %q", words)
	}
	v.click("#live")
	v.state("starting")
	back := v.settled()
	honest("live again", back)
	if d := back.Place - after.Place; d < 25 {
		t.Errorf("back to live went from %.2f to %.2f s", after.Place, back.Place)
	}
	v.awaitText("#live", "Live")
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}
