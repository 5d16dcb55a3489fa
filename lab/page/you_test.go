// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"net/http"
	"strings"
	"testing"
)

// A settings is what the node says.
type settings struct {
	Upload  *int64 `json:"upload_bps"`
	Metered bool   `json:"metered_upload"`
}

// What a listener sets, the node does, and other windows show.
func TestSettings(t *testing.T) {
	t.Parallel()
	nd := newNode(t, "run")
	v, other := open(t, nd.url("/#/you")), open(t, nd.url("/#/you"))
	is := func(what string, upload int64, metered bool) { // upload -1: as measured
		t.Helper()
		await(t, what, func() bool {
			var s settings
			nd.get(t, "/api/v1/settings", &s)
			got := int64(-1)
			if s.Upload != nil {
				got = *s.Upload
			}
			return got == upload && s.Metered == metered
		})
	}
	is("at first", -1, false)
	v.click(`#upload [value="none"]`)
	is("no upload", 0, false)
	other.await(`document.querySelector('#upload [value="none"]').checked`)
	var status struct {
		Upload struct {
			Budget *int64 `json:"budget_bps"`
		}
	}
	if nd.get(t, "/api/v1/status", &status); status.Upload.Budget == nil || *status.Upload.Budget != 0 {
		t.Errorf("the node gives with a budget of %v", status.Upload.Budget)
	}
	v.click(`#upload [value="limit"]`)
	v.await(`document.activeElement.id === "limit-rate"`)
	v.run(`document.activeElement.select()`)
	v.must(v.Type("2.5"))
	v.must(v.Press("Enter"))
	is("2.5 Mbit/s", 2_500_000, false)
	other.await(`document.querySelector('#upload [value="limit"]').checked && document.querySelector("#limit-rate").value === "2.5"`)
	v.click("#metered")
	is("upload on a metered connection", 2_500_000, true)
	other.await(`document.querySelector("#metered").checked`)
	v.show(nd.url("/#/you"))
	v.await(`document.querySelector('#upload [value="limit"]').checked && document.querySelector("#metered").checked`)
	v.click("#metered")
	v.click(`#upload [value="auto"]`)
	is("as at first", -1, false)
	if faults := append(v.Faults(), other.Faults()...); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}

	fixed := newNode(t, "run", "--upload", "1M")
	v.show(fixed.url("/#/you"))
	v.await(`document.querySelector("#upload").disabled && document.querySelector("#limit-rate").value === "1"`)
}

// The page speaks the listener's language, and another one when told to.
func TestLanguage(t *testing.T) {
	t.Parallel()
	nd := newNode(t, "run")
	v := window(t)
	v.must(v.Languages("fr,de-AT,en"))
	v.show(nd.url("/#/you"))
	speaks := func(code, you string) {
		t.Helper()
		v.await(`document.documentElement.lang === ` + quote(code))
		v.awaitText("#you-heading", you)
		if wordless := value[[]string](v, `[...document.querySelectorAll("[data-t]")].filter((e) => e.textContent.trim() === "" ||
			e.textContent === e.dataset.t).map((e) => e.outerHTML.slice(0, 100))`); len(wordless) > 0 {
			t.Errorf("%s: without words: %q", code, wordless)
		}
	}
	german := "Dein Beitrag"
	v.await(`document.documentElement.lang === "de"`)
	german = v.text("#you-heading")
	speaks("de", german)
	v.run(`const l = document.querySelector("#language"); l.value = "en"; l.dispatchEvent(new Event("change"))`)
	speaks("en", "Your part")
	v.show(nd.url("/#/you"))
	speaks("en", "Your part")
	v.run(`const l = document.querySelector("#language"); l.value = "de"; l.dispatchEvent(new Event("change"))`)
	speaks("de", german)
	if german == "Your part" || strings.TrimSpace(german) == "" {
		t.Errorf("in German the heading is %q", german)
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}

// All that is on the page, words included, comes over the wire in little.
func TestWeight(t *testing.T) {
	t.Parallel()
	nd := newListener(t)
	_ = nd.do(t, http.MethodPatch, "/api/v1/settings", struct{}{}).Body.Close()
	v := open(t, nd.url("/"))
	v.await(`document.querySelector(".row-station")`)
	const most = 200_000
	n := v.Bytes()
	t.Logf("%d bytes over the wire, heads included", n)
	if n > most || n < 10_000 {
		t.Errorf("%d bytes came over the wire, %d are allowed", n, most)
	}
	if cross := value[[]string](v, `performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith(location.origin))`); len(cross) > 0 {
		t.Errorf("from elsewhere: %q", cross)
	}
}
