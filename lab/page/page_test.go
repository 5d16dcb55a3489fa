// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"streamer/lab/browser"
)

// A view is a page in the browser, for a test: what fails ends the test.
type view struct {
	*browser.Page
	t      *testing.T
	closed bool
}

// open shows a node's page and waits until it has started.
func open(t *testing.T, address string) *view {
	t.Helper()
	v := window(t)
	v.show(address)
	return v
}

// window opens an empty window.
func window(t *testing.T) *view {
	t.Helper()
	p, err := chromium.New()
	if err != nil {
		t.Fatal(err)
	}
	v := &view{Page: p, t: t}
	t.Cleanup(v.close)
	v.must(v.Viewport(1280, 900))
	return v
}

// close closes the window, once, and keeps what was seen when the test failed.
func (v *view) close() {
	if v.closed {
		return
	}
	v.closed = true
	if v.t.Failed() {
		v.keep()
	}
	if err := v.Close(); err != nil {
		v.t.Error(err)
	}
}

// keep writes what is seen when a test fails.
func (v *view) keep() {
	picture, err := v.Screenshot(false)
	if err != nil {
		v.t.Log(err)
		return
	}
	path := filepath.Join(os.TempDir(), "streamer-lab-page-"+strings.ReplaceAll(v.t.Name(), "/", "-")+".png")
	v.t.Logf("what was seen: %s (%v); the page's faults: %q", path, os.WriteFile(path, picture, 0o644), v.Faults())
}

func (v *view) show(address string) {
	v.t.Helper()
	v.must(v.Go(address))
	v.await(`document.body.dataset.ready === "yes"`)
}

func (v *view) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// await waits until an expression is true.
func (v *view) await(expression string) {
	v.t.Helper()
	v.must(v.Page.Await(expression))
}

// value evaluates an expression, which may be a promise.
func value[T any](v *view, expression string) T {
	v.t.Helper()
	var got T
	v.must(v.Evaluate(expression, &got))
	return got
}

// run evaluates statements, of which the last may wait.
func (v *view) run(statements string) {
	v.t.Helper()
	v.must(v.Evaluate("(async () => {"+statements+"})()", nil))
}

func (v *view) click(selector string) {
	v.t.Helper()
	v.must(v.Click(selector, 1))
}

func (v *view) text(selector string) string {
	v.t.Helper()
	return value[string](v, "document.querySelector("+quote(selector)+").textContent")
}

// awaitText waits until an element shows a text.
func (v *view) awaitText(selector, text string) {
	v.t.Helper()
	v.await(fmt.Sprintf("document.querySelector(%s)?.textContent === %s", quote(selector), quote(text)))
}

// quote is a string of JavaScript.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("page: " + err.Error()) // strings always can be written
	}
	return string(b)
}

// row is the selector of a station's row.
func row(id string) string { return `.row-station[data-id="` + id + `"]` }

// state waits until the player is in a state.
func (v *view) state(state string) {
	v.t.Helper()
	v.await(`document.querySelector("#bar").dataset.state === ` + quote(state))
}
