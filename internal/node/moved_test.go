// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"testing"
	"time"
)

// The router of a hidden source gets another address, which the source cannot know: it hears none of its children, and its proxies see
// where it is within a second and a half. They introduce the children, whose NATs let nobody else in; nobody misses a chunk.
func TestSourceMoves(t *testing.T) {
	r := newRegion(t)
	r.open(4)
	src := r.add(true)
	seq := 0
	r.run(r.now.Add(25 * time.Second))
	r.begin(src)
	r.play(src, &seq, 5*time.Second)
	listeners := []*wireNode{r.add(true), r.add(true)}
	for _, l := range listeners {
		r.tune(l)
		r.play(src, &seq, 2*time.Second)
	}
	r.play(src, &seq, 15*time.Second)
	proxies, was := src.Status(r.now).Reach.Proxies, src.addr
	before := []int{chunks(listeners[0]), chunks(listeners[1])}

	src.addr = netip.MustParseAddrPort("20.99.0.1:8466")
	delete(r.hidden, was)
	r.hidden[src.addr] = true
	r.play(src, &seq, 1500*time.Millisecond)
	for _, p := range proxies {
		if !r.sent[[2]netip.AddrPort{p, src.addr}] {
			t.Errorf("the proxy %v does not know the new address", p)
		}
	}
	r.play(src, &seq, 5*time.Second)
	for i, l := range listeners {
		st := r.tuned(l, r.key.ID())
		if got := chunks(l) - before[i]; got < 75 || st.Chunks.Missing > 0 {
			t.Errorf("%d chunks since then, %d missing", got, st.Chunks.Missing)
		}
	}
}
