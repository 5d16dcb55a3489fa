// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// TestTwentyNodesFivePercentLoss: round trips of 50 ms, every twentieth datagram is lost, and every listener gets every
// chunk and plays every frame.
func TestTwentyNodesFivePercentLoss(t *testing.T) {
	beside(t)
	length := 40 * time.Second
	if long {
		length = 10 * time.Minute
	}
	p := newParty(t, partyPlan{
		seed: 20, up: netlab.Line{Delay: 25 * time.Millisecond, Loss: 0.05}, listeners: 20,
		music: length + time.Minute,
	})
	pass(t, settle)
	before := missing(t, p.listeners...)
	recordings := p.record(t, p.listeners...)
	pass(t, length+time.Second)
	report(t, append(p.listeners, p.source)...)
	requireWhole(t, before, p.listeners...)
	// What a recording begins with was received before it began, so it is at least as long as it took.
	p.requireContiguous(t, length-time.Second, recordings...)

	var repaired, duplicate, all uint64
	deepest := 0
	for _, l := range p.listeners {
		s := l.station(t)
		repaired, duplicate, all = repaired+s.Chunks.Repaired, duplicate+s.Chunks.Duplicate, all+s.Chunks.Received
		deepest = max(deepest, s.Hops)
	}
	t.Logf("%d listeners, %v: %d chunks, %.2f %% repaired, %.2f %% came twice; at most %d hops",
		len(p.listeners), length, all, percent(repaired, all), percent(duplicate, all), deepest)
}

func percent(part, whole uint64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

// TestChainOfThree: the upload caps leave room for one child each, so that the last is fed by the middle, which is fed by
// the source.
func TestChainOfThree(t *testing.T) {
	beside(t)
	n := netlab.New(t, 3)
	m := newMusic(t, n, 128, 40*time.Second)
	line := netlab.Line{Delay: 10 * time.Millisecond}
	host := func(name string) *netlab.Host { return n.Host(t, name, line, netlab.Line{}) }
	source := startNode(t, host("source"), "source", "broadcast", m.path, "--upload", "190k")
	middle := startNode(t, host("middle"), "middle", "listen", source.link(source), "--player", "none", "--upload", "190k")
	awaitAudio(t, 15*time.Second, time.Second, middle)
	last := startNode(t, host("last"), "last", "listen", source.link(source), "--player", "none", "--upload", "0")
	awaitAudio(t, 15*time.Second, time.Second, last)

	pass(t, 3*time.Second) // for the tree to settle
	recordings := []*recording{
		record(t, middle, source.ready.StationID, filepath.Join(n.Dir, "middle.mp3")),
		record(t, last, source.ready.StationID, filepath.Join(n.Dir, "last.mp3")),
	}
	pass(t, 15*time.Second)
	report(t, source, middle, last)
	requireWhole(t, nil, middle, last)
	for _, r := range recordings {
		requireContiguous(t, r.node.Name, r.stop(t), m, 14*time.Second, 0)
	}
	if got := last.station(t).Hops; got != 2 {
		t.Errorf("the last is %d hops from the source, want 2", got)
	}
	for _, parent := range last.station(t).Parents {
		if parent.Addr != middle.addr().String() {
			t.Errorf("the last has the parent %s, want %v alone", parent.Addr, middle.addr())
		}
	}
}

// TestIPv6: a link that names the broadcaster's IPv6 address alone.
func TestIPv6(t *testing.T) {
	beside(t)
	n := netlab.New(t, 6)
	m := newMusic(t, n, 128, 30*time.Second)
	source := startNode(t, n.Host(t, "source", broadband, netlab.Line{}), "source", "broadcast", m.path)
	peer := netip.AddrPortFrom(source.host.IPv6(), uint16(source.ready.UDP))
	listener := startNode(t, n.Host(t, "listener", broadband, netlab.Line{}), "listener",
		"listen", source.link()+"?peer="+peer.String(), "--player", "none")
	awaitAudio(t, 15*time.Second, time.Second, listener)
	recording := record(t, listener, source.ready.StationID, filepath.Join(n.Dir, "listener.mp3"))
	pass(t, 5*time.Second)
	report(t, listener)
	requireWhole(t, nil, listener)
	requireContiguous(t, listener.Name, recording.stop(t), m, 5*time.Second, 0)
	for _, parent := range listener.station(t).Parents {
		if parent.Addr != peer.String() {
			t.Errorf("the parent is %s, want %v", parent.Addr, peer)
		}
	}
}
