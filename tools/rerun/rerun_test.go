// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	got := arguments(strings.Fields("go test -json -tags lab -timeout 20m -count 1 -p 1 -parallel 4 -race ./lab/... streamer/x"))
	if want := strings.Fields("go test -json -tags lab -timeout 20m -p 1 -parallel 4 -race"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Tests of the top level that failed are found with their time; a package only when none of its tests is to blame.
func TestRead(t *testing.T) {
	const events = `{"Time":"2026-01-01T00:00:00Z","Action":"run","Package":"a","Test":"TestX"}
{"Time":"2026-01-01T00:00:01Z","Action":"run","Package":"a","Test":"TestX/sub"}
{"Time":"2026-01-01T00:00:02Z","Action":"fail","Package":"a","Test":"TestX/sub"}
{"Time":"2026-01-01T00:00:03Z","Action":"fail","Package":"a","Test":"TestX"}
{"Time":"2026-01-01T00:00:03Z","Action":"pass","Package":"a","Test":"TestY"}
not an event
{"Time":"2026-01-01T00:00:03Z","Action":"fail","Package":"a"}
{"Time":"2026-01-01T00:00:03Z","Action":"fail","Package":"b"}
{"Time":"2026-01-01T00:00:03Z","Action":"output","Package":"c","Test":"TestZ/sub","Output":"panic: no\n"}
{"Time":"2026-01-01T00:00:03Z","Action":"fail","Package":"c","Test":"TestZ"}`
	failed, err := read(strings.NewReader(events))
	if err != nil || len(failed) != 4 {
		t.Fatalf("%+v, %v", failed, err)
	}
	if f := failed[0]; f.pkg != "a" || f.name != "TestX" || f.to.Sub(f.from) != 3*time.Second {
		t.Errorf("%+v", f)
	}
	for i, pkg := range []string{"b", "c"} { // c did not run to its end
		if f := failed[1+i]; f.pkg != pkg || f.name != "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestSteal(t *testing.T) {
	taken, all, err := parse("cpu  100 0 50 800 0 0 0 50 7 0\ncpu0 1 1 1 1")
	if err != nil || taken != 50 || all != 1000 {
		t.Errorf("%d of %d, %v", taken, all, err)
	}
	if _, _, err := parse("nothing"); err == nil {
		t.Error("no error")
	}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	s := &steal{looks: []look{{at(0), 0, 0}, {at(1), 0, 100}, {at(2), 50, 200}, {at(3), 100, 300}, {at(4), 100, 400}}}
	for _, c := range []struct{ from, to, want int }{{0, 4, 25}, {1, 3, 50}, {3, 4, 0}, {0, 1, 0}, {9, 9, 0}} {
		if got := s.share(at(c.from), at(c.to)); got != c.want {
			t.Errorf("from %d to %d: %d %%, want %d", c.from, c.to, got, c.want)
		}
	}
	if got := new(steal).share(at(0), at(1)); got != 0 {
		t.Errorf("%d %% of nothing", got)
	}
}

// A processor that stands still counts as taken; two at the same moment count once.
func TestStood(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	s := &steal{}
	s.stand(at(100), at(150))
	s.stand(at(900), at(950))
	s.stand(at(120), at(150))
	for _, c := range []struct{ from, to, want int }{{0, 1000, 10}, {0, 500, 10}, {200, 800, 0}, {900, 1000, 50}, {900, 910, 100}, {5, 5, 0}} {
		if got := s.share(at(c.from), at(c.to)); got != c.want {
			t.Errorf("from %d to %d: %d %%, want %d", c.from, c.to, got, c.want)
		}
	}
}
