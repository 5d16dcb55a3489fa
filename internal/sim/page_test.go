// SPDX-License-Identifier: MIT

package sim_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
)

// page returns the page of runs.
func page(t *testing.T, runs ...sim.Result) string {
	t.Helper()
	var b strings.Builder
	if err := sim.WritePage(&b, runs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A page shows what a run measured, loads nothing, and its drawings are well-formed.
func TestPage(t *testing.T) {
	s := uncapped(sim.Shipped("heads", 20)).Until(25 * time.Second)
	s.Name = "<b>heads</b>"
	r := run(t, s)
	text := page(t, r)
	for _, want := range []string{
		"&lt;b&gt;heads&lt;/b&gt;", "chunks on time over the run", "distribution of lag", "distribution of hops", "upload used by group",
		"The forest at the end", "18 listeners, each below whoever feeds it the most", "<td>crash</td>", "strong", "0 to ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, refused := range []string{"<script", "http:", "https:", "src=", "url(", "NaN", "Inf", "ZgotmplZ", "%!"} {
		if strings.Contains(text, refused) {
			t.Errorf("the page has %q", refused)
		}
	}
	drawings := 0
	for rest := text; ; drawings++ {
		_, after, found := strings.Cut(rest, "<svg")
		if !found {
			break
		}
		svg, after, _ := strings.Cut(after, "</svg>")
		wellFormed(t, "<svg"+svg+"</svg>")
		rest = after
	}
	if drawings != 6 {
		t.Errorf("%d drawings, want 6", drawings)
	}
	tree := r.Pictures.Tree
	if len(tree) != 19 || tree[0].Class != -1 || len(tree[0].Parents) != 0 {
		t.Errorf("a tree of %d hosts, the first %+v; want 19 (two crashed), the source first", len(tree), tree[0])
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("a drawing is not well-formed: %v", err)
			return
		}
	}
}

// A run in which nothing was heard has a page, too.
func TestPageOfNothing(t *testing.T) {
	text := page(t, sim.Result{Scenario: "nothing"})
	for _, refused := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(text, refused) {
			t.Errorf("the page has %q", refused)
		}
	}
}
