// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"fmt"
)

// A syncParser splits self-framing streams, MPEG audio and ADTS: every frame says how long it is. Two equal headers in
// twelve bits are common in compressed data, so it locks onto syncChain headers in a row that agree, then trusts lengths
// until a header is wrong.
type syncParser struct {
	out      *outbox
	tags     tagSkipper
	locked   bool
	key      [syncKeyBytes]byte
	searched int // bytes passed over since the last frame
	free     freeFormat
}

const (
	syncChain     = 3       // measured: two headers in a row that agree happen by chance in a 2 MB file, three did not
	syncSearchMax = 1 << 20 // bytes without a frame before a source is given up
)

// verdict says what is known about a place in the stream.
type verdict uint8

const (
	verdictNo   verdict = iota
	verdictYes          // frames begin here
	verdictWait         // more bytes are needed to tell
)

func (s *syncParser) resume() {
	s.locked = false
	s.tags = tagSkipper{}
	s.searched, s.free = 0, freeFormat{}
}

func (s *syncParser) parse(b []byte, end bool) (int, error) {
	pos := 0
	for {
		n, v := s.tags.skip(b[pos:], s.out, end)
		pos += n
		if v == verdictWait {
			return pos, nil
		}
		rest := b[pos:]
		if s.locked && len(rest) < syncHeaderBytes && !end {
			return pos, nil
		}
		if s.locked {
			f, ok := parseSyncFrame(rest)
			if ok && f.key == s.key && f.length > 0 {
				if len(rest) < f.length {
					return pos, nil
				}
				if _, isTag := xingTag(rest, f); !isTag {
					s.out.frame(rest[:f.length], f.samples)
				}
				pos += f.length
				continue
			}
			s.locked, s.searched, s.free = false, 0, freeFormat{}
		}
		n, found, err := s.search(rest, end)
		pos += n
		if err != nil || !found {
			return pos, err
		}
	}
}

// search passes over what is no frame. found means that b[n:] is to be looked at again: a frame or a tag begins there.
func (s *syncParser) search(b []byte, end bool) (n int, found bool, err error) {
	for n < len(b) {
		skip := indexSyncOrTag(b[n:])
		n += skip
		s.searched += skip
		if s.searched > syncSearchMax {
			return n, false, fmt.Errorf("%w: no MPEG or AAC frame in %d bytes: is the source still sending audio?", ErrFormat, s.searched)
		}
		rest := b[n:]
		if v := tagAt(rest, end); v != verdictNo {
			return n, v == verdictYes, nil
		}
		switch f, v := chainAt(rest, end); v {
		case verdictWait:
			return n, false, nil
		case verdictYes:
			return n, true, s.lock(rest, f)
		case verdictNo:
			if f.rate > 0 && f.length == 0 && s.free.see(f, s.searched) {
				return n, false, errFreeFormat()
			}
		}
		if len(rest) > 0 {
			n++
			s.searched++
		}
	}
	return n, false, nil
}

// indexSyncOrTag returns the index of the next byte that may begin a frame or a tag, or len(b).
func indexSyncOrTag(b []byte) int {
	for i, c := range b {
		if c == 0xff || c == 'I' || c == 'T' || c == 'A' {
			return i
		}
	}
	return len(b)
}

// lock begins a stream with the first of at least syncChain frames.
func (s *syncParser) lock(b []byte, f syncFrame) error {
	if f.layer == 1 {
		return fmt.Errorf("%w: this is MPEG layer I; send MP3 (layer III)", ErrFormat)
	}
	s.locked, s.key, s.searched, s.free = true, f.key, 0, freeFormat{}
	bitrate := f.bitrate
	if average, ok := xingTag(b, f); ok {
		bitrate = average
	}
	h, err := newHeader(f.format, bitrate, [][]byte{bytes.Clone(f.key[:])})
	if err != nil {
		return err
	}
	s.out.header(h)
	return nil
}

func errFreeFormat() error {
	return fmt.Errorf("%w: this is free-format MP3, which hardly any player takes; set a standard bit rate up to 320 kbit/s", ErrFormat)
}

// chainAt tells whether a chain of frames begins at b[0]. At the end of a stream, or before a tag, it may be shorter.
func chainAt(b []byte, end bool) (syncFrame, verdict) {
	if len(b) < syncHeaderBytes {
		return syncFrame{}, waitUnless(end || (len(b) > 0 && b[0] != 0xff) || (len(b) > 1 && b[1]&0xe0 != 0xe0))
	}
	first, ok := parseSyncFrame(b)
	if !ok {
		return first, verdictNo
	}
	if first.length == 0 {
		return first, verdictNo
	}
	at := first.length
	for range syncChain - 1 {
		if end && len(b) == at {
			return first, verdictYes
		}
		if len(b) < at+tagHeadBytes {
			return first, waitUnless(end)
		}
		if tagAt(b[at:], end) == verdictYes {
			return first, verdictYes
		}
		next, ok := parseSyncFrame(b[at:])
		if !ok || next.key != first.key || next.length == 0 {
			return first, verdictNo
		}
		at += next.length
	}
	return first, verdictYes
}

// freeFormat notices free-format frames, whose headers don't say how long they are: equal ones at equal distances.
type freeFormat struct {
	key   [syncKeyBytes]byte
	at    int // where the last such header was
	gap   int // between the last two, bytes
	equal int // how many gaps in a row were equal, give or take the padding
}

// see takes a header without a length that was found at a place, and tells whether it makes a free-format stream.
func (ff *freeFormat) see(f syncFrame, at int) bool {
	const gapMax, equalEnough = 4096, 3
	gap := at - ff.at
	switch d := gap - ff.gap; {
	case f.key != ff.key && gap <= gapMax && ff.key != [syncKeyBytes]byte{}:
		return false // chance, or the one remembered is
	case f.key != ff.key || gap > gapMax:
		*ff = freeFormat{key: f.key, at: at}
		return false
	case d >= -1 && d <= 1:
		ff.equal++
	default:
		ff.equal = 0
	}
	ff.at, ff.gap = at, gap
	return ff.equal >= equalEnough
}

func waitUnless(known bool) verdict {
	if known {
		return verdictNo
	}
	return verdictWait
}
