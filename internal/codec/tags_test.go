// SPDX-License-Identifier: MIT

package codec_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"streamer/internal/codec"
)

// id3v2 makes a tag of frames, each a name and a body.
func id3v2(version byte, frames ...string) []byte {
	var body []byte
	for i := 0; i < len(frames); i += 2 {
		id, content := frames[i], frames[i+1]
		size := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
		switch version {
		case 2:
			body = append(append(body, id...), size[1:]...)
		case 3:
			body = append(append(append(body, id...), size...), 0, 0)
		case 4:
			body = append(append(append(body, id...), synchsafe(len(content))...), 0, 0)
		}
		body = append(body, content...)
	}
	body = append(body, make([]byte, 50)...) // padding
	return append(append([]byte{'I', 'D', '3', version, 0, 0}, synchsafe(len(body))...), body...)
}

// withFooter adds the copy of the head that may end a tag of version 2.4, with bytes that are no frame but look like one.
func withFooter(tag []byte) []byte {
	tag[5] |= 0x10
	return append(tag, '3', 'D', 'I', 4, 0, 0x10, 0xff, 0xfb, 0x90, 0x64)
}

func synchsafe(n int) []byte {
	return []byte{byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
}

func TestTags(t *testing.T) {
	t.Parallel()
	mp3 := sourceNamed(t, "mp3-cbr-128").make(t)
	mp3 = mp3[slices.Index(mp3, 0xff):]
	frames := hashes(demux(t, mp3, 1))
	utf16 := "\x01\xff\xfeT\x00\xee\x00t\x00r\x00e\x00"
	cover := "image/png\x00" + strings.Repeat("\xff\xfb\x90\x64\x00TAGID3", 200_000)
	ape := append([]byte("APETAGEX\xd0\x07\x00\x00\x40\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xa0"), make([]byte, 8+64)...)
	id3v1 := append([]byte("TAGOld title"), make([]byte, 116)...)
	lyrics := []byte("LYRICSBEGININD0000200LYR00015\xff\xfb some words ......000043LYRICS200")
	for name, c := range map[string]struct {
		tag  []byte
		want codec.Event
	}{
		"2.2":           {id3v2(2, "TT2", "\x00Caf\xe9", "TP1", "\x00A"), codec.Event{Title: "Café", Artist: "A"}},
		"2.3 UTF-16":    {id3v2(3, "TIT2", utf16, "TALB", "\x02\x00B"), codec.Event{Title: "Tître", Album: "B"}},
		"2.3, mistaken": {id3v2(3, "TIT2", "\x00Tître"), codec.Event{Title: "Tître"}},
		"2.4":           {id3v2(4, "TPE1", "\x03One\x00Two", "TIT2", "\x03 T\n"), codec.Event{Artist: "One", Title: "T"}},
		"cover first":   {id3v2(4, "APIC", cover, "TIT2", "\x03After"), codec.Event{Title: "After"}},
		"footer":        {withFooter(id3v2(4, "TIT2", "\x03F")), codec.Event{Title: "F"}},
		"APE":           {ape, codec.Event{}},
		"ID3v1":         {id3v1, codec.Event{}},
		"lyrics":        {append(lyrics, id3v1...), codec.Event{}},
		"several":       {slices.Concat(ape, id3v1, id3v2(3, "TIT2", "\x00X")), codec.Event{Title: "X"}},
	} {
		for where, file := range map[string][]byte{
			"at the start":  slices.Concat(c.tag, mp3),
			"in the middle": slices.Concat(mp3, c.tag, mp3),
			"at the end":    slices.Concat(mp3, c.tag),
		} {
			items := demux(t, file, 5)
			want := frames
			if where == "in the middle" {
				want = slices.Concat(frames, frames)
			}
			checkHashes(t, name+" "+where, hashes(items), want)
			var got codec.Event
			for _, i := range items {
				if i.Kind == codec.ItemEvent {
					got = i.Event
				}
			}
			if got != c.want {
				t.Errorf("%s %s: event %+v, want %+v", name, where, got, c.want)
			}
		}
	}
	flac := sourceNamed(t, "flac").make(t)
	items := demux(t, slices.Concat(id3v2(3, "TIT2", "\x00X"), flac, id3v1), 6)
	checkHashes(t, "FLAC between tags", hashes(items), hashes(demux(t, flac, 1)))
}
