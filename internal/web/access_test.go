// SPDX-License-Identifier: MIT

package web_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"testing"

	"streamer/internal/web"
)

// Other sites in the user's browser may neither read nor change anything, under no name.
func TestStrangersAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		headers            []string
		code               int
	}{
		{"rebound name", "GET", "/api/v1/status", []string{"Host", "evil.example"}, 421},
		{"rebound name, page", "GET", "/", []string{"Host", "evil.example:8467"}, 421},
		{"rebound name, audio", "GET", "/listen/x", []string{"Host", "localhost.evil.example"}, 421},
		{"localhost", "GET", "/api/v1/status", []string{"Host", "LocalHost:8467"}, 200},
		{"subdomain of localhost", "GET", "/api/v1/status", []string{"Host", "radio.localhost"}, 200},
		{"IPv6", "GET", "/api/v1/status", []string{"Host", "[::1]:8467"}, 200},
		{"address in the LAN", "GET", "/api/v1/status", []string{"Host", "192.168.1.7"}, 200},
		{"configured", "GET", "/api/v1/status", []string{"Host", "Radio.lan:80"}, 200},
		{"foreign origin", "POST", "/api/v1/stop", []string{"Origin", "https://evil.example"}, 403},
		{"null origin", "POST", "/api/v1/stop", []string{"Origin", "null"}, 403},
		{"cross-site", "POST", "/api/v1/stop", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"other port", "POST", "/api/v1/stop", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"own page", "POST", "/api/v1/stop", []string{"Sec-Fetch-Site", "same-origin"}, 202},
		{"no browser", "POST", "/api/v1/stop", nil, 202},
		{"the token is not enough", "POST", "/api/v1/stop", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 403},
		{"no token", "POST", "/api/v1/stop", []string{web.TokenHeader, ""}, 403},
		{"wrong token", "POST", "/api/v1/stop", []string{web.TokenHeader, token + "x"}, 403},
		{"part of the token", "DELETE", "/api/v1/tune/" + stationID.String(), []string{web.TokenHeader, token[:3]}, 403},
		{"own page without a token", "POST", "/api/v1/tune", []string{web.TokenHeader, "", "Sec-Fetch-Site", "same-origin"}, 403},
		{"nowhere without a token", "PUT", "/x", []string{web.TokenHeader, ""}, 403},
		{"preflight", "OPTIONS", "/api/v1/stop", []string{
			web.TokenHeader, "", "Origin", "http://evil.example", "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", web.TokenHeader,
		}, 403},
		{"foreign untune", "DELETE", "/api/v1/tune/" + stationID.String(), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"foreign read", "GET", "/api/v1/events", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"foreign look at the network", "GET", "/netstatus.json", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"foreign picture of the network", "GET", "/netstatus", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"foreign picture of ours", "GET", "/assets/icon.svg", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"foreign look for the token", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"followed link", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			a := s.ask(t, c.method, c.path, "", c.headers...)
			body := text(t, a)
			if a.code != c.code {
				t.Errorf("got %d, want %d", a.code, c.code)
			}
			if a.code >= 400 && (strings.Contains(body, token) || a.header.Get("Access-Control-Allow-Origin") != "") {
				t.Errorf("a refusal gives away %q %q", body, a.header)
			}
			if calls := s.backend.asked(); a.code >= 400 && len(calls) > 0 {
				t.Errorf("the node was asked %q", calls)
			}
		})
	}
}

// What a page holds, and who wants to change something shows.
func TestToken(t *testing.T) {
	s := newSite(t)
	if page := text(t, s.ask(t, "GET", "/", "")); !strings.Contains(page, `<meta name="streamer-token" content="`+token+`">`) {
		t.Errorf("the page holds no token: %s", page)
	}
	if a := s.ask(t, "POST", "/api/v1/stop", "", web.TokenHeader, ""); !strings.Contains(text(t, a), "token") {
		t.Error("who lacks the token is not told so")
	}
	first, second := web.NewServer(web.Config{Backend: s.backend, Listen: listen}), web.NewServer(web.Config{Backend: s.backend, Listen: listen})
	if len(first.Token) < 26 || first.Token == second.Token {
		t.Errorf("made tokens are %q and %q", first.Token, second.Token)
	}
}

// With a password, nothing is to be had without it, but that the node is alive.
func TestPassword(t *testing.T) {
	s := &backend{snap: snapshot()}
	server := web.NewServer(web.Config{Backend: s, Listen: listen, Token: token, Password: "correct horse"})
	ask := func(method, target, password string) *httptest.ResponseRecorder {
		q := httptest.NewRequestWithContext(t.Context(), method, "http://192.0.2.7:8467"+target, nil)
		q.Header.Set(web.TokenHeader, token)
		if password != "" {
			q.SetBasicAuth("anybody", password)
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, q)
		return w
	}
	for _, r := range server.Routes() {
		method, target, _ := strings.Cut(r, " ")
		target = strings.NewReplacer("{$}", "", "{id}", stationID.String(), "{name...}", "page.css").Replace(target)
		if method == "" {
			method, target = "GET", target+stationID.String()
		}
		want := map[bool]int{false: 401, true: 200}[target == "/healthz"]
		for _, password := range []string{"", "correct", "correct horsee", "CORRECT HORSE"} {
			w := ask(method, target, password)
			if w.Code != want || want == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s %s with %q: got %d, want %d", method, target, password, w.Code, want)
			}
			if strings.Contains(w.Body.String(), token) || strings.Contains(w.Body.String(), "correct") {
				t.Errorf("%s %s with %q gives a secret away", method, target, password)
			}
		}
		if target == "/api/v1/events" {
			continue // endless
		}
		if w := ask(method, target, "correct horse"); w.Code == 401 {
			t.Errorf("%s %s with the password: got 401", method, target)
		}
	}
}

func TestPage(t *testing.T) {
	s := newSite(t)
	for path, mime := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/page.js": "text/javascript; charset=utf-8",
		"/assets/page.css": "text/css; charset=utf-8", "/assets/icon.svg": "image/svg+xml",
	} {
		a := s.ask(t, "GET", path, "")
		body := text(t, a)
		if a.code != 200 || a.header.Get("Content-Type") != mime {
			t.Errorf("%s: got %d %q", path, a.code, a.header.Get("Content-Type"))
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
			strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for _, bad := range []string{
			"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick=",
			"src=\"http", "href=\"http", "@import", "url(",
		} {
			if strings.Contains(body, bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
	}
	if got := text(t, s.ask(t, "GET", "/listen/x", "")); got != "audio /listen/x" {
		t.Errorf("got %q", got)
	}
}

// Every file of the folder goes out with its type, small and remembered by browsers.
func TestAssets(t *testing.T) {
	s := newSite(t)
	types := map[string]string{
		".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json",
		".txt": "text/plain", ".woff2": "font/woff2",
	}
	checked := 0
	err := fs.WalkDir(os.DirFS("assets"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		checked++
		file, err := os.ReadFile(path.Join("assets", name))
		if err != nil {
			return err
		}
		plain := s.ask(t, "GET", "/assets/"+name, "", "Accept-Encoding", "identity")
		body := text(t, plain)
		if want := types[path.Ext(name)]; plain.code != 200 || want == "" || !strings.HasPrefix(plain.header.Get("Content-Type"), want) {
			t.Errorf("%s: %d %q", name, plain.code, plain.header.Get("Content-Type"))
		}
		if want := strings.ReplaceAll(string(file), "{{.Token}}", token); body != want {
			t.Errorf("%s: got other bytes than the file's", name)
		}
		zipped := s.ask(t, "GET", "/assets/"+name, "", "Accept-Encoding", "br;q=1, gzip;q=0.8")
		if zipped.header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(zipped.body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(z); err != nil || string(got) != body {
				t.Errorf("%s: zipped: %v, %d bytes, want %d", name, err, len(got), len(body))
			}
		} else if len(body) > 2000 {
			t.Errorf("%s: %d bytes are not zipped", name, len(body))
		}
		for _, a := range []answer{plain, zipped} {
			tag, accepts := a.header.Get("ETag"), "identity"
			if a.header.Get("Content-Encoding") == "gzip" {
				accepts = "gzip"
			}
			again := s.ask(t, "GET", "/assets/"+name, "", "Accept-Encoding", accepts, "If-None-Match", tag)
			if tag == "" || again.code != 304 || text(t, again) != "" {
				t.Errorf("%s with the tag %s: got %d", name, tag, again.code)
			}
		}
		if plain.header.Get("ETag") == zipped.header.Get("ETag") && zipped.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: one tag for two bodies", name)
		}
		return nil
	})
	if err != nil || checked < 4 {
		t.Fatalf("%v after %d files", err, checked)
	}
	for _, name := range []string{"", "x.js", "../web.go", "..%2fweb.go", "page"} {
		if a := s.ask(t, "GET", "/assets/"+name, ""); a.code != 404 {
			t.Errorf("%q: got %d", name, a.code)
		}
	}
	if a := s.ask(t, "GET", "/assets/page.js", "", "Accept-Encoding", "gzip;q=0"); a.header.Get("Content-Encoding") != "" {
		t.Error("zipped for one who refuses that")
	}
}
