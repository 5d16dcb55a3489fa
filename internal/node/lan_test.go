// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/wire"
)

var homePrefix = netip.MustParsePrefix("192.168.1.0/24")

// A home is a broadcaster and a few relays on the internet, and listeners on one LAN: 25 ms to the others, 1 ms to each other.
type home struct {
	*wireNet
	key       identity.StationKey
	source    *wireNode
	listeners []*wireNode
	seq       int
	crossed   int // bytes of IP packets between the LAN and the others, in both directions
}

// newHome has the listeners on the LAN; nobody is tuned in. The uploads are the listeners'.
func newHome(t *testing.T, relays int, uploads ...int64) *home {
	t.Helper()
	h := &home{wireNet: newNet(t, 1+relays+len(uploads), node.UploadAuto), key: identity.NewStationKey([32]byte{9})}
	h.tap = func(from, to netip.AddrPort, bytes int) time.Duration {
		if homePrefix.Contains(from.Addr()) == homePrefix.Contains(to.Addr()) {
			return time.Millisecond
		}
		h.crossed += bytes + 28
		return 25 * time.Millisecond
	}
	h.source = h.nodes[0]
	for i, n := range h.nodes {
		n.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)}), 8466)
		if i <= relays {
			continue
		}
		n.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(i + 1)}), 8466)
		h.command(n, node.UploadCommand{BPS: uploads[i-1-relays]})
		h.command(n, node.LocalCommand{Addrs: []netip.Addr{n.addr.Addr()}, Prefixes: []netip.Prefix{homePrefix}})
		h.listeners = append(h.listeners, n)
	}
	h.command(h.source, node.BeginCommand{Key: h.key, Epoch: 100, BitrateBPS: 128_000})
	h.command(h.source, node.PublishCommand{Station: h.key.ID(), Kind: 1, Data: []byte("header")})
	h.play(5 * time.Second)
	for _, n := range h.nodes[1 : 1+relays] {
		h.tune(n)
	}
	h.play(5 * time.Second)
	return h
}

func (h *home) play(d time.Duration) {
	n := len(h.broadcast(h.source, h.key.ID(), h.seq, d))
	h.seq += n
}

// tune has a node tune in by the source's address.
func (h *home) tune(n *wireNode) {
	h.command(n, node.TuneCommand{Station: h.key.ID(), Role: node.RoleListener, Peers: []netip.AddrPort{h.source.addr}})
}

// beacons has all listeners hear each other.
func (h *home) beacons() {
	for _, n := range h.listeners {
		for _, o := range h.listeners {
			if n != o {
				h.command(n, node.MeetCommand{Hosts: []wire.Host{{Addr: o.addr, Node: o.Status(h.now).NodeID}}})
			}
		}
	}
}

// outside is how many classes the listeners together get from the internet.
func (h *home) outside() (classes int) {
	for _, n := range h.listeners {
		for _, p := range n.Status(h.now).Tuned[0].Parents {
			if p.LAN != homePrefix.Contains(p.Addr.Addr()) {
				h.t.Errorf("%v: LAN is %v", p.Addr, p.LAN)
			}
			if !p.LAN {
				classes += bits.OnesCount16(p.Classes)
			}
		}
	}
	return classes
}

// fetcher is the listener that gets most from the internet.
func (h *home) fetcher() *wireNode {
	most, best := 0, h.listeners[0]
	for _, n := range h.listeners {
		got := 0
		for _, p := range n.Status(h.now).Tuned[0].Parents {
			if !p.LAN {
				got += bits.OnesCount16(p.Classes)
			}
		}
		if got > most {
			most, best = got, n
		}
	}
	return best
}

// heard checks that nobody missed anything.
func (h *home) heard() {
	h.t.Helper()
	for _, n := range h.listeners {
		st := n.Status(h.now).Tuned[0]
		if st.Chunks.Missing > 0 || st.Buffer < time.Second {
			h.t.Errorf("%v: %d chunks missing, buffer %v", n.addr, st.Chunks.Missing, st.Buffer)
		}
	}
}

// streams is how many times the audio has crossed the router while d passed, IP headers and all.
func (h *home) streams(d time.Duration) float64 {
	before := h.crossed
	h.play(d)
	return float64(h.crossed-before) / (d.Seconds() * 1000 / 0.070)
}

func (h *home) kill(n *wireNode) {
	h.nodes = slices.DeleteFunc(h.nodes, func(o *wireNode) bool { return o == n })
	h.listeners = slices.DeleteFunc(h.listeners, func(o *wireNode) bool { return o == n })
}

func (h *home) log() {
	for i, n := range h.listeners {
		st := n.Status(h.now).Tuned[0]
		line := fmt.Sprintf("%d %s %v: hops %d,", i, st.ID.Short(), n.addr, st.Hops)
		for _, p := range st.Parents {
			line += fmt.Sprintf(" %v %04x", p.Addr, p.Classes)
		}
		h.t.Log(line)
	}
}

const auto = node.UploadAuto

// Whatever the order in which listeners come, each class comes into the house once.
func TestOneFetchesForTheLAN(t *testing.T) {
	for _, c := range []struct {
		name    string
		relays  int
		uploads []int64
		pause   time.Duration // between one listener and the next
		met     bool          // they know of each other before they tune in
		loss    int           // per mille, of all
	}{
		{"one after the other", 2, []int64{auto, auto, auto, auto, auto}, 2 * time.Second, true, 0},
		{"all at once", 2, []int64{auto, auto, auto, auto, auto}, 0, true, 0},
		{"beacons come last", 2, []int64{auto, auto, auto, auto, auto}, 0, false, 0},
		{"the source alone outside", 0, []int64{auto, auto, auto, auto, auto}, 0, true, 0},
		{"small uploads", 2, []int64{400_000, 400_000, 400_000, 400_000, 400_000}, 0, true, 0},
		{"some give nothing", 2, []int64{0, auto, 0, auto, 0}, 0, true, 0},
		{"two", 2, []int64{auto, auto}, 0, false, 0},
		{"loss", 2, []int64{auto, auto, auto, auto, auto}, 0, true, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t, c.relays, c.uploads...)
			h.loss = c.loss
			if c.met {
				h.beacons()
			}
			for _, n := range h.listeners {
				h.tune(n)
				h.play(c.pause)
			}
			h.play(5 * time.Second)
			if !c.met {
				h.beacons()
			}
			begun := h.now
			for h.outside() != wire.Classes && h.now.Sub(begun) < time.Minute {
				h.play(100 * time.Millisecond)
			}
			t.Logf("one fetches after %v", h.now.Sub(begun))
			h.play(5 * time.Second)
			streams := h.streams(time.Minute)
			if got := h.outside(); got != wire.Classes || streams > 1.2 {
				t.Errorf("%d classes and %.3f streams cross the router", got, streams)
				h.log()
			}
			t.Logf("%.3f streams cross the router", streams)
			h.heard()
		})
	}
}

// The one that fetches dies without a word: the others play on, and again one of them fetches.
func TestFetcherDies(t *testing.T) {
	h := newHome(t, 2, auto, auto, auto, auto, auto)
	h.beacons()
	for _, n := range h.listeners {
		h.tune(n)
		h.play(time.Second)
	}
	h.play(10 * time.Second)
	for len(h.listeners) > 1 {
		h.kill(h.fetcher())
		begun, before := h.now, h.crossed
		for h.outside() < wire.Classes || h.unfed() {
			if h.now.Sub(begun) > 10*time.Second {
				h.log()
				t.Fatal("nobody fetches")
			}
			h.play(70 * time.Millisecond)
		}
		took := h.now.Sub(begun)
		h.play(10*time.Second - took)
		t.Logf("%d listeners: all fed again after %v, %.2f streams in 10 s", len(h.listeners), took,
			float64(h.crossed-before)/(10*1000/0.070))
		h.heard()
		if got := h.outside(); got != wire.Classes {
			t.Errorf("%d classes cross the router", got)
			h.log()
		}
	}
}

// unfed reports whether a listener lacks a parent for some class.
func (h *home) unfed() bool {
	for _, n := range h.listeners {
		classes := uint16(0)
		for _, p := range n.Status(h.now).Tuned[0].Parents {
			if slices.ContainsFunc(h.nodes, func(o *wireNode) bool { return o.addr == p.Addr }) {
				classes |= p.Classes
			}
		}
		if classes != 0xffff {
			return true
		}
	}
	return false
}
