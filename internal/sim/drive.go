// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"time"

	"streamer/internal/mono"
	"streamer/internal/node"
)

// The three calls of a node, and what a driver owes it after each (package node's contract): send what came out, hand over
// notices, look at the deadline again.

// earlyTimers is how often a node is called before its deadline, to see that it does nothing: once in so many timers.
const earlyTimers = 64

// sealBytesMax is what a link adds to a payload, and more.
const sealBytesMax = 64

// spinsMax is how many calls a node may want in a row at one time.
const spinsMax = 8

// deliver hands a packet to its receiver's node, and then ruins the bytes.
func (w *World) deliver(h *host, i int32) {
	if w.nat != nil {
		if h = w.indoors(i); h == nil {
			return
		}
	}
	p := &w.net.packets[i]
	if h.node == nil {
		w.count.dropped++
		w.net.drop(i)
		return
	}
	h.wireIn += uint64(ipBytes(p.from, p.data))
	w.count.delivered++
	w.trace.datagram(w.now, h.index, p)
	h.node.HandleDatagram(w.now, p.from, p.data, &w.out)
	w.net.spoil(i)
	w.net.drop(i)
	w.drain(h)
}

func (w *World) command(h *host, c node.Command) {
	w.trace.command(w.now, h.index, c)
	h.node.HandleCommand(w.now, c, &w.out)
	w.drain(h)
}

// fire is a timer event: the deadline may have moved since the event was queued.
func (w *World) fire(h *host, at mono.Time) {
	if h.node == nil || at != h.timer {
		return // an earlier event took its place
	}
	h.timer = mono.Never
	if h.node.Deadline() > w.now {
		w.arm(h)
		return
	}
	w.trace.deadline(w.now, h.index)
	h.node.HandleDeadline(w.now, &w.out)
	w.drain(h)
	if h.timer > w.now {
		h.spins = 0
	} else if h.spins++; h.spins == spinsMax {
		w.fail(h, checkContract, "%d calls of HandleDeadline left the deadline at now: the node does not come to rest", spinsMax)
		h.spins, h.timer = 0, w.now.Add(time.Millisecond)
		w.events.push(event{at: h.timer, kind: eventTimer, host: h.index})
		return
	}
	if w.timers++; w.timers%earlyTimers == 0 && h.timer > w.now {
		w.fireEarly(h)
	}
}

// fireEarly checks that HandleDeadline before the deadline does nothing.
func (w *World) fireEarly(h *host) {
	deadline := h.node.Deadline()
	h.node.HandleDeadline(w.now, &w.out)
	if n := len(w.out.Datagrams) + len(w.out.Asides) + len(w.out.Extras) + len(w.out.Fanouts) + len(w.out.Notices); n > 0 || h.node.Deadline() != deadline {
		w.fail(h, checkContract, "HandleDeadline %v too early gave %d outputs, and moved the deadline by %v",
			deadline.Sub(w.now), n, h.node.Deadline().Sub(deadline))
	}
	w.out.Reset()
}

// drain sends and observes what a call put out, and keeps the timer.
func (w *World) drain(h *host) {
	w.trace.output(&w.out)
	if h.liar != nil {
		h.liar.twist(&w.out)
	} else {
		for i := range w.out.Fanouts {
			w.checkFanout(h, w.out.Fanouts[i].Payload, len(w.out.Fanouts[i].Tickets))
		}
	}
	w.openExtras(h)
	for i := range w.out.Datagrams {
		d := &w.out.Datagrams[i]
		p := w.net.take(len(d.Data))
		w.net.packets[p].data = append(w.net.packets[p].data, d.Data...)
		w.transmit(h, h.portTo(d.To), d.To, p)
	}
	for i := range w.out.Asides {
		d := &w.out.Asides[i]
		p := w.net.take(len(d.Data))
		w.net.packets[p].data = append(w.net.packets[p].data, d.Data...)
		w.transmit(h, asidePort, d.To, p)
	}
	for i := range w.out.Fanouts {
		f := &w.out.Fanouts[i]
		for j := range f.Tickets {
			p := w.net.take(len(f.Payload) + sealBytesMax)
			w.net.packets[p].data = f.Tickets[j].AppendDatagram(w.net.packets[p].data, f.Payload)
			w.transmit(h, h.portTo(f.Tickets[j].To), f.Tickets[j].To, p)
		}
	}
	if h.liar == nil {
		for i := range w.out.Notices {
			w.observe(h, &w.out.Notices[i])
		}
	}
	w.out.Reset()
	w.arm(h)
}

// arm queues a timer event unless one is queued that is early enough. A deadline that moved later is found out when the
// event comes: most deadlines do, and a timer for each would fill the queue.
func (w *World) arm(h *host) {
	at := h.node.Deadline()
	if at == mono.Never || at >= h.timer {
		return
	}
	h.timer = max(at, w.now)
	w.events.push(event{at: h.timer, kind: eventTimer, host: h.index})
}

// advance moves the run's clock.
func (w *World) advance(at mono.Time) {
	if at < w.now {
		panic(fmt.Sprintf("sim: time goes back from %d to %d", w.now, at))
	}
	w.now = at
}
