// SPDX-License-Identifier: MIT

package web_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/web"
)

// first reads what a new subscriber gets.
func first(t *testing.T, r *bufio.Reader) {
	t.Helper()
	for _, want := range []string{"status", "stations", "settings", "titles"} {
		if name, _ := next(t, r); name != want {
			t.Fatalf("got %s, want %s", name, want)
		}
	}
}

// next reads one event.
func next(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case key == "event":
			name = value
		case key == "data":
			data = value
		case line == "\n" && name != "":
			return name, data
		}
	}
}

func TestEvents(t *testing.T) {
	s := newSite(t)
	a := s.ask(t, "GET", "/api/v1/events", "")
	if got := a.header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got %q", got)
	}
	r := bufio.NewReader(a.body)
	for _, path := range []string{"status", "stations", "settings"} {
		name, data := next(t, r)
		if want := strings.TrimSpace(text(t, s.ask(t, "GET", "/api/v1/"+path, ""))); name != path || data != want {
			t.Errorf("got %s %s, want %s %s", name, data, path, want)
		}
	}
	if name, data := next(t, r); name != "titles" || !strings.HasPrefix(data, `{"id":"`+stationID.String()+`","titles":[{"at_ms":0,`) {
		t.Errorf("got %s %s", name, data)
	}
	began := time.Now()
	s.backend.set(func(snap *web.Snapshot) {
		snap.Stations = slices.Clone(snap.Stations)
		snap.Stations[0].Title = "next"
	})
	s.server.Changed()
	if name, data := next(t, r); name != "status" || !strings.Contains(data, `"title":"next"`) {
		t.Errorf("got %s %s", name, data)
	}
	want := `{"changed":[` + strings.TrimSpace(text(t, s.ask(t, "GET", "/api/v1/stations/"+stationID.String(), ""))) + `],"gone":[]}`
	if name, data := next(t, r); name != "stations_changed" || data != want {
		t.Errorf("got %s %s, want %s", name, data, want)
	}
	t.Logf("news after %v", time.Since(began))
	s.server.Close()
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if a := s.ask(t, "GET", "/api/v1/events", ""); a.code != 503 {
		t.Errorf("a stream after Close: %d", a.code)
	}
}

// A quiet site serves connections without buffers, for a synctest bubble: who does not read is waited for at the first byte.
type quiet struct {
	*web.Server
	backend *backend
	dialled chan net.Conn
	closed  chan struct{}
}

func newQuiet(t *testing.T) *quiet {
	t.Helper()
	q := &quiet{backend: &backend{snap: snapshot()}, dialled: make(chan net.Conn), closed: make(chan struct{})}
	q.Server = newServer(q.backend)
	server, served := q.HTTPServer(), make(chan error)
	go func() { served <- server.Serve(q) }()
	t.Cleanup(func() {
		q.Server.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return q
}

// Accept, Close and Addr make it a net.Listener.
func (q *quiet) Accept() (net.Conn, error) {
	select {
	case c := <-q.dialled:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *quiet) Close() error {
	close(q.closed)
	return nil
}

func (q *quiet) Addr() net.Addr { return &net.UnixAddr{Name: "quiet", Net: "unix"} }

// A stream is a connection on which events were asked for.
type stream struct {
	net.Conn
	dropped chan struct{} // closed when the server has closed its end
}

// A serverEnd tells when it is closed.
type serverEnd struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *serverEnd) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (q *quiet) subscribe(t *testing.T) stream {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { closeAll(t, here) })
	end := &serverEnd{Conn: there, closed: make(chan struct{})}
	q.dialled <- end
	if _, err := io.WriteString(here, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return stream{here, end.closed}
}

// read reads the head of the answer, and returns its status and its body.
func (s stream) read(t *testing.T) (code int, body *bufio.Reader) {
	t.Helper()
	a, err := http.ReadResponse(bufio.NewReader(s), nil) //nolint:bodyclose // ends with the connection
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, bufio.NewReader(a.Body)
}

// Subscribers are bounded, and whoever left makes room.
func TestEventsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		first := q.subscribe(t)
		for range web.SubscribersMax - 1 {
			q.subscribe(t)
		}
		synctest.Wait()
		if code, _ := q.subscribe(t).read(t); code != 503 {
			t.Errorf("one more: %d", code)
		}
		if code, _ := first.read(t); code != 200 {
			t.Errorf("the first: %d", code)
		}
		closeAll(t, first)
		synctest.Wait()
		if code, _ := q.subscribe(t).read(t); code != 200 {
			t.Errorf("after one left: %d", code)
		}
	})
}

// A subscriber whose queue is full is dropped at once, alone, and gets nothing more.
func TestSlowSubscriberIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		slow := q.subscribe(t)
		_, fast := q.subscribe(t).read(t)
		first(t, fast)
		for news := 1; ; news++ {
			title := strings.Repeat("news", news)
			q.backend.set(func(snap *web.Snapshot) {
				snap.Stations = slices.Clone(snap.Stations)
				snap.Stations[0].Title = title
			})
			q.Changed()
			for range 2 {
				if name, data := next(t, fast); !strings.Contains(data, `"`+title+`"`) {
					t.Fatalf("news %d: the fast one got %s without it", news, name)
				}
			}
			synctest.Wait()
			full := 1+news > web.EventsQueued // what both got at first, and the news
			select {
			case <-slow.dropped:
				if !full {
					t.Fatalf("the slow one was dropped at news %d, before its queue was full", news)
				}
				if b, err := io.ReadAll(slow); len(b) > 0 || err != nil {
					t.Errorf("the slow one was dropped and got %q, %v", b, err)
				}
				return
			default:
				if full {
					t.Fatalf("the slow one was not dropped at news %d", news)
				}
			}
		}
	})
}

// A subscriber that takes nothing is dropped when its time is over, though there is little to queue.
func TestStuckSubscriberIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		began := time.Now()
		stuck := q.subscribe(t)
		<-stuck.dropped
		if after := time.Since(began); after != web.AnswerTime {
			t.Errorf("dropped after %v, want %v", after, web.AnswerTime)
		}
	})
}

// Close waits for a subscriber that is stuck no longer than it must, and ends the others politely.
func TestCloseEndsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		stuck := q.subscribe(t)
		_, fast := q.subscribe(t).read(t)
		first(t, fast)
		polite := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(fast)
			polite <- err
		}()
		synctest.Wait()
		began := time.Now()
		q.Server.Close()
		if took := time.Since(began); took > web.EventsLeave {
			t.Errorf("took %v, want %v at most", took, web.EventsLeave)
		}
		if err := <-polite; err != nil {
			t.Errorf("the fast one: %v", err)
		}
		<-stuck.dropped
	})
}

// A stream without news outlives the time of one write; comments show both sides that it is there.
func TestEventsAreKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		began := time.Now()
		_, fast := q.subscribe(t).read(t)
		first(t, fast)
		for n := 1; n <= 3; n++ {
			line, err := fast.ReadString('\n')
			if at := time.Since(began); err != nil || line != ": alive\n" || at != time.Duration(n)*web.EventsKeepalive {
				t.Fatalf("got %q, %v after %v", line, err, at)
			}
			if _, err = fast.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	})
}
