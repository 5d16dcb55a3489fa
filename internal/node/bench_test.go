// SPDX-License-Identifier: MIT

package node_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// BenchmarkForward measures what a relay does for each chunk: it parses and opens the datagram, verifies the chunk against
// its manifest, hands it to the application, and forwards it to its children; and with it the share of a chunk in
// everything else: manifests, buffer maps, repairs, timers.
//
// A source, the relay and its children run for a while in steps, and all calls of the relay are written down. Equal calls
// give equal output, so that the relay can then be run alone, again and again, with nothing else in the figures. Datagrams
// are sealed, not sent.
//
//	go test ./internal/node -run '^$' -bench Forward
func BenchmarkForward(b *testing.B) {
	for _, children := range []int{0, 1, 10, 100} {
		for _, upload := range []int64{node.UploadAuto, 1_000_000_000} {
			name := fmt.Sprintf("children=%d/upload=capped", children)
			if upload == node.UploadAuto {
				name = fmt.Sprintf("children=%d/upload=auto", children)
			}
			if upload == node.UploadAuto && children > 10 {
				continue // more than a node takes on without a measured upload
			}
			b.Run(name, func(b *testing.B) {
				r := recordRelay(b, children, upload)
				for b.Loop() {
					r.replay(b)
				}
				r.report(b)
			})
		}
	}
}

const (
	benchStep   = 10 * time.Millisecond
	benchChunk  = 70 * time.Millisecond // 1,120 bytes at 128 kbit/s
	benchJoin   = 12 * time.Second      // until everybody is settled
	benchChunks = 500                   // recorded after that
)

// A relayRecord is all calls of one relay.
type relayRecord struct {
	cfg      node.Config
	calls    []relayCall
	measured int // index of the first call that counts
	source   netip.AddrPort
	sealed   uint64 // datagrams

	replays int
	all     time.Duration // of the fastest replay: the machine has other work, too
	forward time.Duration // likewise, in calls that took a datagram of the source
	allocs  uint64        // of all replays, likewise bytes
	bytes   uint64
}

// A relayCall is one of: a datagram, a command, and otherwise a deadline.
type relayCall struct {
	at      mono.Time
	from    netip.AddrPort
	data    []byte
	command node.Command
}

func (c *relayCall) do(n *node.Node, out *node.Output) {
	switch {
	case c.data != nil:
		n.HandleDatagram(c.at, c.from, c.data, out)
	case c.command != nil:
		n.HandleCommand(c.at, c.command, out)
	default:
		n.HandleDeadline(c.at, out)
	}
}

// relayConfig returns the same configuration each time: a node uses up its sources of randomness.
func relayConfig(i int, upload int64) node.Config {
	var seed [32]byte
	binary.BigEndian.PutUint32(seed[:], uint32(i+1))
	return node.Config{
		Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(uint64(i), 1), Secrets: rand.NewChaCha8(seed), UploadBPS: upload,
		HandshakesPerPrefix: -1,
	}
}

// replay runs the relay once more.
func (r *relayRecord) replay(b *testing.B) {
	b.StopTimer()
	var out node.Output
	n := node.New(r.calls[0].at, relayConfig(benchRelay, r.cfg.UploadBPS))
	buf := make([]byte, 0, 2048)
	for i := range r.calls[:r.measured] {
		r.calls[i].do(n, &out)
		buf, _ = sealAll(&out, buf)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r.sealed = 0
	b.StartTimer()
	start, forward := time.Now(), time.Duration(0)
	for i := r.measured; i < len(r.calls); i++ {
		c := &r.calls[i]
		var sealed int
		if c.from == r.source {
			from := time.Now()
			c.do(n, &out)
			buf, sealed = sealAll(&out, buf)
			forward += time.Since(from)
		} else {
			c.do(n, &out)
			buf, sealed = sealAll(&out, buf)
		}
		r.sealed += uint64(sealed)
	}
	all := time.Since(start)
	b.StopTimer()
	runtime.ReadMemStats(&after)
	if r.replays++; r.replays == 1 || all < r.all {
		r.all = all
	}
	if r.replays == 1 || forward < r.forward {
		r.forward = forward
	}
	r.allocs += after.Mallocs - before.Mallocs
	r.bytes += after.TotalAlloc - before.TotalAlloc
	b.StartTimer()
}

// sealAll does a driver's part, without sending.
func sealAll(out *node.Output, buf []byte) ([]byte, int) {
	n := len(out.Datagrams)
	for i := range out.Fanouts {
		f := &out.Fanouts[i]
		for j := range f.Tickets {
			buf = f.Tickets[j].AppendDatagram(buf[:0], f.Payload)
			n++
		}
	}
	out.Reset()
	return buf, n
}

func (r *relayRecord) report(b *testing.B) {
	chunks := float64(r.replays) * benchChunks
	b.ReportMetric(0, "ns/op") // an op is a whole record: of no interest
	b.ReportMetric(float64(r.forward.Nanoseconds())/benchChunks, "forward-ns/chunk")
	b.ReportMetric(float64(r.all.Nanoseconds())/benchChunks, "all-ns/chunk")
	b.ReportMetric(float64(r.allocs)/chunks, "allocs/chunk")
	b.ReportMetric(float64(r.bytes)/chunks, "B/chunk")
	b.ReportMetric(float64(r.sealed)/benchChunks, "datagrams/chunk")
}

// The places of the nodes in a benchNet.
const (
	benchSource = iota
	benchRelay
	benchFirstChild
)

// A benchNet is a source, a relay and children, all one step of time apart.
type benchNet struct {
	now    mono.Time
	nodes  []*benchNode
	record *relayRecord
	chunks int
	random *rand.Rand
	key    identity.StationKey
}

type benchNode struct {
	*node.Node
	addr  netip.AddrPort
	inbox []relayCall
	out   node.Output
}

// recordRelay runs a station with a relay and writes down the relay's calls.
func recordRelay(b *testing.B, children int, upload int64) *relayRecord {
	b.Helper()
	w := &benchNet{
		now: mono.Time(time.Second), random: rand.New(rand.NewPCG(1, 2)), key: identity.NewStationKey([32]byte{1}),
		record: &relayRecord{cfg: relayConfig(benchRelay, upload)},
	}
	for i := range benchFirstChild + children {
		up := int64(0)
		switch i {
		case benchSource:
			up = 200_000 // the relay and nobody else
		case benchRelay:
			up = upload
		}
		w.nodes = append(w.nodes, &benchNode{
			Node: node.New(w.now, relayConfig(i, up)),
			addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i), 0, 1}), 8466),
		})
	}
	w.record.source = w.nodes[benchSource].addr
	for i := range w.nodes {
		w.command(i, node.WallClockCommand{UnixMilli: 1_800_000_000_000})
	}
	w.command(benchSource, node.BeginCommand{Key: w.key, Epoch: 1, BitrateBPS: 128_000})
	w.run(2 * time.Second)
	w.tune(benchRelay, benchSource)
	w.run(3 * time.Second)
	for i := benchFirstChild; i < len(w.nodes); i++ {
		w.tune(i, benchRelay)
		w.run(20 * time.Millisecond)
	}
	w.run(benchJoin)
	w.checkFed(b, children)
	w.record.measured = len(w.record.calls)
	w.run(benchChunks * benchChunk)
	w.checkFed(b, children)
	return w.record
}

// checkFed sees that the relay feeds every child with every class.
func (w *benchNet) checkFed(b *testing.B, children int) {
	b.Helper()
	fed := 0
	for _, t := range w.nodes[benchRelay].Status(w.now).Tuned {
		for _, c := range t.Children {
			if c.Classes == 0xffff {
				fed++
			}
		}
	}
	if fed != children {
		b.Fatalf("the relay feeds %d of %d children", fed, children)
	}
}

func (w *benchNet) tune(i, at int) {
	w.command(i, node.TuneCommand{Station: w.key.ID(), Role: node.RoleRelay, Peers: []netip.AddrPort{w.nodes[at].addr}})
}

func (w *benchNet) command(i int, c node.Command) { w.call(i, relayCall{at: w.now, command: c}) }

// call makes one call and delivers what comes out into inboxes.
func (w *benchNet) call(i int, c relayCall) {
	n := w.nodes[i]
	if i == benchRelay {
		w.record.calls = append(w.record.calls, c)
	}
	c.do(n.Node, &n.out)
	for _, d := range n.out.Datagrams {
		w.post(n, d.To, bytes.Clone(d.Data))
	}
	for j := range n.out.Fanouts {
		f := &n.out.Fanouts[j]
		for k := range f.Tickets {
			w.post(n, f.Tickets[k].To, f.Tickets[k].AppendDatagram(nil, f.Payload))
		}
	}
	n.out.Reset()
}

func (w *benchNet) post(from *benchNode, to netip.AddrPort, data []byte) {
	if i := slices.IndexFunc(w.nodes, func(n *benchNode) bool { return n.addr == to }); i >= 0 {
		w.nodes[i].inbox = append(w.nodes[i].inbox, relayCall{from: from.addr, data: data})
	}
}

// run lets time pass: what was sent in one step arrives in the next, and the source publishes at its rate.
func (w *benchNet) run(d time.Duration) {
	for end := w.now.Add(d); w.now < end; {
		w.now = w.now.Add(benchStep)
		for w.now >= mono.Time(time.Second).Add(time.Duration(w.chunks+1)*benchChunk) {
			data := make([]byte, 1120)
			for i := range data {
				data[i] = byte(w.random.Uint32())
			}
			w.command(benchSource, node.PublishCommand{
				Station: w.key.ID(), Start: time.Duration(w.chunks) * benchChunk, Duration: benchChunk, Data: data,
			})
			w.chunks++
		}
		for i, n := range w.nodes {
			inbox := n.inbox
			n.inbox = nil
			for _, c := range inbox {
				c.at = w.now
				w.call(i, c)
			}
			if n.Deadline() <= w.now {
				w.call(i, relayCall{at: w.now})
			}
		}
	}
}
