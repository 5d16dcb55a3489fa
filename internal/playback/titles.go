// SPDX-License-Identifier: MIT

package playback

import (
	"strings"

	"streamer/internal/codec"
)

// IcyInterval is the number of audio bytes between two ICY metadata blocks, as Icecast has it.
const IcyInterval = 16000

// icyBlockMax is the length that the one length byte of a block can say, in units of 16 bytes.
const icyBlockMax = 255 * 16

// titleOf is the title as players show it: "Artist - Title", or what there is of it.
func titleOf(e codec.Event) string {
	switch {
	case e.Artist == "":
		return e.Title
	case e.Title == "":
		return e.Artist
	}
	return e.Artist + " - " + e.Title
}

// A titler puts ICY metadata blocks between the bytes that one player gets. A nil titler puts none.
type titler struct {
	left    int // audio bytes until the next block
	title   string
	pending bool // title has not been sent yet
}

func newTitler(title string) *titler {
	return &titler{left: IcyInterval, title: title, pending: true}
}

// set takes the title of the audio that is appended from now on.
func (t *titler) set(title string) {
	if t != nil && title != t.title {
		t.title, t.pending = title, true
	}
}

// append appends audio to dst, and a block wherever one is due.
func (t *titler) append(dst, audio []byte) []byte {
	if t == nil {
		return append(dst, audio...)
	}
	for len(audio) >= t.left {
		dst = append(dst, audio[:t.left]...)
		audio = audio[t.left:]
		t.left = IcyInterval
		if !t.pending {
			dst = append(dst, 0)
			continue
		}
		dst = appendIcyBlock(dst, t.title)
		t.pending = false
	}
	t.left -= len(audio)
	return append(dst, audio...)
}

// appendIcyBlock appends a metadata block: its length in units of 16 bytes, the text, zeros. The text is UTF-8, which
// every player in docs/results/players.md shows right. Quotes cannot be escaped: players read up to "';", so that alone
// is taken apart.
func appendIcyBlock(dst []byte, title string) []byte {
	title = strings.ReplaceAll(title, "';", "' ;")
	text := "StreamTitle='" + cut(title, icyBlockMax-len("StreamTitle='';")) + "';"
	units := (len(text) + 15) / 16
	dst = append(dst, byte(units))
	dst = append(dst, text...)
	return append(dst, make([]byte, 16*units-len(text))...)
}

// cut shortens s to at most n bytes, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
