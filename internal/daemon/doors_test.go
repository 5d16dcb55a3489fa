// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// names are what a pattern's group matches in a text.
func names(text, pattern string) []string {
	var list []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// documented are the metrics in docs/metrics.md.
func documented(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return names(string(doc), "(?m)^\\| `(\\S+)` ")
}

func TestDoors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	r := start(t, daemon.Options{
		ReadyFile: file, Broadcast: &daemon.BroadcastOptions{Source: "127.0.0.1:0", Password: "x"},
	})
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ready daemon.Ready
	if err := json.Unmarshal(b, &ready); err != nil || ready != r.ready {
		t.Errorf("ready file %s: %v, want %+v", b, err, r.ready)
	}
	if l, err := identity.ParseLink(ready.Link); err != nil || l.Station.String() != ready.StationID {
		t.Errorf("link %q: %v", ready.Link, err)
	}
	if code, body := get(t, ready.HTTP+"healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, body)
	}
	code, body := get(t, ready.HTTP+"metrics")
	if !strings.Contains(body, "\nstreamer_socket_overrun_total 0\n") {
		t.Errorf("metrics: %d, without the socket's:\n%s", code, body)
	}
	shown, listed := names(body, "(?m)^# HELP (\\S+) "), documented(t)
	if !slices.Equal(shown, listed) {
		t.Errorf("metrics of a node: %v\nin docs/metrics.md: %v", shown, listed)
	}
	if code, body := get(t, ready.HTTP); code != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: %d %.80s", code, body)
	}
}

// Whoever may use the HTTP address can tune, untune and stop the node.
func TestClient(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Options{})
	c := r.client(t)
	ctx := t.Context()
	id := stationID(7)
	if err := c.Tune(ctx, identity.Link{Station: id, Name: "Seven"}, "relay"); err != nil {
		t.Fatal(err)
	}
	s, err := c.Status(ctx)
	if err != nil || len(s.Tuned) != 1 || s.Tuned[0].ID != id.String() || s.Tuned[0].Role != "relay" ||
		s.Tuned[0].Name != "Seven" || s.Tuned[0].Online {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := c.Untune(ctx, id); err != nil {
		t.Error(err)
	}
	if err := c.Untune(ctx, id); err == nil {
		t.Error("a station was left twice")
	}
	if s, err := c.Status(ctx); err != nil || len(s.Tuned) != 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("stop does not stop")
	}
	if _, err := c.Status(ctx); !errors.Is(err, daemon.ErrNoNode) || !strings.Contains(err.Error(), "--http") {
		t.Errorf("after the end: %v", err)
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken := start(t, daemon.Options{Broadcast: &daemon.BroadcastOptions{Source: "127.0.0.1:0", Password: "x"}})
	damaged := t.TempDir()
	if err := os.MkdirAll(filepath.Join(damaged, "stations"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "stations", "default.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	httpAddr := strings.TrimSuffix(strings.TrimPrefix(taken.ready.HTTP, "http://"), "/")
	source := func(addr, password string) *daemon.BroadcastOptions {
		return &daemon.BroadcastOptions{Source: addr, Password: password}
	}
	tests := []struct {
		opts daemon.Options
		want string
	}{
		{daemon.Options{Port: taken.ready.UDP}, "in use by another program"},
		{daemon.Options{HTTP: httpAddr}, "--http"},
		{daemon.Options{HTTP: "nonsense"}, "--http"},
		{daemon.Options{Broadcast: source(taken.ready.Source, "x")}, "--source"},
		{daemon.Options{Broadcast: source("127.0.0.1:0", "")}, "password"},
		{daemon.Options{DataDir: damaged, Broadcast: source("127.0.0.1:0", "x")}, "default.json is damaged"},
		{daemon.Options{Broadcast: &daemon.BroadcastOptions{Inputs: []string{"/no/such/file"}}}, "/no/such/file"},
		{daemon.Options{Broadcast: &daemon.BroadcastOptions{Station: "nobody"}}, `"nobody"`},
		{daemon.Options{Seeds: []string{"no port"}}, "seed"},
		{daemon.Options{Seeds: make([]string, daemon.SeedsMax+1)}, "seeds are too many"},
		{daemon.Options{Record: filepath.Join(damaged, "stations", "default.json")}, "record"},
	}
	for _, test := range tests {
		if test.opts.DataDir == "" {
			test.opts.DataDir = filepath.Join(t.TempDir(), "data")
		}
		d, err := daemon.New(test.opts)
		if err == nil {
			_ = d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%+v): %v; want %q", test.opts, err, test.want)
		}
	}
}

// What New opened before it failed is closed: the port is free again.
func TestNewClosesWhatItOpened(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(t.Context(), "udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := pc.LocalAddr().(*net.UDPAddr).Port
	if err := pc.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := daemon.New(daemon.Options{Port: port, HTTP: "nonsense", DataDir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "--http") {
			t.Fatalf("New: %v", err)
		}
	}
}

// A station with no node behind it: the player is told, and ending the daemon does not wait for the player.
func TestPlayerOfSilenceIsEnded(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ready.HTTP+"listen/"+stationID(9).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		res, failed := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if failed == nil {
			failed = res.Body.Close()
			if res.StatusCode != http.StatusServiceUnavailable {
				failed = errors.Join(failed, fmt.Errorf("answer %s", res.Status))
			}
		}
		answered <- failed
	}()
	c := r.client(t)
	for s := (daemon.Status{}); len(s.Tuned) == 0; { // until the request is there
		if s, err = c.Status(ctx); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("ending took %v", took)
	}
	if err := <-answered; err != nil {
		t.Errorf("the player: %v", err)
	}
}

func TestWriteFileAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "two"} {
		if err := daemon.WriteFileAtomic(path, []byte(content), 0o600, true); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != content {
			t.Errorf("got %q, %v", b, err)
		}
	}
	if err := daemon.WriteFileAtomic(path, []byte("three"), 0o600, false); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, []byte("two")) {
		t.Errorf("it was altered: %q, %v", b, err)
	}
	if err := daemon.WriteFileAtomic(filepath.Join(dir, "no", "f"), nil, 0o600, true); err == nil {
		t.Error("no directory, no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
