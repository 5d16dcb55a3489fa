// SPDX-License-Identifier: MIT

package playback_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/codec"
	"streamer/internal/playback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A recipe makes real audio of one format with ffmpeg.
type recipe struct {
	name    string
	encode  string // ffmpeg's output options
	mime    string
	demuxer string // ffmpeg's name for what players get
}

func recipes() []recipe {
	return []recipe{
		{"mp3", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0 -f mp3", "audio/mpeg", "mp3"},
		{"mp2", "-c:a mp2 -b:a 192k -f mp2", "audio/mpeg", "mp3"},
		{"aac", "-c:a aac -b:a 96k -f adts", "audio/aac", "aac"},
		{"vorbis", "-c:a libvorbis -b:a 112k -f ogg", "audio/ogg", "ogg"},
		{"opus", "-c:a libopus -b:a 96k -f ogg", "audio/ogg", "ogg"},
		{"oggflac", "-c:a flac -f ogg", "audio/ogg", "ogg"},
		{"flac", "-c:a flac -f flac", "audio/flac", "flac"},
		{"webm", "-c:a libopus -b:a 96k -cluster_time_limit 500 -f webm", "audio/webm", "matroska,webm"},
	}
}

func recipeOf(tb testing.TB, name string) recipe {
	tb.Helper()
	for _, r := range recipes() {
		if r.name == name {
			return r
		}
	}
	tb.Fatalf("no recipe %q", name)
	return recipe{}
}

// A show is some real audio: the file that ffmpeg made, and the chunks that a broadcaster's node makes of it.
type show struct {
	file   []byte
	hashes []string // of its frames
	chunks []codec.Chunk
}

// shows are made once for all tests, by what makes them.
var shows sync.Map

// newShow makes seconds of audio.
func newShow(tb testing.TB, r recipe, seconds, rate int) show {
	tb.Helper()
	key := fmt.Sprint(r.name, seconds, rate)
	if s, ok := shows.Load(key); ok {
		return s.(show)
	}
	source := fmt.Sprintf("-f lavfi -i anoisesrc=c=pink:a=0.3:r=%d:d=%d:s=1 -ac 2 ", rate, seconds)
	s := show{file: ffmpeg(tb, nil, source+r.encode+" -")}
	s.hashes, s.chunks = frameHashes(tb, s.file, r.demuxer), chunksOf(tb, s.file)
	shows.Store(key, s)
	return s
}

// chunksOf is what a broadcaster's node does with what its source sends.
func chunksOf(tb testing.TB, file []byte) []codec.Chunk {
	tb.Helper()
	var chunks []codec.Chunk
	d, p := codec.NewDemuxer(), codec.NewPacketizer()
	take := func() {
		for {
			it, ok := d.Next()
			if !ok {
				break
			}
			switch it.Kind {
			case codec.ItemHeader:
				if len(chunks) == 0 {
					if err := p.Begin(it.Header); err != nil {
						tb.Fatal(err)
					}
				}
			case codec.ItemFrame:
				p.Frame(it.Frame)
			case codec.ItemEvent, codec.ItemGap:
			}
			for c, ok := p.Next(); ok; c, ok = p.Next() {
				chunks = append(chunks, c)
			}
		}
	}
	for part := range slicesOf(file, 4096) {
		if err := d.Write(part); err != nil {
			tb.Fatal(err)
		}
		take()
	}
	if err := d.Flush(); err != nil {
		tb.Fatal(err)
	}
	take()
	p.Flush()
	for c, ok := p.Next(); ok; c, ok = p.Next() {
		chunks = append(chunks, c)
	}
	return chunks
}

func slicesOf(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 && yield(b[:min(n, len(b))]) {
			b = b[min(n, len(b)):]
		}
	}
}

// split cuts a show's chunks at a media time.
func (s show) split(at time.Duration) (before, after []codec.Chunk) {
	for i, c := range s.chunks {
		if c.Start >= at {
			return s.chunks[:i], s.chunks[i:]
		}
	}
	return s.chunks, nil
}

func feed(c *playback.Channel, chunks []codec.Chunk) {
	for _, chunk := range chunks {
		c.Chunk(chunk)
	}
}

// event makes an event chunk.
func event(e codec.Event) codec.Chunk {
	return codec.Chunk{Kind: codec.ChunkEvent, Data: codec.AppendEvent(nil, e)}
}

// run gives in to a program and returns what it writes to standard output. A missing program fails the test.
func run(tb testing.TB, in []byte, program string, args ...string) []byte {
	tb.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		tb.Fatalf("%s is not installed: apt-get install %s", program, program)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(tb.Context(), path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		tb.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

func ffmpeg(tb testing.TB, in []byte, args string) []byte {
	tb.Helper()
	return run(tb, in, "ffmpeg", append(strings.Fields("-hide_banner -loglevel error -nostdin"), strings.Fields(args)...)...)
}

// frameHashes returns size and hash of every packet that ffmpeg finds in a file.
func frameHashes(tb testing.TB, file []byte, demuxer string) []string {
	tb.Helper()
	var hashes []string
	out := ffmpeg(tb, file, "-f "+demuxer+" -i - -map 0:a -c copy -f framehash -hash md5 -")
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), ","); !strings.HasPrefix(line, "#") && len(f) >= 6 {
			hashes = append(hashes, strings.TrimSpace(f[4])+" "+strings.TrimSpace(f[5]))
		}
	}
	if len(hashes) == 0 {
		tb.Fatalf("ffmpeg finds no packets in %d bytes of %s", len(file), demuxer)
	}
	return hashes
}

// seconds returns how much audio ffmpeg decodes from a file, and fails when it complains.
func seconds(tb testing.TB, file []byte, demuxer string) float64 {
	tb.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(tb.Context(), "ffmpeg", strings.Fields("-hide_banner -loglevel warning -nostdin -f "+demuxer+
		" -i - -f s16le -ac 2 -ar 48000 -")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(file), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		tb.Errorf("ffmpeg does not decode the %s cleanly: %v\n%.600s", demuxer, err, stderr.String())
	}
	return float64(stdout.Len()) / (48000 * 4)
}
