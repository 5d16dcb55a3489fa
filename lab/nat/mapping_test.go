// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"streamer/lab/netlab"
)

const (
	mappingLife   = 30 * time.Second // the shortest that is common
	mappingsLast  = 5 * time.Minute  // LAB_NAT_LASTS changes it
	mappingsWarm  = time.Minute      // until links that nobody needs are gone
	mappingsWorld = 3
)

// TestShortMappings keeps nodes behind routers that forget a mapping after 30 s: no link is lost, no chunk is missed, and it
// counts what an idle node pays for that. The long run writes docs/results/mappings.md.
func TestShortMappings(t *testing.T) {
	if !long {
		t.Skip("LAB_LONG is not set")
	}
	lasts := mappingsLast
	if s := os.Getenv("LAB_NAT_LASTS"); s != "" {
		var err error
		if lasts, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newTown(t, townPlan{
		seed: 70, hosts: mappingsWorld, source: netlab.PortRestricted, worldUpload: "0", timeout: mappingLife,
		listeners: []netlab.Kind{netlab.PortRestricted, netlab.FullCone, netlab.SymmetricRandom},
	})
	home := w.net.Home(t, "idle router", netlab.HomeConfig{Kind: netlab.PortRestricted, Up: line, Timeout: mappingLife})
	idle := &tenant{node: launch(t, home.Host(t, "idle"), "idle", append([]string{"run"}, w.world.seeds...)...), home: home}
	idle.awaitStanding(t)
	pass(t, mappingsWarm)

	nodes := append([]*tenant{w.source, idle}, w.listeners...)
	made := make([]float64, len(nodes))
	for i, nd := range nodes {
		made[i] = nd.links(t)
	}
	sent, received := home.Router.Sent(), home.Router.Received()
	began := time.Now()
	w.requireHeard(t, lasts)
	took := time.Since(began)
	w.report(t)

	sent, received = home.Router.Sent().Sub(sent), home.Router.Received().Sub(received)
	perHour := func(n uint64) string { return fmt.Sprintf("%.0f", float64(n)*float64(time.Hour)/float64(took)) }
	var table strings.Builder
	for i, nd := range nodes {
		again := nd.links(t) - made[i]
		fmt.Fprintf(&table, "| %s, %v | %.0f | %v | %d |\n", nd.Name, nd.home.Kind(), again, nd.ear.silence().Round(10*time.Millisecond),
			nd.tuned().Chunks.Missing)
		if nd == idle && again > 0 {
			t.Errorf("the idle node made %.0f new links: some were lost", again)
		}
	}
	page := fmt.Sprintf(`# Mappings that live 30 seconds

A broadcaster, three listeners and a node that is tuned to nothing, each behind a router that forgets a mapping after %v without
a packet; %d public hosts that carry no audio. %v, after the first minute.

| Node, router | New links | Silence heard | Chunks missed |
|---|---|---|---|
%s
The idle node sent %s bytes an hour in %s packets, and received %s bytes: IP packets, of gossip and of the links to its proxies.

%s, with `+"`LAB_LONG=1 LAB_NAT_LASTS=%v go test -tags lab -timeout 3h -run '^TestShortMappings$' -count 1 -v ./lab/nat/`"+` as root on
%s.
`, mappingLife, mappingsWorld, lasts, table.String(), perHour(sent.Bytes), perHour(sent.Packets), perHour(received.Bytes),
		time.Now().Format("2 January 2006"), lasts, netlab.Machine())
	t.Log("\n" + page)
	must(t, os.WriteFile(filepath.Join("..", "..", "docs", "results", "mappings.md"), []byte(page), 0o644))
}

// links is how many links the node has had since it began.
func (nd *node) links(t *testing.T) (sum float64) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, nd.url("/metrics"), nil)
	must(t, err)
	resp, err := nd.http.Do(req)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	found := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == "streamer_links_dialled_total" || name == "streamer_links_accepted_total" {
			v, err := strconv.ParseFloat(value, 64)
			must(t, err)
			sum += v
			found++
		}
	}
	if found != 2 {
		t.Fatalf("%s: %d of 2 metrics", nd.Name, found)
	}
	return sum
}
