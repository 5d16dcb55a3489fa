// SPDX-License-Identifier: MIT

package codec_test

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// packages names the Debian package of each program that tests run.
func packageOf(program string) string {
	switch program {
	case "oggenc":
		return "vorbis-tools"
	case "opusenc":
		return "opus-tools"
	case "gst-launch-1.0":
		return "gstreamer1.0-tools gstreamer1.0-plugins-good"
	}
	return program
}

// run gives in to a program and returns what it writes to standard output. A missing program fails the test.
func run(t testing.TB, in []byte, program string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", program, packageOf(program))
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

// ffmpeg runs ffmpeg on in, which the arguments may read as "-i -", and returns what it writes to standard output.
func ffmpeg(t testing.TB, in []byte, args string) []byte {
	t.Helper()
	return run(t, in, "ffmpeg", append(strings.Fields("-hide_banner -loglevel error -nostdin"), strings.Fields(args)...)...)
}

// music returns the arguments of an ffmpeg source that no codec finds trivial: two tones, one trembling, and noise.
func music(seconds, rate, channels string) string {
	layout := "stereo"
	if channels == "1" {
		layout = "mono"
	}
	return "-f lavfi -i aevalsrc=0.3*sin(2*PI*440*t*(1+0.01*sin(3*t)))+0.2*sin(2*PI*1234*t)+0.05*(random(0)-0.5)|" +
		"0.3*sin(2*PI*330*t)+0.05*(random(1)-0.5):s=" + rate + ":d=" + seconds + " -ac " + channels + " -channel_layout " + layout
}

// A packetHash is what ffmpeg says about one packet of a file: its size and a hash of its bytes.
type packetHash struct{ size, hash string }

// packetTimes returns the presentation times of the packets that ffmpeg finds, in units of the container.
func packetTimes(t testing.TB, file []byte, demuxer string) (times []string) {
	t.Helper()
	out := ffmpeg(t, file, "-f "+demuxer+" -i - -map 0:a -c copy -f framehash -hash md5 -")
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); !strings.HasPrefix(line, "#") && len(fields) >= 6 {
			times = append(times, strings.TrimSpace(fields[2]))
		}
	}
	return times
}

// packetHashes returns the packets that ffmpeg finds in a file, without decoding them.
func packetHashes(t testing.TB, file []byte, demuxer string) []packetHash {
	t.Helper()
	out := ffmpeg(t, file, "-f "+demuxer+" -i - -map 0:a -c copy -f framehash -hash md5 -")
	var hashes []packetHash
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		line := s.Text()
		if fields := strings.Split(line, ","); !strings.HasPrefix(line, "#") && len(fields) >= 6 {
			hashes = append(hashes, packetHash{strings.TrimSpace(fields[4]), strings.TrimSpace(fields[5])})
		}
	}
	return hashes
}

// decodesCleanly fails the test when ffmpeg has anything to complain about, and returns the PCM.
func decodesCleanly(t testing.TB, file []byte, demuxer string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("ffmpeg", strings.Fields("-hide_banner -loglevel warning -nostdin -f "+demuxer+" -i - -f s16le -")...)
	cmd.Stdin = bytes.NewReader(file)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("ffmpeg does not decode the %s cleanly: %v\n%s", demuxer, err, firstLines(stderr.String(), 8))
	}
	return stdout.Bytes()
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(s, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
