// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	pass(t, window)
	report(t, nodes...)
	for i, nd := range nodes {
		mean := float64(nd.host.Sent().Sub(sent[i]).Bytes) * 8 / window.Seconds()
		t.Logf("%s: %.0f bit/s, %d bits in the busiest second, cap %d", nd.Name, mean, most[i]()*8, capBPS)
		if most[i]() > capBPS/8+burst {
			t.Errorf("%s sent %d bytes in a second, its cap is %d", nd.Name, most[i](), capBPS/8)
		}
	}
	requireWhole(t, before, p.listeners...)
}

// An expense is what it took to carry audio.
type expense struct {
	kbps      int
	loss      float64
	audio     float64 // bytes of audio that listeners got
	sent      float64 // bytes of IP packets that all hosts sent, lost ones included
	repaired  float64 // percent of chunks
	duplicate float64 // percent of chunks
	missing   uint64
	sourceBPS float64 // sent by the source
}

func (e expense) share() float64 { return 100 * (e.sent/e.audio - 1) }

// TestOverhead counts every byte beside the audio. The long run writes docs/results/overhead.md.
func TestOverhead(t *testing.T) {
	listeners, window, rates, losses := 8, 10*time.Second, []int{128}, []float64{0, 0.05}
	if long {
		window, rates, losses = time.Minute, []int{32, 128, 320}, []float64{0, 0.01, 0.05}
	}
	var table strings.Builder
	for _, kbps := range rates {
		for _, loss := range losses {
			t.Run(fmt.Sprintf("%dkbps,loss=%v", kbps, loss), func(t *testing.T) {
				e := overhead(t, kbps, loss, listeners, window)
				fmt.Fprintf(&table, "| %d kbit/s | %.0f %% | %.1f %% | %.2f %% | %.2f %% | %d | %.2f |\n", kbps, 100*loss, e.share(),
					e.repaired, e.duplicate, e.missing, e.sourceBPS/float64(kbps*1000))
				t.Logf("%+v: %.1f %% beside the audio", e, e.share())
				limit := uint64(0)
				if !long && loss > 0 {
					limit = 3 // beside other tests packets are 100 ms late, too; the long run is measured alone
				}
				if e.missing > limit {
					t.Errorf("%d chunks were missed", e.missing)
				}
			})
		}
	}
	writeResults(t, "overhead.md", fmt.Sprintf(`# Bytes beside the audio

One broadcaster, %d listeners that feed each other, round trips of 50 ms, loss in every direction, %v each, MP3 of constant
rate. Counted by the lab's router: all IP packets that all hosts sent, lost ones and IP headers included, against the audio
that the listeners got. Goals (design, section 6): at most 10 %% without loss, 15 %% at 5 %% loss, 20 %% at 32 kbit/s;
duplicates at most 0.5 %%; the source sends at most 2 streams.

| Audio | Loss | Beside the audio | Chunks repaired | Duplicates | Missing | Source sends, streams |
|---|---|---|---|---|---|---|
%s`, listeners, window, table.String()), "TestOverhead")
}

// overhead runs a party for a while and counts.
func overhead(t *testing.T, kbps int, loss float64, listeners int, window time.Duration) expense {
	t.Helper()
	p := newParty(t, partyPlan{
		seed: uint64(kbps) + uint64(1000*loss), kbps: kbps, listeners: listeners,
		up: netlab.Line{Delay: 25 * time.Millisecond, Loss: loss},
	})
	pass(t, 4*time.Second) // for the start-up bursts to end
	nodes := append([]*node{p.source}, p.listeners...)
	counts := func() (sent []uint64, stations []stationStatus) {
		for _, nd := range nodes {
			sent = append(sent, nd.host.Sent().Bytes)
			stations = append(stations, nd.station(t))
		}
		return sent, stations
	}
	began := time.Now()
	sent, stations := counts()
	pass(t, window)
	sentThen, stationsThen := counts()
	took := time.Since(began)

	e := expense{kbps: kbps, loss: loss, audio: float64(kbps) * 1000 / 8 * took.Seconds() * float64(listeners)}
	var received, repaired, duplicate uint64
	for i := range nodes {
		e.sent += float64(sentThen[i] - sent[i])
		now, then := stationsThen[i].Chunks, stations[i].Chunks
		received += now.Received - then.Received
		repaired += now.Repaired - then.Repaired
		duplicate += now.Duplicate - then.Duplicate
		if i > 0 {
			e.missing += now.Missing - then.Missing
		}
	}
	e.repaired, e.duplicate = percent(repaired, received), percent(duplicate, received)
	e.sourceBPS = float64(sentThen[0]-sent[0]) * 8 / took.Seconds()
	report(t, nodes...)
	return e
}

// writeResults writes a page of results when this is the long run; what failed is in its figures.
func writeResults(t *testing.T, name, page, test string) {
	t.Helper()
	t.Log("\n" + page)
	if !long {
		return
	}
	page += fmt.Sprintf("\n%s, with `LAB_LONG=1 go test -tags lab -run '^%s$' -count 1 -v ./lab/` as root on %s.\n",
		time.Now().Format("2 January 2006"), test, machine())
	if err := os.WriteFile(filepath.Join("..", "docs", "results", name), []byte(page), 0o644); err != nil {
		t.Error(err)
	}
}

// machine says what the figures were measured on.
func machine() string {
	var cpu string
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(b), "model name")
		_, rest, _ = strings.Cut(rest, ": ")
		cpu, _, _ = strings.Cut(rest, "\n")
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, Linux %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)))
}
