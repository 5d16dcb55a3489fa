// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"slices"
	"testing"

	"streamer/internal/codec"
)

// Noise that FLAC stores as it is, with the header of a real frame in it again and again: only the checksum over a whole
// frame tells where it ends.
func TestFLACFrameHeadersInside(t *testing.T) {
	t.Parallel()
	encode := func(pcm []byte) []byte {
		return run(t, pcm, "flac", "-s", "-c", "--no-padding", "--endian=big", "--sign=signed", "--channels=1", "--bps=16", "--sample-rate=44100", "-")
	}
	pcm := noise(200_000)
	plain := encode(pcm)
	at := bytes.Index(plain, []byte{0xff, 0xf8})
	head := slices.Clone(plain[at : at+6]) // up to the checksum of the frame header
	for i := 1000; i+len(head) < len(pcm); i += 2000 {
		copy(pcm[i:], head)
	}
	file := encode(pcm)
	if n := bytes.Count(file, head); n < 90 {
		t.Fatalf("the header is in the file %d times", n)
	}
	// ffmpeg itself is misled here: the frames must be as many as blocks of 4096 samples, and make up the file.
	var frames [][]byte
	for _, i := range demux(t, file, 1) {
		if i.Kind == codec.ItemFrame {
			frames = append(frames, i.Frame.Data)
		}
	}
	if want := (len(pcm)/2 + 4095) / 4096; len(frames) != want || !bytes.HasSuffix(file, slices.Concat(frames...)) {
		t.Errorf("%d frames, want %d", len(frames), want)
	}
}
