// SPDX-License-Identifier: MIT

package codec_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"streamer/internal/codec"
)

// encodeFile lets a program write a file, which it can then go back in: that is how Xing frames, seek tables and known
// sizes come about. IN and OUT stand for the file names in args.
func encodeFile(t *testing.T, program, args, suffix string) []byte {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in.wav"), filepath.Join(t.TempDir(), "out"+suffix)
	ffmpeg(t, nil, music(seconds, "44100", "2")+" -c:a pcm_s16le -f wav "+in)
	fields := strings.Fields(args)
	for i, f := range fields {
		fields[i] = strings.NewReplacer("IN", in, "OUT", out).Replace(f)
	}
	run(t, nil, program, fields...)
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Files as their encoders write them: the frames are the file's, and the tags' frame is not among them.
func TestFilesOfOtherEncoders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, program, args, demuxer string
		bitrateMin, bitrateMax       int
	}{
		{"lame CBR", "lame", "--quiet -b 128 IN OUT", "mp3", 126_000, 130_000},
		{"lame VBR", "lame", "--quiet -V 2 --tt Title --ta Artist IN OUT", "mp3", 100_000, 250_000},
		{"lame VBR mono", "lame", "--quiet -V 4 -m m IN OUT", "mp3", 32_000, 120_000},
		{"lame MPEG-2", "lame", "--quiet -V 4 --resample 22.05 IN OUT", "mp3", 32_000, 120_000},
		{"lame with CRC", "lame", "--quiet -p -b 192 IN OUT", "mp3", 189_000, 194_000},
		{"flac", "flac", "-s -8 --padding=20000 --seekpoint=10x -T TITLE=Title -T ARTIST=Artist -o OUT IN", "flac", 0, 0},
		{"flac, short blocks", "flac", "-s -0 -b 192 --lax -o OUT IN", "flac", 0, 0},
		{"flac --ogg", "flac", "-s --ogg -T TITLE=Title -T ARTIST=Artist -o OUT IN", "ogg", 0, 0},
		{"oggenc", "oggenc", "-Q -q 6 -t Title -a Artist -o OUT IN", "ogg", 100_000, 300_000},
		{"opusenc", "opusenc", "--quiet --title Title --artist Artist --framesize 2.5 IN OUT", "ogg", 0, 0},
		{"opusenc, 60 ms", "opusenc", "--quiet --bitrate 24 --framesize 60 IN OUT", "ogg", 0, 0},
		{"webm with cues", "ffmpeg", "-loglevel error -i IN -c:a libopus -f webm OUT", "matroska", 0, 0},
		{"mka", "ffmpeg", "-loglevel error -i IN -c:a libvorbis -f matroska OUT", "matroska", 50_000, 300_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := encodeFile(t, c.program, c.args, "."+c.demuxer)
			items := demux(t, file, 1)
			want := packetHashes(t, file, c.demuxer)
			checkHashes(t, "demuxed", hashes(items), want)
			if bps := items[0].Header.BitrateBPS; bps < c.bitrateMin || bps > c.bitrateMax {
				t.Errorf("header says %d bit/s", bps)
			}
			if strings.Contains(c.args, "Artist") && (items[1].Event != codec.Event{Title: "Title", Artist: "Artist"}) {
				t.Errorf("event %+v", items[1])
			}
			var samples int
			for _, i := range items {
				samples += i.Frame.Samples
			}
			if s, _ := strconv.Atoi(seconds); samples < (s-1)*items[0].Header.SampleRate || samples > (s+1)*items[0].Header.SampleRate {
				t.Errorf("%d samples at %d Hz", samples, items[0].Header.SampleRate)
			}
			played := mux(t, depacketize(codec.NewDepacketizer(), packetize(t, items)), codec.Event{})
			checkHashes(t, "played", packetHashes(t, played, c.demuxer), want)
			decodesCleanly(t, played, c.demuxer)
		})
	}
}
