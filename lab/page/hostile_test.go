// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// hostileTexts are what a station may call itself.
var hostileTexts = []string{
	`<script>window.owned=1</script><img src=x onerror="window.owned=2"><svg onload=window.owned=3>`,
	`"><iframe srcdoc="<script>parent.owned=4</script>"></iframe><a href="javascript:window.owned=5">x</a>`,
	"javascript:window.owned=6//'; window.owned=7; //\"; window.owned=8; //",
	"{{.Token}} ${window.owned=9} `${window.owned=10}` </bdi></title><base href=//evil.test>",
	"\u202e\u2066gnp.exe\u202edrawkcab \u061c\u200f\u2067never ended",
	"\u0627\u0644\u0631\u0627\u062f\u064a\u0648 \u05e8\u05d3\u05d9\u05d5 123 abc",
	"Z" + strings.Repeat("\u0337\u0321\u031b\u0300\u0316", 60) + "algo \U0001F3F4\u200d\u2620\ufe0f\ufdfd\u0bcc",
	strings.Repeat("W", 3000),
	strings.Repeat("very long words ", 200),
	"\x00\x01\x1b[31m\r\n\t\u2028\u2029\ufeff\ufffe",
	"   \u3164\u200b\u2800   ",
	"__proto__",
}

// stationTexts are the names of all texts in the node's answers that come from stations or other nodes, or say something about them.
var stationTexts = map[string]bool{
	"name": true, "title": true, "artist": true, "text": true, "genre": true, "description": true, "url": true, "summary": true,
	"advice": true, "codec": true, "words": true,
}

// spoil puts a text in the place of all texts that stations choose.
func spoil(v any, text string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = spoil(v[i], text)
		}
	case map[string]any:
		for key := range v {
			if s, is := v[key].(string); is && stationTexts[key] && (key != "codec" || s == "") {
				v[key] = text
			} else {
				v[key] = spoil(v[key], text)
			}
		}
	}
	return v
}

// spoiling stands before a node and puts a hostile text into all that it says: whatever comes through a node must be harmless.
func spoiling(t *testing.T, nd *node, text *atomic.Pointer[string]) string {
	t.Helper()
	return between(t, nd, func(events io.Reader, to io.Writer) (err error) {
		eachLine(events, func(b []byte) bool {
			if data, is := bytes.CutPrefix(b, []byte("data: ")); is {
				b = append(append([]byte("data: "), spoilJSON(data, *text.Load())...), '\n')
			}
			_, err = to.Write(b)
			return err == nil
		})
		return err
	}, func(answer []byte) []byte { return spoilJSON(answer, *text.Load()) })
}

func spoilJSON(b []byte, text string) []byte {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return b
	}
	b, err := json.Marshal(spoil(v, text))
	if err != nil {
		panic("page: " + err.Error()) // it was read as JSON
	}
	return b
}

// harmless is empty when a page did nothing that a text told it, and shows nothing but what it should.
const harmless = `(() => {
	const wrong = [];
	if ("owned" in window) wrong.push("a script ran: " + window.owned);
	for (const e of document.querySelectorAll("script, iframe, object, embed, base, img, form, link, meta, style, video")) {
		const own = e.matches("head > *, #qr-image, #limit");
		if (!own) wrong.push("a new element: " + e.outerHTML.slice(0, 100));
	}
	for (const e of document.querySelectorAll("*")) {
		for (const a of e.attributes) {
			if (/^on/i.test(a.name) || a.name === "srcdoc") wrong.push("attribute " + a.name);
			if (/^(href|src|action|xlink:href)$/.test(a.name) && !/^(#|\/|https?:\/\/|streamerp2p:)/.test(a.value)) wrong.push(a.name + "=" + a.value.slice(0, 50));
		}
	}
	if (document.querySelectorAll("script").length !== 1) wrong.push("scripts");
	const wide = document.documentElement.scrollWidth;
	if (wide > innerWidth) wrong.push("the page is " + wide + " wide, the window " + innerWidth);
	for (const r of document.querySelectorAll(".row-station")) {
		if (!r.checkVisibility()) continue;
		const box = r.getBoundingClientRect(), rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
		if (box.height > 4 * rem + 1) wrong.push("a row is " + box.height + " high");
		const lines = r.querySelector(".lines").getBoundingClientRect(), star = r.querySelector(".star").getBoundingClientRect();
		if (lines.right > star.left + 1 || star.right > innerWidth) wrong.push("a row is in disorder");
	}
	const bar = document.querySelector("#bar");
	if (bar.checkVisibility()) {
		const play = document.querySelector("#play").getBoundingClientRect(), now = document.querySelector("#now").getBoundingClientRect();
		if (play.right > innerWidth || play.left < 0 || now.right > play.left + 1 && now.bottom > play.top + 1) wrong.push("the bar is in disorder");
		if (bar.getBoundingClientRect().height > innerHeight / 2) wrong.push("the bar is " + bar.getBoundingClientRect().height + " high");
	}
	return wrong;
})()`

// Whatever a station calls itself and its titles, in each place where that shows: no script runs, no element comes to be, nothing is
// out of its place.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	var text atomic.Pointer[string]
	text.Store(&hostileTexts[0])
	address := spoiling(t, nd, &text)
	v := window(t)
	id := studio.ready.StationID
	for i := range hostileTexts {
		text.Store(&hostileTexts[i])
		v.must(v.Viewport(1280, 900))
		v.show(address + "/#/station/" + id)
		v.await(`document.querySelector(` + quote(row(id)) + `) && document.querySelector("#station-name").textContent !== ""`)
		v.run(`document.querySelector("#audio").muted = true; document.querySelector("#station-play").click();
			const star = document.querySelector("#station-favourite"); star.getAttribute("aria-pressed") === "true" || star.click();
			document.querySelector("#station-qr").click()`)
		v.state("playing")
		v.await(`document.querySelector("#qr").open`)
		v.run(`document.querySelector("#qr").close(); for (const d of document.querySelectorAll("details")) d.open = true`)
		v.await(`document.querySelector("#title-list li") && document.querySelector("#forest-picture").firstChild`)
		for _, size := range sizes {
			v.must(v.Viewport(size.width, size.height))
			for _, part := range []string{"", "station", "you"} {
				if size.width > 896 && part != "" {
					continue // all parts are in sight
				}
				v.run(`location.hash = "#/` + part + `"; await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`)
				for _, wrong := range value[[]string](v, harmless) {
					t.Errorf("%.60q at %d pixels, #/%s: %s", hostileTexts[i], size.width, part, wrong)
				}
			}
		}
	}
	// What the browser remembers is as hostile, when the node knows the stations no more.
	v.run(`document.querySelector('#shelf [value="favourites"]').click()`)
	v.await(`document.querySelector(".row-station")`)
	for _, wrong := range value[[]string](v, harmless) {
		t.Errorf("favourites: %s", wrong)
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}

// A real broadcaster with a hostile name and hostile tags, through all of a real node.
func TestHostileBroadcaster(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	const markup = `<img src=x onerror=window.owned=1>`
	if err := encode(t.Context(), filepath.Join(music, "a.mp3"), sweep(0, 30), "-b:a", "64k", "-metadata", "artist="+markup,
		"-metadata", "title=\u202e"+markup); err != nil {
		t.Fatal(err)
	}
	nd := newNode(t, "broadcast", music, "--name", markup, "--genre", markup, "--description", markup, "--url", "javascript:window.owned=2")
	v := open(t, nd.url("/#/station/"+nd.ready.StationID))
	v.awaitText(row(nd.ready.StationID)+" .name", markup)
	v.awaitText("#station-name", markup)
	v.run(`document.querySelector("#station-play").click()`)
	v.state("playing")
	v.await(`document.querySelector("#title-list li")?.textContent.includes(` + quote(markup) + `)`)
	for _, wrong := range value[[]string](v, harmless) {
		t.Error(wrong)
	}
	if !value[bool](v, `document.querySelector("#station-url").hidden`) {
		t.Errorf("the station's page is %s", value[string](v, `document.querySelector("#station-url a").href`))
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}
