// SPDX-License-Identifier: MIT

package tools_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"streamer/lab/tools"
)

// The packets that are found in a single link are those that ffmpeg finds, and a chain has those of its links.
func TestOggFrames(t *testing.T) {
	t.Parallel()
	for _, format := range []tools.Format{tools.Vorbis, tools.Opus, tools.OggFLAC} {
		t.Run(format.Extension(), func(t *testing.T) {
			t.Parallel()
			long, all := sample(t, format, time.Second)
			short, few := sample(t, format, 50*time.Millisecond)
			heads := headPages(short)
			for name, c := range map[string]struct {
				file []byte
				want []string
			}{
				"one link":                     {long, all},
				"a short link before":          {slices.Concat(short, long), slices.Concat(few, all)},
				"a short link behind":          {slices.Concat(long, short), slices.Concat(all, few)},
				"a link without audio before":  {slices.Concat(heads, long), all},
				"a link without audio between": {slices.Concat(short, heads, long), slices.Concat(few, all)},
			} {
				got, err := tools.Frames(t.Context(), write(t, c.file))
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("%s: %d packets, %v; want %d", name, len(got), err, len(c.want))
				}
			}
			cut := slices.Concat(short, long[:len(long)-100]) // in the middle of the last page
			want := slices.Concat(few, all)
			got, err := tools.Frames(t.Context(), write(t, cut))
			if n := len(got); err != nil || n < len(few) || n >= len(want) || !slices.Equal(got, want[:n]) {
				t.Errorf("cut off: %d packets, %v; want less than %d", n, err, len(want))
			}
		})
	}
	for name, file := range map[string][]byte{"nothing": nil, "no page": []byte("OggSomething else, and more of it")} {
		if got, err := tools.Frames(t.Context(), write(t, file)); err == nil {
			t.Errorf("%s: %d packets", name, len(got))
		}
	}
}

// sample makes a file, and the packets in it as ffmpeg finds them.
func sample(t *testing.T, format tools.Format, length time.Duration) (data []byte, frames []string) {
	t.Helper()
	file, err := tools.Sample(t.Context(), t.TempDir(), format, length)
	if err == nil {
		frames, err = tools.FFmpegFrames(t.Context(), file)
	}
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil || len(frames) == 0 {
		t.Fatalf("%d packets, %v", len(frames), err)
	}
	return data, frames
}

// headPages returns the pages before the first that has audio: time goes on there.
func headPages(file []byte) []byte {
	at := 0
	for binary.LittleEndian.Uint64(file[at+6:]) == 0 {
		at += bytes.Index(file[at+4:], []byte("OggS")) + 4
	}
	return file[:at]
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.ogg")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
