// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// A party is what most scenarios begin with: a broadcaster that plays a file, and listeners that know its address.
type party struct {
	net       *netlab.Network
	music     music
	source    *node
	listeners []*node
}

// partyPlan says what the party is like. Every host has the same line.
type partyPlan struct {
	seed           uint64
	up             netlab.Line
	kbps           int           // 0: 128
	music          time.Duration // 0: a minute, over and over
	sourceUpload   string        // "": 4 streams
	listenerUpload string        // "": 5 streams
	listeners      int
}

// newParty starts the nodes and waits until all listeners have audio.
func newParty(t *testing.T, plan partyPlan) *party {
	t.Helper()
	if plan.kbps == 0 {
		plan.kbps = 128
	}
	if plan.music == 0 {
		plan.music = time.Minute
	}
	if plan.sourceUpload == "" {
		plan.sourceUpload = fmt.Sprintf("%dk", plan.kbps*4)
	}
	if plan.listenerUpload == "" {
		plan.listenerUpload = fmt.Sprintf("%dk", plan.kbps*5)
	}
	p := &party{net: netlab.New(t, plan.seed)}
	p.music = newMusic(t, p.net, plan.kbps, plan.music)
	p.source = startNode(t, p.net.Host(t, "source", plan.up, netlab.Line{}), "source",
		"broadcast", p.music.path, "--upload", plan.sourceUpload)
	began := time.Now()
	for i := range plan.listeners {
		name := fmt.Sprintf("listener%02d", i+1)
		h := p.net.Host(t, name, plan.up, netlab.Line{})
		p.listeners = append(p.listeners, launchNode(t, h, name,
			"listen", p.source.link(p.source), "--player", "none", "--upload", plan.listenerUpload))
	}
	for _, l := range p.listeners {
		l.awaitReady(t)
	}
	awaitAudio(t, 30*time.Second, time.Second, p.listeners...)
	t.Logf("%d listeners have audio after %v", len(p.listeners), time.Since(began).Round(time.Millisecond))
	return p
}

// record begins to record all of the given listeners.
func (p *party) record(t *testing.T, nodes ...*node) []*recording {
	t.Helper()
	var recordings []*recording
	for _, nd := range nodes {
		recordings = append(recordings, record(t, nd, p.source.ready.StationID, filepath.Join(p.net.Dir, nd.Name+".mp3")))
	}
	return recordings
}

// requireContiguous ends recordings and fails the test for each that is not a piece of the music of the given length.
func (p *party) requireContiguous(t *testing.T, least time.Duration, recordings ...*recording) {
	t.Helper()
	for _, r := range recordings {
		got := r.stop(t)
		requireContiguous(t, r.node.Name, got, p.music, least, tolerated(len(got)/3))
	}
}

// received is how many chunks a listener has.
func received(t *testing.T, nd *node) uint64 {
	t.Helper()
	return nd.station(t).Chunks.Received
}
