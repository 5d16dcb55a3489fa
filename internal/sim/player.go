// SPDX-License-Identifier: MIT

package sim

import "time"

const prebuffer = time.Second

// A player is what a listener hears. It begins with the first audio, once it has prebuffer of it, and plays without a pause: each chunk
// is due so long after its publication as the first one was. What is not there when it is due makes silence until it comes, and everything after it is due that
// much later, as with players that wait for their buffer. What never comes is skipped, and leaves that much less in the buffer, since
// most formats say nothing of time.
//
// What is behind the live stream by more is there already; prebuffer is VLC's default.
type player struct {
	delay  time.Duration // from publication to its being heard
	silent time.Duration // silence that has not been counted yet
	plays  bool
}

// hear plays a chunk of a length that came lag after its publication, behind so much that is missing. It reports whether it counts as
// heard on time: silence counts as so many chunks that were not.
func (p *player) hear(lag, missing, length time.Duration) (onTime bool) {
	if !p.plays {
		p.plays, p.delay = true, max(lag, prebuffer)
	}
	p.delay -= missing
	if wait := lag - p.delay; wait > 0 {
		p.delay = lag
		p.silent += max(0, wait-missing) // what is missing counts already
	}
	if p.silent <= 0 {
		return true
	}
	p.silent -= length
	return false
}

// A chunkSet is a set of indexes of chunks, near each other.
type chunkSet struct {
	bits []uint64 // bit i: base+i is in it
	base int      // a multiple of 64
}

// add puts an index in, none below the first one.
func (s *chunkSet) add(index int) {
	if s.bits == nil {
		s.base = index &^ 63
	}
	for index-s.base >= 64*len(s.bits) {
		s.bits = append(s.bits, 0)
	}
	s.bits[(index-s.base)/64] |= 1 << (index & 63)
}

func (s *chunkSet) has(index int) bool {
	i := index - s.base
	return i >= 0 && i < 64*len(s.bits) && s.bits[i/64]&(1<<(i&63)) != 0
}
