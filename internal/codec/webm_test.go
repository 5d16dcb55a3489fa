// SPDX-License-Identifier: MIT

package codec_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"streamer/internal/codec"
)

// element makes an EBML element with a size of eight bytes.
func element(id uint32, value ...[]byte) []byte {
	body := slices.Concat(value...)
	return append(binary.BigEndian.AppendUint64(trimID(id), 1<<56|uint64(len(body))), body...)
}

// live makes one of unknown size.
func live(id uint32, value ...[]byte) []byte {
	return append(append(trimID(id), 0xff), slices.Concat(value...)...)
}

func trimID(id uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	for b[0] == 0 {
		b = b[1:]
	}
	return b
}

// webmBlock makes the value of a SimpleBlock or Block with frames laced: 0 none, 1 Xiph, 2 fixed, 3 EBML.
func webmBlock(track byte, lacing int, frames ...[]byte) []byte {
	b := []byte{0x80 | track, 0, 0, byte(lacing << 1)}
	if lacing > 0 {
		b = append(b, byte(len(frames)-1))
	}
	for i, f := range frames[:len(frames)-1] {
		switch {
		case lacing == 1:
			for n := len(f); ; n -= 255 {
				b = append(b, byte(min(n, 255)))
				if n < 255 {
					break
				}
			}
		case lacing == 3 && i == 0:
			b = append(b, 0x40|byte(len(f)>>8), byte(len(f)))
		case lacing == 3:
			difference := len(f) - len(frames[i-1]) + 1<<13 - 1
			b = append(b, 0x40|byte(difference>>8), byte(difference))
		}
	}
	return append(b, slices.Concat(frames...)...)
}

// Everything that Matroska allows and ffmpeg does not write: sizes unknown at every level, lacing, block groups, elements
// in odd places, several audio tracks, a second file behind the first.
func TestWebMLayouts(t *testing.T) {
	t.Parallel()
	items := demux(t, sourceNamed(t, "opus-20").make(t), 1)
	head := items[0].Header.Packets[0]
	var frames [][]byte
	for _, i := range items {
		if i.Kind == codec.ItemFrame {
			frames = append(frames, i.Frame.Data)
		}
	}
	track := func(number, kind byte, id string) []byte {
		return live(0xae, element(0xd7, []byte{number}), element(0x83, []byte{kind}), element(0x86, []byte(id)), element(0x63a2, head),
			live(0xe1, element(0x9f, []byte{2})))
	}
	file := slices.Concat(
		element(0x1a45dfa3, element(0x4282, []byte("matroska\x00\x00"))),
		live(0x18538067),
		element(0xec, make([]byte, 3000)), // Void
		element(0x114d9b74, noise(100)),   // SeekHead
		live(0x1549a966, element(0x7ba9, []byte("From info"))),
		live(0x1654ae6b, track(1, 17, "S_TEXT/UTF8"), track(2, 2, "A_OPUS"), track(3, 2, "A_AAC")),
		live(0x1254c367, live(0x7373, live(0x67c8, element(0x45a3, []byte("artist")), element(0x4487, []byte("From tags"))))),
	)
	rng := rand.New(rand.NewPCG(13, 14))
	for rest, n := frames, 0; len(rest) > 0; n++ {
		count := min(len(rest), 1+rng.IntN(6))
		lacing := []int{1, 3}[rng.IntN(2)]
		if count == 1 {
			lacing = 0
		}
		block := webmBlock(2, lacing, rest[:count]...)
		if rng.IntN(2) == 0 {
			block = live(0xa0, element(0x9b, []byte{1}), element(0xa1, block))
		} else {
			block = element(0xa3, block)
		}
		other := element(0xa3, webmBlock(3, 0, []byte("another track")))
		file = append(file, live(0x1f43b675, element(0xe7, []byte{byte(n)}), other, block)...)
		rest = rest[count:]
	}
	got := demux(t, slices.Concat(file, file), 7)
	want := hashes(items)
	checkHashes(t, "frames", hashes(got), slices.Concat(want, want))
	if e := (codec.Event{Title: "From info", Artist: "From tags"}); got[1].Event != e {
		t.Errorf("event %+v, want %+v", got[1].Event, e)
	}
	fixed := append([]byte{}, file[:slices.Index(file, 0x1f)]...)
	fixed = append(fixed, live(0x1f43b675, element(0xa3, webmBlock(2, 2, frames[0][:100], frames[1][:100], frames[2][:100])))...)
	if got := hashes(demux(t, fixed, 8)); len(got) != 3 || got[1].size != "100" {
		t.Errorf("fixed lacing gave %v", got)
	}
}
