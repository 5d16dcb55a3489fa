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

// A crowd is some of the children, their socket and their timers. One goroutine owns it.
type crowd struct {
	first    int // number of its first child
	joins    int // in a second
	seed     uint64
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

func (c *crowd) begin(children int) {
	c.begun = time.Now()
	c.children = make([]child, children)
	c.buf = make([]byte, 0, datagramMax)
}

func (c *crowd) now() mono.Time { return mono.Time(time.Since(c.begun)) }

// live joins all children, lets them settle until calm, and counts what they hear from then to the end.
func (c *crowd) live(ctx context.Context, calm, end time.Time) error {
	if err := c.turn(ctx, calm); err != nil {
		return err
	}
	c.reset()
	return c.turn(ctx, end)
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

// add adds what the children heard since reset to a report.
func (c *crowd) add(r *report) {
	r.Children += len(c.children)
	r.Playing += c.playing
	r.Late = max(r.Late, time.Duration(c.timers.late).Seconds())
	r.SocketDrops += c.sock.drops - c.drops
	r.SendsRefused += c.sock.refused - c.refused
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
				r.classes += n
				if p.Addr == c.peer {
					r.relayed += n
				}
			}
		}
	}
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
			wait = min(wait, time.Second/time.Duration(c.joins))
		}
		if err := c.sock.receive(max(wait, 0), c.deliver); err != nil {
			return err
		}
	}
}

// join starts the children whose time has come.
func (c *crowd) join(now mono.Time) {
	due := min(int(int64(now)*int64(c.joins)/int64(time.Second)), len(c.children))
	for ; c.up < due; c.up++ {
		number := c.first + c.up
		i := uint64(number)
		child := &c.children[c.up]
		child.addr = addrOf(number)
		child.timer = mono.Never
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], c.seed)
		binary.BigEndian.PutUint64(seed[8:], i)
		random := rand.NewChaCha8(seed)
		seed[31] = 1
		child.node = node.New(now, node.Config{
			Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(c.seed, i), Secrets: random, UploadBPS: 0,
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
	i := indexOf(to) - c.first
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
