// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"streamer/lab/netlab"
)

const (
	manyStations = 5000
	newsRate     = 200 // events a second, each about one station
	watchFor     = time.Minute
	clicks       = 4                // of each kind
	listenFor    = 10 * time.Second // after the last of them
)

// sections are the parts of docs/results/page.md, in order. Each test writes its own.
var sections = []string{"smooth", "sound"}

const resultsHead = `# The page, measured

In Debian's Chromium without a window and without a graphics card, against real nodes on the same machine ([the lab](../lab.md)).

`

// writeSection puts a test's part into the page of results.
func writeSection(t *testing.T, name, text string) {
	t.Helper()
	t.Log("\n" + text)
	if t.Failed() {
		return
	}
	path := filepath.Join("..", "..", "docs", "results", "page.md")
	text += fmt.Sprintf("\n%s, with `LAB_LONG=1 go test -tags lab -run '^%s$' -count 1 -timeout 1h -v ./lab/page` on\n%s.\n\n",
		time.Now().Format("2 January 2006"), t.Name(), netlab.Machine())
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	page := resultsHead
	for _, s := range sections {
		begin, end := "<!-- "+s+" -->\n", "<!-- end of "+s+" -->\n"
		part := text
		if s != name {
			var found bool
			if _, part, found = strings.Cut(string(old), begin); !found {
				continue
			}
			part, _, _ = strings.Cut(part, end)
		}
		page += begin + part + end
	}
	if err := os.WriteFile(path, []byte(strings.TrimRight(page, "\n")+"\n"), 0o644); err != nil {
		t.Error(err)
	}
}

// A crowd is the many stations that a node is made to tell of, beside its own.
type crowd struct {
	list []map[string]any
	news atomic.Int64 // events that were told
}

func newCrowd() *crowd {
	c := &crowd{}
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	genres := []string{"Jazz", "Ambient", "Rock, Pop", "Techno / House", "Talk", "Folk"}
	for i := range manyStations {
		id := []byte(strings.Repeat("a", 52))
		for at, n := 0, i+1; n > 0; at, n = at+1, n/len(letters) {
			id[at] = letters[n%len(letters)]
		}
		c.list = append(c.list, map[string]any{
			"id": string(id), "name": fmt.Sprintf("Station %d of the many", i), "genre": genres[i%len(genres)], "description": "", "url": "",
			"codec": "mp3", "bitrate_bps": 128000, "title": "Somebody - Something", "listeners": i % 97, "audience_estimate": i % 97,
			"online": i%5 != 0, "last_alive_s": i % 1000, "link": "streamerp2p://" + string(id),
		})
	}
	return c
}

// told is what a node says, with the crowd among it. It returns an event to write, or nothing.
func (c *crowd) told(event string, data []byte) []byte {
	if event != "stations" {
		return data
	}
	var own []map[string]any
	if json.Unmarshal(data, &own) != nil {
		return data
	}
	text, err := json.Marshal(append(own, c.list...))
	if err != nil {
		panic("page: " + err.Error()) // it was read as JSON
	}
	return text
}

// next is news of one station: its listeners, and now and then its title.
func (c *crowd) next() []byte {
	n := c.news.Add(1)
	s := c.list[int(n*7919)%len(c.list)]
	s["listeners"] = int(n*31) % 97
	s["audience_estimate"] = s["listeners"]
	if n%3 == 0 {
		s["title"] = fmt.Sprintf("Somebody - Something %d", n)
	}
	text, err := json.Marshal(map[string]any{"changed": []any{s}, "gone": []any{}})
	if err != nil {
		panic("page: " + err.Error()) // ours
	}
	return []byte("event: stations_changed\ndata: " + string(text) + "\n\n")
}

// stream adds the crowd and its news to a node's stream of events.
func (c *crowd) stream(body io.Reader, to io.Writer) error {
	lines := make(chan []byte)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(lines)
		eachLine(body, func(b []byte) bool {
			select {
			case lines <- b:
				return true
			case <-done:
				return false
			}
		})
	}()
	tick := time.NewTicker(time.Second / newsRate)
	defer tick.Stop()
	event, begun := "", false
	for {
		var out []byte
		var news <-chan time.Time
		if begun && event == "" { // between two events
			news = tick.C
		}
		select {
		case b, more := <-lines:
			if !more {
				return io.EOF
			}
			line := strings.TrimSuffix(string(b), "\n")
			switch name, is := strings.CutPrefix(line, "event: "); {
			case is:
				event = name
			case line == "":
				begun = begun || event == "stations"
				event = ""
			}
			if data, is := strings.CutPrefix(line, "data: "); is {
				b = append(append([]byte("data: "), c.told(event, []byte(data))...), '\n')
			}
			out = b
		case <-news:
			out = c.next()
		}
		if _, err := to.Write(out); err != nil {
			return err
		}
	}
}

// Smoothness is what the browser says of itself while a page was watched.
type smoothness struct {
	Frames                  int
	P50, P95, P99, Most     float64 // ms between two frames
	Long                    int     // tasks above 50 ms
	LongMost, LongSum       float64 // ms
	Late                    int     // frames later than 50 ms
	HeapBefore, HeapAfter   float64 // MB, after a collection of what is garbage
	SearchP50, SearchMost   float64 // ms from a letter to the frame that shows what it finds
	Played                  float64 // s of sound
	Stalls                  int     // of the sound
	Elements, Rows, Entries int
}

// watchScript watches frames for so many ms, while what a listener does happens: the list is scrolled, words are looked for.
const watchScript = `(async (busy, ms) => {
	const frames = [], tasks = [], searches = [];
	const observer = new PerformanceObserver((l) => l.getEntries().forEach((e) => tasks.push(e.duration)));
	observer.observe({entryTypes: ["longtask"]});
	const audio = document.querySelector("#audio");
	let stalls = 0, heard = audio?.currentTime ?? 0;
	audio?.addEventListener("waiting", () => stalls++);
	const list = document.querySelector("#list"), search = document.querySelector("#search");
	const until = performance.now() + ms;
	let last = await new Promise(requestAnimationFrame), way = 24, wordAt = last + 2000;
	const words = ["s", "st", "sta", "stat", "7", "77", "jazz", ""];
	for (let n = 0; performance.now() < until;) {
		const now = await new Promise(requestAnimationFrame);
		frames.push(now - last);
		last = now;
		if (!busy) continue;
		if (list.scrollTop + list.clientHeight >= list.scrollHeight - 1 || list.scrollTop === 0) way = list.scrollTop === 0 ? 24 : -24;
		list.scrollTop += way;
		if (now > wordAt) {
			wordAt = now + 2000;
			search.value = words[n++ % words.length];
			const began = performance.now();
			search.dispatchEvent(new Event("input", {bubbles: true}));
			requestAnimationFrame(() => searches.push(performance.now() - began));
		}
	}
	observer.disconnect();
	const sort = (a) => a.sort((x, y) => x - y), at = (a, q) => a.length ? a[Math.min(a.length - 1, Math.floor(a.length * q))] : 0;
	sort(frames); sort(tasks); sort(searches);
	return {Frames: frames.length, P50: at(frames, .5), P95: at(frames, .95), P99: at(frames, .99), Most: at(frames, 1), Long: tasks.length,
		LongMost: at(tasks, 1), LongSum: tasks.reduce((a, b) => a + b, 0), Late: frames.filter((f) => f > 50).length,
		SearchP50: at(searches, .5), SearchMost: at(searches, 1), Played: audio ? audio.currentTime - heard : 0, Stalls: stalls,
		Elements: document.querySelectorAll("*").length, Rows: document.querySelectorAll(".row-station").length,
		Entries: Number(list?.getAttribute("aria-rowcount") ?? 0)};
})`

// heap is what the page's scripts keep, in MB.
func (v *view) heap() float64 {
	v.t.Helper()
	v.must(v.Call("HeapProfiler.collectGarbage", nil, nil))
	var r struct{ UsedSize float64 }
	v.must(v.Call("Runtime.getHeapUsage", nil, &r))
	return r.UsedSize / 1e6
}

// The page stays smooth with 5,000 stations and 200 events a second, while it plays and somebody scrolls and searches.
func TestSmooth(t *testing.T) {
	if !long {
		t.Skip("a measurement of minutes: LAB_LONG=1")
	}
	nd := newListener(t)
	_ = nd.do(t, http.MethodPatch, "/api/v1/settings", struct{}{}).Body.Close()
	nd.hear(t, studio.ready.Link) // there is a past to begin in
	c := newCrowd()
	blank := window(t)
	blank.must(blank.Go(nd.url("/healthz")))
	watch := func(v *view, busy bool, d time.Duration) (s smoothness) {
		began := v.heap()
		// Not one call: an answer comes within a minute.
		v.must(v.Evaluate(fmt.Sprintf("window.watched = null; %s(%v, %d).then((w) => { window.watched = w; }); 0", watchScript, busy, d.Milliseconds()), nil))
		time.Sleep(d)
		v.await("watched")
		s = value[smoothness](v, "watched")
		s.HeapBefore, s.HeapAfter = began, v.heap()
		return s
	}
	idle := watch(blank, false, watchFor/6)
	await(t, "there is a past", func() bool {
		var all struct {
			Tuned []struct {
				Timeline *struct {
					From int64 `json:"from_ms"`
					Live int64 `json:"live_ms"`
				}
			}
		}
		nd.get(t, "/api/v1/status", &all)
		return len(all.Tuned) == 1 && all.Tuned[0].Timeline != nil && all.Tuned[0].Timeline.Live-all.Tuned[0].Timeline.From > 2000
	})
	v := open(t, between(t, nd, c.stream)+"/")
	v.await(`document.querySelector("#list").getAttribute("aria-rowcount") > ` + fmt.Sprint(manyStations))
	v.run(`document.querySelector("#search").value = "` + studioName + `"; document.querySelector("#search").dispatchEvent(new Event("input", {bubbles: true}))`)
	v.await(`document.querySelector(` + quote(row(studio.ready.StationID)) + `)`)
	v.must(v.Click(row(studio.ready.StationID)+" .lines", 2))
	v.state("playing")
	told, since := c.news.Load(), time.Now()
	s := watch(v, true, watchFor)
	rate := float64(c.news.Load()-told) / time.Since(since).Seconds()
	if s.Rows > 60 || s.Entries == 0 || rate < newsRate*0.8 {
		t.Errorf("%d rows in the document, %d entries, %.0f events/s", s.Rows, s.Entries, rate)
	}
	// A figure, not a limit, but a page that hangs is a fault.
	if s.P95 > 100 || s.LongMost > 1000 || s.HeapAfter > s.HeapBefore+30 || s.Stalls > 0 {
		t.Errorf("it is not smooth: %+v", s)
	}
	line := func(what string, s smoothness) string {
		return fmt.Sprintf("| %s | %.1f, %.1f, %.1f, %.0f ms | %d of %d | %d, %.0f ms | %.0f, %.0f ms | %.1f, %.1f MB |\n", what, s.P50, s.P95, s.P99,
			s.Most, s.Late, s.Frames, s.Long, s.LongMost, s.SearchP50, s.SearchMost, s.HeapBefore, s.HeapAfter)
	}
	writeSection(t, "smooth", fmt.Sprintf(`## Smoothness

%d stations and %.0f events a second, each about one station, for %v, while a station plays and somebody scrolls and searches without
a pause; beside it a page that shows nothing, which is what the machine can do. Frames are drawn by the processor. Of the time between two
frames the median, the 95th and 99th percentile and the most; frames later than 50 ms; long tasks (above 50 ms), the longest; from a letter in the search
field to the frame that shows what it finds, median and most; the scripts' memory at the beginning and the end, without garbage.

| Page | Between frames | Later than 50 ms | Long tasks | Search | Memory |
|---|---|---|---|---|---|
%s%s
The document had %d elements, %d of them rows. %.0f s of sound were played, with %d pauses.
`, manyStations, rate, watchFor, line("nothing", idle), line("the page", s), s.Elements, s.Rows, s.Played, s.Stalls))
}

// soundScript clicks and returns how long after that the first sound was decoded, in ms, and how often the sound paused within MS after that.
const soundScript = `(async () => {
	const audio = document.querySelector("#audio");
	const context = new AudioContext();
	await context.resume();
	const analyser = context.createAnalyser();
	analyser.fftSize = 256;
	context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
	const samples = new Float32Array(analyser.fftSize);
	let playing = 0;
	audio.addEventListener("playing", () => { playing ||= performance.now(); });
	const began = performance.now();
	document.querySelector("#station-play").click();
	for (;;) {
		await new Promise((done) => setTimeout(done, 2));
		analyser.getFloatTimeDomainData(samples);
		if (samples.some((s) => Math.abs(s) > 0.01)) break;
		if (performance.now() - began > 30000) throw new Error("no sound: " + document.querySelector("#bar").dataset.state);
	}
	const sound = performance.now();
	let pauses = 0;
	audio.addEventListener("waiting", () => pauses++);
	await new Promise((done) => setTimeout(done, MS));
	document.querySelector("#stop").click();
	return {Playing: playing - began, Sound: sound - began, Pauses: pauses};
})()`

// noisy adds noise, which codecs cannot leave out as they do most of a tone: then their rates are as they are for music.
func noisy(samples []byte) []byte {
	rng := rand.New(rand.NewPCG(6, 6))
	for i := 0; i+1 < len(samples); i += 2 {
		v := int16(binary.LittleEndian.Uint16(samples[i:])) + int16(rng.IntN(12000)) - 6000
		binary.LittleEndian.PutUint16(samples[i:], uint16(v))
	}
	return samples
}

// From the click on Play to the first sound, for each codec: at a node that is tuned in already, and at one that is not.
func TestClickToSound(t *testing.T) {
	if !long {
		t.Skip("a measurement of minutes: LAB_LONG=1")
	}
	var table strings.Builder
	for _, f := range []struct{ name, file, options string }{
		{"MP3, 128 kbit/s", "a.mp3", "-b:a 128k"}, {"MP3, 48 kbit/s", "a.mp3", "-b:a 48k"}, {"AAC, 128 kbit/s", "a.aac", "-c:a aac -b:a 128k"},
		{"Vorbis, 128 kbit/s", "a.ogg", "-ar 44100 -ac 2 -c:a libvorbis -b:a 128k"}, {"Opus, 96 kbit/s", "a.opus", "-c:a libopus -b:a 96k"},
		{"FLAC", "a.flac", "-c:a flac"},
	} {
		music := t.TempDir()
		if err := encode(t.Context(), filepath.Join(music, f.file), noisy(sweep(0, musicSec)), strings.Fields(f.options)...); err != nil {
			t.Fatal(err)
		}
		source := newNode(t, "broadcast", music, "--name", f.name)
		nd := newNode(t, "run", "--seed", source.udp())
		for _, warm := range []bool{false, true} {
			if warm {
				nd.hear(t, source.ready.Link)
			}
			var took, began []float64
			pauses := 0
			for n := range clicks {
				stay := time.Duration(0)
				if n == clicks-1 {
					stay = listenFor
				}
				if !warm {
					await(t, "nothing is tuned", func() bool {
						var s struct{ Tuned []struct{} }
						nd.get(t, "/api/v1/status", &s)
						return len(s.Tuned) == 0
					})
				}
				v := open(t, nd.url("/#/station/"+source.ready.StationID))
				v.await(`document.querySelector("#station-play").checkVisibility() && document.querySelector(` + quote(row(source.ready.StationID)) + `)`)
				got := value[struct {
					Playing, Sound float64
					Pauses         int
				}](v, strings.ReplaceAll(soundScript, "MS", fmt.Sprint(stay.Milliseconds())))
				pauses += got.Pauses
				v.close() // or all of them run on beside the next
				took, began = append(took, got.Sound), append(began, got.Playing)
			}
			slices.Sort(took)
			slices.Sort(began)
			how := "cold"
			if warm {
				how = "warm"
			}
			fmt.Fprintf(&table, "| %s | %s | %.0f | %.0f | %.0f | %.0f | %d |\n", f.name, how, took[0], took[len(took)/2], took[len(took)-1], began[len(began)/2], pauses)
			// A figure, not a limit; but this would be a fault.
			if took[len(took)/2] > 10000 {
				t.Errorf("%s, %s: %.0f ms", f.name, how, took[len(took)/2])
			}
		}
		source.kill()
		nd.kill()
	}
	writeSection(t, "sound", fmt.Sprintf(`## From the click to the sound

In ms from the click on Play to the first sample that is no silence, %d times each, in a new window each time; and to the element's
playing event. Cold: the node is not tuned in. Warm: it is. The broadcaster is on the same machine: the network adds its round trips.

| Codec | Node | Least | Median | Most | Playing event, median | Pauses of the sound in the %v after one of the clicks |
|---|---|---|---|---|---|---|
%s`, clicks, listenFor, table.String()))
}
