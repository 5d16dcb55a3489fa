// SPDX-License-Identifier: MIT

package gossip_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// unixStart is the wall clock when the rig's time is 0.
const unixStart = 1_800_000_000

// A rig is a network in which asks are answered at once, by somebody or nobody.
type rig struct {
	t     testing.TB
	now   mono.Time
	nodes map[netip.AddrPort]*node
	order []*node
	sent  []gossip.Ask // payloads are copies
	deaf  map[netip.AddrPort]bool
	nats  map[netip.AddrPort]map[netip.AddrPort]mono.Time // of hidden nodes: whom they asked, and when last
}

// A node is one of the rig; answer stands in for a Gossip where a test plays a node itself.
type node struct {
	*gossip.Gossip
	addr   netip.AddrPort
	id     identity.NodeID
	found  []gossip.Found // proxies are copies
	seen   []gossip.Seen
	asks   int
	bytes  int
	answer func(from netip.AddrPort, ask wire.Ask) *wire.Answer
}

func newRig(t testing.TB) *rig {
	return &rig{
		t: t, nodes: map[netip.AddrPort]*node{}, deaf: map[netip.AddrPort]bool{},
		nats: map[netip.AddrPort]map[netip.AddrPort]mono.Time{},
	}
}

func nodeID(n int) (id identity.NodeID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

func addr(format string, args ...any) netip.AddrPort {
	return netip.MustParseAddrPort(fmt.Sprintf(format, args...))
}

func hostOf(a netip.AddrPort, n int) wire.Host { return wire.Host{Addr: a, Node: nodeID(n)} }

// add makes a node.
func (r *rig) add(a netip.AddrPort, change ...func(*gossip.Config)) *node {
	k := len(r.order)
	cfg := gossip.Config{Self: nodeID(k), Rand: rand.New(rand.NewPCG(uint64(k), 1))}
	cfg.Secret[0] = byte(k)
	for _, c := range change {
		c(&cfg)
	}
	n := &node{Gossip: gossip.New(r.now, cfg), addr: a, id: nodeID(k)}
	n.SetWall(r.now, r.unix())
	r.nodes[a] = n
	r.order = append(r.order, n)
	return n
}

// hide puts a node behind a NAT, which lets in only whom it asked within the last 30 s.
func (r *rig) hide(n *node, proxies ...netip.AddrPort) {
	r.nats[n.addr] = map[netip.AddrPort]mono.Time{}
	n.SetReach(true, proxies)
}

// reaches reports whether an ask gets through.
func (r *rig) reaches(from, to netip.AddrPort) bool {
	if nat := r.nats[from]; nat != nil {
		nat[to] = r.now
	}
	if nat := r.nats[to]; nat != nil {
		at, ok := nat[from]
		return ok && r.now.Sub(at) <= 30*time.Second
	}
	return !r.deaf[from] && !r.deaf[to]
}

// play adds a node whose answers a test makes itself.
func (r *rig) play(a netip.AddrPort, answer func(from netip.AddrPort, ask wire.Ask) *wire.Answer) *node {
	n := &node{addr: a, id: nodeID(len(r.order)), answer: answer}
	r.nodes[a] = n
	r.order = append(r.order, n)
	return n
}

func (r *rig) unix() int64 { return unixStart + int64(r.now)/int64(time.Second) }

// run lets time pass.
func (r *rig) run(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		var next *node
		for _, n := range r.order {
			if n.Gossip != nil && (next == nil || n.Deadline() < next.Deadline()) {
				next = n
			}
		}
		if next == nil || next.Deadline() > end {
			r.now = end
			return
		}
		r.now = max(r.now, next.Deadline())
		var out gossip.Output
		next.Advance(r.now, &out)
		r.deliver(next, &out)
	}
}

// deliver brings asks to those they are for, and answers back.
func (r *rig) deliver(from *node, out *gossip.Output) {
	r.t.Helper()
	from.take(out)
	for _, ask := range out.Asks {
		if len(ask.Payload) > wire.AskBytesMax || ask.AnswerBytes > wire.AnswerBytesMax {
			r.t.Fatalf("an ask of %d bytes for %d", len(ask.Payload), ask.AnswerBytes)
		}
		from.asks++
		length := max(len(ask.Payload)+wire.SealedAskBytesMin, ask.AnswerBytes+wire.SealedAnswerBytesMin)
		from.bytes += length + 28
		ask.Payload = append([]byte(nil), ask.Payload...)
		r.sent = append(r.sent, ask)
		to := r.nodes[ask.To]
		var next gossip.Output
		if to == nil || !r.reaches(from.addr, ask.To) || !ask.Node.IsZero() && ask.Node != to.id {
			from.Failed(r.now, ask.Token)
			continue
		}
		answer := r.answer(to, from.addr, ask.Payload, length-wire.SealedAnswerBytesMin)
		if answer == nil {
			from.Failed(r.now, ask.Token)
			continue
		}
		from.HandleAnswer(r.now, ask.Token, to.id, to.addr, answer, &next)
		clear(answer)
		r.deliver(from, &next)
	}
}

// take keeps what a call found and saw.
func (n *node) take(out *gossip.Output) {
	for _, f := range out.Found {
		f.Proxies = append([]netip.AddrPort(nil), f.Proxies...)
		n.found = append(n.found, f)
	}
	n.seen = append(n.seen, out.Seen...)
}

// answer asks a node.
func (r *rig) answer(to *node, from netip.AddrPort, payload []byte, room int) []byte {
	r.t.Helper()
	if to.answer != nil {
		var ask wire.Ask
		if err := wire.ParseAsk(payload, &ask); err != nil {
			r.t.Fatal(err)
		}
		a := to.answer(from, ask)
		if a == nil {
			return nil
		}
		a.You = from
		return a.Append(nil)
	}
	var out gossip.Output
	answer := append([]byte(nil), to.HandleAsk(r.now, from, payload, room, &out)...)
	if len(answer) > room {
		r.t.Fatalf("an answer of %d bytes where %d are allowed", len(answer), room)
	}
	to.bytes += len(answer) + wire.SealedAnswerBytesMin + 28
	to.take(&out)
	if len(answer) == 0 {
		return nil
	}
	return answer
}

// ask is answer for a parsed ask and answer.
func (r *rig) ask(to *node, from netip.AddrPort, ask wire.Ask, room int) (a wire.Answer) {
	r.t.Helper()
	if err := wire.ParseAnswer(r.answer(to, from, ask.Append(nil), room), &a); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// meet lets a node learn of a host and ask it, until it answered.
func (r *rig) meet(n *node, hosts ...*node) {
	r.t.Helper()
	for _, h := range hosts {
		n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
	}
	r.run(time.Duration(len(hosts)+8) * time.Second)
}

func stationKey(n int) identity.StationKey {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n)+1)
	return identity.NewStationKey(seed)
}

// record signs a record of a station.
func record(n int, seq int64, change ...func(*wire.StationRecord)) []byte {
	r := wire.StationRecord{Seq: uint32(seq), OnAir: true, Codec: 1, KBPS: 128, Name: fmt.Sprintf("Station %d", n)}
	for _, c := range change {
		c(&r)
	}
	return r.Sign(nil, stationKey(n))
}

func off(r *wire.StationRecord) { r.OnAir = false }

// push sends records to a node, as a stranger.
func (r *rig) push(to *node, records ...[]byte) {
	r.t.Helper()
	for len(records) > 0 {
		k := min(len(records), wire.AskRecordsMax)
		var out gossip.Output
		ask := wire.Ask{Records: records[:k]}
		to.HandleAsk(r.now, addr("203.0.113.9:9"), ask.Append(nil), 500, &out)
		records = records[k:]
	}
}

// sliceOf is the whole of what a node knows of some stations.
func sliceOf(known map[int]int64) wire.Slice {
	s := wire.Slice{Modulus: 1, Salt: 7}
	for n := range 1000 {
		if seq, ok := known[n]; ok {
			s.Prints = append(s.Prints, s.Print(stationKey(n).ID(), uint32(seq)))
		}
	}
	return s
}
