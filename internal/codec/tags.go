// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"strings"
)

// tagHeadBytes is how many bytes tagAt needs to tell a tag's kind.
const tagHeadBytes = 10

// A tagSkipper passes over the tags between frames of MPEG audio, ADTS and FLAC: ID3v2 (whose title it takes), ID3v1,
// APEv2. It holds nothing of them but the text frames it reads.
type tagSkipper struct {
	skipping int64 // bytes still to be passed over
	id3      id3Tag
}

// id3Tag is the state inside an ID3v2 tag.
type id3Tag struct {
	left    int64 // bytes of the tag still to come; 0: not inside one
	version byte  // 2, 3 or 4
	event   Event
}

// tagAt tells whether a tag begins at b[0].
func tagAt(b []byte, end bool) verdict {
	if len(b) == 0 || (b[0] != 'I' && b[0] != 'T' && b[0] != 'A') {
		return verdictNo
	}
	if n := min(len(b), 3); string(b[:n]) != "ID3"[:n] && string(b[:n]) != "TAG"[:n] && string(b[:n]) != "APE"[:n] {
		return verdictNo
	}
	if len(b) < tagHeadBytes {
		return waitUnless(end)
	}
	switch {
	case string(b[:3]) == "TAG",
		string(b[:8]) == "APETAGEX",
		string(b[:3]) == "ID3" && b[3] >= 2 && b[3] <= 4 && b[4] != 0xff && b[5]&0x0f == 0 && (b[6]|b[7]|b[8]|b[9])&0x80 == 0:
		return verdictYes
	}
	return verdictNo
}

// skip passes over the tags at the start of b. verdictNo: b[n:] begins with something else.
func (t *tagSkipper) skip(b []byte, out *outbox, end bool) (n int, v verdict) {
	for {
		if t.skipping > 0 {
			step := min(t.skipping, int64(len(b)-n))
			n += int(step)
			t.skipping -= step
		}
		switch {
		case t.skipping > 0:
			return n, verdictWait
		case t.id3.left > 0:
			used, done := t.readID3(b[n:], out)
			n += used
			if !done {
				return n, verdictWait
			}
			continue
		}
		rest := b[n:]
		if v := tagAt(rest, end); v != verdictYes {
			return n, v
		}
		switch rest[0] {
		case 'I':
			t.enterID3(rest)
			n += tagHeadBytes
		case 'T':
			const id3v1Bytes = 128
			t.skipping = id3v1Bytes
		case 'A':
			// APEv2: the size at +12 counts items and footer; only a header is followed by them.
			const headBytes, isHeader = 32, 1 << 29
			if len(rest) < headBytes && !end {
				return n, verdictWait
			}
			t.skipping = headBytes
			if len(rest) >= headBytes && binary.LittleEndian.Uint32(rest[20:])&isHeader != 0 {
				t.skipping += int64(binary.LittleEndian.Uint32(rest[12:]))
			}
		}
	}
}

// enterID3 reads the ten bytes that begin an ID3v2 tag (id3.org, ID3v2.4.0 structure, section 3.1).
func (t *tagSkipper) enterID3(b []byte) {
	const unsynchronised, extended, footer = 0x80, 0x40, 0x10
	size := int64(synchsafe(b[6:]))
	if b[5]&footer != 0 {
		size += tagHeadBytes
	}
	// Sizes inside an unsynchronised tag before 2.4 do not say where the next frame is, and extended headers are as
	// rare: such tags are passed over without a look.
	if b[5]&extended != 0 || (b[5]&unsynchronised != 0 && b[3] < 4) {
		t.skipping = size
		return
	}
	t.id3 = id3Tag{left: size, version: b[3]}
	if size == 0 {
		t.id3 = id3Tag{}
	}
}

// readID3 takes the next frame of an ID3v2 tag, or as much of it as there is. done: go on with b[n:].
func (t *tagSkipper) readID3(b []byte, out *outbox) (n int, done bool) {
	const textMax = 4096
	tag := &t.id3
	head := 10
	if tag.version == 2 {
		head = 6
	}
	if tag.left < int64(head) {
		return 0, t.leaveID3(tag.left, out)
	}
	if len(b) < head {
		return 0, false
	}
	id, size := id3FrameHead(b, tag.version)
	if b[0] == 0 || size > tag.left-int64(head) { // padding, or nonsense
		return 0, t.leaveID3(tag.left, out)
	}
	field := tag.event.id3Field(id)
	if field == nil || size > textMax || *field != "" {
		tag.left -= int64(head) + size
		t.skipping = int64(head) + size
		if tag.left == 0 {
			t.leaveID3(t.skipping, out)
		}
		return 0, true
	}
	n = head + int(size)
	if len(b) < n {
		return 0, false
	}
	unsynchronised := tag.version == 4 && b[9]&2 != 0
	*field = id3Text(b[head:n], unsynchronised)
	if tag.left -= int64(n); tag.left == 0 {
		t.leaveID3(0, out)
	}
	return n, true
}

func (t *tagSkipper) leaveID3(skip int64, out *outbox) bool {
	out.event(t.id3.event)
	t.id3 = id3Tag{}
	t.skipping = skip
	return true
}

func id3FrameHead(b []byte, version byte) (id string, size int64) {
	switch version {
	case 2:
		return string(b[:3]), int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
	case 3:
		return string(b[:4]), int64(binary.BigEndian.Uint32(b[4:]))
	}
	// iTunes wrote plain sizes into version 2.4; text frames are too short to differ.
	return string(b[:4]), int64(synchsafe(b[4:]))
}

func (e *Event) id3Field(id string) *string {
	switch id {
	case "TIT2", "TT2":
		return &e.Title
	case "TPE1", "TP1":
		return &e.Artist
	case "TALB", "TAL":
		return &e.Album
	}
	return nil
}

// id3Text decodes a text frame: a byte for the encoding, then texts with zeros between them, of which the first counts.
func id3Text(b []byte, unsynchronised bool) string {
	if len(b) == 0 {
		return ""
	}
	encoding, text := b[0], string(b[1:])
	if unsynchronised {
		text = strings.ReplaceAll(text, "\xff\x00", "\xff")
	}
	switch encoding {
	case 1:
		text = fromUTF16([]byte(text), false)
	case 2:
		text = fromUTF16([]byte(text), true)
	}
	text, _, _ = strings.Cut(text, "\x00")
	return cleanText(text, EventTextMax)
}

func synchsafe(b []byte) uint32 {
	return uint32(b[0]&0x7f)<<21 | uint32(b[1]&0x7f)<<14 | uint32(b[2]&0x7f)<<7 | uint32(b[3]&0x7f)
}
