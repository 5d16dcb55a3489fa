// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"fmt"
)

// A flacParser splits native FLAC. Frames don't say how long they are: one ends where the CRC-16 over it comes out even
// and another frame, a new stream, a tag or the end follows.
type flacParser struct {
	out      *outbox
	tags     tagSkipper
	stage    flacStage
	skip     int64 // bytes of a metadata block to pass over
	comments commentReader
	last     bool   // no further metadata block follows the one that is read
	header   Header // its packet is set by STREAMINFO
	info     streamInfo

	samples  int    // of the frame that has begun
	limit    int    // it is no longer than this
	scanned  int    // bytes of it that were looked at
	crc      uint16 // over them
	searched int    // bytes passed over since the last frame
	failures int    // beginnings without an end since the last frame
}

type flacStage uint8

const (
	flacMeta   flacStage = iota // a metadata block's head comes next, or the rest of one to pass over
	flacInComm                  // inside the comments
	flacSearch                  // a frame comes next
	flacFrame                   // inside a frame
)

const (
	flacBlockHead   = 4
	flacFailuresMax = 32 // bounds the work on bytes that only look like frames
)

// newFLACParser returns a parser for a stream that begins with flacMagic.
func newFLACParser(out *outbox) *flacParser {
	return &flacParser{out: out, skip: int64(len(flacMagic))}
}

func (f *flacParser) resume() {
	f.stage, f.skip, f.tags = flacSearch, 0, tagSkipper{}
	f.searched, f.failures = 0, 0
}

// middle tells whether a frame of this stream begins at b[0].
func (f *flacParser) middle(b []byte, end bool) verdict {
	if len(f.header.Packets) == 0 {
		return verdictNo
	}
	_, v := f.info.samples(b)
	if v == verdictWait {
		return waitUnless(end)
	}
	return v
}

func (f *flacParser) parse(b []byte, end bool) (int, error) {
	for pos := 0; ; {
		var n int
		var more bool
		var err error
		switch f.stage {
		case flacMeta, flacInComm:
			n, more, err = f.metadata(b[pos:])
		case flacSearch:
			n, more, err = f.search(b[pos:], end)
		case flacFrame:
			n, more, err = f.frame(b[pos:], end)
		}
		pos += n
		if err != nil || !more {
			return pos, err
		}
	}
}

// metadata takes the next piece of the blocks before the audio. more: call again.
func (f *flacParser) metadata(b []byte) (n int, more bool, err error) {
	n = int(min(f.skip, int64(len(b))))
	f.skip -= int64(n)
	if f.stage == flacInComm {
		f.comments.write(b[:n])
	}
	switch {
	case f.skip > 0: // the block goes on, perhaps with none of it here yet
		return n, false, nil
	case f.stage == flacInComm, n > 0:
		f.stage = flacMeta
		return n, true, nil
	case f.last:
		return n, true, f.begin()
	case len(b) < flacBlockHead:
		return n, false, nil
	}
	kind, size := b[0]&^flacLast, int64(b[1])<<16|int64(b[2])<<8|int64(b[3])
	switch {
	case len(f.header.Packets) == 0 && (kind != flacStreamInfo || size != streamInfoBytes):
		return n, false, fmt.Errorf("%w: damaged FLAC: it does not begin with STREAMINFO", ErrFormat)
	case kind == flacStreamInfo && size == streamInfoBytes:
		if len(b) < flacBlockHead+streamInfoBytes {
			return n, false, nil
		}
		f.header.Packets = [][]byte{plainStreamInfo(b[flacBlockHead : flacBlockHead+streamInfoBytes])}
	case kind == flacComments:
		f.stage, f.comments = flacInComm, newCommentReader(0)
	}
	f.last = b[0]&flacLast != 0
	f.skip = size
	return flacBlockHead, true, nil
}

// begin is when all metadata is there.
func (f *flacParser) begin() error {
	h, err := newHeader(FormatFLAC, 0, f.header.Packets)
	if err != nil {
		return fmt.Errorf("%w: damaged FLAC: %w", ErrFormat, err)
	}
	f.header = h
	f.info, _ = parseStreamInfo(h.Packets[0])
	f.stage, f.last = flacSearch, false
	f.out.header(h)
	f.out.event(f.comments.event)
	return nil
}

// search looks for the next frame, which normally begins at once.
func (f *flacParser) search(b []byte, end bool) (n int, more bool, err error) {
	for {
		skipped, v := f.tags.skip(b[n:], f.out, end)
		n += skipped
		rest := b[n:]
		if v == verdictWait || len(rest) == 0 {
			return n, false, nil
		}
		if bytes.HasPrefix(rest, []byte(flacMagic)) {
			*f = *newFLACParser(f.out)
			return n, true, nil
		}
		if len(rest) < len(flacMagic) && !end {
			return n, false, nil
		}
		samples, v := f.info.samples(rest)
		switch {
		case v == verdictWait && !end:
			return n, false, nil
		case v == verdictYes:
			f.samples, f.scanned, f.crc = samples, 0, 0
			const overheadMax = 64 // head, subframe heads, checksum
			f.limit = (f.info.bits+1)*f.info.channels*samples/8 + overheadMax
			f.stage = flacFrame
			return n, true, nil
		}
		n++
		if f.searched++; f.searched > syncSearchMax {
			return n, false, fmt.Errorf("%w: no FLAC frame in %d bytes: is the source still sending audio?", ErrFormat, f.searched)
		}
	}
}

// frame looks for the end of the frame at b[0], from where it stopped last time.
func (f *flacParser) frame(b []byte, end bool) (n int, more bool, err error) {
	if !f.out.hasHeader { // after a Reconnect
		f.out.header(f.header)
	}
	for {
		if f.crc == 0 && f.scanned > flacBlockHead {
			switch f.follows(b[f.scanned:], end) {
			case verdictWait:
				return 0, false, nil
			case verdictYes:
				n = f.scanned
				f.out.frame(b[:n:n], f.samples)
				f.stage, f.searched, f.failures = flacSearch, 0, 0
				return n, true, nil
			case verdictNo:
			}
		}
		limit := min(f.limit, FrameBytesMax)
		if f.scanned == limit {
			return f.fail()
		}
		f.scanned, f.crc = scanZeroCRC16(b[:min(len(b), limit)], f.scanned, f.crc)
		if f.scanned == len(b) && f.crc != 0 {
			return 0, false, nil
		}
	}
}

// scanZeroCRC16 goes on from at until the checksum is 0 or b ends.
func scanZeroCRC16(b []byte, at int, crc uint16) (int, uint16) {
	for at < len(b) {
		crc = crc<<8 ^ flac16Table[byte(crc>>8)^b[at]]
		at++
		if crc == 0 {
			break
		}
	}
	return at, crc
}

// fail gives up a frame that is longer than it can be, and goes on searching behind its first byte.
func (f *flacParser) fail() (n int, more bool, err error) {
	f.stage = flacSearch
	f.searched++
	f.failures++
	switch {
	case f.limit > FrameBytesMax:
		return 0, false, fmt.Errorf("%w: a FLAC frame above %d bytes; use a smaller block size (flac -b 4096)", ErrFormat, FrameBytesMax)
	case f.failures > flacFailuresMax:
		return 0, false, fmt.Errorf("%w: damaged FLAC: frames without an end", ErrFormat)
	}
	return 1, true, nil
}

// follows tells whether b begins with what may come behind a frame.
func (f *flacParser) follows(b []byte, end bool) verdict {
	if len(b) == 0 {
		if end {
			return verdictYes
		}
		return verdictWait
	}
	if n := min(len(b), len(flacMagic)); string(b[:n]) == flacMagic[:n] {
		if n < len(flacMagic) {
			return waitUnless(end)
		}
		return verdictYes
	}
	if v := tagAt(b, end); v != verdictNo {
		return v
	}
	_, v := f.info.samples(b)
	if v == verdictWait {
		return waitUnless(end)
	}
	return v
}
