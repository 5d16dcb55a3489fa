// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// TestRateCapRespected: what leaves a host never exceeds --upload over any second, however many want it. The router
// counts, so that nothing is forgotten.
func TestRateCapRespected(t *testing.T) {
	const capBPS = 300_000
	const burst = 4 * 1228 // four full datagrams
	p := newParty(t, partyPlan{
		seed: 9, up: netlab.Line{Delay: 25 * time.Millisecond, Loss: 0.02}, listeners: 8,
		sourceUpload: "300k", listenerUpload: "300k",
	})
	pass(t, settle)
	nodes := append([]*node{p.source}, p.listeners...)
	before, sent := missing(t, p.listeners...), make([]netlab.Counts, len(nodes))
	var most []func() int
	for i, nd := range nodes {
		sent[i] = nd.host.Sent()
		most = append(most, nd.host.Meter(time.Second))
	}
	window := 15 * time.Second
	stalls := netlab.WatchStalls(t)
	began := time.Now()
	pass(t, window)
	longest := stalls.Longest(began)
	t.Logf("the machine stood still for %v of %v, for %v at most", stalls.Since(began), window, longest)
	report(t, nodes...)
	for i, nd := range nodes {
		mean := float64(nd.host.Sent().Sub(sent[i]).Bytes) * 8 / window.Seconds()
		t.Logf("%s: %.0f bit/s, %d bits in the busiest second, cap %d", nd.Name, mean, most[i]()*8, capBPS)
		// What a node sends before it stands still and what it may send after that meet at the router.
		if most[i]() > int(capBPS/8*(time.Second+longest)/time.Second)+burst {
			t.Errorf("%s sent %d bytes in a second, its cap is %d and the machine stood still for %v", nd.Name, most[i](), capBPS/8, longest)
		}
	}
	requireWhole(t, before, p.listeners...)
}

// writeResults writes a page of results when this is the long run; what failed is in its figures.
func writeResults(t *testing.T, name, page, test string) {
	t.Helper()
	t.Log("\n" + page)
	if !long {
		return
	}
	page += fmt.Sprintf("\n%s, with `LAB_LONG=1 go test -tags lab -run '^%s$' -count 1 -timeout 30m -v ./lab/` as root on %s.\n",
		time.Now().Format("2 January 2006"), test, netlab.Machine())
	if err := os.WriteFile(filepath.Join("..", "docs", "results", name), []byte(page), 0o644); err != nil {
		t.Error(err)
	}
}
