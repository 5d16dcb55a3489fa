// SPDX-License-Identifier: MIT

package web_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"streamer/internal/web"
)

var update = flag.Bool("update", false, "rewrite the table in docs/metrics.md")

const metricsDoc = "../../docs/metrics.md"

// The document lists every metric that the answer has, with its kind and help, in its order.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	site := newSite(t)
	families := regexp.MustCompile(`(?m)^# HELP (\S+) (.*)\n# TYPE (\S+) (.*)$`)
	var table strings.Builder
	table.WriteString("| Metric | Kind | What |\n|---|---|---|\n")
	for _, m := range families.FindAllStringSubmatch(text(t, site.ask(t, "GET", "/metrics", "")), -1) {
		if m[1] != m[3] {
			t.Errorf("the help of %s is followed by the kind of %s", m[1], m[3])
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m[1], m[4], m[2])
	}
	head, rest, ok := strings.Cut(string(doc), "| Metric |")
	if !ok {
		t.Fatalf("%s has no table", metricsDoc)
	}
	_, tail, _ := strings.Cut(rest, "\n\n") // what follows the table
	want := strings.TrimRight(head+table.String()+"\n"+tail, "\n") + "\n"
	switch {
	case *update:
		if err := os.WriteFile(metricsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(doc) != want:
		t.Errorf("%s does not list the metrics as they are: go test ./internal/web -run TestMetricsAreDocumented -update",
			metricsDoc)
	}
}

// Every counter of the core and of the socket reaches the metrics: each is set to a number of its own, which must be in the
// text.
func TestEveryCounterIsAMetric(t *testing.T) {
	s := newSite(t)
	names := map[string]string{}
	s.backend.set(func(snap *web.Snapshot) {
		number := uint64(1_000_001)
		var fill func(path string, v reflect.Value)
		fill = func(path string, v reflect.Value) {
			switch v.Kind() { //nolint:exhaustive // the others fail the test
			case reflect.Struct:
				for i := range v.NumField() {
					fill(path+"."+v.Type().Field(i).Name, v.Field(i))
				}
			case reflect.Array:
				for i := range v.Len() {
					fill(fmt.Sprint(path, "[", i, "]"), v.Index(i))
				}
			case reflect.Uint64:
				v.SetUint(number)
				names[fmt.Sprint(number)] = path
				number++
			default:
				t.Errorf("%s is a %s", path, v.Kind())
			}
		}
		fill("Counters", reflect.ValueOf(&snap.Node.Counters).Elem())
		fill("Socket", reflect.ValueOf(&snap.Socket).Elem())
	})
	body := text(t, s.ask(t, "GET", "/metrics", ""))
	for number, path := range names {
		if !strings.Contains(body, " "+number+"\n") {
			t.Errorf("%s is in no metric", path)
		}
	}
}

// The text is in the format: families once, help and type before samples, labels quoted.
func TestMetricsFormat(t *testing.T) {
	s := newSite(t)
	s.backend.set(func(snap *web.Snapshot) { snap.Version = "a\"b\\c\nd" })
	a := s.ask(t, "GET", "/metrics", "")
	if got := a.header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("got %q", got)
	}
	sample := regexp.MustCompile(`^([a-z_]+)(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)+\})? (-?[0-9.e+-]+)$`)
	seen, family := map[string]bool{}, ""
	body := text(t, a)
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
		if name, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(name, " ")
			if seen[family] {
				t.Errorf("%s comes twice", family)
			}
			seen[family] = true
			continue
		}
		if strings.HasPrefix(line, "# TYPE "+family+" ") {
			continue
		}
		if m := sample.FindStringSubmatch(line); m == nil || m[1] != family {
			t.Errorf("not in the format: %q", line)
		}
	}
	for _, want := range []string{
		`streamer_info{version="a\"b\\c\nd"} 1`,
		`streamer_station_hops{station="` + stationID.String() + `",role="listener"} 2`,
		`streamer_players_dropped_total 3`, `streamer_upload_budget_bits_per_second 2000000`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}
