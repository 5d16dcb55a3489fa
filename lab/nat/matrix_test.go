// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"streamer/lab/netlab"
)

const (
	worldHosts   = 4 // public ones, that carry no audio unless they are asked
	meetingLimit = 12 * time.Second
	lonelyLimit  = 6 * time.Second // a pair that may not meet is given up after this time, when it has audio
	batchPairs   = 8               // at the same time
	runsLong     = 20
)

// A place is where a node can stand.
type place struct {
	name    string
	kind    netlab.Kind
	carrier bool // on top
	mapped  bool // its router maps ports, and the node asks it to
}

// places are the rows and columns of the matrix.
func places() []place {
	list := []place{{name: "public", kind: netlab.Public}}
	nats := []netlab.Kind{
		netlab.FullCone, netlab.AddressRestricted, netlab.PortRestricted, netlab.SymmetricSequential, netlab.SymmetricRandom,
	}
	for _, k := range nats {
		list = append(list, place{name: k.String(), kind: k})
	}
	for _, k := range nats {
		list = append(list, place{name: "carrier over " + k.String(), kind: k, carrier: true})
	}
	for _, k := range []netlab.Kind{netlab.IPv6Stateful, netlab.DualStack} {
		list = append(list, place{name: k.String(), kind: k})
	}
	return list
}

// home builds such a place.
func (p place) home(t *testing.T, n *netlab.Network, name string) *netlab.Home {
	t.Helper()
	c := netlab.HomeConfig{Kind: p.kind, Up: line, MapPorts: p.mapped}
	if p.carrier {
		c.Carrier = n.Carrier(t, name+" carrier", netlab.HomeConfig{Kind: carrierKind, Up: line})
		c.Up = netlab.Line{}
	}
	return n.Home(t, name+" router", c)
}

// carrierKind is what carriers do: as RFC 6888 asks, endpoint-independent mapping; ports are whatever is free.
const carrierKind = netlab.RandomPort

// line makes round trips of 40 ms between any two.
var line = netlab.Line{Delay: 20 * time.Millisecond}

// behaviour is what others see of it.
func (p place) behaviour() netlab.Behaviour {
	if p.mapped { // strangers get in at a port that does not change; TestMappedPorts
		return netlab.Behaviour{}
	}
	if p.carrier {
		return p.kind.Behaviour().Behind(carrierKind.Behaviour())
	}
	return p.kind.Behaviour()
}

// permitted tells whether the two may meet: RFC 4787 in a few lines, with port prediction, without guessing.
func (p pair) permitted() bool {
	a, b := p.source, p.listener
	if a.kind.HasIPv6() && b.kind.HasIPv6() {
		return true // a stateful firewall lets in who is expected
	}
	if !a.kind.HasIPv4() || !b.kind.HasIPv4() {
		return false
	}
	is, asks := a.behaviour(), b.behaviour()
	if b.mapped && b.kind.Behaviour().Mapping != netlab.EndpointIndependent {
		asks = b.kind.Behaviour() // whoever asks does so from other ports than the mapped one
	}
	return opens(is, asks) || opens(asks, is)
}

// opens tells whether a can wait for b at a known address, having opened its filter for b.
func opens(a, b netlab.Behaviour) bool {
	if a.Mapping != netlab.EndpointIndependent {
		return false
	}
	return a.Filtering < netlab.AddressAndPortDependent || // b's port may be any
		b.Mapping == netlab.EndpointIndependent || b.Ports == netlab.PortsSequential // it is known, or predicted
}

// A pair is a broadcaster in one place and a listener in another.
type pair struct{ source, listener place }

// A meeting is what came of a pair.
type meeting struct {
	pair
	direct   bool          // the broadcaster feeds the listener
	audio    bool          // the listener has audio, from whomever
	took     time.Duration // from the start of the listener until it is fed by the broadcaster
	punching time.Duration // the same from the first packet between the two
	packets  uint64        // between the two until then, in both directions
	dir      string        // where the logs are
}

// A couple is a pair at work.
type couple struct {
	meeting
	homes            [2]*netlab.Home
	source, listener *node
}

// meet lets pairs meet, each alone in its homes, all at the same time in one world. If none of them needs anybody to carry
// its audio, the world does not: who gets audio from there has no reason to go on punching.
func meet(t *testing.T, seed uint64, pairs []pair) []meeting {
	t.Helper()
	var upload []string
	if !slices.ContainsFunc(pairs, func(p pair) bool { return !p.permitted() }) {
		upload = []string{"--upload", "0"}
	}
	n := netlab.New(t, seed)
	music := newMusic(t, n, 64, 30*time.Second)
	world := newWorld(t, n, worldHosts, upload...)
	couples := make([]*couple, len(pairs))
	for i, p := range pairs {
		c := &couple{meeting: meeting{pair: p, dir: n.Dir}}
		name := fmt.Sprintf("source%02d", i)
		c.homes[0] = p.source.home(t, n, name)
		c.source = launch(t, c.homes[0].Host(t, name), name, append([]string{"broadcast", music, "--name", name}, world.seeds...)...)
		couples[i] = c
	}
	for _, c := range couples {
		c.source.awaitStanding(t)
	}
	for i, c := range couples {
		name := fmt.Sprintf("listener%02d", i)
		c.homes[1] = c.pair.listener.home(t, n, name)
		c.listener = launch(t, c.homes[1].Host(t, name), name,
			append([]string{"listen", c.source.link(), "--player", "none"}, world.seeds...)...)
	}
	var wg sync.WaitGroup
	list := make([]meeting, len(couples))
	for i, c := range couples {
		awaitReady(t, c.listener)
		wg.Go(func() {
			c.watch()
			list[i] = c.meeting
		})
	}
	wg.Wait()
	return list
}

// watch looks at a couple until they have met, or have had their time.
func (c *couple) watch() {
	var st status
	if c.source.get("/api/v1/status", &st) != nil {
		return
	}
	for !c.direct {
		now := time.Now()
		s := c.listener.tuned()
		c.audio = c.audio || s.BufferMS > 0
		if slices.ContainsFunc(s.Parents, func(p peerStatus) bool { return p.NodeID == st.NodeID }) {
			c.direct, c.took = true, now.Sub(c.listener.began)
			there, back := c.homes[0].Outside().SentTo(c.homes[1].Outside()), c.homes[1].Outside().SentTo(c.homes[0].Outside())
			c.packets = there.Packets + back.Packets
			first := there.First
			if !back.First.IsZero() && back.First.Before(first) || first.IsZero() {
				first = back.First
			}
			c.punching = now.Sub(first)
		}
		age := time.Since(c.listener.began)
		if age > meetingLimit || age > lonelyLimit && !c.permitted() && c.audio {
			return
		}
		<-time.After(15 * time.Millisecond)
	}
	for !c.audio && time.Since(c.listener.began) < meetingLimit {
		c.audio = c.listener.tuned().BufferMS > 0
		<-time.After(15 * time.Millisecond)
	}
}

// A world is the hosts that strangers reach.
type world struct {
	nodes []*node
	seeds []string // the flags that tell of them
}

// newWorld starts public hosts that know each other.
func newWorld(t *testing.T, n *netlab.Network, hosts int, args ...string) *world {
	t.Helper()
	w := &world{}
	for i := range hosts {
		name := fmt.Sprintf("world%d", i)
		nd := launch(t, n.Host(t, name, line, netlab.Line{}), name, slices.Concat([]string{"run", "--seed-only"}, w.seeds, args)...)
		awaitReady(t, nd)
		w.nodes = append(w.nodes, nd)
		if i == 0 {
			w.seeds = []string{"--seed", nd.addr(), "--seed", nd.addr6()}
		}
	}
	return w
}

// TestPairs is the short version of the matrix: pairs of which each is a way of meeting of its own.
func TestPairs(t *testing.T) {
	beside(t)
	at := func(name string) place {
		i := slices.IndexFunc(places(), func(p place) bool { return p.name == name })
		if i < 0 {
			t.Fatalf("no place %q", name)
		}
		return places()[i]
	}
	var pairs []pair
	for _, names := range [][2]string{
		{"port-restricted", "port-restricted"},
		{"full cone", "symmetric random"},
		{"symmetric random", "address-restricted"},
		{"port-restricted", "symmetric sequential"},
		{"carrier over port-restricted", "port-restricted"},
		{"IPv6 stateful", "dual stack"},
		{"symmetric random", "port-restricted"},
		{"port-restricted", "IPv6 stateful"},
	} {
		pairs = append(pairs, pair{at(names[0]), at(names[1])})
	}
	slices.SortStableFunc(pairs, permittedFirst)
	others := slices.IndexFunc(pairs, func(p pair) bool { return !p.permitted() })
	for i, batch := range [][]pair{pairs[:others], pairs[others:]} {
		for _, m := range meet(t, uint64(i), batch) {
			t.Log(m)
			if m.permitted() && !m.direct || !m.audio {
				t.Errorf("%v", m)
			}
		}
	}
}

func permittedFirst(a, b pair) int {
	if a.permitted() == b.permitted() {
		return 0
	}
	if a.permitted() {
		return -1
	}
	return 1
}

func (m meeting) String() string {
	what := "did not meet"
	if m.direct {
		what = fmt.Sprintf("met after %v, punching %v, %d packets", m.took.Round(time.Millisecond), m.punching.Round(time.Millisecond), m.packets)
	}
	return fmt.Sprintf("%s -> %s: %s; permitted %v, audio %v", m.source.name, m.listener.name, what, m.permitted(), m.audio)
}

// TestMatrix is every pair, in the long run many times, and writes docs/results/nat.md. LAB_NAT_RUNS changes how many.
func TestMatrix(t *testing.T) {
	if !long {
		t.Skip("LAB_LONG is not set; TestPairs is the short version")
	}
	var pairs []pair
	for _, a := range places() {
		for _, b := range places() {
			pairs = append(pairs, pair{a, b})
		}
	}
	runs := runsOf(t, runsLong)
	results := meetAll(t, pairs, runs)
	page := matrixPage(results, runs)
	t.Log("\n" + page)
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "results", "nat.md"), []byte(page), 0o644); err != nil {
		t.Error(err)
	}
}

// runsOf is how many runs of each pair there shall be.
func runsOf(t *testing.T, runs int) int {
	t.Helper()
	if s := os.Getenv("LAB_NAT_RUNS"); s != "" {
		if _, err := fmt.Sscan(s, &runs); err != nil {
			t.Fatal(err)
		}
	}
	return runs
}

// meetAll lets each pair meet so many times, those first that are permitted to.
func meetAll(t *testing.T, pairs []pair, runs int) map[pair][]meeting {
	t.Helper()
	todo := slices.Repeat(pairs, runs)
	slices.SortStableFunc(todo, permittedFirst)
	others := slices.IndexFunc(todo, func(p pair) bool { return !p.permitted() })
	batches := slices.AppendSeq(slices.Collect(slices.Chunk(todo[:others], batchPairs)), slices.Chunk(todo[others:], batchPairs))
	results := map[pair][]meeting{}
	for i, batch := range batches {
		t.Run(fmt.Sprintf("batch%03d", i), func(t *testing.T) {
			for _, m := range meet(t, uint64(i), batch) {
				results[m.pair] = append(results[m.pair], m)
				if m.permitted() && !m.direct || !m.audio {
					t.Errorf("%v", m)
				}
			}
		})
	}
	return results
}
