// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/web"
)

// patch changes settings; it returns the code of the answer and its fields.
func (r *running) patch(t *testing.T, body string) (int, map[string]any) {
	t.Helper()
	return r.exchange(t, http.MethodPatch, "api/v1/settings", body)
}

// get returns the code of an answer and its fields.
func (r *running) get(t *testing.T, path string) (int, map[string]any) {
	t.Helper()
	return r.exchange(t, http.MethodGet, path, "")
}

func (r *running) exchange(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(r.dir, "control-token"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.ready.HTTP+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(web.TokenHeader, strings.TrimSpace(string(token)))
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var fields map[string]any
	if err := json.NewDecoder(res.Body).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, fields
}

// status asks how the node is.
func (r *running) status(t *testing.T) daemon.Status {
	t.Helper()
	s, err := r.client(t).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What somebody chose holds at once, and after the next start.
func TestSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := start(t, daemon.Options{DataDir: dir})
	if s := r.status(t); !s.FirstStart || s.Upload.BudgetBPS != nil {
		t.Errorf("at first: %v, budget %v", s.FirstStart, s.Upload.BudgetBPS)
	}
	for _, c := range []struct {
		body   string
		code   int
		budget any // nil: none
	}{
		{`{"upload_bps":-1}`, 400, nil},
		{`{"upload_bps":"64k"}`, 400, nil},
		{`{"upload_bps":1e13}`, 400, nil},
		{`{"upload":0}`, 400, nil},
		{`{"metered_upload":1}`, 400, nil},
		{`{}`, 200, nil},
		{`{"upload_bps":64000,"metered_upload":true}`, 200, 64000.0},
		{`{"metered_upload":false}`, 200, 64000.0},
		{`{"upload_bps":0}`, 200, 0.0},
		{`{"upload_bps":null}`, 200, nil},
		{`{"upload_bps":300000}`, 200, 300000.0},
	} {
		code, fields := r.patch(t, c.body)
		if code != c.code || code == 200 && fields["upload_bps"] != c.budget {
			t.Errorf("%s: %d %v, want %d %v", c.body, code, fields, c.code, c.budget)
		}
		s := r.status(t)
		if got := s.Upload.BudgetBPS; (got == nil) != (c.budget == nil) || got != nil && float64(*got) != c.budget {
			t.Errorf("%s: the node's budget is %v", c.body, got)
		}
		if s.FirstStart != (code != 200) {
			t.Errorf("%s: first start: %v", c.body, s.FirstStart)
		}
	}
	r.stop()
	r = start(t, daemon.Options{DataDir: dir})
	if s := r.status(t); s.FirstStart || s.Upload.BudgetBPS == nil || *s.Upload.BudgetBPS != 300000 {
		t.Errorf("after another start: %v, budget %v", s.FirstStart, s.Upload.BudgetBPS)
	}
	r.stop()
	r = start(t, daemon.Options{DataDir: dir, UploadBPS: 5_000_000})
	if code, fields := r.patch(t, `{"upload_bps":1}`); code != 409 || !strings.Contains(fields["error"].(string), "--upload") {
		t.Errorf("an upload that was fixed: %d %v", code, fields)
	}
	if code, fields := r.patch(t, `{"metered_upload":true}`); code != 200 || fields["upload_fixed"] != true || fields["upload_bps"] != 5e6 {
		t.Errorf("beside an upload that was fixed: %d %v", code, fields)
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(dir, "settings.json"), []byte(`{"upload_bps":-5}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.New(daemon.Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "settings.json") {
		t.Errorf("a damaged file: %v", err)
	}
}

// A node that is told to give nothing feeds nobody from then on, and counts what it gave.
func TestGiveNothing(t *testing.T) {
	music := makeSound(t, "a.mp3", 30, "-b:a", "64k")
	source := start(t, daemon.Options{Broadcast: &daemon.BroadcastOptions{Inputs: []string{music}}})
	listener := start(t, daemon.Options{Listen: []identity.Link{source.linkVia(t, source)}})
	wait(t, "the listener is fed", func() bool {
		s := source.status(t)
		return len(s.Tuned) == 1 && len(s.Tuned[0].Children) == 1 && s.Given.SessionBytes > 20_000
	})
	source.patch(t, `{"upload_bps":0}`)
	wait(t, "the listener is left", func() bool { return len(source.status(t).Tuned[0].Children) == 0 })
	if err := source.client(t).MeasureUpload(t.Context()); err == nil || !strings.Contains(err.Error(), "gives nothing") {
		t.Errorf("a measurement by one that gives nothing: %v", err)
	}
	source.patch(t, `{"upload_bps":null}`)
	wait(t, "the listener is fed again", func() bool { return len(source.status(t).Tuned[0].Children) == 1 })
	wait(t, "the listener has a timeline", func() bool {
		s := listener.status(t)
		return len(s.Tuned) == 1 && s.Tuned[0].Timeline != nil && s.Tuned[0].Timeline.LiveMS >= s.Tuned[0].Timeline.FromMS
	})
	gave := source.status(t).Given
	if gave.TodayBytes < gave.SessionBytes || gave.TotalBytes < gave.SessionBytes {
		t.Errorf("gave %+v", gave)
	}
	source.stop()
	again := start(t, daemon.Options{DataDir: source.dir})
	if got := again.status(t).Given; got.SessionBytes != 0 || got.TodayBytes < gave.SessionBytes || got.TotalBytes < gave.SessionBytes {
		t.Errorf("after another start: gave %+v, before %+v", got, gave)
	}
}

// wait looks until something is so.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	over := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-over:
			t.Fatalf("not so after %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// Days begin at midnight, and nodes may share a data directory.
func TestGivenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "given.json")
	first, second := daemon.NewGiven(dir), daemon.NewGiven(dir)
	day := time.Date(2026, 11, 23, 23, 59, 50, 0, time.Local)
	check := func(g *daemon.Given, session uint64, at time.Time, want web.Given) {
		t.Helper()
		if got := g.Count(session, at); got != want {
			t.Errorf("at %v: got %+v, want %+v", at, got, want)
		}
	}
	check(first, 100, day, web.Given{Session: 100, Today: 100, Total: 100})
	check(first, 90, day, web.Given{Session: 100, Today: 100, Total: 100})
	check(first, 150, day.Add(20*time.Second), web.Given{Session: 150, Today: 50, Total: 150})
	first.Save()
	check(second, 7, day.Add(30*time.Second), web.Given{Session: 7, Today: 7, Total: 7})
	second.Save()
	check(daemon.NewGiven(dir), 0, day.Add(time.Minute), web.Given{Today: 57, Total: 157})
	check(daemon.NewGiven(dir), 0, day.Add(48*time.Hour), web.Given{Total: 157})
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := daemon.NewGiven(dir)
	check(damaged, 5, day, web.Given{Session: 5, Today: 5, Total: 5})
	damaged.Save()
	if b, err := os.ReadFile(path); err != nil || string(b) != "{" {
		t.Errorf("a damaged file was written over: %q, %v", b, err)
	}
}

// Whatever is in the file, the node has a limit that makes sense, or says that it is damaged.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"upload_bps":64000,"metered_upload":true}`))
	f.Add([]byte(`{"upload_bps":null}`))
	f.Add([]byte(`{"upload_bps":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bps, err := daemon.ParseSettings(b); err == nil && bps != nil && *bps < 0 {
			t.Errorf("%q: %d", b, *bps)
		}
	})
}
