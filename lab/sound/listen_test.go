// SPDX-License-Identifier: MIT

//go:build lab && linux

package sound

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program builds streamer.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "streamer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// alone keeps a node to this machine.
func alone() []string {
	return []string{"STREAMER_NO_LAN=1", "STREAMER_NO_DHT=1", "STREAMER_NO_PORTMAP=1"}
}

// encode makes a minute of noise and tones: no two moments of it are equal.
func encode(t *testing.T, rate, extension, options string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "music."+extension)
	args := "-v error -nostdin -f lavfi -i aevalsrc=0.2*sin(2*PI*(300+5*t)*t)+0.1*random(0)|0.2*sin(2*PI*(400+7*t)*t)+0.1*random(1):s=" +
		rate + ":d=60 -metadata title=Noise -metadata artist=Laboratory " + options + " " + path
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v %s", err, out)
	}
	return path
}

// source is what the file holds, as the codec's own library decodes it.
func source(t *testing.T, path, decoder string) []float32 {
	t.Helper()
	args := strings.Fields("-v error -nostdin " + decoder + " -i " + path + " -f f32le -")
	raw, err := exec.CommandContext(t.Context(), "ffmpeg", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	samples := make([]float32, len(raw)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return samples
}

// station puts a file on the air and returns the station's link.
func station(t *testing.T, streamer, path string) string {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready.json")
	start(t, alone(), nil, streamer, "broadcast", path, "--name", "Lab Radio", "--port", "0", "--http", "127.0.0.1:0", "--data-dir", dir,
		"--ready-file", ready, "--upload", "20M", "--no-open")
	var r struct {
		Link string `json:"link"`
	}
	await(t, "the station is on the air", func() error {
		b, err := os.ReadFile(ready)
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		return err
	})
	return r.Link
}

// listen tunes in.
func listen(t *testing.T, s *server, streamer, link, player string) *process {
	t.Helper()
	return start(t, append(alone(), s.env...), nil, streamer, "listen", link, "--player", player, "--port", "0", "--http", "127.0.0.1:0",
		"--data-dir", t.TempDir(), "--no-open")
}

// compare finds the last part of what was heard in the music, and returns how far it is from it, in dB.
func compare(music, heard []float32, rate int) float64 {
	const probe = 2048
	part := heard[len(heard)-2*8*rate:]
	best, place := math.Inf(1), 0
	for at := 0; at+len(part) <= len(music); at += 2 {
		if e := distance(music[at:at+probe], part[:probe], best); e < best {
			best, place = e, at
		}
	}
	signal := distance(make([]float32, len(part)), part, math.Inf(1))
	return 10 * math.Log10(signal/(distance(music[place:place+len(part)], part, math.Inf(1))+1e-30))
}

// distance is the sum of squares, as far as it stays below limit.
func distance(a, b []float32, limit float64) (sum float64) {
	for i := range b {
		d := float64(a[i] - b[i])
		if sum += d * d; sum > limit {
			return sum
		}
	}
	return sum
}

// TestHeard: what comes out of the sound card is what the station sent, sample for sample, without a hole.
func TestHeard(t *testing.T) {
	streamer := program(t)
	for _, c := range []struct {
		name, extension, rate, options, decoder string
		settle                                  time.Duration // until the network keeps up
		least                                   float64       // dB
	}{
		{"mp3", "mp3", "44100", "-c:a libmp3lame -b:a 192k", "", 0, 60},
		{"vorbis", "ogg", "44100", "-c:a libvorbis -q:a 5", "-c:a libvorbis", 0, 60},
		{"opus", "opus", "48000", "-c:a libopus -b:a 128k", "-c:a libopus", 0, 60},
		{"flac", "flac", "44100", "-c:a flac", "", 10 * time.Second, 80}, // 1.3 Mbit/s, which a new link does not carry at once
	} {
		t.Run(c.name, func(t *testing.T) {
			rate := map[string]int{"44100": 44100, "48000": 48000}[c.rate]
			path := encode(t, c.rate, c.extension, c.options)
			s := newServer(t, rate)
			link := station(t, streamer, path)
			pass(t, 10*time.Second) // as a station that has been on for some time
			from := s.samples()
			l := listen(t, s, streamer, link, "internal")
			took := s.awaitSound(t, from)
			if c.settle > 0 {
				pass(t, c.settle)
				from = s.samples()
			}
			pass(t, 12*time.Second)
			heard := s.recording(from)
			sound, first := loud(heard, rate)
			holes := time.Duration(len(heard)/2)*time.Second/time.Duration(rate) - first - sound
			quality := compare(source(t, path, c.decoder), heard, rate)
			t.Logf("first sound %v after the start of the program; %v heard, %v of holes; the last 8 s are %.1f dB from the source; CPU so far %v",
				took.Round(10*time.Millisecond), sound, holes.Round(time.Millisecond), quality, cpu(t, l))
			if quality < c.least || holes > 100*time.Millisecond {
				t.Errorf("%.1f dB, want %.0f; holes of %v", quality, c.least, holes)
			}
			for _, words := range []string{"player  internal, " + c.name, "title   Laboratory - Noise"} {
				l.awaitWords(t, words)
			}
			l.end(t, syscall.SIGINT)
			if code := l.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, l.said())
			}
		})
	}
}

// cpu is the processor time that a program has used.
func cpu(t *testing.T, p *process) time.Duration {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// TestServerGoesAway: the sound server stops for a while, hangs, ends and comes back. The listener's program stays and plays on.
func TestServerGoesAway(t *testing.T) {
	streamer := program(t)
	path := encode(t, "44100", "mp3", "-c:a libmp3lame -b:a 128k")
	s := newServer(t, 44100)
	l := listen(t, s, streamer, station(t, streamer, path), "internal")
	s.awaitSound(t, s.samples())

	if err := s.pactl("suspend-sink", "radio", "1"); err != nil {
		t.Fatal(err)
	}
	pass(t, 3*time.Second)
	if err := s.pactl("suspend-sink", "radio", "0"); err != nil {
		t.Fatal(err)
	}
	t.Log("sound again after a sink that was suspended:", s.awaitSound(t, s.samples()))

	s.signal(t, syscall.SIGSTOP)
	pass(t, 5*time.Second)
	s.signal(t, syscall.SIGCONT)
	t.Log("sound again after a server that hung:", s.awaitSound(t, s.samples()))

	s.end(t, syscall.SIGKILL)
	l.awaitWords(t, "the sound system went away")
	pass(t, 2*time.Second)
	_ = os.Remove(s.socket)
	s.run(t)
	t.Log("sound again after a server that was killed:", s.awaitSound(t, s.samples()))
	l.awaitWords(t, "the sound system is back")
}

// TestNoServer: one who insists is told what to do; the others get another player.
func TestNoServer(t *testing.T) {
	streamer := program(t)
	dir := t.TempDir()
	env := append(alone(), "PULSE_SERVER=unix:"+filepath.Join(dir, "none"), "DBUS_SESSION_BUS_ADDRESS=disabled:", "DISPLAY=", "WAYLAND_DISPLAY=")
	link := station(t, streamer, encode(t, "44100", "mp3", "-c:a libmp3lame -b:a 128k"))
	p := start(t, env, nil, streamer, "listen", link, "--player", "internal", "--port", "0", "--http", "127.0.0.1:0", "--data-dir", dir)
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.said(), "no sound system answers") ||
		!strings.Contains(p.said(), "--player auto") {
		t.Errorf("exit code %d:\n%s", code, p.said())
	}
	fake := filepath.Join(dir, "mpv")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho fake mpv got \"$@\"\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p = start(t, append(env, "PATH="+dir+":/usr/bin:/bin"), nil, streamer, "listen", link, "--player", "auto", "--port", "0", "--http", "127.0.0.1:0",
		"--data-dir", dir, "--no-open")
	p.awaitWords(t, "fake mpv got --no-video --really-quiet http://127.0.0.1:")
}

// TestUnsupported: what the internal player does not play, auto gives to another one, and internal says.
func TestUnsupported(t *testing.T) {
	streamer := program(t)
	s := newServer(t, 44100)
	link := station(t, streamer, encode(t, "44100", "aac", "-c:a aac -b:a 128k"))
	p := listen(t, s, streamer, link, "internal")
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.said(), "AAC") {
		t.Errorf("exit code %d:\n%s", code, p.said())
	}
	from := s.samples()
	p = listen(t, s, streamer, link, "auto")
	p.awaitWords(t, "AAC")
	p.awaitWords(t, "mpv")
	s.awaitSound(t, from)
}
