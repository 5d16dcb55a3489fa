// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import "testing"

// tabsMax is more than there are places to stop at.
const tabsMax = 80

// focused describes the element that has the focus.
const focused = `(() => { const e = document.activeElement; const s = getComputedStyle(e);
	return {Name: e === document.body ? "body" : e.id || e.className || e.tagName.toLowerCase(),
		Seen: (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none") && e.checkVisibility()}; })()`

type focus struct {
	Name string
	Seen bool
}

// Everything goes without a mouse, and one sees where one is.
func TestKeys(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	_ = nd.do(t, "PATCH", "/api/v1/settings", struct{}{}).Body.Close() // no welcome
	v := open(t, nd.url("/"))
	v.await(`document.querySelector(` + quote(row(studio.ready.StationID)) + `)`)
	v.must(v.Press("Tab"))
	v.await(`document.activeElement.id === "skip"`)
	v.must(v.Press("Enter"))
	v.await(`document.activeElement.closest(".row-station")`)
	v.must(v.Press("ArrowRight"))
	v.await(`document.activeElement.matches(".star")`)
	v.must(v.Press(" "))
	v.await(`document.activeElement.getAttribute("aria-pressed") === "true"`)
	v.must(v.Press("ArrowLeft"))
	v.must(v.Press("Enter"))
	v.state("playing")

	seen := map[string]bool{}
	to := func(id string) {
		t.Helper()
		for range tabsMax {
			v.must(v.Press("Tab"))
			f := value[focus](v, focused)
			if seen[f.Name] = true; !f.Seen && f.Name != "body" {
				t.Errorf("one does not see that %s has the focus", f.Name)
			}
			if f.Name == id {
				return
			}
		}
		t.Fatalf("the Tab key does not reach #%s: %v", id, seen)
	}
	to("play")
	v.must(v.Press(" "))
	v.state("paused")
	v.must(v.Press("Enter"))
	v.state("playing")
	to("volume")
	v.must(v.Press("ArrowLeft"))
	v.await(`document.querySelector("#audio").volume < 1`)
	to("stop")
	v.must(v.Press("Enter"))
	v.state("idle")
	to("skip") // all the way round
	to("search")
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}
