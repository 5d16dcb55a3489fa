// SPDX-License-Identifier: MIT

package demo_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"testing"

	"streamer/internal/demo"
)

const (
	loopSamples = 2304 * 1152
	channels    = 2
)

// decode returns the samples of an MP3 file as interleaved 16-bit stereo. A complaint of the decoder is an error.
func decode(t *testing.T, mp3 []byte) []int16 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-f", "mp3", "-i", "-", "-f", "s16le", "-")
	cmd.Stdin = bytes.NewReader(mp3)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	raw, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("ffmpeg (package ffmpeg): %v\n%s", err, &complaints)
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm
}

// frames is the file without its tag.
func frames(t *testing.T) []byte {
	t.Helper()
	mp3 := demo.Music()
	if !bytes.HasPrefix(mp3, []byte("ID3\x04")) || !bytes.Contains(mp3[:200], []byte("Low Tide")) {
		t.Fatal("the file has no tag with its title")
	}
	return mp3[10+int(mp3[8])<<7+int(mp3[9]):]
}

func TestMusicIsAMinuteAtAFairLevel(t *testing.T) {
	pcm := decode(t, demo.Music())
	if got := len(pcm) / channels; got != loopSamples {
		t.Errorf("got %d samples, want %d", got, loopSamples)
	}
	var sum, peak float64
	for _, s := range pcm {
		x := math.Abs(float64(s)) / 32768
		sum, peak = sum+x*x, max(peak, x)
	}
	if rms := 10 * math.Log10(sum/float64(len(pcm))); rms < -22 || rms > -12 {
		t.Errorf("mean level is %.1f dBFS, want about -16", rms)
	}
	if peak > 0.9 {
		t.Errorf("peak is %.2f of full scale, want at most 0.9", peak)
	}
	if n := len(demo.Music()); n > 700_000 {
		t.Errorf("%d bytes, want a few hundred thousand", n)
	}
}

// The second turn follows the first as it follows itself: what a listener hears at the seam is the music, not a click.
func TestMusicLoopsWithoutASeam(t *testing.T) {
	f := frames(t)
	pcm := decode(t, bytes.Repeat(f, 3))
	second := pcm[loopSamples*channels:][:loopSamples*channels]
	third := pcm[2*loopSamples*channels:][:loopSamples*channels]
	// What comes before the third turn is exactly what came before the second; the first began from silence.
	for i := range 4 * 1152 * channels {
		if second[i] != third[i] {
			t.Fatalf("turns differ at sample %d: %d and %d", i/channels, second[i], third[i])
		}
	}
	biggest := func(pcm []int16) (d int) {
		for i := channels; i < len(pcm); i++ {
			d = max(d, abs(int(pcm[i])-int(pcm[i-channels])))
		}
		return d
	}
	seam := biggest(pcm[(loopSamples-1152)*channels:][:2*1152*channels])
	if all := biggest(second[1152*channels : (loopSamples-1152)*channels]); seam > all {
		t.Errorf("the biggest step at the seam is %d, elsewhere %d: a click", seam, all)
	}
}

func abs(x int) int { return max(x, -x) }
