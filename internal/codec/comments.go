// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"strings"
)

// A commentReader reads a Vorbis comment packet (Vorbis I section 5.2.1, also in Opus and FLAC) in pieces of any size and
// keeps the track's texts only: cover pictures of megabytes pass through it.
type commentReader struct {
	event   Event
	state   commentState
	skip    int64  // bytes to pass over first
	want    int    // then as many to gather
	got     []byte // of those
	length  uint32 // of the comment
	pending uint32 // comments still to come
}

type commentState uint8

// What is gathered.
const (
	commentVendor commentState = iota // the length of the vendor's name
	commentCount                      // the number of comments
	commentLength                     // the length of a comment
	commentText                       // its first bytes
	commentDone
)

// commentKeepMax is how much of a comment is looked at: the name, and more text than an Event takes.
const commentKeepMax = 1024

// newCommentReader returns a reader that passes over prefix bytes first.
func newCommentReader(prefix int) commentReader { return commentReader{skip: int64(prefix), want: 4} }

func (c *commentReader) write(b []byte) {
	for len(b) > 0 && c.state != commentDone {
		if c.skip > 0 {
			n := min(c.skip, int64(len(b)))
			b, c.skip = b[n:], c.skip-n
			continue
		}
		n := min(c.want-len(c.got), len(b))
		c.got = append(c.got, b[:n]...)
		b = b[n:]
		if len(c.got) == c.want {
			c.step()
			c.got = c.got[:0]
		}
	}
}

// step takes what was gathered and says what to gather next.
func (c *commentReader) step() {
	switch c.state {
	case commentVendor:
		c.skip = int64(binary.LittleEndian.Uint32(c.got))
		c.state = commentCount
	case commentCount:
		c.pending = binary.LittleEndian.Uint32(c.got)
		c.next()
	case commentLength:
		c.length = binary.LittleEndian.Uint32(c.got)
		c.state, c.want = commentText, int(min(c.length, commentKeepMax))
		if c.want == 0 {
			c.next()
		}
	case commentText:
		c.event.takeComment(string(c.got))
		c.skip = int64(c.length) - int64(c.want)
		c.next()
	case commentDone:
	}
}

func (c *commentReader) next() {
	if c.pending == 0 {
		c.state = commentDone
		return
	}
	c.pending--
	c.state, c.want = commentLength, 4
}

// takeComment takes a NAME=text pair; the first of each name counts.
func (e *Event) takeComment(s string) {
	name, text, ok := strings.Cut(s, "=")
	if !ok {
		return
	}
	e.takeField(name, text)
}

// takeField sets the field of a Vorbis comment name or Matroska tag name, unless it is set.
func (e *Event) takeField(name, text string) {
	var field *string
	switch strings.ToUpper(name) {
	case "TITLE":
		field = &e.Title
	case "ARTIST":
		field = &e.Artist
	case "ALBUM":
		field = &e.Album
	default:
		return
	}
	if *field == "" {
		*field = cleanText(text, EventTextMax)
	}
}

// vendor is how our own comment headers name their maker.
const vendor = "Streamer"

// appendComments appends the body of a Vorbis comment packet with the track's texts.
func appendComments(dst []byte, e Event) []byte {
	dst = appendCounted(dst, vendor)
	countAt := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	e = e.Clean()
	names := [3]string{"TITLE=", "ARTIST=", "ALBUM="}
	for i, text := range [3]string{e.Title, e.Artist, e.Album} {
		if text != "" {
			dst = appendCounted(dst, names[i]+text)
			dst[countAt]++
		}
	}
	return dst
}

func appendCounted(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
