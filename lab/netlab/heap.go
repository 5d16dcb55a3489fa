// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

// packetBytesMax is the largest IP packet that the devices carry.
const packetBytesMax = 1500

// A packet is on its way. The router owns it and uses its memory again.
type packet struct {
	due   int64  // nanoseconds of the router's clock
	seq   uint64 // breaks ties: first come, first out
	from  *Host
	to    *Host
	stage stage
	size  int
	data  [packetBytesMax]byte
}

// A stage is the line that a packet is on.
type stage uint8

const (
	stageUp   stage = iota // the sender's
	stageDown              // the receiver's
)

// A dueHeap hands packets out in the order of their due times.
type dueHeap struct {
	packets []*packet
	seq     uint64
}

func (h *dueHeap) push(p *packet) {
	h.seq++
	p.seq = h.seq
	h.packets = append(h.packets, p)
	i := len(h.packets) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
}

// pop takes the first packet out. The heap must not be empty.
func (h *dueHeap) pop() *packet {
	first := h.packets[0]
	last := len(h.packets) - 1
	h.swap(0, last)
	h.packets[last] = nil
	h.packets = h.packets[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			break
		}
		h.swap(child, i)
		i = child
	}
	return first
}

func (h *dueHeap) before(i, j int) bool {
	a, b := h.packets[i], h.packets[j]
	if a.due != b.due {
		return a.due < b.due
	}
	return a.seq < b.seq
}

func (h *dueHeap) swap(i, j int) { h.packets[i], h.packets[j] = h.packets[j], h.packets[i] }
