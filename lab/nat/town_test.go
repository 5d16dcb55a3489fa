// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"streamer/lab/netlab"
)

const kbps = 64 // of the music

// settle is how long a town is left alone after everybody has audio.
func settle() time.Duration {
	if long {
		return 15 * time.Second
	}
	return 4 * time.Second
}

// A town is a broadcaster and listeners, each in a home of its own.
type town struct {
	net       *netlab.Network
	world     *world
	source    *tenant
	listeners []*tenant
}

// A tenant is a node in a home.
type tenant struct {
	*node
	home *netlab.Home
	ear  *ear
}

// townPlan says what the town is like. Nodes may send five streams.
type townPlan struct {
	seed      uint64
	hosts     int // public ones
	source    netlab.Kind
	listeners []netlab.Kind
	timeout   time.Duration // of mappings

	worldUpload string // of public hosts; 0: they carry no audio
}

// kindsOf is count homes of one kind.
func kindsOf(k netlab.Kind, count int) []netlab.Kind {
	list := make([]netlab.Kind, count)
	for i := range list {
		list[i] = k
	}
	return list
}

// newTown starts the nodes, waits until all listeners have audio, and listens to them.
func newTown(t *testing.T, plan townPlan) *town {
	t.Helper()
	w := &town{net: netlab.New(t, plan.seed)}
	music := newMusic(t, w.net, kbps, time.Minute)
	w.world = newWorld(t, w.net, plan.hosts, "--upload", plan.worldUpload)
	move := func(name string, kind netlab.Kind, args ...string) *tenant {
		home := w.net.Home(t, name+" router", netlab.HomeConfig{Kind: kind, Up: line, Timeout: plan.timeout})
		args = append(append(args, "--upload", fmt.Sprintf("%dk", 5*kbps)), w.world.seeds...)
		return &tenant{node: launch(t, home.Host(t, name), name, args...), home: home}
	}
	w.source = move("source", plan.source, "broadcast", music)
	w.source.awaitStanding(t)
	for i, kind := range plan.listeners {
		w.listeners = append(w.listeners, move(fmt.Sprintf("listener%02d", i+1), kind, "listen", w.source.link(), "--player", "none"))
	}
	began := time.Now()
	for _, l := range w.listeners {
		awaitReady(t, l.node)
	}
	for _, l := range w.listeners {
		await(t, 45*time.Second, l.Name+" has audio", func() bool { return l.tuned().BufferMS >= 1000 })
		l.ear = listen(t, l.node, w.source.ready.StationID)
	}
	t.Logf("%d listeners have audio after %v", len(w.listeners), time.Since(began).Round(time.Millisecond))
	return w
}

// report writes down the state of all.
func (w *town) report(t *testing.T) {
	t.Helper()
	for _, l := range append([]*tenant{w.source}, w.listeners...) {
		s := l.tuned()
		t.Logf("%-10s %-16v %v: hops %d buffer %.0f ms received %d missing %d, fed by %v, feeds %v, heard %v", l.Name, l.home.Kind(),
			l.home.Router.IPv4(), s.Hops, s.BufferMS, s.Chunks.Received, s.Chunks.Missing, addresses(s.Parents), addresses(s.Children), l.ear)
	}
}

func addresses(peers []peerStatus) (list []string) {
	for _, p := range peers {
		list = append(list, p.Addr)
	}
	return list
}

// An ear is a player without a buffer of its own: it begins with the first byte, and stalls whenever the next is not there.
type ear struct {
	mu      sync.Mutex
	began   time.Time // of the first byte; zero: there was none
	bytes   int64
	stalled time.Duration // in all
	resumed time.Time     // when the last stall worth the word ended
}

const stallWorth = 50 * time.Millisecond

// listen plays a station from a node until the test ends.
func listen(t *testing.T, nd *node, stationID string) *ear {
	t.Helper()
	e := &ear{}
	client := http.Client{Transport: nd.http.Transport}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for t.Context().Err() == nil {
			e.play(t, &client, nd.url("/listen/"+stationID))
			<-time.After(100 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { <-done })
	return e
}

// play reads one response to its end.
func (e *ear) play(t *testing.T, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(b)
		e.hear(time.Now(), n)
		if err != nil {
			return
		}
	}
}

// hear takes n bytes that came now.
func (e *ear) hear(now time.Time, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n == 0 {
		return
	}
	if e.began.IsZero() {
		e.began = now
	}
	waited := e.waiting(now)
	if waited > stallWorth {
		e.resumed = now
	}
	e.stalled += waited
	e.bytes += int64(n)
}

// waiting is how long the player has had nothing to play.
func (e *ear) waiting(now time.Time) time.Duration {
	played := time.Duration(e.bytes) * 8 * time.Second / (kbps * 1000)
	return max(0, now.Sub(e.began)-e.stalled-played)
}

// silence is all the time in which nothing was heard after the first byte.
func (e *ear) silence() time.Duration {
	if e == nil {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.began.IsZero() {
		return 0
	}
	return e.stalled + e.waiting(time.Now())
}

// back is how long after a moment sound was back for good; 0: it never went.
func (e *ear) back(after time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return max(0, e.resumed.Sub(after))
}

// heard tells whether the first byte has come.
func (e *ear) heard() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.began.IsZero()
}

func (e *ear) String() string {
	if e == nil {
		return "-"
	}
	return fmt.Sprintf("%v of silence", e.silence().Round(time.Millisecond))
}
