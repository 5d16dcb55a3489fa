// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"os"
	"slices"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// allClasses is every class of chunks; manifests are not among them.
const allClasses classes = 0xffff

// broadband is the line of most scenarios: round trips of 50 ms and a little loss.
var broadband = netlab.Line{Delay: 25 * time.Millisecond, Loss: 0.005}

// children are the listeners that a node feeds now, as they say themselves.
func (p *party) children(t *testing.T, parent *node) (children []*node) {
	t.Helper()
	for _, l := range p.listeners {
		if l != parent && fedBy(l.station(t), parent) {
			children = append(children, l)
		}
	}
	return children
}

func fedBy(s stationStatus, parent *node) bool {
	return slices.ContainsFunc(s.Parents, func(q peerStatus) bool {
		return q.Addr == parent.addr().String() && q.Classes != 0
	})
}

// busiest is the listener with the most children.
func (p *party) busiest(t *testing.T) (parent *node, children []*node) {
	t.Helper()
	for _, l := range p.listeners {
		if c := p.children(t, l); len(c) > len(children) {
			parent, children = l, c
		}
	}
	if parent == nil {
		report(t, append(p.listeners, p.source)...)
		t.Fatal("no listener feeds another")
	}
	return parent, children
}

// others are the listeners without one.
func (p *party) others(gone *node) []*node {
	return slices.DeleteFunc(slices.Clone(p.listeners), func(l *node) bool { return l == gone })
}

// refills waits until every child has other parents for all classes, and returns how long each took.
func refills(t *testing.T, began time.Time, gone *node, children []*node) (took []time.Duration) {
	t.Helper()
	const limit = 10 * time.Second
	left := slices.Clone(children)
	for len(left) > 0 && time.Since(began) < limit {
		left = slices.DeleteFunc(left, func(c *node) bool {
			if covered(c.station(t), gone) != allClasses {
				return false
			}
			took = append(took, time.Since(began).Round(time.Millisecond))
			return true
		})
		pass(t, 10*time.Millisecond)
	}
	for _, c := range left {
		s := c.station(t)
		t.Errorf("%s has no parent for the classes %04x after %v: %v", c.Name, uint16(allClasses&^covered(s, gone)), limit, s)
	}
	return took
}

// covered are the classes that come from parents, without one.
func covered(s stationStatus, gone *node) (c classes) {
	for _, parent := range s.Parents {
		if parent.Addr != gone.addr().String() {
			c |= parent.Classes
		}
	}
	return c
}

// TestKillRelayWithChildren: a relay dies without a word, and nobody hears it.
func TestKillRelayWithChildren(t *testing.T) {
	beside(t)
	p := newParty(t, partyPlan{seed: 4, up: broadband, listeners: 10})
	pass(t, settle)
	var all []time.Duration
	rounds := 2
	if long {
		rounds = 6
	}
	for range rounds {
		relay, children := p.busiest(t)
		p.listeners = p.others(relay)
		recordings := p.record(t, p.listeners...)
		pass(t, 2*time.Second)
		report(t, children...)
		before := missing(t, p.listeners...)
		began := time.Now()
		relay.Kill()
		took := refills(t, began, relay, children)
		t.Logf("killed %s with %d children: refilled after %v", relay.Name, len(children), took)
		all = append(all, took...)
		pass(t, 6*time.Second) // twice what was buffered
		requireWhole(t, before, p.listeners...)
		p.requireContiguous(t, 7*time.Second, recordings...)
	}
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	t.Logf("refilled from others after %v (median), %v (longest) of %d", all[len(all)/2], all[len(all)-1], len(all))
}

// TestPoliteLeave: a relay with children leaves, quickly, and nobody hears it.
func TestPoliteLeave(t *testing.T) {
	beside(t)
	p := newParty(t, partyPlan{seed: 5, up: broadband, listeners: 8})
	pass(t, settle)
	relay, children := p.busiest(t)
	p.listeners = p.others(relay)
	recordings := p.record(t, p.listeners...)
	pass(t, 2*time.Second)
	before := missing(t, p.listeners...)
	began := time.Now()
	left := relay.leave(t)
	took := refills(t, began, relay, children)
	t.Logf("%s with %d children was gone after %v; they had other parents after %v", relay.Name, len(children), left, took)
	pass(t, 6*time.Second)
	requireWhole(t, before, p.listeners...)
	p.requireContiguous(t, 7*time.Second, recordings...)
	if left > 5*time.Second {
		t.Errorf("leaving took %v", left)
	}
}

// TestSourceRestarts: the broadcaster is killed and comes back with its key. Listeners go on by themselves.
func TestSourceRestarts(t *testing.T) {
	beside(t)
	p := newParty(t, partyPlan{seed: 6, up: broadband, listeners: 4})
	link := p.source.ready.Link
	recordings := p.record(t, p.listeners...)
	pass(t, 4*time.Second)
	p.source.Kill()
	pass(t, 4*time.Second) // more than what is buffered: everybody falls silent
	before := make([]uint64, len(p.listeners))
	for i, l := range p.listeners {
		before[i] = received(t, l)
	}
	p.source.launch(t)
	began := p.source.began
	p.source.awaitReady(t)
	serving := time.Since(began)
	var took []time.Duration
	for i, l := range p.listeners {
		await(t, 30*time.Second, l.Name+" has audio again", func() bool { return received(t, l) > before[i]+5 })
		took = append(took, time.Since(began))
	}
	t.Logf("killed broadcaster serves again after %v; listeners have audio %v after its start", serving, took)
	if p.source.ready.Link != link {
		t.Errorf("the link was %s and is now %s", link, p.source.ready.Link)
	}
	sizes := fileSizes(t, recordings)
	pass(t, 6*time.Second)
	report(t, p.listeners...)
	for i, size := range fileSizes(t, recordings) {
		r := recordings[i]
		if size < sizes[i]+4*128_000/8 {
			t.Errorf("%s: in 6 s after the restart its player got %d bytes", r.node.Name, size-sizes[i])
		}
		requireTwoPieces(t, r.node.Name, r.stop(t), p.music)
	}
}

func fileSizes(t *testing.T, recordings []*recording) (sizes []int64) {
	t.Helper()
	for _, r := range recordings {
		info, err := os.Stat(r.path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	return sizes
}

// requireTwoPieces fails the test unless a recording is a piece of the music and then another: of two runs of the
// broadcaster.
func requireTwoPieces(t *testing.T, name string, got []string, m music) {
	t.Helper()
	breaks, strangers := pieces(got, m)
	if len(strangers) > 0 || len(breaks) > 1+tolerated(len(got)/3) {
		t.Errorf("%s: %d frames are not in the music (first %v), and it jumps at frames %v of %d, want one jump at most",
			name, len(strangers), strangers[:min(3, len(strangers))], breaks, len(got))
	}
}

// TestRoaming: a listener, and then a relay with children, change their addresses while they play.
func TestRoaming(t *testing.T) {
	beside(t)
	p := newParty(t, partyPlan{seed: 7, up: broadband, listeners: 6})
	pass(t, settle)
	relay, children := p.busiest(t)
	leaf := p.leaf(t)
	for _, mover := range []*node{leaf, relay} {
		recordings := p.record(t, p.listeners...)
		pass(t, 2*time.Second)
		before := missing(t, p.listeners...)
		if err := mover.host.Move(); err != nil {
			t.Fatal(err)
		}
		pass(t, 8*time.Second)
		report(t, p.listeners...)
		t.Logf("%s moved to %v", mover.Name, mover.host.IPv4())
		requireWhole(t, before, p.listeners...)
		p.requireContiguous(t, 8*time.Second, recordings...)
	}
	t.Logf("of %d children of %s, %d are fed by it at its new address", len(children), relay.Name, len(p.children(t, relay)))
}

// leaf is a listener without children.
func (p *party) leaf(t *testing.T) *node {
	t.Helper()
	for _, l := range p.listeners {
		if len(p.children(t, l)) == 0 {
			return l
		}
	}
	t.Fatal("every listener has children")
	return nil
}
