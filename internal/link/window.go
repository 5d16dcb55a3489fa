// SPDX-License-Identifier: MIT

package link

// Size of the replay window. One word more than the window lets it slide by whole words (RFC 6479): no bit is shifted.
const (
	windowPackets = 1024
	windowWords   = windowPackets/64 + 1
)

// windowGrows is up to how many words a window doubles; then it has all of them.
const windowGrows = 8

// A window remembers which of the last 1,024 packet counters were seen. The zero value has seen none.
type window struct {
	next uint32   // one above the highest counter seen
	bits []uint64 // the first of windowWords: most links see few packets; what is not there is zero
}

// fresh reports whether a packet with this counter may be accepted: it is neither seen nor older than the window.
func (w *window) fresh(counter uint32) bool {
	if counter >= w.next {
		return true
	}
	if w.next-counter > windowPackets {
		return false
	}
	word := int(counter / 64 % windowWords)
	return word >= len(w.bits) || w.bits[word]&(1<<(counter%64)) == 0
}

// mark notes a counter that is fresh and whose packet was authentic. It reports whether it is the highest so far.
func (w *window) mark(counter uint32) (newest bool) {
	if counter >= w.next {
		newest = true
		w.slide(counter)
	}
	word := int(counter / 64 % windowWords)
	for word >= len(w.bits) {
		w.grow()
	}
	w.bits[word] |= 1 << (counter % 64)
	return newest
}

// grow adds words.
func (w *window) grow() {
	size := max(1, 2*len(w.bits))
	if size > windowGrows {
		size = windowWords
	}
	bits := make([]uint64, size)
	copy(bits, w.bits)
	w.bits = bits
}

// slide clears the words between the highest counter so far and the new one.
func (w *window) slide(counter uint32) {
	top := uint32(0) // first word to clear
	if w.next > 0 {
		top = (w.next-1)/64 + 1
	}
	if last := counter / 64; last >= top {
		for i := range min(last-top+1, windowWords) {
			if word := int((last - i) % windowWords); word < len(w.bits) {
				w.bits[word] = 0
			}
		}
	}
	w.next = counter + 1
}
