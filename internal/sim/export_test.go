// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// EventQueue is a queue of events that carry a number.
type EventQueue struct{ q queue }

// Push adds an event.
func (e *EventQueue) Push(at mono.Time, number int) { e.q.push(event{at: at, arg: int32(number)}) }

// Pop removes the earliest.
func (e *EventQueue) Pop() (at mono.Time, number int) {
	v := e.q.pop()
	return v.at, int(v.arg)
}

// Len returns how many wait.
func (e *EventQueue) Len() int { return e.q.len() }

// Pipe is one direction of a line.
type Pipe struct{ p pipe }

// NewPipe makes an empty one.
func NewPipe(bps int64, depth time.Duration) *Pipe { return &Pipe{pipe{bps: bps, depth: depth}} }

// Admit is pipe.admit.
func (p *Pipe) Admit(now mono.Time, bytes int) (mono.Time, bool) { return p.p.admit(now, bytes) }

// Losses draws n losses of a path.
func Losses(p Path, r *rand.Rand, n int) []bool {
	var s lossState
	lost := make([]bool, n)
	for i := range lost {
		lost[i] = p.lost(0, &s, r)
	}
	return lost
}

// Encode returns what the encoder hands over in its first span.
func Encode(seed uint64, bps int64, span time.Duration) (chunks []codec.Chunk, at []mono.Time) {
	e := newEncoder(rand.New(newSource(seed, streamAudio, 1)), bps, 0)
	for {
		c, t := e.next()
		if t > mono.Time(span) {
			return chunks, at
		}
		chunks, at = append(chunks, c), append(at, t)
	}
}

// Meter is a meter.
type Meter struct{ m meter }

// Add is meter.add.
func (m *Meter) Add(now mono.Time, bytes int) uint64 { return m.m.add(now, bytes) }

// Broadcast is a broadcast that never had data.
type Broadcast struct{ b broadcast }

// Begin begins an epoch of n chunks, the first ones headers.
func (b *Broadcast) Begin(epoch uint32, n, headers int) {
	b.b.begin(epoch)
	for i := range n {
		kind := codec.ChunkAudio
		if i < headers {
			kind = codec.ChunkHeader
		}
		b.b.add(codec.Chunk{Kind: kind}, 0)
	}
}

// Find is broadcast.find.
func (b *Broadcast) Find(epoch, seq uint32) int { return b.b.find(epoch, seq) }

// FindLow is broadcast.findLow.
func (b *Broadcast) FindLow(low uint8, seq uint32) int { return b.b.findLow(low, seq) }

// CorruptNewest makes the run's memory of the newest chunk wrong, while that is on its way: to the checkers, every node
// alters it.
func (w *World) CorruptNewest() {
	p := &w.published.chunks[len(w.published.chunks)-1]
	p.Data = append([]byte(nil), p.Data...)
	p.Data[0] ^= 1
}

// CorruptAll likewise with all that were published so far.
func (w *World) CorruptAll() {
	for i := range w.published.chunks {
		p := &w.published.chunks[i]
		p.Data = append([]byte(nil), p.Data...)
		p.Data[0] ^= 1
	}
}

// Unshare has each node verify and keep everything for itself.
func (w *World) Unshare() { w.shelf = nil }

// Miscount counts a packet that nobody sent.
func (w *World) Miscount() { w.net.taken++ }

// A spoiled node is one that says what a test wants, or hears nothing.
type spoiled struct {
	core
	feeds []node.Feed
	deaf  bool
}

func (s spoiled) AppendFeeds(dst []node.Feed) ([]node.Feed, int) {
	if s.feeds == nil {
		return s.core.AppendFeeds(dst)
	}
	return append(dst, s.feeds...), 1
}

func (s spoiled) HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *node.Output) {
	if !s.deaf {
		s.core.HandleDatagram(now, from, b, out)
	}
}

// spoil changes a host's node, once, when all have started.
func (w *World) spoil(h *host, change func(*spoiled)) {
	if _, done := h.node.(spoiled); done || w.now < mono.Time(8*time.Second) {
		return
	}
	s := spoiled{core: h.node}
	change(&s)
	h.node = s
}

// Encircle has two hosts say that they feed each other with a class, and nobody else feeds them.
func (w *World) Encircle() {
	a, b := &w.hosts[1], &w.hosts[2]
	w.spoil(a, func(s *spoiled) { s.feeds = []node.Feed{{NodeID: b.id, Classes: 1}} })
	w.spoil(b, func(s *spoiled) { s.feeds = []node.Feed{{NodeID: a.id, Classes: 1}} })
}

// Deafen has a host's node hear nothing any more.
func (w *World) Deafen() { w.spoil(&w.hosts[1], func(s *spoiled) { s.deaf = true }) }

// Hoard has a meter of ten seconds count too much.
func (w *World) Hoard() { w.hosts[1].sent10.sum += 10 << 20 }

// MissGap has the checkers know of a chunk that a node did not call missing.
func (w *World) MissGap() { w.hosts[1].ear.gaps++ }

// Expel has a host's node say that it expelled somebody.
func (w *World) Expel() {
	if _, done := w.hosts[1].node.(expelling); done || !w.hosts[1].isUp() {
		return
	}
	w.hosts[1].node = expelling{w.hosts[1].node}
}

type expelling struct{ core }

func (e expelling) Status(now mono.Time) node.Status {
	s := e.core.Status(now)
	s.Counters.Hostile = 1
	return s
}

// LowerCaps has the checkers believe, once all have started, that nobody may send anything to speak of.
func (w *World) LowerCaps() {
	if w.now < mono.Time(10*time.Second) {
		return
	}
	for i := range w.scenario.Groups {
		w.scenario.Groups[i].UploadBPS = 0
	}
}

// Dump logs the state of every host.
func (w *World) Dump(logf func(string, ...any)) {
	for i := range w.hosts {
		logf("%v %d: %s", time.Duration(w.now), i, w.describe(&w.hosts[i]))
	}
}

// AddrOf is addrOf.
func AddrOf(host int32) netip.AddrPort { return addrOf(host) }

// Owners returns World.owner of a world of n hosts.
func Owners(n int) func(netip.AddrPort) (int32, bool) {
	w := &World{hosts: make([]host, n)}
	for i := range w.hosts {
		w.hosts[i].addr = addrOf(int32(i))
	}
	return w.owner
}

// Replacements draws how often hosts that were there before churn began are replaced within a time.
func Replacements(c Churn, seed uint64, hosts int, within time.Duration) (n int) {
	r := rand.New(newSource(seed, streamChurn, 0))
	for range hosts {
		for at := c.session(r, true); at < within; at += c.session(r, false) {
			n++
		}
	}
	return n
}

// Pictures calls look with where each host's node says that it sits, and with what its status says of its parents and children.
func (w *World) Pictures(look func(id identity.NodeID, s node.StationStatus, p node.Picture)) {
	for i := range w.hosts {
		n, ok := w.hosts[i].node.(*node.Node)
		if !ok {
			continue
		}
		status, pictures := n.Status(w.now).Tuned, n.Pictures(w.now)
		for j := range status {
			look(w.hosts[i].id, status[j], pictures[j])
		}
	}
}

// Up returns how many listeners are up, and how many of them have said good-bye.
func (w *World) Up() (up, leaving int) {
	for i := 1; i < len(w.hosts); i++ {
		if h := &w.hosts[i]; h.isUp() {
			up++
			if h.leaving {
				leaving++
			}
		}
	}
	return up, leaving
}

// Since reports whether so much of the run is over.
func (w *World) Since(d time.Duration) bool { return w.now >= mono.Time(d) }
