// SPDX-License-Identifier: MIT

package sim

import "streamer/internal/mono"

// eventKind tells what happens when an event is due.
type eventKind uint8

// The kinds of event.
const (
	eventArrive  eventKind = iota + 1 // arg: packet that reaches the host's access line
	eventDeliver                      // arg: packet that has passed the access line
	eventTimer                        // the host's deadline
	eventJoin                         // the host starts
	eventPublish                      // the encoder hands over its next chunk
	eventFault                        // arg: index of a fault that begins
	eventHeal                         // arg: index of a fault that ends
	eventSample                       // the sampler looks at everybody
	eventClock                        // hosts are told the wall time
	eventSettled                      // figures begin
	eventChurn                        // churn begins
	eventReplace                      // arg: the life of the host that ends; another begins
	eventGone                         // arg: the life of the host that said good-bye and ends now; negative: another begins
)

// An event is one thing that happens at one time. Events of the same time happen in the order they were pushed.
type event struct {
	at   mono.Time
	seq  uint64
	host int32
	arg  int32
	kind eventKind
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

// queueArity is the number of children of one place in the heap; four keeps siblings in two cache lines.
const queueArity = 4

// A queue is a heap of events. The zero value is empty.
type queue struct {
	heap []event
	seq  uint64
}

func (q *queue) len() int { return len(q.heap) }

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / queueArity
		if !e.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

// pop removes the earliest event. The queue must not be empty.
func (q *queue) pop() event {
	h := q.heap
	first := h[0]
	last := h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		child := queueArity*i + 1
		if child >= len(h) {
			break
		}
		least := child
		for c := child + 1; c < min(child+queueArity, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&last) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = last
	return first
}
