// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// A narrowLine is a relay's line that carries less than the listeners who know it alone want of it.
type narrowLine struct {
	name     string
	up, down netlab.Line
	download bool // somebody at home downloads in the middle
	upload   bool // somebody at home uploads in the middle
}

const narrowBPS = 600_000

func narrowLines() []narrowLine {
	up := func(queue int) netlab.Line {
		return netlab.Line{Delay: 15 * time.Millisecond, RateBPS: narrowBPS, QueueBytes: queue}
	}
	return []narrowLine{
		{name: "drops above its rate, 60 ms of queue", up: up(narrowBPS / 8 * 60 / 1000)},
		{name: "1 s of buffer", up: up(narrowBPS / 8)},
		{name: "a download in the middle", up: up(narrowBPS / 8 / 2), down: netlab.Line{RateBPS: 4_000_000, QueueBytes: 100_000}, download: true},
		{name: "a TCP upload in the middle", up: up(narrowBPS / 8 / 2), upload: true},
	}
}

// TestMeasuredUpload: nobody tells a relay what its line carries; six listeners that give nothing know that relay alone, and want
// half as much again as it carries. Nobody misses anything. The long run has all lines and writes docs/results/upload.md.
func TestMeasuredUpload(t *testing.T) {
	window := 20 * time.Second
	var table strings.Builder
	for i, line := range narrowLines() {
		if !long { // one line, the one that shows a flood latest
			if window = 10 * time.Second; !strings.Contains(line.name, "buffer") {
				continue
			}
		}
		// To a node, its own standing still looks like a line that is full.
		var rows string
		netlab.WatchStalls(t).Fairly(t, func() (faults []string) {
			t.Run(line.name, func(t *testing.T) { rows, faults = narrowRun(t, uint64(40+i), line, window) })
			return faults
		})
		table.WriteString(rows)
	}
	writeResults(t, "upload.md", fmt.Sprintf(`# Measured upload

A relay with --upload auto on a line of %d kbit/s upwards, of which it has been told nothing; a broadcaster with 400 kbit/s and
a second relay with 4 Mbit/s; six listeners that give nothing and know the first relay only, MP3 at 128 kbit/s. Round trips of 30 to
60 ms. The first window are the 10 s after all have a second of audio: nobody knows the line then. The others follow it and one another, %v each; in the middle one, somebody at the relay's home downloads or uploads by TCP, where the line says so.
Lost is what did not fit into the line's queue, of the relay's packets and others' together; sent is both together, too. Chunks missed are those of all six listeners.

| Line | Window | Estimate, kbit/s | Sent, kbit/s | Lost there | Fed by it | Chunks missed |
|---|---|---|---|---|---|---|
%s`, narrowBPS/1000, window, table.String()), "TestMeasuredUpload")
}

// narrowRun returns rows of the table, and what is not as it should be.
func narrowRun(t *testing.T, seed uint64, line narrowLine, window time.Duration) (rows string, faults []string) {
	t.Helper()
	p := &party{net: netlab.New(t, seed)}
	p.music = newMusic(t, p.net, 128, time.Minute)
	far := netlab.Line{Delay: 15 * time.Millisecond}
	p.source = startNode(t, p.net.Host(t, "source", far, netlab.Line{}), "source", "broadcast", p.music.path, "--upload", "400k")
	pass(t, 4*time.Second)
	home := p.net.Host(t, "relay", line.up, line.down)
	relay := startNode(t, home, "relay", "relay", p.source.link(p.source))
	helper := startNode(t, p.net.Host(t, "helper", far, netlab.Line{}), "helper", "relay", p.source.link(p.source), "--upload", "4M")
	awaitAudio(t, 20*time.Second, 0, relay, helper)
	for i := range 6 {
		name := fmt.Sprintf("listener%02d", i+1)
		p.listeners = append(p.listeners, startNode(t, p.net.Host(t, name, far, netlab.Line{}), name,
			"listen", p.source.link(relay), "--player", "none", "--upload", "0"))
	}
	awaitAudio(t, 30*time.Second, time.Second, p.listeners...)
	var before map[*node]uint64
	peer := p.net.Host(t, "peer", far, netlab.Line{})
	for i, when := range []string{"start", "before", "middle", "after"} {
		sent, missed, window := home.Sent(), missing(t, p.listeners...), window
		switch {
		case i == 0:
			window = settle
			pass(t, window)
		case i == 2 && (line.download || line.upload):
			traffic(t, home, peer, line.upload, window)
		default:
			pass(t, window)
		}
		if i == 0 {
			before = missing(t, p.listeners...)
		}
		now, fed, gone := home.Sent().Sub(sent), 0, uint64(0)
		for l, m := range missing(t, p.listeners...) {
			gone += m - missed[l]
			if fedBy(l.station(t), relay) {
				fed++
			}
		}
		var s struct {
			Upload struct {
				MeasuredBPS *int64 `json:"measured_bps"`
			} `json:"upload"`
		}
		if err := relay.get("/api/v1/status", &s); err != nil {
			t.Fatal(err)
		}
		estimate := int64(0)
		if s.Upload.MeasuredBPS != nil {
			estimate = *s.Upload.MeasuredBPS
		}
		row := fmt.Sprintf("| %s | %s | %d | %.0f | %.2f %% | %d | %d |\n", line.name, when, estimate/1000,
			float64(now.Bytes)*8/1000/window.Seconds(), percent(now.QueueFull, now.Packets), fed, gone)
		t.Log(row)
		rows += row
	}
	report(t, append(p.listeners, relay, helper)...)
	return rows, holes(t, before, p.listeners...)
}

// traffic is one TCP connection between two hosts that carries what it can, to or from home, for a while.
func traffic(t *testing.T, home, peer *netlab.Host, up bool, d time.Duration) {
	t.Helper()
	var l net.Listener
	err := peer.Do(func() (err error) {
		var lc net.ListenConfig
		l, err = lc.Listen(t.Context(), "tcp4", netip.AddrPortFrom(peer.IPv4(), 9000).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	served := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(served)
			return
		}
		served <- c
	}()
	near, err := home.Dial(ctx, "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, ok := <-served
	if !ok {
		t.Fatal("nobody connects")
	}
	from, to := far, near
	if up {
		from, to = near, far
	}
	done := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, to) // until it is closed
		done <- n
	}()
	go func() { _, _ = io.Copy(from, zeros{}) }()
	<-ctx.Done()
	for _, c := range []io.Closer{from, to, l} {
		_ = c.Close()
	}
	t.Logf("TCP carried %d kbit/s", <-done*8/int64(d/time.Millisecond))
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestCheckUpload: `streamer check` finds what a line carries, with the help of nodes that others reach.
func TestCheckUpload(t *testing.T) {
	n := netlab.New(t, 50)
	far := netlab.Line{Delay: 15 * time.Millisecond}
	seed := startNode(t, n.Host(t, "seed", far, netlab.Line{}), "seed", "run", "--seed-only")
	for _, name := range []string{"one", "two", "three"} {
		startNode(t, n.Host(t, name, far, netlab.Line{}), name, "run", "--seed", seed.addr().String())
	}
	home := n.Host(t, "home", netlab.Line{Delay: 15 * time.Millisecond, RateBPS: 1_200_000, QueueBytes: 60_000}, netlab.Line{})
	nd := startNode(t, home, "home", "run", "--seed", seed.addr().String())
	pass(t, 20*time.Second) // until nodes know who is reached
	said := filepath.Join(home.Dir(), "check.txt")
	p, err := home.Start(netlab.Command{Name: "check", Args: []string{"sh", "-c",
		streamer + " check --json --http " + strings.TrimPrefix(strings.TrimSuffix(nd.ready.HTTP, "/"), "http://") + " > " + said}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(50 * time.Second); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Upload struct {
			Test struct {
				State string `json:"state"`
				BPS   int64  `json:"bps"`
			} `json:"test"`
		} `json:"upload"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	t.Logf("%s", b)
	if got.Upload.Test.State != "done" || got.Upload.Test.BPS < 900_000 || got.Upload.Test.BPS > 1_500_000 {
		t.Errorf("%+v on a line of 1,200,000 bit/s", got.Upload.Test)
	}
}
