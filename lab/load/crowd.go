// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// A child is one listener.
type child struct {
	node    *node.Node
	addr    netip.Addr
	timer   mono.Time // of the earliest timer that waits
	started bool      // audio has begun
	audio   uint64    // chunks of it
	gaps    uint64    // chunks that never came
}

// A crowd is all children, their socket and their timers. One goroutine owns it.
type crowd struct {
	o        options
	sock     *socket
	station  identity.StationID
	peer     netip.AddrPort
	begun    time.Time
	children []child
	timers   timers
	out      node.Output
	up       int // children that were started
	playing  int // children that hear something
	buf      []byte
}

func newCrowd(o options, sock *socket, station identity.StationID, peer netip.AddrPort) *crowd {
	return &crowd{
		o: o, sock: sock, station: station, peer: peer, begun: time.Now(), children: make([]child, o.children),
		buf: make([]byte, 0, 2048),
	}
}

func (c *crowd) now() mono.Time { return mono.Time(time.Since(c.begun)) }

// A report is what the load and the relay did while it was measured.
type report struct {
	Children     int     `json:"children"`
	Playing      int     `json:"playing"`
	DurationS    float64 `json:"duration_s"`
	Chunks       uint64  `json:"chunks"`     // of audio, all children together
	Missing      uint64  `json:"missing"`    // chunks
	Repaired     uint64  `json:"repaired"`   // since the children joined, likewise Duplicate
	Duplicate    uint64  `json:"duplicate"`  // chunks
	FromRelay    float64 `json:"from_relay"` // share of classes that the children take from the peer of the link
	CPUPerChild  float64 `json:"relay_cpu_us_per_child_second"`
	CPU          float64 `json:"relay_cpu_s"`
	RSSBefore    int64   `json:"relay_rss_before_bytes"`
	RSSAfter     int64   `json:"relay_rss_after_bytes"`
	BytesPer     float64 `json:"relay_bytes_per_child"`
	OwnCPU       float64 `json:"load_cpu_s"`
	Late         string  `json:"load_late"` // longest time that a child's timer waited for this process
	SocketDrops  uint32  `json:"load_socket_drops"`
	SendsRefused uint64  `json:"load_sends_refused"`
}

// measure joins all children, waits until things are calm, and measures.
func (c *crowd) measure(ctx context.Context) (report, error) {
	before, err := sample(c.o.pid)
	if err != nil {
		return report{}, err
	}
	joining := time.Duration(c.o.children) * time.Second / time.Duration(c.o.joins)
	if err := c.turn(ctx, time.Now().Add(joining)); err != nil {
		return report{}, err
	}
	if err := c.turn(ctx, time.Now().Add(c.o.settle)); err != nil {
		return report{}, err
	}
	for i := range c.children {
		c.children[i].audio, c.children[i].gaps = 0, 0
	}
	c.timers.late = 0
	first, err := sample(c.o.pid)
	if err != nil {
		return report{}, err
	}
	own, err := sample(os.Getpid())
	if err != nil {
		return report{}, err
	}
	if err := c.turn(ctx, time.Now().Add(c.o.duration)); err != nil {
		return report{}, err
	}
	last, err := sample(c.o.pid)
	if err != nil {
		return report{}, err
	}
	ownLast, err := sample(os.Getpid())
	if err != nil {
		return report{}, err
	}
	r := c.counted()
	r.DurationS = last.at.Sub(first.at).Seconds()
	r.CPU = (last.cpu - first.cpu).Seconds()
	r.CPUPerChild = 1e6 * r.CPU / r.DurationS / float64(len(c.children))
	r.RSSBefore, r.RSSAfter = before.rss, last.rss
	r.BytesPer = float64(last.rss-before.rss) / float64(len(c.children))
	r.OwnCPU = (ownLast.cpu - own.cpu).Seconds()
	return r, nil
}

// counted adds up what the children counted.
func (c *crowd) counted() report {
	r := report{
		Children: len(c.children), Playing: c.playing, Late: time.Duration(c.timers.late).Round(time.Millisecond).String(),
		SocketDrops: c.sock.drops, SendsRefused: c.sock.refused,
	}
	classes, fromRelay := 0, 0
	for i := range c.children {
		child := &c.children[i]
		r.Chunks += child.audio
		r.Missing += child.gaps
		for _, t := range child.node.Status(c.now()).Tuned {
			r.Duplicate += t.Chunks.Duplicate
			r.Repaired += t.Chunks.Repaired
			for _, p := range t.Parents {
				n := ones(p.Classes)
				classes += n
				if p.Addr == c.peer {
					fromRelay += n
				}
			}
		}
	}
	if classes > 0 {
		r.FromRelay = float64(fromRelay) / float64(classes)
	}
	return r
}

func ones(classes uint16) (n int) {
	for ; classes != 0; classes &= classes - 1 {
		n++
	}
	return n
}

// turn runs the children until the time comes.
func (c *crowd) turn(ctx context.Context, until time.Time) error {
	end := mono.Time(until.Sub(c.begun))
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped: %w", err)
		}
		now := c.now()
		if now >= end {
			return nil
		}
		c.join(now)
		c.fire(now)
		if err := c.sock.flush(); err != nil {
			return err
		}
		wait := mono.Min(end, c.timers.next()).Sub(now)
		if c.up < len(c.children) {
			wait = min(wait, time.Second/time.Duration(c.o.joins))
		}
		if err := c.sock.receive(max(wait, 0), c.deliver); err != nil {
			return err
		}
	}
}

// join starts the children whose time has come.
func (c *crowd) join(now mono.Time) {
	due := min(int(int64(now)*int64(c.o.joins)/int64(time.Second)), len(c.children))
	for ; c.up < due; c.up++ {
		i := uint64(c.up)
		child := &c.children[c.up]
		child.addr = addrOf(c.up)
		child.timer = mono.Never
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], c.o.seed)
		binary.BigEndian.PutUint64(seed[8:], i)
		random := rand.NewChaCha8(seed)
		seed[31] = 1
		child.node = node.New(now, node.Config{
			Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(c.o.seed, i), Secrets: random, UploadBPS: 0,
		})
		child.node.HandleCommand(now, node.WallClockCommand{UnixMilli: time.Now().UnixMilli()}, &c.out)
		c.drain(c.up)
		child.node.HandleCommand(now, node.TuneCommand{
			Station: c.station, Role: node.RoleListener, Peers: []netip.AddrPort{c.peer},
		}, &c.out)
		c.drain(c.up)
	}
}

// deliver hands a datagram to the child that has the address it was sent to.
func (c *crowd) deliver(from netip.AddrPort, to netip.Addr, b []byte) {
	i := indexOf(to)
	if i < 0 || i >= c.up {
		return
	}
	c.children[i].node.HandleDatagram(c.now(), from, b, &c.out)
	c.drain(i)
}

// fire calls the nodes whose deadlines have come.
func (c *crowd) fire(now mono.Time) {
	for c.timers.next() <= now {
		t := c.timers.pop()
		child := &c.children[t.child]
		if t.at != child.timer {
			continue
		}
		c.timers.late = max(c.timers.late, now-t.at)
		child.timer = mono.Never
		if child.node.Deadline() > now {
			c.arm(t.child)
			continue
		}
		child.node.HandleDeadline(now, &c.out)
		c.drain(t.child)
	}
}

// drain sends and counts what a call put out.
func (c *crowd) drain(i int) {
	child := &c.children[i]
	for _, d := range c.out.Datagrams {
		c.sock.send(child.addr, d.To, d.Data)
	}
	for j := range c.out.Fanouts {
		f := &c.out.Fanouts[j]
		for k := range f.Tickets {
			c.buf = f.Tickets[k].AppendDatagram(c.buf[:0], f.Payload)
			c.sock.send(child.addr, f.Tickets[k].To, c.buf)
		}
	}
	for _, n := range c.out.Notices {
		switch {
		case n.Kind == node.NoticeGap:
			child.gaps += uint64(n.Count)
		case n.Kind == node.NoticeChunk && n.Chunk == uint8(codec.ChunkAudio):
			child.audio++
			if !child.started {
				child.started = true
				c.playing++
			}
		}
	}
	c.out.Reset()
	c.arm(i)
}

func (c *crowd) arm(i int) {
	child := &c.children[i]
	if at := child.node.Deadline(); at < child.timer {
		child.timer = at
		c.timers.push(timer{at: at, child: i})
	}
}

// Children are strewn over 127.1.0.0/16, so that those who join together are of different networks of 256 addresses: nodes
// limit how many newcomers they take from one.
const (
	childNet  = 127<<24 | 1<<16
	childNets = 250
)

func addrOf(child int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(childNet|child%childNets<<8|(child/childNets+1)))
	return netip.AddrFrom4(b)
}

func indexOf(a netip.Addr) int {
	b := a.As4()
	if b[0] != childNet>>24 || b[1] != 1 {
		return -1
	}
	return (int(b[3])-1)*childNets + int(b[2])
}
