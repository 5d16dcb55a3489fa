// SPDX-License-Identifier: MIT

package link

// Size of the replay window. One word more than the window lets it slide by whole words (RFC 6479): no bit is shifted.
const (
	windowPackets = 1024
	windowWords   = windowPackets/64 + 1
)

// A window remembers which of the last 1,024 packet counters were seen. The zero value has seen none.
type window struct {
	next uint32 // one above the highest counter seen
	bits [windowWords]uint64
}

// fresh reports whether a packet with this counter may be accepted: it is neither seen nor older than the window.
func (w *window) fresh(counter uint32) bool {
	if counter >= w.next {
		return true
	}
	if w.next-counter > windowPackets {
		return false
	}
	return w.bits[counter/64%windowWords]&(1<<(counter%64)) == 0
}

// mark notes a counter that is fresh and whose packet was authentic. It reports whether it is the highest so far.
func (w *window) mark(counter uint32) (newest bool) {
	if counter >= w.next {
		newest = true
		w.slide(counter)
	}
	w.bits[counter/64%windowWords] |= 1 << (counter % 64)
	return newest
}

// slide clears the words between the highest counter so far and the new one.
func (w *window) slide(counter uint32) {
	top := uint32(0) // first word to clear
	if w.next > 0 {
		top = (w.next-1)/64 + 1
	}
	if last := counter / 64; last >= top {
		for i := range min(last-top+1, windowWords) {
			w.bits[(last-i)%windowWords] = 0
		}
	}
	w.next = counter + 1
}
