// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// attack is what a hostile page does to a node: NODE is the node's address, ID its station. It tells which of it bore fruit.
const attack = `(async () => {
	const node = NODE, id = ID, fruit = [];
	const ask = (what, path, options) => fetch(node + path, options).then(async (r) => {
		if (r.type !== "opaque" && r.ok) fruit.push(what + ": " + r.status + " " + (await r.text()).slice(0, 80));
	}, () => {});
	const settle = (what, target, good, bad) => new Promise((done) => {
		for (const name of good) target.addEventListener(name, (e) => { fruit.push(what + ": " + name); done(); });
		for (const name of bad) target.addEventListener(name, () => done());
	});
	const text = {"Content-Type": "text/plain"};
	const json = {"Content-Type": "application/json", "X-Streamer-Token": "guess"};
	await Promise.all([
		ask("read the page", "/", {}),
		ask("read the page blindly", "/", {mode: "no-cors"}),
		ask("read the status", "/api/v1/status", {}),
		ask("read the status blindly", "/api/v1/status", {mode: "no-cors"}),
		ask("read with credentials", "/api/v1/stations", {credentials: "include"}),
		ask("read metrics", "/metrics", {mode: "no-cors"}),
		ask("listen", "/listen/" + id, {mode: "no-cors"}),
		ask("post as text", "/api/v1/tune", {method: "POST", mode: "no-cors", headers: text, body: JSON.stringify({station: id})}),
		ask("post as json", "/api/v1/tune", {method: "POST", headers: json, body: JSON.stringify({station: id})}),
		ask("change settings", "/api/v1/settings", {method: "PATCH", headers: json, body: '{"upload_bps":0}'}),
		ask("stop", "/api/v1/stop", {method: "POST", mode: "no-cors", headers: text}),
	]);
	const beside = [];
	const make = (tag, what, attributes, good = ["load"], bad = ["error"]) => {
		const e = Object.assign(document.createElement(tag), attributes);
		beside.push(settle(what, e, good, bad));
		document.body.append(e);
		return e;
	};
	make("img", "picture", {src: node + "/assets/icon.svg"});
	make("img", "code", {src: node + "/api/v1/stations/" + id + "/qr.svg"});
	make("script", "script", {src: node + "/assets/page.js"});
	make("script", "module", {type: "module", src: node + "/assets/player.js"});
	make("link", "style", {rel: "stylesheet", href: node + "/assets/page.css"});
	make("audio", "audio", {src: node + "/listen/" + id, preload: "auto"}, ["loadeddata", "canplay"]);
	make("video", "video", {src: node + "/listen/" + id, preload: "auto", crossOrigin: "anonymous"}, ["loadeddata", "canplay"]);
	const events = new EventSource(node + "/api/v1/events");
	beside.push(settle("events", events, ["open", "status"], ["error"]));
	for (const path of ["/", "/api/v1/events", "/listen/" + id]) {
		const socket = new WebSocket(node.replace("http", "ws") + path);
		beside.push(settle("socket " + path, socket, ["open"], ["error"]));
	}
	await Promise.all(beside);
	events.close();
	const frame = Object.assign(document.createElement("iframe"), {name: "answer"});
	document.body.append(frame);
	const form = Object.assign(document.createElement("form"), {method: "POST", action: node + "/api/v1/stop", target: "answer", enctype: "text/plain"});
	document.body.append(form);
	const posted = new Promise((done) => frame.addEventListener("load", done, {once: true}));
	form.submit();
	await posted;
	const framed = Object.assign(document.createElement("iframe"), {src: node + "/"});
	const shown = new Promise((done) => framed.addEventListener("load", done));
	document.body.append(framed);
	await shown;
	return fruit;
})()`

// onward is the attack on a node.
func onward(nd *node, from string) string {
	return strings.NewReplacer("NODE", quote(from), "ID", quote(nd.ready.StationID)).Replace(attack)
}

// unharmed fails the test when a node is not as it was, or answered something to a page of another site.
func unharmed(t *testing.T, v *view, nd *node) {
	t.Helper()
	port := nd.port()
	for _, a := range v.Answers() {
		if u, err := url.Parse(a.URL); err != nil || u.Port() != port || u.Path == "/" && a.Type == "Document" {
			continue // our own; and the page may be gone to, though nobody may frame it
		}
		if a.Status != http.StatusForbidden && a.Status != http.StatusMisdirectedRequest {
			t.Errorf("%s %s: %d", a.Type, a.URL, a.Status)
		}
	}
	var s struct {
		Players int
		Tuned   []struct{ Role string }
	}
	nd.get(t, "/api/v1/status", &s)
	var set settings
	nd.get(t, "/api/v1/settings", &set)
	if s.Players != 0 || len(s.Tuned) != 1 || set.Upload != nil {
		t.Errorf("the node is %+v, its settings are %+v", s, set)
	}
}

// attacksLeast is how many requests of an attack the node refuses because of where they come from; those to /listen, of which there are
// four, it counts elsewhere.
const attacksLeast = 15

// refused is how many requests the node refused, by what was wrong.
func (nd *node) refused(t *testing.T, why string) (n int) {
	t.Helper()
	resp := nd.do(t, http.MethodGet, "/metrics", nil)
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), `streamer_requests_refused_total{reason="`+why+`"} `)
	if _, err := fmt.Sscan(line, &n); err != nil {
		t.Fatalf("the node's metrics: %v", err)
	}
	return n
}

// port is that of the node's page.
func (nd *node) port() string {
	u, err := url.Parse(nd.ready.HTTP)
	if err != nil {
		panic("page: " + err.Error()) // the node wrote it
	}
	return u.Port()
}

// A page of another site, or of another program on this machine, can neither read nor change anything, nor find out what plays.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	nd := newNode(t, "broadcast", filepath.Join(builds, "sweeps"))
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<!doctype html><title>evil</title><body>")
	}))
	t.Cleanup(evil.Close)
	u, err := url.Parse(evil.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"http://evil.test:" + u.Port(), evil.URL} { // another site; another port of the same address
		v := window(t)
		v.must(v.Go(from + "/"))
		before := nd.refused(t, "site")
		for _, fruit := range value[[]string](v, onward(nd, strings.TrimSuffix(nd.ready.HTTP, "/"))) {
			t.Errorf("from %s: %s", from, fruit)
		}
		unharmed(t, v, nd)
		// The browser keeps some answers from the page by itself. The node must not have given them.
		if n := nd.refused(t, "site") - before; n < attacksLeast {
			t.Errorf("from %s: the node refused %d requests", from, n)
		}
		refused := slices.ContainsFunc(v.Faults(), func(s string) bool { return strings.Contains(s, "frame-ancestors") })
		if !refused {
			t.Errorf("from %s: the page was framed: %q", from, v.Faults())
		}
	}
}

// A site that has its own name point at this machine is the same origin for the browser, and nobody for the node.
func TestRebinding(t *testing.T) {
	t.Parallel()
	nd := newNode(t, "broadcast", filepath.Join(builds, "sweeps"))
	v := window(t)
	site := "http://rebound.test:" + nd.port()
	v.must(v.Go(site + "/"))
	if words := value[string](v, `document.body.innerText`); strings.Contains(words, "Streamer") || !strings.Contains(words, "does not answer under that name") {
		t.Errorf("under another name the node shows %q", words)
	}
	for _, fruit := range value[[]string](v, onward(nd, site)) {
		t.Error(fruit)
	}
	for _, a := range v.Answers() {
		if strings.HasPrefix(a.URL, site) && a.Status != http.StatusMisdirectedRequest {
			t.Errorf("%s %s: %d", a.Type, a.URL, a.Status)
		}
	}
	unharmed(t, v, nd)
}
