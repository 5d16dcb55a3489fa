// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"streamer/internal/daemon"
	"streamer/internal/web"
)

// ask asks for a page and returns the code of the answer.
func ask(t *testing.T, method, url string, change func(*http.Request)) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(req)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Programs of the same user find the token in a file; Client finds it by itself, wherever the data directory is.
func TestControlToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := start(t, daemon.Options{DataDir: dir})
	path := filepath.Join(dir, "control-token")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	measure := r.ready.HTTP + "api/v1/measure"
	if code := ask(t, "POST", measure, func(*http.Request) {}); code != 403 {
		t.Errorf("without the token: %d", code)
	}
	if code := ask(t, "POST", measure, func(q *http.Request) { q.Header.Set(web.TokenHeader, strings.TrimSpace(string(b))) }); code != 202 {
		t.Errorf("with the token: %d", code)
	}
	if err := r.client(t).MeasureUpload(t.Context()); err != nil {
		t.Error(err)
	}
	r.stop()
	start(t, daemon.Options{DataDir: dir})
	if again, err := os.ReadFile(path); err != nil || bytes.Equal(again, b) {
		t.Errorf("after another start: %v, the same token", err)
	}
}

// A page that other machines reach has a password, which is kept, and which no log and no ready file holds.
func TestPasswordBeyondLoopback(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var log bytes.Buffer
	opts := daemon.Options{
		DataDir: dir, HTTP: "0.0.0.0:0", ReadyFile: filepath.Join(t.TempDir(), "ready.json"),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	r := start(t, opts)
	kept, err := daemon.KeptPassword(dir)
	if err != nil || len(kept) < 16 || r.ready.Password != kept {
		t.Fatalf("kept is %q, told %q, %v", kept, r.ready.Password, err)
	}
	for _, path := range []string{"", "api/v1/status", "metrics", "assets/icon.svg", "listen/x.pls"} {
		if code := ask(t, "GET", r.ready.HTTP+path, func(*http.Request) {}); code != 401 {
			t.Errorf("%q without the password: %d", path, code)
		}
	}
	if code := ask(t, "GET", r.ready.HTTP, func(q *http.Request) { q.SetBasicAuth("x", kept) }); code != 200 {
		t.Errorf("with the password: %d", code)
	}
	if code := ask(t, "GET", r.ready.HTTP+"healthz", func(*http.Request) {}); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	client := r.client(t)
	if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "--http-password") {
		t.Errorf("a client without the password: %v", err)
	}
	client.UsePassword(kept)
	if err := client.MeasureUpload(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	r.stop()
	token, err := os.ReadFile(filepath.Join(dir, "control-token"))
	if err != nil {
		t.Fatal(err)
	}
	ready, err := os.ReadFile(opts.ReadyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{kept, strings.TrimSpace(string(token))} {
		if strings.Contains(log.String(), secret) || strings.Contains(string(ready), secret) {
			t.Error("a secret is in the log or the ready file")
		}
	}
	again := start(t, opts)
	if again.ready.Password != kept {
		t.Errorf("after another start the password is %q, was %q", again.ready.Password, kept)
	}
	again.stop()
	opts.HTTPPassword = "chosen by me"
	if again = start(t, opts); again.ready.Password != "" {
		t.Errorf("a password that was given is told: %q", again.ready.Password)
	}
	if code := ask(t, "GET", again.ready.HTTP, func(q *http.Request) { q.SetBasicAuth("x", opts.HTTPPassword) }); code != 200 {
		t.Errorf("with the password that was given: %d", code)
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ kept, given, want string }{
		{"", "short", "--http-password"},
		{"", strings.Repeat("x", 257), "--http-password"},
		{"\n", "", "remove it"},
		{strings.Repeat("x", 300), "", "no file of ours"},
	} {
		dir := t.TempDir()
		if c.kept != "" {
			if err := os.WriteFile(filepath.Join(dir, "http-password"), []byte(c.kept), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d, err := daemon.New(daemon.Options{DataDir: dir, HTTP: "0.0.0.0:0", HTTPPassword: c.given})
		if err == nil {
			_ = d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("kept %.10q, given %.10q: got %v, want %q", c.kept, c.given, err, c.want)
		}
	}
	if password, err := daemon.KeptPassword(filepath.Join(t.TempDir(), "none")); password != "" || err != nil {
		t.Errorf("where there is none: %q, %v", password, err)
	}
}

// A password that is kept here is shown to nobody elsewhere.
func TestOnThisMachine(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8467": true, "localhost:1": true, "http://[::1]:8467/": true, "0.0.0.0:8467": true, ":8467": true, "[::]:1": true,
		"192.0.2.1:8467": false, "evil.example:8467": false, "http://127.0.0.1.evil.example:80/": false, "[2001:db8::1]:1": false,
		"localhost": false, "": false, "http://127.0.0.1:80@evil.example:80/": false,
	} {
		if got := daemon.OnThisMachine(addr); got != want {
			t.Errorf("%q: got %v", addr, got)
		}
	}
}
