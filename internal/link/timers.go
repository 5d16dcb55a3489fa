// SPDX-License-Identifier: MIT

package link

import "streamer/internal/mono"

// timers is a binary heap of links by due time, then by age. Traffic moves deadlines later with every packet, and the heap
// is not told: a link that comes up too early is put back. So packets cost nothing here.
type timers struct{ heap []*link }

// notInHeap is link.heapAt of links without a timer.
const notInHeap = -1

// next is when something may be due.
func (q *timers) next() mono.Time {
	if len(q.heap) == 0 {
		return mono.Never
	}
	return q.heap[0].due
}

// sooner makes sure that l is looked at by its deadline.
func (q *timers) sooner(l *link) {
	due := l.deadline()
	if l.heapAt == notInHeap {
		l.due, l.heapAt = due, int32(len(q.heap))
		q.heap = append(q.heap, l)
		q.up(int(l.heapAt))
	} else if due < l.due {
		l.due = due
		q.up(int(l.heapAt))
	}
}

// later puts a link whose time had come back, with its true deadline.
func (q *timers) later(l *link) {
	l.due = l.deadline()
	q.down(int(l.heapAt))
}

// drop forgets l.
func (q *timers) drop(l *link) {
	at, last := int(l.heapAt), len(q.heap)-1
	if at == notInHeap {
		return
	}
	q.swap(at, last)
	q.heap[last] = nil
	q.heap = q.heap[:last]
	l.heapAt = notInHeap
	if at < last {
		q.down(at)
		q.up(at)
	}
}

func (q *timers) less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	return a.due < b.due || a.due == b.due && a.born < b.born
}

func (q *timers) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].heapAt, q.heap[j].heapAt = int32(i), int32(j)
}

func (q *timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *timers) down(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(q.heap); child++ {
			if q.less(child, first) {
				first = child
			}
		}
		if first == i {
			return
		}
		q.swap(i, first)
		i = first
	}
}
