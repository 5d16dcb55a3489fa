// SPDX-License-Identifier: MIT

package node_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// An upLine is one direction of a line: what leaves the node under test goes through it.
type upLine struct {
	bps     int64
	queue   time.Duration             // drops what would wait longer
	polices bool                      // queues nothing: queue is what may go at once after a pause
	cross   func(now mono.Time) int64 // bit/s of others on the same line, that do not yield

	free    mono.Time
	crossAt mono.Time
	sent    int64 // bytes
	dropped int
	waited  time.Duration // at most
	hurtFor time.Duration // packets' time above 100 ms, roughly
	packets int
}

// pass says how long a packet waits and is sent, less than 0 when it is dropped.
func (l *upLine) pass(now mono.Time, bytes int) time.Duration {
	if l.cross != nil { // fluid: it takes its share of the line
		took := time.Duration(l.cross(now) * int64(now.Sub(l.crossAt)) / l.bps)
		if l.free = max(l.free, l.crossAt).Add(took); l.free.Sub(now) > l.queue {
			l.free = now.Add(l.queue)
		}
		l.crossAt = now
	}
	wait := max(0, l.free.Sub(now))
	l.packets++
	if wait > l.queue || l.cross != nil && wait == l.queue {
		l.dropped++
		return -1
	}
	sending := time.Duration(int64(bytes+28) * 8 * int64(time.Second) / l.bps)
	l.free = max(l.free, now).Add(sending)
	l.sent += int64(bytes + 28)
	if l.polices {
		return 0
	}
	l.waited = max(l.waited, wait)
	if wait > 100*time.Millisecond {
		l.hurtFor += sending
	}
	return wait + sending
}

// A crowd is a source, a relay with the line under test, a helper with a good line, and listeners that give nothing and know
// the relay alone.
type crowd struct {
	*wireNet
	key    identity.StationKey
	line   *upLine
	before int // chunks published
}

const (
	crowdSource = iota
	crowdRelay
	crowdHelper
	crowdLeaf
)

func newCrowd(t *testing.T, line *upLine, leaves int, upload int64) *crowd {
	t.Helper()
	c := &crowd{wireNet: &wireNet{t: t, rand: rand.New(rand.NewPCG(1, 2)), delay: 15 * time.Millisecond, now: mono.Time(time.Second)},
		key: identity.NewStationKey([32]byte{9}), line: line}
	for i := range crowdLeaf + leaves {
		var seed [32]byte
		binary.BigEndian.PutUint32(seed[:], uint32(i+1))
		bps := int64(0)
		switch i {
		case crowdSource:
			bps = 400_000
		case crowdRelay:
			bps = upload
		case crowdHelper:
			bps = 4_000_000
		}
		c.nodes = append(c.nodes, &wireNode{
			Node: node.New(c.now, node.Config{Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(uint64(i), 7),
				Secrets: rand.NewChaCha8(seed), UploadBPS: bps, HandshakesPerPrefix: -1}),
			addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)}), 8466),
		})
	}
	for _, n := range c.nodes {
		c.command(n, node.WallClockCommand{UnixMilli: 1_800_000_000_000})
	}
	c.tap = func(from, _ netip.AddrPort, bytes int) time.Duration {
		if from.Addr() != c.nodes[crowdRelay].addr.Addr() {
			return c.delay
		}
		if took := line.pass(c.now, bytes); took >= 0 {
			return c.delay + took
		}
		return -1
	}
	c.command(c.nodes[crowdSource], node.BeginCommand{Key: c.key, Epoch: 100, BitrateBPS: 1000 * 8 * 1000 / 70})
	for i, n := range c.nodes[crowdRelay:] {
		hint, role := c.nodes[crowdSource].addr, node.RoleRelay
		if i+crowdRelay >= crowdLeaf {
			hint, role = c.nodes[crowdRelay].addr, node.RoleListener
		}
		if i+crowdRelay == crowdLeaf {
			c.play(3 * time.Second)
		}
		c.command(n, node.TuneCommand{Station: c.key.ID(), Role: role, Peers: []netip.AddrPort{hint}})
		c.play(100 * time.Millisecond)
	}
	return c
}

func (c *crowd) play(d time.Duration) {
	c.before += len(c.broadcast(c.nodes[crowdSource], c.key.ID(), c.before, d))
}

// relay is the status of the node under test; missing is what the leaves have missed together.
func (c *crowd) relay() node.Status { return c.nodes[crowdRelay].Status(c.now) }

func (c *crowd) missing() (n uint64) {
	for _, l := range c.nodes[crowdLeaf:] {
		n += l.Status(c.now).Tuned[0].Chunks.Missing
	}
	return n
}

// However a line behaves that carries less than all ask of it, its node finds out what it carries, and nobody misses anything.
func TestUploadIsMeasured(t *testing.T) {
	const bps = 600_000
	for _, test := range []struct {
		name string
		line upLine
		low  int64 // of the estimate, a minute later
		high int64
	}{
		{"router", upLine{bps: bps, queue: 200 * time.Millisecond}, bps * 6 / 10, bps * 6 / 5},
		{"one second of buffer", upLine{bps: bps, queue: time.Second}, bps * 6 / 10, bps * 6 / 5},
		{"policer", upLine{bps: bps, queue: 60 * time.Millisecond, polices: true}, bps * 6 / 10, bps * 13 / 10},
		{"shared", upLine{bps: bps, queue: 500 * time.Millisecond, cross: func(now mono.Time) int64 {
			if now > mono.Time(35*time.Second) {
				return bps * 2 / 3
			}
			return 0
		}}, 64_000, bps / 3 * 6 / 5},
		{"fast", upLine{bps: 20_000_000, queue: 200 * time.Millisecond}, 800_000, 3_000_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCrowd(t, &test.line, 8, node.UploadAuto)
			began := test.line
			for i := range 9 {
				was := test.line
				c.play(10 * time.Second)
				s := c.relay()
				t.Logf("at %2d s: estimate %4d kbit/s, sends %4d, children %d, dropped %d of %d, waited %v, hurt for %v, %d missing",
					int64(c.now)/1e9, s.Upload.MeasuredBPS/1000, (test.line.sent-was.sent)*8/10_000, len(s.Tuned[0].Children),
					test.line.dropped-was.dropped, test.line.packets-was.packets, test.line.waited, test.line.hurtFor-was.hurtFor, c.missing())
				if i == 1 || i == 4 { // it has settled
					began = test.line
				}
			}
			if n := c.missing(); n > 0 {
				t.Errorf("%d chunks were missed", n)
			}
			if got := c.relay().Upload.MeasuredBPS; got < test.low || got > test.high {
				t.Errorf("an estimate of %d bit/s, want %d to %d", got, test.low, test.high)
			}
			packets, dropped, hurt := test.line.packets-began.packets, test.line.dropped-began.dropped, test.line.hurtFor-began.hurtFor
			if dropped*50 > packets || hurt > time.Second {
				t.Errorf("once it had settled, %d of %d packets were dropped and the line was hurt for %v", dropped, packets, hurt)
			}
		})
	}
}

// Who is told to give nothing while it feeds others tells them at once, those on its LAN too; they hear nothing of it, since others
// feed them. When it may give again, it does.
func TestNothingIsGivenFromNowOn(t *testing.T) {
	h := newHome(t, 2, 2_000_000, 0)
	h.beacons()
	for _, n := range h.listeners {
		h.tune(n)
		h.play(5 * time.Second)
	}
	children := func(n *wireNode) int { return len(n.Status(h.now).Tuned[0].Children) }
	giver, taker := h.listeners[0], h.listeners[1]
	if children(giver) == 0 {
		t.Fatal("the giver feeds nobody")
	}
	h.command(giver, node.UploadCommand{BPS: 0})
	if children(giver) != 0 {
		t.Errorf("%d children after the command", children(giver))
	}
	before := giver.Status(h.now).Counters.Links.Out[wire.KindChunk].Bytes
	h.play(10 * time.Second)
	if more := giver.Status(h.now).Counters.Links.Out[wire.KindChunk].Bytes - before; more > 0 || children(giver) != 0 {
		t.Errorf("%d bytes of chunks to %d children after the command", more, children(giver))
	}
	if s := taker.Status(h.now).Tuned[0]; s.Chunks.Missing > 0 || len(s.Parents) == 0 {
		t.Errorf("who was dismissed has %d parents and misses %d chunks", len(s.Parents), s.Chunks.Missing)
	}
	h.command(giver, node.UploadCommand{BPS: 2_000_000})
	h.play(40 * time.Second)
	if children(giver) == 0 {
		t.Error("nobody is fed after the command was taken back")
	}
}
