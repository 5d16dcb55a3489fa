// SPDX-License-Identifier: MIT

package daemon

import (
	"net/netip"
	"runtime"
	"sync"
	"time"

	"streamer/internal/link"
	"streamer/internal/node"
	"streamer/internal/udp"
)

const (
	// parallelTickets is from how many tickets on sealing and sending is spread over the cores. Waking a worker costs as
	// much as sending some ten datagrams.
	parallelTickets = 64

	// Fanouts with at least holdTickets leave no more often than every holdTime, so that several chunks leave as one
	// system call for each child: a datagram then costs half as much CPU (BenchmarkSender). The first chunk after a
	// pause goes out at once: children take silence for trouble. Smaller fanouts, repairs and newcomers' first seconds
	// too, are never held.
	holdTickets = 200
	holdTime    = 120 * time.Millisecond
	// holdTicketsMax bounds what is held.
	holdTicketsMax = 1 << 16

	sealBatch = 256 // datagrams sealed before they are sent; about 300 kB
)

// A sender puts a node's output on the wire. It belongs to the loop's goroutine. Workers share large fanouts; each
// child's datagrams are sealed and sent by one of them, in order.
type sender struct {
	own     *sealer
	jobs    chan span
	pending sync.WaitGroup // jobs
	workers sync.WaitGroup

	// The tickets of one send, grouped by child: children[i] begins a chain of refs.
	fanouts  []node.Fanout
	refs     []ref
	children []chain
	byAddr   map[netip.AddrPort]int32
}

// A ref is one ticket of one fanout.
type ref struct {
	fanout, ticket int32
	next           int32 // the child's next ref, -1 none
}

// A chain is the refs of one child.
type chain struct{ first, last, length int32 }

// A span is a range of children.
type span struct{ from, until int }

func newSender(conn *udp.Conn) *sender {
	s := &sender{own: newSealer(conn), byAddr: make(map[netip.AddrPort]int32), jobs: make(chan span)}
	for range runtime.GOMAXPROCS(0) - 1 {
		w := newSealer(conn)
		s.workers.Go(func() {
			for job := range s.jobs {
				w.seal(s, job)
				s.pending.Done()
			}
		})
	}
	return s
}

// close ends the workers.
func (s *sender) close() {
	close(s.jobs)
	s.workers.Wait()
}

// tickets is how many datagrams fanouts will be.
func tickets(fanouts []node.Fanout) (n int) {
	for i := range fanouts {
		n += len(fanouts[i].Tickets)
	}
	return n
}

// plain puts finished datagrams on the wire.
func (s *sender) plain(list []node.Datagram) { s.own.plain(list) }

// send seals fanouts, puts them on the wire, and returns when the system has them. Errors of single datagrams are the
// network's: they are counted by udp and look like loss.
func (s *sender) send(fanouts []node.Fanout) {
	n := tickets(fanouts)
	if n == 0 {
		return
	}
	s.group(fanouts)
	total := len(s.children)
	parts := min(runtime.GOMAXPROCS(0), total, max(1, n/parallelTickets))
	for i := 1; i < parts; i++ {
		s.pending.Add(1)
		s.jobs <- span{total * i / parts, total * (i + 1) / parts}
	}
	s.own.seal(s, span{0, total / parts})
	s.pending.Wait()
	s.fanouts = nil
}

// group chains tickets by child, in their order.
func (s *sender) group(fanouts []node.Fanout) {
	s.fanouts = fanouts
	s.refs = s.refs[:0]
	s.children = s.children[:0]
	if len(fanouts) == 1 { // nothing to chain
		for t := range fanouts[0].Tickets {
			s.refs = append(s.refs, ref{ticket: int32(t), next: -1})
			s.children = append(s.children, chain{first: int32(t), last: int32(t), length: 1})
		}
		return
	}
	clear(s.byAddr)
	for f := range fanouts {
		list := fanouts[f].Tickets
		for t := range list {
			r := int32(len(s.refs))
			s.refs = append(s.refs, ref{fanout: int32(f), ticket: int32(t), next: -1})
			child, known := s.byAddr[list[t].To]
			if !known {
				s.byAddr[list[t].To] = int32(len(s.children))
				s.children = append(s.children, chain{first: r, last: r, length: 1})
				continue
			}
			c := &s.children[child]
			s.refs[c.last].next = r
			c.last = r
			c.length++
		}
	}
}

// A sealer seals and sends for one goroutine.
type sealer struct {
	out   *udp.Writer
	msgs  []udp.Message
	arena []byte // behind the datagrams of msgs
}

func newSealer(conn *udp.Conn) *sealer { return &sealer{out: conn.NewWriter()} }

// plain sends finished datagrams.
func (w *sealer) plain(list []node.Datagram) {
	for i := range list {
		w.msgs = append(w.msgs, udp.Message{To: list[i].To, Data: list[i].Data})
		if len(w.msgs) == sealBatch {
			w.flush()
		}
	}
	w.flush()
}

// seal makes and sends the datagrams of some children.
func (w *sealer) seal(s *sender, job span) {
	for _, c := range s.children[job.from:job.until] {
		if len(w.msgs)+int(c.length) > sealBatch { // so that a child's datagrams stay together
			w.flush()
		}
		for r := c.first; r >= 0; r = s.refs[r].next {
			f := &s.fanouts[s.refs[r].fanout]
			w.add(&f.Tickets[s.refs[r].ticket], f.Payload)
		}
	}
	w.flush()
}

func (w *sealer) add(t *link.Ticket, payload []byte) {
	if len(w.msgs) == sealBatch {
		w.flush()
	}
	begin := len(w.arena)
	w.arena = t.AppendDatagram(w.arena, payload)
	// When the arena moved, earlier messages keep the old one: their bytes are there.
	w.msgs = append(w.msgs, udp.Message{To: t.To, Data: w.arena[begin:len(w.arena):len(w.arena)]})
}

func (w *sealer) flush() {
	if len(w.msgs) > 0 {
		_, _ = w.out.WriteBatch(w.msgs) // counted by udp
	}
	w.msgs = w.msgs[:0]
	w.arena = w.arena[:0]
}
