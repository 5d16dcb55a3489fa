// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// A music is a file for a broadcaster: noise, so that no two frames of it are equal.
type music struct {
	path   string
	kbps   int
	frames []string // size and hash of each, in order
}

// mp3Frame is how long one frame of our MP3 files lasts, at 44.1 kHz; at 22.05 kHz a frame has half as many samples.
const mp3Frame = 1152 * time.Second / 44100

// made are the files that newMusic has made for this run, by their names in the directory builds.
var (
	making sync.Mutex
	made   = map[string]music{}
)

// newMusic gives a network an MP3 file of constant rate. Those of one rate and length are one file.
func newMusic(t *testing.T, n *netlab.Network, kbps int, length time.Duration) music {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	name := fmt.Sprintf("music-%d-%.0f.mp3", kbps, length.Seconds())
	m, ok := made[name]
	if !ok {
		m = music{path: filepath.Join(builds, name), kbps: kbps}
		rate, channels := "44100", "2"
		if kbps < 64 { // as speech is sent
			rate, channels = "22050", "1"
		}
		ffmpeg(t, "-f", "lavfi", "-i", fmt.Sprintf("anoisesrc=r=44100:a=0.3:seed=%d:d=%.3f", kbps, length.Seconds()),
			"-ar", rate, "-ac", channels, "-b:a", fmt.Sprintf("%dk", kbps), "-metadata", "artist=Laboratory", "-metadata", "title=Noise", m.path)
		m.frames = frames(t, m.path)
		made[name] = m
	}
	path := filepath.Join(n.Dir, name) // kept with the logs
	if err := os.Link(m.path, path); err != nil {
		t.Fatal(err)
	}
	m.path = path
	return m
}

// ffmpeg runs it and returns its standard output.
func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// frames are the size and hash of each frame of an audio file.
func frames(t *testing.T, path string) []string {
	t.Helper()
	out := ffmpeg(t, "-i", path, "-map", "0:a", "-c", "copy", "-f", "framehash", "-hash", "md5", "-")
	var list []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Split(lines.Text(), ",") // stream, dts, pts, duration, size, hash, perhaps side data
		if len(fields) < 6 {
			t.Fatalf("ffmpeg's framehash of %s: %q", path, lines.Text())
		}
		list = append(list, strings.TrimSpace(fields[4])+" "+strings.TrimSpace(fields[5]))
	}
	return list
}

// A recording is a curl that writes a node's audio to a file.
type recording struct {
	*netlab.Process
	node *node
	path string
}

// record begins to record a station from a node.
func record(t *testing.T, nd *node, stationID, path string) *recording {
	t.Helper()
	p, err := nd.host.Start(netlab.Command{
		Name: filepath.Base(path) + ".curl",
		Args: []string{"curl", "--silent", "--show-error", "--no-buffer", "--output", path, nd.listenURL(stationID)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &recording{p, nd, path}
}

// stop ends the recording and returns its frames, without the last one, which may be cut.
func (r *recording) stop(t *testing.T) []string {
	t.Helper()
	select {
	case <-r.Done():
		t.Errorf("the recording of %s ended by itself: %v", r.node.Name, r.Wait(0))
	default:
	}
	_ = r.Signal(syscall.SIGINT)
	_ = r.Wait(10 * time.Second) // a curl that was interrupted says so
	list := frames(t, r.path)
	return list[:max(0, len(list)-1)]
}

// requireContiguous fails the test unless a recording is a piece of the music, frame for frame, of at least the given
// length. The music may begin again at its end.
func requireContiguous(t *testing.T, name string, got []string, m music, least time.Duration, holes int) {
	t.Helper()
	if have := time.Duration(len(got)) * mp3Frame; have < least {
		t.Errorf("%s: the recording has %d frames, %v, want %v or more", name, len(got), have, least)
	}
	if jumps, strangers := pieces(got, m); len(jumps) > holes || len(strangers) > 0 {
		t.Errorf("%s: of %d frames, %d are not in the music (first %v), and it jumps at frames %v", name, len(got),
			len(strangers), strangers[:min(5, len(strangers))], jumps[:min(5, len(jumps))])
	}
}

// pieces finds the frames of a recording that do not follow the one before, and those that are not in the music at all.
func pieces(got []string, m music) (jumps, strangers []int) {
	place := make(map[string]int, len(m.frames))
	for i, f := range m.frames {
		place[f] = i
	}
	next := -1
	for i, f := range got {
		at, ok := place[f]
		if !ok {
			strangers = append(strangers, i)
			next = -1
			continue
		}
		if next >= 0 && at != next {
			jumps = append(jumps, i)
		}
		next = (at + 1) % len(m.frames)
	}
	return jumps, strangers
}
