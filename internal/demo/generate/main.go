// SPDX-License-Identifier: MIT

// Command generate composes, synthesizes and encodes the music that `streamer demo` plays: a minute that loops without a
// seam. Everything in it is made here from sums of sines, plucked delay lines and noise with a fixed seed, so it belongs to
// nobody else. It needs ffmpeg with libmp3lame to encode; it owns nothing once it has written its file.
//
//	go run ./internal/demo/generate [-wav] FILE
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
)

const (
	sampleRate = 44100
	// A loop is a whole number of MP3 frames, so that the frames themselves loop.
	frameSamples = 1152
	loopFrames   = 2304
	loopSamples  = loopFrames * frameSamples // 60.2 s: 16 bars at 63.8 beats a minute
	bitrateKBPS  = 80
)

func main() {
	wav := flag.Bool("wav", false, "write the loop as WAV")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: generate [-wav] FILE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *wav); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(path string, wav bool) error {
	loop := pcm(perform())
	if wav {
		return os.WriteFile(path, append(wavHeader(len(loop)), loop...), 0o644)
	}
	frames, err := encode(loop)
	if err != nil {
		return err
	}
	tag := id3(map[string]string{"TIT2": "Low Tide", "TPE1": "The Streamer demo", "TALB": "On the air"})
	return os.WriteFile(path, append(tag, frames...), 0o644)
}

// encode encodes three turns of the loop and keeps the frames of the second. It begins where the first ended, which is
// what its own end is followed by, and without a bit reservoir no frame needs another one's bits: the frames loop.
func encode(loop []byte) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), "ffmpeg", "-v", "error", "-f", "wav", "-i", "-", "-c:a", "libmp3lame",
		"-b:a", fmt.Sprintf("%dk", bitrateKBPS), "-reservoir", "0", "-joint_stereo", "1", "-compression_level", "0",
		"-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "-")
	turns := bytes.Repeat(loop, 3)
	cmd.Stdin = bytes.NewReader(append(wavHeader(len(turns)), turns...))
	cmd.Stderr = os.Stderr
	mp3, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w", err)
	}
	from, err := skipFrames(mp3, 0, loopFrames)
	if err != nil {
		return nil, err
	}
	to, err := skipFrames(mp3, from, loopFrames)
	return mp3[from:to], err
}

// skipFrames returns the offset behind n frames of MPEG-1 layer III at the constant rate we encode at.
func skipFrames(mp3 []byte, at, n int) (int, error) {
	for range n {
		if at+4 > len(mp3) || mp3[at] != 0xff || mp3[at+1]&0xfe != 0xfa {
			return 0, fmt.Errorf("no MPEG-1 layer III frame at byte %d of %d", at, len(mp3))
		}
		padding := int(mp3[at+2] >> 1 & 1)
		at += 144*bitrateKBPS*1000/sampleRate + padding
	}
	return at, nil
}

// id3 makes an ID3v2.4 tag of text frames.
func id3(texts map[string]string) []byte {
	var frames []byte
	for _, id := range []string{"TIT2", "TPE1", "TALB"} {
		body := append([]byte{3}, texts[id]...) // UTF-8
		frames = append(frames, id...)
		frames = append(frames, 0, 0, byte(len(body)>>7), byte(len(body)&0x7f), 0, 0)
		frames = append(frames, body...)
	}
	tag := []byte{'I', 'D', '3', 4, 0, 0, 0, 0, byte(len(frames) >> 7), byte(len(frames) & 0x7f)}
	return append(tag, frames...)
}

// pcm gives 16-bit little-endian stereo.
func pcm(s stereo) []byte {
	b := make([]byte, 0, 4*len(s.l))
	for i := range s.l {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(s.l[i]*32767)))
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(s.r[i]*32767)))
	}
	return b
}

// wavHeader is the head of a WAV file of n bytes of samples.
func wavHeader(n int) []byte {
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+n))...)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint32(b, sampleRate)
	b = binary.LittleEndian.AppendUint32(b, sampleRate*4)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}
