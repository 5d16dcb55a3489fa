// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"fmt"
	"math"
	"testing"
)

// A title is shown when it is heard, not when the node had it: the listener is far behind the live end here.
func TestTitles(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	nd.hear(t, studio.ready.Link)
	v := open(t, nd.url("/#/station/"+studio.ready.StationID))
	v.run(earScript)
	v.click("#station-play")
	v.settled()
	await(t, "a track and a half are kept", func() bool {
		return value[bool](v, `(async () => {
			const l = (await import("/assets/state.js")).timeline(`+quote(studio.ready.StationID)+`); return l.live - l.from > 15000})()`)
	})
	v.run(`document.querySelector("#seek").focus()`)
	v.must(v.Press("Home")) // the oldest that is kept
	v.state("starting")
	v.settled()

	// Where the sound is when the title changes, twice.
	changes := value[[]instant](v, `(async () => {
		const found = [];
		for (let last = document.querySelector("#bar-title").textContent; found.length < 2;) {
			await lab.until(() => document.querySelector("#bar-title").textContent !== last);
			const now = `+instantScript+`;
			found.push(now);
			last = now.Title;
		}
		return found;
	})()`)
	for _, c := range changes {
		var track int
		if _, err := fmt.Sscanf(c.Title, "Laboratory - Track %d", &track); err != nil {
			t.Fatalf("title %q", c.Title)
		}
		late := math.Remainder(c.Sound-float64(track*trackSec), musicSec)
		t.Logf("%q is shown %.2f s after its first sound", c.Title, late)
		if late < -0.7 || late > 1.2 {
			t.Errorf("%q is shown %.2f s after its first sound: %+v", c.Title, late, c)
		}
	}
	last := changes[len(changes)-1].Title
	v.awaitText(row(studio.ready.StationID)+" .under", last)
	v.await(`document.querySelector("#title-list li .song").textContent === ` + quote(last[len("Laboratory - "):]))
	v.await(`navigator.mediaSession.metadata.title === ` + quote(last[len("Laboratory - "):]) + ` && navigator.mediaSession.playbackState === "playing"`)
	if live := value[string](v, `fetch("/api/v1/stations/`+studio.ready.StationID+`/titles").then((r) => r.json()).then((l) => l.at(-1).text)`); live == last {
		t.Errorf("the node has no title beyond %q: the test shows nothing", live)
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}
