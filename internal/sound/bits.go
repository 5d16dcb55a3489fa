// SPDX-License-Identifier: MIT

package sound

import "math/bits"

// An msbReader reads bits, most significant first, as FLAC has them. Behind the end it reads zeros, and says that it is over.
type msbReader struct {
	b     []byte
	cache uint64 // the next bits, from the top
	held  int    // bits in cache
	over  bool
}

func (r *msbReader) fill() {
	for r.held <= 56 && len(r.b) > 0 {
		r.cache |= uint64(r.b[0]) << (56 - r.held)
		r.b = r.b[1:]
		r.held += 8
	}
}

// read reads n bits, at most 57.
func (r *msbReader) read(n int) uint64 {
	if n == 0 {
		return 0
	}
	if r.held < n {
		r.fill()
	}
	if r.held < n {
		r.over = true
		r.cache, r.held = 0, 0
		return 0
	}
	v := r.cache >> (64 - n)
	r.cache <<= n
	r.held -= n
	return v
}

// signed reads a number of n bits in two's complement.
func (r *msbReader) signed(n int) int64 {
	if n == 0 {
		return 0
	}
	return int64(r.read(n)<<(64-n)) >> (64 - n)
}

// zeros counts the zeros before the next one, and reads that too.
func (r *msbReader) zeros() int {
	n := 0
	for {
		r.fill()
		if r.held == 0 {
			r.over = true
			return 0
		}
		if z := bits.LeadingZeros64(r.cache); z < r.held {
			r.cache <<= z + 1
			r.held -= z + 1
			return n + z
		}
		n += r.held
		r.cache, r.held = 0, 0
	}
}

// An lsbReader reads bits, least significant first, as Vorbis has them; zeros behind the end, as its decoder does.
type lsbReader struct {
	b  []byte
	at int
}

func (r *lsbReader) read(n int) (v int) {
	for i := range n {
		if at := r.at + i; at/8 < len(r.b) {
			v |= int(r.b[at/8]>>(at%8)&1) << i
		}
	}
	r.at += n
	return v
}
