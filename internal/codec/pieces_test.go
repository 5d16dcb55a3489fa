// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"streamer/internal/codec"
)

// checkPieces returns the items of a file: the same whether its bytes come at once, one by one, or in pieces of other sizes.
func checkPieces(t *testing.T, file []byte, sizes ...int) []codec.Item {
	t.Helper()
	whole, errWhole := demuxIn(file, len(file))
	if errWhole != nil && !errors.Is(errWhole, codec.ErrFormat) {
		t.Fatal(errWhole)
	}
	for _, n := range append(sizes, 1) {
		items, err := demuxIn(file, n)
		if (err == nil) != (errWhole == nil) || !slices.EqualFunc(items, whole, equalItems) {
			t.Fatalf("at once: %d items, %v; in pieces of %d: %d items, %v", len(whole), errWhole, n, len(items), err)
		}
	}
	return whole
}

// Everything a source may send, and what comes of it when it stops, begins in the middle, or begins again.
func TestAnyPieces(t *testing.T) {
	t.Parallel()
	all := samples(t)
	for name, b := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkPieces(t, b, 2, 7, 1000)
			checkPieces(t, slices.Concat(b, b), 3)
			checkPieces(t, slices.Concat(b[:len(b)/2], b), 5)
			checkPieces(t, slices.Concat(b[len(b)/3:], b), 11)
			for other := range all {
				checkPieces(t, slices.Concat(b, all[other]), 100)
			}
			for at := 1; at < len(b); at += 997 {
				damaged := slices.Clone(b)
				damaged[at] ^= 0x55
				checkPieces(t, damaged)
			}
		})
	}
}

// A metadata block is passed over by its size, whatever is in it and wherever the bytes are cut: here it holds frames.
func TestFLACMetadataInPieces(t *testing.T) {
	t.Parallel()
	b := samples(t)["flac"]
	const head, info = 4, 4 + 34
	at := bytes.Index(b, []byte{0xff, 0xf8})
	audio := b[at:]
	want, err := demuxIn(b, len(b))
	if err != nil || len(hashes(want)) < 3 {
		t.Fatalf("%d frames, %v", len(hashes(want)), err)
	}
	block := func(kind byte, body []byte) []byte {
		return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
	}
	begin := slices.Clone(b[:head+info])
	begin[head] &^= 0x80
	const application, comments, last = 2, 4, 0x80
	for name, meta := range map[string][]byte{
		"frames inside":       block(last|application, audio),
		"frames in two":       slices.Concat(block(application, audio), block(last|application, audio)),
		"empty blocks":        slices.Concat(block(application, nil), block(comments, nil), block(last|application, nil)),
		"empty comments last": block(last|comments, nil),
		"comments last":       block(last|comments, make([]byte, 8)),
	} {
		file := slices.Concat(begin, meta, audio)
		cut := len(begin) + head // right behind the block's own head
		checkHashes(t, name, hashes(checkPieces(t, file, cut, cut-1, cut+1)), hashes(want))
	}
}

// WebM that is lost is given up at the same place, though a cluster comes right behind it.
func TestWebMSearchInPieces(t *testing.T) {
	t.Parallel()
	b := samples(t)["opus.webm"]
	cluster := bytes.Index(b, []byte{0x1f, 0x43, 0xb6, 0x75})
	for _, c := range []struct {
		junk  int
		found bool
	}{{1<<20 - 1, true}, {1 << 20, true}, {1<<20 + 1, true}, {1<<20 + 2, false}, {2 << 20, false}} {
		// No element begins with a zero; the first of them is where the search begins.
		file := slices.Concat(b, make([]byte, c.junk), b[cluster:])
		whole, err := demuxIn(file, len(file))
		pieces, errPieces := demuxIn(file, 1000)
		if !slices.EqualFunc(whole, pieces, equalItems) || (err == nil) != c.found || (errPieces == nil) != c.found {
			t.Errorf("%d bytes of junk: %d items, %v; in pieces: %d, %v", c.junk, len(whole), err, len(pieces), errPieces)
		}
	}
}

// A header packet that is cut short is an error, never more than that.
func TestOggHeaderCut(t *testing.T) {
	t.Parallel()
	for name, b := range samples(t) {
		if !bytes.HasPrefix(b, []byte("OggS")) {
			continue
		}
		packets := oggPackets(b)
		for n := range len(packets[0]) {
			cut := slices.Clone(packets)
			cut[0] = cut[0][:n]
			items, err := demuxIn(repage(cut, 1, func() int { return 255 }), 1)
			if !errors.Is(err, codec.ErrFormat) || len(items) > 0 {
				t.Fatalf("%s: %d of %d bytes: %d items, %v", name, n, len(packets[0]), len(items), err)
			}
		}
	}
}

// A title may change while hardly any audio, or none, has come under the one before: its packets go out all the same.
func TestOggShortLinks(t *testing.T) {
	t.Parallel()
	for _, s := range oggSources(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.make(t)
			packets, items := oggPackets(file), demux(t, file, 1)
			first := items[slices.IndexFunc(items, func(i codec.Item) bool { return i.Kind == codec.ItemFrame })].Frame.Data
			heads := slices.IndexFunc(packets, func(p []byte) bool { return bytes.Equal(p, first) })
			const long = 8 // packets
			packets, want := packets[:heads+long], hashes(items)[:long]
			for n := range 5 {
				short := packets[:heads+n]
				for name, link := range map[string][]byte{
					"pages of one segment": repage(short, 1, func() int { return 1 }),
					"large pages":          repage(short, 1, func() int { return 255 }),
					"the same serial":      repage(short, 2, func() int { return 255 }),
				} {
					second := repage(packets, 2, func() int { return 50 })
					items := checkPieces(t, slices.Concat(link, link, second), 2, 100)
					checkHashes(t, name, hashes(items), slices.Concat(want[:n], want[:n], want))
					received := depacketize(codec.NewDepacketizer(), packetize(t, items))
					checkHashes(t, name+", received", hashes(received), slices.Concat(want[:n], want[:n], want))
				}
			}
		})
	}
}

// buttLink is a whole link as butt 0.1.37 sent it whose title changed at once: one page with two frames of silence, the second
// of 2,519 samples.
const buttLink = "OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00EQ\xeb\r\x00\x00\x00\x000\xbd=i\x013" +
	"\x7fFLAC\x01\x00\x00\x00fLaC\x00\x00\x00\"\x10\x00\x10\x00\x00\x00\x00\x00\x00\x00\n\xc4B\xf0\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"OggS\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00EQ\xeb\r\x01\x00\x00\x00\xee\xd4/:\x01,\x84\x00\x00( \x00\x00\x00" +
	"reference libFLAC 1.4.2 20221022\x00\x00\x00\x00" +
	"OggS\x00\x04\xd7\x19\x00\x00\x00\x00\x00\x00EQ\xeb\r\x02\x00\x00\x00G\x7f8\x8a\x02\x0e\x10" + buttFirst + buttLast

const (
	buttFirst = "\xff\xf8\xc9\x18\x00\xc2\x00\x00\x00\x00\x00\x00\xb8\xee"
	buttLast  = "\xff\xf8y\x18\x01\t\xd6\xfc\x00\x00\x00\x00\x00\x00E\a"
)

func TestButtsShortLink(t *testing.T) {
	t.Parallel()
	const times = 3
	var got []codec.Frame
	for _, i := range checkPieces(t, bytes.Repeat([]byte(buttLink), times), 14) {
		if i.Kind == codec.ItemFrame {
			got = append(got, i.Frame)
		}
	}
	want := slices.Repeat([]codec.Frame{{Data: []byte(buttFirst), Samples: 4096}, {Data: []byte(buttLast), Samples: 2519}}, times)
	if !slices.EqualFunc(got, want, func(a, b codec.Frame) bool { return bytes.Equal(a.Data, b.Data) && a.Samples == b.Samples }) {
		t.Errorf("%d frames: %x, want %x", len(got), got, want)
	}
}
