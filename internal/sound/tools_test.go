// SPDX-License-Identifier: MIT

package sound_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"streamer/internal/codec"
	"streamer/internal/sound"
)

// music is what all files are made of.
const music = "../demo/low-tide.mp3"

// run runs a program and returns what it wrote.
func run(t testing.TB, in []byte, line string) []byte {
	t.Helper()
	words := strings.Fields(line)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v %s (tools/deps.sh names the packages)", line, err, said.String())
	}
	return out
}

// wave cuts ten seconds of the music, as a WAV file.
func wave(t testing.TB, rate, channels string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "music.wav")
	run(t, nil, "ffmpeg -v error -nostdin -ss 20 -t 10 -i "+music+" -ar "+rate+" -ac "+channels+" "+path)
	return path
}

// A stream is a file as codec has it.
type stream struct {
	header codec.Header
	frames []codec.Frame
}

func demux(t testing.TB, file []byte) stream {
	t.Helper()
	var s stream
	d := codec.NewDemuxer()
	take := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
		for it, ok := d.Next(); ok; it, ok = d.Next() {
			switch it.Kind {
			case codec.ItemHeader:
				s.header = it.Header
			case codec.ItemFrame:
				s.frames = append(s.frames, it.Frame)
			case codec.ItemEvent, codec.ItemGap:
			}
		}
	}
	take(d.Write(file))
	take(d.Flush())
	if len(s.frames) == 0 {
		t.Fatal("no frames")
	}
	return s
}

// decode decodes frames, and returns the samples and how many frames failed.
func decode(t testing.TB, h codec.Header, frames []codec.Frame) (samples []float32, bad int) {
	t.Helper()
	d, err := sound.NewDecoder(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		got, err := d.Decode(f)
		if err != nil {
			bad++
		}
		if len(got) < f.Samples*d.Channels() {
			t.Fatalf("%d samples of a frame that lasts %d", len(got)/d.Channels(), f.Samples)
		}
		samples = append(samples, got...)
	}
	return samples, bad
}

// reference decodes a file with ffmpeg, and the codec's own library where there is one.
func reference(t testing.TB, file []byte, codec string) []float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	library := map[string]string{"opus": "-c:a libopus ", "vorbis": "-c:a libvorbis "}[codec]
	raw := run(t, nil, "ffmpeg -v error -nostdin "+library+"-i "+path+" -f f32le -c:a pcm_f32le -")
	samples := make([]float32, len(raw)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return samples
}

// snr returns how far got is from want, in dB, from want's sample from on, for n samples; both are interleaved. got may be later
// than want, or earlier, by up to 3,000 samples of each channel: encoders and decoders differ in what they cut off at the start.
func snr(want, got []float32, channels, from, n int) float64 {
	best, place := math.Inf(-1), 0
	for shift := -3000; shift <= 3000; shift++ {
		if v := snrAt(want, got, from*channels, shift*channels, min(n, 400)*channels); v > best {
			best, place = v, shift
		}
	}
	return snrAt(want, got, from*channels, place*channels, n*channels)
}

func snrAt(want, got []float32, from, shift, n int) float64 {
	if from+shift < 0 || from+shift+n > len(got) || from+n > len(want) {
		return math.Inf(-1)
	}
	signal, noise := 0.0, 1e-30
	for i := from; i < from+n; i++ {
		w, g := float64(want[i]), float64(got[i+shift])
		signal += w * w
		noise += (w - g) * (w - g)
	}
	return 10 * math.Log10(signal/noise)
}
