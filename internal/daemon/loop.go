// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/udp"
	"streamer/internal/wire"
)

const (
	receivedMax = 4096 // datagrams between the socket and the loop; more are dropped and counted
	callsMax    = 64   // commands and questions waiting for the loop
	turnMax     = 256  // datagrams handled before what came out is sent
	farAway     = time.Hour

	// A loop that turned more than busyTurns times in busySpan wakes for timers timerSlack late at most, to do several at
	// once: a relay with a thousand children has hundreds of timers a second, and waking up costs more than most of them.
	busySpan   = 100 * time.Millisecond
	busyTurns  = 30
	timerSlack = 5 * time.Millisecond

	datagramBytesMax = wire.DatagramBytesMax // longer ones are not ours
)

// ErrStopped says that the node has left.
var ErrStopped = errors.New("the node has stopped")

// A datagram is a received one on its way from the socket's goroutine to the loop.
type datagram struct {
	from netip.AddrPort
	n    int
	data [datagramBytesMax]byte
}

// A call is something to do on the loop's goroutine. done is closed when it was done.
type call struct {
	command node.Command                      // nil: ask
	ask     func(n *node.Node, now mono.Time) // reads only
	done    chan struct{}
}

// A loop owns a node and its output. run is the only goroutine that touches them.
type loop struct {
	node     *node.Node
	clock    clock
	out      node.Output
	send     *sender
	aside    *sealer           // of the second port; nil: none
	extras   *udp.Extras       // further ports; nil: none
	notice   func(node.Notice) // called by run; must not block
	rec      *Recorder         // nil: nothing is recorded
	wall     wallClock
	received chan *datagram
	free     chan *datagram
	calls    chan call
	stopped  chan struct{}

	sent      outputEnd     // how much of out has left or is in held
	small     []node.Fanout // of out, for one release
	held      []node.Fanout // of out: large ones that wait for company
	holdUntil mono.Time     // when held must leave; mono.Never when it is empty
	flushed   mono.Time     // when held left last

	spanFrom mono.Time // of the span in which turns are counted
	turns    int
	busy     bool // the span before had more than busyTurns

	overrun   atomic.Uint64 // datagrams dropped because the loop was behind
	oversized atomic.Uint64 // datagrams longer than any of ours
}

func newLoop(n *node.Node, c clock, send *sender, notice func(node.Notice)) *loop {
	return &loop{
		node: n, clock: c, send: send, notice: notice,
		received: make(chan *datagram, receivedMax), free: make(chan *datagram, receivedMax),
		calls: make(chan call, callsMax), stopped: make(chan struct{}), holdUntil: mono.Never,
	}
}

// receive is the socket's handler: it copies a datagram to the loop's queue.
func (l *loop) receive(from netip.AddrPort, b []byte) {
	if len(b) > datagramBytesMax {
		l.oversized.Add(1)
		return
	}
	var d *datagram
	select {
	case d = <-l.free:
	default:
		d = new(datagram)
	}
	d.from, d.n = from, copy(d.data[:], b)
	select {
	case l.received <- d:
	default:
		l.overrun.Add(1)
		l.recycle(d)
	}
}

func (l *loop) recycle(d *datagram) {
	select {
	case l.free <- d:
	default:
	}
}

// do gives the node a command and returns when it was carried out.
func (l *loop) do(ctx context.Context, c node.Command) error { return l.post(ctx, call{command: c}) }

// ask runs f on the loop's goroutine. f must not keep the node.
func (l *loop) ask(ctx context.Context, f func(n *node.Node, now mono.Time)) error {
	return l.post(ctx, call{ask: f})
}

func (l *loop) post(ctx context.Context, c call) error {
	c.done = make(chan struct{})
	select {
	case l.calls <- c:
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-c.done:
		return nil
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run turns until ctx ends.
func (l *loop) run(ctx context.Context) {
	defer close(l.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	wall := time.NewTicker(wallCheck)
	defer wall.Stop()
	l.tellWall(l.clock.now())
	for {
		timer.Reset(l.wait(l.clock.now()))
		select {
		case <-ctx.Done():
			l.release(mono.Never)
			return
		case d := <-l.received:
			l.drain(d)
		case c := <-l.calls:
			l.serve(c)
		case <-wall.C:
			l.tellWall(l.clock.now())
		case <-timer.C:
		}
		now := l.clock.now()
		if l.node.Deadline() <= now {
			l.deadline(now)
		}
		l.release(now)
	}
}

// wait counts a turn and says how long to wait for the next at most.
func (l *loop) wait(now mono.Time) time.Duration {
	if now.Sub(l.spanFrom) >= busySpan {
		l.busy = l.turns > busyTurns
		l.spanFrom, l.turns = now, 0
	}
	l.turns++
	due := min(l.node.Deadline(), l.holdUntil)
	if due == mono.Never {
		return farAway
	}
	least := time.Duration(0)
	if l.busy {
		least = timerSlack
	}
	return min(max(due.Sub(now), least), farAway)
}

// drain handles d and what else is waiting, turnMax at most.
func (l *loop) drain(d *datagram) {
	for turn := 1; ; turn++ {
		l.datagram(d)
		l.recycle(d)
		if turn == turnMax {
			return
		}
		select {
		case d = <-l.received:
		default:
			return
		}
	}
}

func (l *loop) datagram(d *datagram) {
	now := l.clock.now()
	b := d.data[:d.n]
	end := l.begin()
	l.node.HandleDatagram(now, d.from, b, &l.out)
	if l.rec != nil {
		l.rec.datagram(now, d.from, b, l.since(end))
	}
	l.tell()
}

func (l *loop) serve(c call) {
	now := l.clock.now()
	if c.command != nil {
		l.command(now, c.command)
	} else {
		c.ask(l.node, now)
	}
	close(c.done)
}

func (l *loop) command(now mono.Time, c node.Command) {
	end := l.begin()
	l.node.HandleCommand(now, c, &l.out)
	if l.rec != nil {
		l.rec.command(now, c, l.since(end))
	}
	l.tell()
}

func (l *loop) deadline(now mono.Time) {
	end := l.begin()
	l.node.HandleDeadline(now, &l.out)
	if l.rec != nil {
		l.rec.deadline(now, l.since(end))
	}
	l.tell()
}

func (l *loop) tellWall(now mono.Time) {
	if unix := time.Now().UnixMilli(); l.wall.due(now, unix) {
		l.command(now, node.WallClockCommand{UnixMilli: unix})
	}
}

// tell hands the notices on at once; they are never held.
func (l *loop) tell() {
	for i := range l.out.Notices {
		l.notice(l.out.Notices[i])
	}
	clear(l.out.Notices) // their data may go
	l.out.Notices = l.out.Notices[:0]
}

// release sends what came out since it was called last, but holds large fanouts until holdTime after the last of them.
func (l *loop) release(now mono.Time) {
	l.openExtras()
	l.send.plain(l.out.Datagrams[l.sent.datagrams:])
	if len(l.out.Asides) > 0 && l.aside != nil {
		l.aside.plain(l.out.Asides)
		l.out.Asides = l.out.Asides[:0]
	}
	for _, f := range l.out.Fanouts[l.sent.fanouts:] {
		if len(f.Tickets) < holdTickets {
			l.small = append(l.small, f)
			continue
		}
		l.held = append(l.held, f)
		if l.holdUntil == mono.Never {
			l.holdUntil = l.flushed.Add(holdTime)
		}
	}
	l.send.send(l.small)
	clear(l.small)
	l.small = l.small[:0]
	l.sent = l.begin()
	if now >= l.holdUntil || tickets(l.held) >= holdTicketsMax {
		l.flush(now)
	}
	if len(l.held) == 0 {
		l.out.Reset()
		l.sent = outputEnd{}
	}
}

// openExtras opens and closes further ports.
func (l *loop) openExtras() {
	if l.extras != nil {
		for _, x := range l.out.Extras {
			if x.Ports == 0 {
				l.extras.Drop(x.To, x.Keep)
			} else {
				_ = l.extras.Try(x.To, wire.Punch{Token: x.Token}.Append(nil), x.Ports) // with fewer ports there is less luck
			}
		}
	}
	l.out.Extras = l.out.Extras[:0]
}

// flush sends what is held.
func (l *loop) flush(now mono.Time) {
	if len(l.held) == 0 {
		return
	}
	l.send.send(l.held)
	clear(l.held)
	l.held = l.held[:0]
	l.holdUntil, l.flushed = mono.Never, now
}

// An outputEnd remembers how long an output was before a call.
type outputEnd struct{ datagrams, fanouts int }

func (l *loop) begin() outputEnd { return outputEnd{len(l.out.Datagrams), len(l.out.Fanouts)} }

// since is what a call added. It is valid until the next one.
func (l *loop) since(e outputEnd) node.Output {
	return node.Output{
		Output:  link.Output{Datagrams: l.out.Datagrams[e.datagrams:]},
		Fanouts: l.out.Fanouts[e.fanouts:],
		Notices: l.out.Notices,
	}
}
