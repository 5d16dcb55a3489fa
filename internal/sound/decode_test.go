// SPDX-License-Identifier: MIT

package sound_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"streamer/internal/codec"
	"streamer/internal/sound"
)

// encodings are files that stations send, and how near ours must come to ffmpeg's samples. FLAC must be exact.
var encodings = []struct {
	name, rate, channels, command string
	least                         float64 // dB
}{
	{"mp3-128", "44100", "2", "lame --quiet -b 128 IN -", 70},
	{"mp3-128-mono", "44100", "1", "lame --quiet -m m -b 128 IN -", 70},
	{"mp3-320", "44100", "2", "lame --quiet -b 320 IN -", 70},
	{"mp3-vbr", "48000", "2", "lame --quiet -V 2 IN -", 70},
	{"mp3-32khz-crc", "32000", "2", "lame --quiet -p -b 96 IN -", 70},
	{"mp3-low", "44100", "2", "lame --quiet -b 64 --resample 44.1 IN -", 70},
	{"vorbis-q0", "44100", "2", "oggenc -Q -q 0 -o - IN", 70},
	{"vorbis-q4", "44100", "2", "oggenc -Q -q 4 -o - IN", 70},
	{"vorbis-q10", "48000", "2", "oggenc -Q -q 10 -o - IN", 70},
	{"vorbis-mono", "22050", "1", "oggenc -Q -q 2 -o - IN", 70},
	{"vorbis-8khz", "8000", "1", "oggenc -Q -q 2 -o - IN", 70},
	{"vorbis-ffmpeg", "44100", "2", "ffmpeg -v error -i IN -c:a vorbis -strict -2 -f ogg -", 70},
	{"opus-24", "48000", "2", "opusenc --quiet --bitrate 24 IN -", 70},
	{"opus-96", "48000", "2", "opusenc --quiet --bitrate 96 IN -", 70},
	{"opus-160-mono", "48000", "1", "opusenc --quiet --bitrate 160 IN -", 70},
	{"opus-60ms", "48000", "2", "opusenc --quiet --bitrate 64 --framesize 60 IN -", 70},
	{"opus-speech", "48000", "1", "opusenc --quiet --bitrate 16 --speech IN -", 40},
	{"flac", "44100", "2", "flac -s -8 -c IN", 200},
	{"flac-0", "44100", "2", "flac -s -0 -c IN", 200},
	{"flac-mono", "48000", "1", "flac -s -c IN", 200},
	{"flac-24khz", "24000", "2", "flac -s -c IN", 200},
	{"flac-24bit", "96000", "2", "ffmpeg -v error -i IN -sample_fmt s32 -c:a flac -f flac -", 120},
	{"flac-ogg", "44100", "2", "flac -s --ogg -c IN", 200},
	{"webm-opus", "48000", "2", "ffmpeg -v error -i IN -c:a libopus -b:a 96k -f webm -", 70},
}

func encoded(t testing.TB, rate, channels, command string) []byte {
	t.Helper()
	return run(t, nil, strings.ReplaceAll(command, "IN", wave(t, rate, channels)))
}

func TestDecodersAgreeWithFFmpeg(t *testing.T) {
	for _, c := range encodings {
		t.Run(c.name, func(t *testing.T) {
			file := encoded(t, c.rate, c.channels, c.command)
			s := demux(t, file)
			got, bad := decode(t, s.header, s.frames)
			if bad > 0 {
				t.Errorf("%d of %d frames failed", bad, len(s.frames))
			}
			want := reference(t, file, s.header.Codec())
			rate := s.header.SampleRate
			v := snr(want, got, s.header.Channels, rate, 8*rate)
			t.Logf("%.1f dB", v)
			if v < c.least {
				t.Errorf("%.1f dB, want %.0f", v, c.least)
			}
		})
	}
}

// Whoever joins in the middle, or lost frames, hears the rest as others do.
func TestJoinAndGap(t *testing.T) {
	for _, name := range []string{"mp3-128", "mp3-320", "mp3-vbr", "vorbis-q4", "opus-96", "flac"} {
		i := slices.IndexFunc(encodings, func(e struct {
			name, rate, channels, command string
			least                         float64
		}) bool {
			return e.name == name
		})
		c := encodings[i]
		t.Run(name, func(t *testing.T) {
			s := demux(t, encoded(t, c.rate, c.channels, c.command))
			whole, _ := decode(t, s.header, s.frames)
			d, err := sound.NewDecoder(s.header)
			if err != nil {
				t.Fatal(err)
			}
			var got []float32
			third := len(s.frames) / 3
			for n, f := range s.frames[third:] {
				if n == third { // three frames never came
					got = append(got, d.Gap()...)
				}
				if n >= third && n < third+3 {
					continue
				}
				samples, err := d.Decode(f)
				if err != nil {
					t.Errorf("frame %d: %v", n, err)
				}
				got = append(got, samples...)
			}
			at := func(frame int) (sample int) {
				for _, f := range s.frames[:frame] {
					sample += f.Samples
				}
				return sample
			}
			rate, channels := s.header.SampleRate, s.header.Channels
			for _, place := range []int{third, 2*third + 3} {
				from := at(place) + rate/2 // Opus takes that long to converge
				shift := -at(third)
				if place > third {
					shift += int(0.02*float64(rate)) - (at(2*third+3) - at(2*third))
				}
				v := snr(shifted(whole, channels, shift), got, channels, from+shift, rate)
				if v < 25 {
					t.Errorf("after frame %d: %.1f dB from what others hear", place, v)
				}
			}
		})
	}
}

// shifted moves samples by n of each channel.
func shifted(samples []float32, channels, n int) []float32 { return samples[-n*channels:] }

// What the internal player does not play well it refuses, and says what it is.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, rate, channels, command, says string }{
		{"aac", "44100", "2", "ffmpeg -v error -i IN -c:a aac -f adts -", "AAC"},
		{"mp2", "44100", "2", "ffmpeg -v error -i IN -c:a mp2 -f mp2 -", "mp2"},
		{"mpeg-2", "22050", "2", "lame --quiet -b 64 IN -", "22050"},
		{"5.1", "48000", "6", "oggenc -Q -o - IN", "6 channels"},
	} {
		s := demux(t, encoded(t, c.rate, c.channels, c.command))
		_, err := sound.NewDecoder(s.header)
		if !errors.Is(err, sound.ErrUnsupported) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.says)
		}
	}
}

// Damage costs the frames it is in and little more.
func TestDamage(t *testing.T) {
	for _, name := range []string{"mp3-128", "vorbis-q4", "opus-96", "flac"} {
		for _, c := range encodings {
			if c.name != name {
				continue
			}
			s := demux(t, encoded(t, c.rate, c.channels, c.command))
			whole, _ := decode(t, s.header, s.frames)
			r := rand.New(rand.NewPCG(1, 2))
			damaged := slices.Clone(s.frames)
			for i := range damaged {
				if i%20 == 10 && i < len(damaged)/2 {
					damaged[i].Data = slices.Clone(damaged[i].Data)
					for range 10 {
						damaged[i].Data[4+r.IntN(len(damaged[i].Data)-4)] ^= byte(1 + r.IntN(255))
					}
				}
			}
			got, _ := decode(t, s.header, damaged)
			if len(got) < len(whole)*98/100 {
				t.Errorf("%s: %d samples of %d", name, len(got), len(whole))
			}
			from := 6 * s.header.SampleRate
			if v := snr(whole, got, s.header.Channels, from, 3*s.header.SampleRate); v < 40 {
				t.Errorf("%s: %.1f dB after the last damage", name, v)
			}
		}
	}
}

func TestGapBeforeAnything(t *testing.T) {
	file, err := os.ReadFile(music)
	if err != nil {
		t.Fatal(err)
	}
	s := demux(t, file[:100000])
	d, err := sound.NewDecoder(s.header)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range d.Gap() {
		if v != 0 {
			t.Fatal("sound out of nothing")
		}
	}
	if got, err := d.Decode(codec.Frame{Samples: 1152}); err == nil || len(got) != 1152*s.header.Channels {
		t.Errorf("an empty frame: %d samples, %v", len(got), err)
	}
}

// MP3 frames need bytes of those before them. Whoever joins hears silence until they are there, and then no noise.
func TestMP3JoinsWithoutNoise(t *testing.T) {
	s := demux(t, encoded(t, "44100", "2", "lame --quiet -b 128 IN -"))
	whole, _ := decode(t, s.header, s.frames)
	const frame = 1152 * 2
	for join := 50; join < 150; join += 7 {
		got, bad := decode(t, s.header, s.frames[join:join+20])
		first := slices.IndexFunc(got, func(v float32) bool { return v != 0 })
		if bad > 0 || first < 0 || first > 4*frame {
			t.Fatalf("joined at %d: %d bad frames, first sound at sample %d", join, bad, first/2)
		}
		// The first frame lacks what overlaps from the one before; from its end on all is right.
		from := (first/frame + 1) * frame
		if v := snrAt(whole, got, join*frame+from, -join*frame, 1000); v < 60 {
			t.Errorf("joined at %d: %.1f dB after the first frame", join, v)
		}
	}
}
