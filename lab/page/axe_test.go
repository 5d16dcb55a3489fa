// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// axePath is where tools/deps.sh puts axe-core.
const axePath = "../../.cache/page/node_modules/axe-core/axe.min.js"

// sizes are windows: a phone, a tablet, a wide screen.
var sizes = []struct{ width, height int }{{360, 740}, {900, 800}, {1600, 1000}}

// An inspector looks at what a page shows at each size, light and dark.
type inspector struct {
	*view
	axe   string
	shots string // directory; "": none
}

// A violation is what axe-core found.
type violation struct {
	ID, Help string
	Where    []string
}

// inspect runs axe-core on what is shown, at all sizes, light and dark, and keeps pictures with LAB_SCREENSHOTS.
func (i *inspector) inspect(name string) {
	i.t.Helper()
	for _, size := range sizes {
		i.must(i.Viewport(size.width, size.height))
		for _, scheme := range []string{"light", "dark"} {
			i.must(i.Media("prefers-color-scheme", scheme, "prefers-reduced-motion", "reduce"))
			where := fmt.Sprintf("%s-%d-%s", name, size.width, scheme)
			i.run(`await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`)
			if wide := value[int](i.view, `document.documentElement.scrollWidth`); wide > size.width {
				i.t.Errorf("%s: it is %d pixels wide", where, wide)
			}
			if i.shots != "" {
				picture, err := i.Screenshot(false)
				i.must(err)
				i.must(os.WriteFile(filepath.Join(i.shots, where+".png"), picture, 0o644))
			}
			if !long && size.width == 900 && scheme == "light" { // the same colours as on a phone, and the same parts as on a wide screen
				continue
			}
			for _, found := range value[[]violation](i.view, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => (
				{ID: v.id, Help: v.help, Where: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)})))`) {
				i.t.Errorf("%s: %s: %s: %q", where, found.ID, found.Help, found.Where)
			}
		}
	}
}

// axe-core finds nothing wrong with any part of the page, at any size, light and dark.
func TestAccessible(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axePath)
	if err != nil {
		t.Fatalf("%v: ./tools/deps.sh fetches it", err)
	}
	shots := os.Getenv("LAB_SCREENSHOTS")
	if shots != "" {
		if err := os.MkdirAll(shots, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Logf("screenshots are in %s", shots)
	}
	nd := newListener(t)
	v := open(t, nd.url("/"))
	i := &inspector{v, string(axe), shots}
	v.must(v.Evaluate(i.axe+"; 0", nil))
	id := studio.ready.StationID
	v.await(`document.querySelector(` + quote(row(id)) + `) && !document.querySelector("#welcome").hidden`)
	i.inspect("first")

	_ = nd.do(t, http.MethodPatch, "/api/v1/settings", struct{}{}).Body.Close()
	v.must(v.Viewport(1280, 900))
	v.await(`document.querySelector("#welcome").hidden`)
	v.must(v.Click(row(id)+" .lines", 2))
	v.state("playing")
	v.await(`document.querySelector("#title-list li")`)
	v.await(`document.querySelector("#forest-picture").firstChild && document.querySelector("#plots svg")`)
	i.inspect("stations")
	for _, part := range []string{"station", "you"} {
		v.run(`location.hash = "#/` + part + `"; for (const d of document.querySelectorAll("details")) d.open = true;
			document.querySelector("#more").getAttribute("aria-expanded") === "true" || document.querySelector("#more").click()`)
		v.await(`document.body.dataset.view === ` + quote(part))
		i.inspect(part)
	}
	v.run(`document.querySelector("#station-qr").click()`)
	v.await(`document.querySelector("#qr").open && document.querySelector("#qr-image").naturalWidth > 0`)
	i.inspect("qr")
	v.must(v.Press("Escape"))
	v.await(`!document.querySelector("#qr").open`)
	nd.kill()
	v.await(`document.querySelector("#gone").checkVisibility()`)
	v.run(`location.hash = "#/"`)
	i.inspect("gone")
}
