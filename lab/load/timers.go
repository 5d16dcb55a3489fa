// SPDX-License-Identifier: MIT

//go:build linux

package main

import "streamer/internal/mono"

// A timer is when a child's node wants to be called. It is void when the child's timer field says another time.
type timer struct {
	at    mono.Time
	child int
}

// timers is a binary heap of them.
type timers struct {
	heap []timer
	late mono.Time // longest wait of a due timer
}

func (t *timers) next() mono.Time {
	if len(t.heap) == 0 {
		return mono.Never
	}
	return t.heap[0].at
}

func (t *timers) push(v timer) {
	t.heap = append(t.heap, v)
	i := len(t.heap) - 1
	for i > 0 && t.heap[(i-1)/2].at > v.at {
		t.heap[i] = t.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	t.heap[i] = v
}

func (t *timers) pop() timer {
	h := t.heap
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	t.heap = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		c := 2*i + 1
		if c+1 < len(h) && h[c+1].at < h[c].at {
			c++
		}
		if c >= len(h) || h[c].at >= last.at {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = last
	return first
}
