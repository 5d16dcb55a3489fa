// SPDX-License-Identifier: MIT

package sound_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/sound"
)

// samples are short files of each codec.
var samples = map[string]string{
	"mp3": "mp3", "vorbis": "vorbis.ogg", "opus": "opus.ogg", "flac": "flac",
}

// seed adds the frames of a sample, cut at marks.
func seed(f *testing.F, name string) stream {
	f.Helper()
	file, err := os.ReadFile("../codec/testdata/samples/" + samples[name])
	if err != nil {
		f.Fatal(err)
	}
	return demux(f, file)
}

// hostile decodes frames that are cut out of b: a length of two bytes before each.
func hostile(t *testing.T, h codec.Header, b []byte) {
	t.Helper()
	d, err := sound.NewDecoder(h)
	if err != nil {
		if !errors.Is(err, sound.ErrUnsupported) {
			t.Fatalf("an error of the wrong kind: %v", err)
		}
		return
	}
	began := time.Now()
	for len(b) > 2 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		frame := codec.Frame{Data: b[2 : 2+n : 2+n], Samples: n % 3000}
		before := bytes.Clone(frame.Data)
		got, _ := d.Decode(frame)
		if len(got) < frame.Samples*d.Channels() || len(got)%d.Channels() != 0 {
			t.Fatalf("%d samples of a frame that lasts %d", len(got), frame.Samples)
		}
		for _, v := range got {
			if math.IsNaN(float64(v)) || v > 1 || v < -1 {
				t.Fatalf("a sample of %v", v)
			}
		}
		if !bytes.Equal(before, frame.Data) {
			t.Fatal("the frame was altered: others play it too")
		}
		b = b[2+n:]
		if n%16 == 0 {
			d.Gap()
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Fatalf("took %v", took)
	}
}

func frames(list []codec.Frame) []byte {
	var b []byte
	for _, f := range list[:min(len(list), 8)] {
		b = binary.BigEndian.AppendUint16(b, uint16(len(f.Data)))
		b = append(b, f.Data...)
	}
	return b
}

func fuzzFrames(f *testing.F, name string) {
	s := seed(f, name)
	f.Add(frames(s.frames))
	f.Add(frames(s.frames[len(s.frames)/2:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		hostile(t, s.header, b)
	})
}

func FuzzMP3(f *testing.F)    { fuzzFrames(f, "mp3") }
func FuzzVorbis(f *testing.F) { fuzzFrames(f, "vorbis") }
func FuzzOpus(f *testing.F)   { fuzzFrames(f, "opus") }
func FuzzFLAC(f *testing.F)   { fuzzFrames(f, "flac") }

// Headers come from strangers as well: codec lets through what it can tell the time of.
func FuzzHeader(f *testing.F) {
	for name := range samples {
		s := seed(f, name)
		f.Add(codec.AppendHeader(nil, s.header), frames(s.frames))
	}
	f.Fuzz(func(t *testing.T, header, b []byte) {
		h, err := codec.ParseHeader(header)
		if err != nil || len(b) > 1<<14 {
			return
		}
		hostile(t, h, b)
	})
}
