// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
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

	// Since reset.
	audio uint64 // chunks
	gaps  uint64 // chunks that never came

	// At reset.
	repaired, duplicate uint64
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
	drops    uint32 // of the socket, at reset
	refused  uint64 // likewise
}

func newCrowd(o options, sock *socket, station identity.StationID, peer netip.AddrPort) *crowd {
	return &crowd{
		o: o, sock: sock, station: station, peer: peer, begun: time.Now(), children: make([]child, o.children),
		buf: make([]byte, 0, 2048),
	}
}

func (c *crowd) now() mono.Time { return mono.Time(time.Since(c.begun)) }

// measure joins all children, waits until things are calm, and measures.
func (c *crowd) measure(ctx context.Context) (report, error) {
	var m [3]mark // before the children join, when they are settled, at the end
	for i, wait := range [...]time.Duration{
		0, time.Duration(c.o.children)*time.Second/time.Duration(c.o.joins) + c.o.settle, c.o.duration,
	} {
		if err := c.turn(ctx, time.Now().Add(wait)); err != nil {
			return report{}, err
		}
		if i == 1 {
			c.reset()
		}
		var err error
		if m[i], err = c.mark(); err != nil {
			return report{}, err
		}
	}
	before, first, last := m[0], m[1], m[2]
	r := c.counted()
	r.DurationS = last.relay.at.Sub(first.relay.at).Seconds()
	perChild := 1e6 / r.DurationS / float64(len(c.children))
	r.CPUUser = (last.relay.user - first.relay.user).Seconds() * perChild
	r.CPUSystem = (last.relay.system - first.relay.system).Seconds() * perChild
	r.CPU = r.CPUUser + r.CPUSystem
	r.RSSBefore, r.RSSAfter = before.relay.rss, last.relay.rss
	r.BytesPer = float64(last.relay.rss-before.relay.rss) / float64(len(c.children))
	r.OwnCPU = (last.own.user + last.own.system - first.own.user - first.own.system).Seconds() * perChild
	return r, nil
}

// A mark is what the relay and this process have used.
type mark struct{ relay, own usage }

func (c *crowd) mark() (m mark, err error) {
	if m.relay, err = sample(c.o.pid); err != nil {
		return m, err
	}
	m.own, err = sample(os.Getpid())
	return m, err
}

// reset begins to count anew.
func (c *crowd) reset() {
	for i := range c.children {
		child := &c.children[i]
		child.audio, child.gaps = 0, 0
		child.repaired, child.duplicate = child.counts(c.now())
	}
	c.timers.late = 0
	c.drops, c.refused = c.sock.drops, c.sock.refused
}

// counts returns how many chunks a child asked for again, and how many it had already.
func (c *child) counts(now mono.Time) (repaired, duplicate uint64) {
	if c.node == nil {
		return 0, 0
	}
	for _, t := range c.node.Status(now).Tuned {
		repaired += t.Chunks.Repaired
		duplicate += t.Chunks.Duplicate
	}
	return repaired, duplicate
}

// counted adds up what the children counted.
func (c *crowd) counted() report {
	r := report{
		Children: len(c.children), Playing: c.playing, Late: time.Duration(c.timers.late).Seconds(),
		SocketDrops: c.sock.drops - c.drops, SendsRefused: c.sock.refused - c.refused,
	}
	classes, fromRelay := 0, 0
	for i := range c.children {
		child := &c.children[i]
		r.Chunks += child.audio
		r.Missing += child.gaps
		repaired, duplicate := child.counts(c.now())
		r.Repaired += repaired - child.repaired
		r.Duplicate += duplicate - child.duplicate
		for _, t := range child.node.Status(c.now()).Tuned {
			for _, p := range t.Parents {
				n := bits.OnesCount16(p.Classes)
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
