// SPDX-License-Identifier: MIT

package node_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// A wireNet is a few nodes with 10 ms between them and a share of datagrams lost: enough for a look at the core alone. The
// simulator is the tool for more.
type wireNet struct {
	t     *testing.T
	rand  *rand.Rand
	now   mono.Time
	delay time.Duration
	loss  int                                                    // per mille
	tap   func(from, to netip.AddrPort, bytes int) time.Duration // told of all that is sent, says how long it takes, less than 0 for ever; nil: delay
	admit func(p packet) bool                                    // whether a datagram comes in; nil: all do
	nodes []*wireNode
	queue []packet
	seq   int
}

type wireNode struct {
	*node.Node
	addr    netip.AddrPort
	out     node.Output
	notices []node.Notice
}

type packet struct {
	at   mono.Time
	seq  int
	from netip.AddrPort
	to   netip.AddrPort
	data []byte
}

func newNet(t *testing.T, n int, upload int64) *wireNet {
	t.Helper()
	w := &wireNet{t: t, rand: rand.New(rand.NewPCG(1, 2)), delay: 10 * time.Millisecond, now: mono.Time(time.Second)}
	for i := range n {
		var seed [32]byte
		binary.BigEndian.PutUint32(seed[:], uint32(i+1))
		w.nodes = append(w.nodes, &wireNode{
			Node: node.New(w.now, node.Config{Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(uint64(i), 7),
				Secrets: rand.NewChaCha8(seed), UploadBPS: upload, HandshakesPerPrefix: -1}),
			addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i%250 + 1)}), 8466),
		})
	}
	for _, n := range w.nodes {
		w.command(n, node.WallClockCommand{UnixMilli: 1_800_000_000_000})
	}
	return w
}

func (w *wireNet) command(n *wireNode, c node.Command) {
	n.HandleCommand(w.now, c, &n.out)
	w.collect(n)
}

func (w *wireNet) collect(n *wireNode) {
	from := n.addr
	post := func(to netip.AddrPort, data []byte) {
		if len(data) > 1200 {
			w.t.Fatalf("datagram of %d bytes", len(data))
		}
		if w.rand.IntN(1000) >= w.loss {
			w.seq++
			delay := w.delay
			if w.tap != nil {
				delay = w.tap(from, to, len(data))
			}
			if delay < 0 {
				return
			}
			w.queue = append(w.queue, packet{w.now.Add(delay), w.seq, from, to, bytes.Clone(data)})
		}
	}
	for _, d := range n.out.Datagrams {
		post(d.To, d.Data)
	}
	for _, f := range n.out.Fanouts {
		for i := range f.Tickets {
			post(f.Tickets[i].To, f.Tickets[i].AppendDatagram(nil, f.Payload))
		}
	}
	from = netip.AddrPortFrom(from.Addr(), from.Port()+1)
	for _, d := range n.out.Asides {
		post(d.To, d.Data)
	}
	n.notices = append(n.notices, n.out.Notices...)
	n.out.Reset()
}

// run lets time pass until end.
func (w *wireNet) run(end mono.Time) {
	for {
		next := end
		for _, n := range w.nodes {
			next = min(next, n.Deadline())
		}
		at := slices.IndexFunc(w.queue, func(p packet) bool { return p.at <= next })
		for i := range w.queue {
			if at >= 0 && (w.queue[i].at < w.queue[at].at || w.queue[i].at == w.queue[at].at && w.queue[i].seq < w.queue[at].seq) {
				at = i
			}
		}
		if at >= 0 {
			p := w.queue[at]
			w.queue = slices.Delete(w.queue, at, at+1)
			w.now = max(w.now, p.at)
			if w.admit != nil && !w.admit(p) {
				continue
			}
			for _, n := range w.nodes {
				if n.addr == p.to {
					n.HandleDatagram(w.now, p.from, p.data, &n.out)
					clear(p.data) // the caller's again
					w.collect(n)
				}
			}
			continue
		}
		if next >= end {
			w.now = end
			return
		}
		w.now = max(w.now, next)
		for _, n := range w.nodes {
			for again := 0; n.Deadline() <= w.now; again++ {
				if again > 5 {
					w.t.Fatalf("node %v wants to be called again and again, at %d, now %d", n.addr, n.Deadline(), w.now)
				}
				n.HandleDeadline(w.now, &n.out)
				w.collect(n)
			}
		}
	}
}

// broadcast publishes chunks of 70 ms for a while and returns their data.
func (w *wireNet) broadcast(n *wireNode, id identity.StationID, from int, span time.Duration) [][]byte {
	var sent [][]byte
	for i := range int(span / (70 * time.Millisecond)) {
		data := make([]byte, 1000)
		binary.BigEndian.PutUint32(data, uint32(from+i))
		sent = append(sent, data)
		w.command(n, node.PublishCommand{Station: id, Kind: 0, Start: time.Duration(from+i) * 70 * time.Millisecond,
			Duration: 70 * time.Millisecond, Data: data})
		w.run(w.now.Add(70 * time.Millisecond))
	}
	return sent
}

func TestChainDeliversEveryChunk(t *testing.T) {
	for _, loss := range []int{0, 50} {
		w := newNet(t, 3, node.UploadAuto)
		w.loss = loss
		key := identity.NewStationKey([32]byte{9})
		src := w.nodes[0]
		w.command(src, node.BeginCommand{Key: key, Epoch: 100, BitrateBPS: 128_000})
		w.command(src, node.PublishCommand{Station: key.ID(), Kind: 1, Data: []byte("header")})
		w.command(src, node.PublishCommand{Station: key.ID(), Kind: 2, Data: []byte("title")})
		w.command(w.nodes[1], node.TuneCommand{Station: key.ID(), Role: node.RoleListener, Peers: []netip.AddrPort{src.addr}})
		w.command(w.nodes[2], node.TuneCommand{Station: key.ID(), Role: node.RoleListener, Peers: []netip.AddrPort{w.nodes[1].addr}})
		sent := w.broadcast(src, key.ID(), 0, 60*time.Second)
		w.run(w.now.Add(4 * time.Second))
		for i, n := range w.nodes {
			var got [][]byte
			gaps := 0
			for _, no := range n.notices {
				switch {
				case no.Kind == node.NoticeChunk && no.Chunk == 0:
					got = append(got, no.Data)
				case no.Kind == node.NoticeGap:
					gaps += int(no.Count)
				}
			}
			st := n.Status(w.now).Tuned[0]
			if gaps > 0 || len(got) < len(sent)-40 {
				t.Errorf("loss %d: node %d got %d of %d chunks, %d missing: %+v\n%+v", loss, i, len(got), len(sent), gaps, st, n.Status(w.now).Counters)
				continue
			}
			for j := range got {
				if !bytes.Equal(got[j], sent[len(sent)-len(got)+j]) {
					t.Fatalf("node %d: chunk %d differs", i, j)
				}
			}
			t.Logf("loss %d node %d: %d chunks, %+v", loss, i, len(got), st)
		}
	}
}
