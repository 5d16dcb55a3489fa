// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"streamer/internal/codec"
)

// What is not carried is refused in words that name it and say what to send instead.
func TestForeignFormats(t *testing.T) {
	t.Parallel()
	tone := "-f lavfi -i sine=duration=2:sample_rate=48000 "
	video := "-f lavfi -i testsrc=duration=1:size=64x64:rate=10 " + tone
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"wav":          {ffmpeg(t, nil, tone+"-f wav -"), "WAV"},
		"aiff":         {ffmpeg(t, nil, tone+"-f aiff -"), "AIFF"},
		"mp4":          {ffmpeg(t, nil, tone+"-c:a aac -movflags frag_keyframe+empty_moov -f mp4 -"), "MP4"},
		"flv":          {ffmpeg(t, nil, tone+"-c:a aac -ar 44100 -f flv -"), "Flash"},
		"wma":          {ffmpeg(t, nil, tone+"-c:a wmav2 -f asf -"), "Windows Media"},
		"ts":           {ffmpeg(t, nil, tone+"-c:a aac -f mpegts -"), "transport stream"},
		"latm":         {ffmpeg(t, nil, tone+"-c:a aac -f latm -"), "LATM"},
		"speex":        {ffmpeg(t, nil, tone+"-ar 16000 -c:a libspeex -f ogg -"), "Speex"},
		"theora":       {ffmpeg(t, nil, video+"-c:v libtheora -c:a libvorbis -f ogg -"), "video"},
		"webm video":   {ffmpeg(t, nil, video+"-c:v libvpx -c:a libopus -f webm -"), "video"},
		"mka with aac": {ffmpeg(t, nil, tone+"-c:a aac -f matroska -"), "A_AAC"},
		"ac3":          {ffmpeg(t, nil, tone+"-c:a ac3 -f ac3 -"), "no audio found"},
		"playlist":     {[]byte("#EXTM3U\nhttp://example.org/\n"), "playlist"},
		"html":         {[]byte("<html><body>Not here</body></html>"), "web page"},
		"free format":  {run(t, ffmpeg(t, nil, tone+"-f wav -"), "lame", "--quiet", "--freeformat", "-b", "400", "-", "-"), "free-format"},
		"layer I":      {bytes.Repeat(append([]byte{0xff, 0xff, 0xa4, 0x00}, make([]byte, 316)...), 40), "layer I;"},
		"noise":        {noise(200_000), "no audio found"},
		"pcm":          {ffmpeg(t, nil, tone+"-f s16le -"), "no audio found"},
		"huge block":   {run(t, ffmpeg(t, nil, "-f lavfi -i aevalsrc=random(0)|random(1):s=48000:d=3 -c:a pcm_s24le -f wav -"), "flac", "-s", "-c", "--lax", "-b", "65535", "-"), "smaller block size"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := codec.NewDemuxer()
			var err error
			for rest := c.file; len(rest) > 0 && err == nil; {
				n := min(len(rest), 1000)
				err = d.Write(rest[:n])
				rest = rest[n:]
				for _, i := range drain(d) {
					if i.Kind == codec.ItemFrame {
						t.Fatal("a frame was found")
					}
				}
			}
			if err == nil {
				err = d.Flush()
				drain(d)
			}
			if !errors.Is(err, codec.ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %s", err, c.want)
			}
		})
	}
}

func noise(n int) []byte {
	rng := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	rng.Read(b)
	return b
}

// Damage costs the frames it touches, and every frame after it is found again.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		if s.format == codec.FormatWebM {
			continue // a changed length shows only later, and the format has no checksums
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.make(t)
			want := hashes(demux(t, file, 1))
			rng := rand.New(rand.NewPCG(11, 12))
			for range 30 {
				at := len(file)/3 + rng.IntN(len(file)/3)
				var damaged []byte
				switch rng.IntN(3) {
				case 0: // a byte changed
					damaged = slices.Clone(file)
					damaged[at] ^= byte(1 + rng.IntN(255))
				case 1: // bytes missing
					damaged = slices.Concat(file[:at], file[at+1+rng.IntN(len(file)/10):])
				case 2: // noise between
					damaged = slices.Concat(file[:at], noise(1+rng.IntN(3000)), file[at:])
				}
				got := hashes(demux(t, damaged, 1))
				tail := len(want) / 4
				if s.format != codec.FormatOggFLAC { // its pages last longer
					tail = len(want) / 5
				}
				if len(got) < tail || !slices.Equal(got[len(got)-tail:], want[len(want)-tail:]) {
					t.Fatalf("damaged at %d of %d: the last frames are not found", at, len(file))
				}
			}
		})
	}
}

// Random bytes behind every beginning: no panic, bounded memory, linear time.
func TestNoiseBehindEveryHeader(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		file := s.make(t)
		d := codec.NewDemuxer()
		in := slices.Concat(file[:min(len(file), 20_000)], noise(3<<20))
		for len(in) > 0 {
			n := min(len(in), 700)
			if err := d.Write(in[:n]); err != nil {
				if !errors.Is(err, codec.ErrFormat) {
					t.Errorf("%s: %v", s.name, err)
				}
				break
			}
			drain(d)
			in = in[n:]
			if d.Held() > 1<<20 {
				t.Fatalf("%s: the demuxer holds %d bytes", s.name, d.Held())
			}
		}
		if len(in) == 0 {
			t.Errorf("%s: 3 MiB of noise were taken without an error", s.name)
		}
	}
}
