// SPDX-License-Identifier: MIT

//go:build linux

package sound_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/codec"
	"streamer/internal/sound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is a real PulseAudio server whose sink leads nowhere, with a recorder at it.
type server struct {
	cmds []*exec.Cmd

	mu    sync.Mutex
	heard []float32 // mono
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "sound") // the address of a Unix socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(name, dir)
	}
	t.Setenv("PULSE_SERVER", "unix:"+socket)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")
	s := &server{}
	s.start(t, nil, "pulseaudio -n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=yes "+
		"--load=module-native-protocol-unix\tauth-anonymous=1\tsocket="+socket+" --load=module-null-sink\tsink_name=radio\trate=44100")
	await(t, "a sound server (apt-get install pulseaudio pulseaudio-utils)", func() bool {
		return exec.CommandContext(t.Context(), "pactl", "info").Run() == nil
	})
	s.start(t, s, "parec --raw --format=float32le --rate=44100 --channels=1 --latency-msec=20 --device=radio.monitor")
	await(t, "a recorder", func() bool { return s.samples() > 0 })
	t.Cleanup(func() { s.end() })
	return s
}

// start runs a program; tabs are the spaces inside its arguments.
func (s *server) start(t *testing.T, out io.Writer, line string) {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(line, "\t", "\x00"))
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", " ")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (tools/deps.sh names the packages)", err)
	}
	s.cmds = append(s.cmds, cmd)
}

func (s *server) end() {
	for _, cmd := range s.cmds {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s.cmds = nil
}

// Write takes what the recorder hears.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i+4 <= len(b); i += 4 {
		s.heard = append(s.heard, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
	}
	return len(b), nil
}

func (s *server) samples() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard)
}

// level is the loudest of the last n samples.
func (s *server) level(n int) (level float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.heard[max(0, len(s.heard)-n):] {
		level = max(level, v, -v)
	}
	return level
}

// await waits for what other processes do, which send no word.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// items is a source with a list of items; at its end it waits when it is to.
type items struct {
	list []codec.Item
	wait bool
}

func (s *items) Next(ctx context.Context) (codec.Item, error) {
	if len(s.list) == 0 {
		if s.wait {
			<-ctx.Done()
			return codec.Item{}, ctx.Err()
		}
		return codec.Item{}, io.EOF
	}
	it := s.list[0]
	s.list = s.list[1:]
	return it, nil
}

// tone is a station that plays one note, with a title after each second.
func tone(t *testing.T, rate string, seconds int) []codec.Item {
	t.Helper()
	s := demux(t, run(t, nil, "ffmpeg -v error -nostdin -f lavfi -i sine=f=441:r="+rate+":d=60,volume=4 -c:a flac -frame_size 4410 -f flac -"))
	list := []codec.Item{{Kind: codec.ItemHeader, Header: s.header}}
	for i, f := range s.frames[:seconds*s.header.SampleRate/4410] {
		if i%(s.header.SampleRate/4410) == 0 {
			list = append(list, codec.Item{Kind: codec.ItemEvent, Event: codec.Event{Title: rate + " " + string(rune('a'+i*4410/s.header.SampleRate))}})
		}
		list = append(list, codec.Item{Kind: codec.ItemFrame, Frame: f})
	}
	return list
}

// A watch keeps what a player told.
type watch struct {
	mu     sync.Mutex
	states []sound.State
	when   []time.Time
}

func (w *watch) changed(s sound.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states, w.when = append(w.states, s), append(w.when, time.Now())
}

// titles are the titles in order, with the times when they began.
func (w *watch) titles() (titles []string, when []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.states {
		if n := len(titles); s.Event.Title != "" && (n == 0 || titles[n-1] != s.Event.Title) {
			titles, when = append(titles, s.Event.Title), append(when, w.when[i])
		}
	}
	return titles, when
}

func play(t *testing.T, p *sound.Player, from sound.Source) (w *watch, done chan error, stop context.CancelFunc) {
	t.Helper()
	w, done = &watch{}, make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go func() { done <- p.Run(ctx, from, w.changed) }()
	return w, done, stop
}

func open(t *testing.T) *sound.Player {
	t.Helper()
	p, err := sound.Open("Test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Titles are told when they are heard, over a change of the sample rate too, and all is heard to its end.
func TestTitlesAreToldWhenHeard(t *testing.T) {
	s := newServer(t)
	p := open(t)
	list := append(tone(t, "44100", 3), tone(t, "48000", 2)...)
	list = append(list, codec.Item{Kind: codec.ItemGap})
	began := time.Now()
	w, done, _ := play(t, p, &items{list: list})
	await(t, "sound", func() bool { return s.level(441) > 0.3 })
	t.Logf("first sound after %v", time.Since(began))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 4800*time.Millisecond || took > 9*time.Second {
		t.Errorf("5 s were played in %v", took)
	}
	titles, when := w.titles()
	if got := strings.Join(titles, ", "); got != "44100 a, 44100 b, 44100 c, 48000 a, 48000 b" {
		t.Fatalf("titles %q", got)
	}
	for i := 1; i < len(when); i++ { // all is decoded at once; how late a busy machine tells is its own affair
		if d := when[i].Sub(when[0]); d < time.Duration(i)*time.Second-400*time.Millisecond {
			t.Errorf("title %d came %v after the first one, want %d s", i, d, i)
		}
	}
	if got := p.State(); got.Status != sound.Stopped || got.Codec != "flac" || got.Rate != 48000 {
		t.Errorf("at last %+v", got)
	}
}

func TestPauseAndVolume(t *testing.T) {
	s := newServer(t)
	p := open(t)
	w, done, stop := play(t, p, &items{list: tone(t, "44100", 50), wait: true})
	await(t, "sound", func() bool { return s.level(4410) > 0.3 })
	full := s.level(4410)
	p.SetVolume(0.5) // of the mixer's scale, which is cubic: an eighth
	await(t, "less sound", func() bool { return s.level(2205) < full/6 && s.level(2205) > full/12 })
	p.SetVolume(1)
	await(t, "as loud as before", func() bool { return s.level(2205) > full*0.9 })
	p.Pause(true)
	await(t, "silence", func() bool { return s.level(8820) == 0 && p.State().Status == sound.Paused })
	before, _ := w.titles()
	from := s.samples()
	await(t, "two more seconds of silence", func() bool { return s.samples() > from+2*44100 })
	if after, _ := w.titles(); s.level(2*44100) > 0 || len(after) != len(before) {
		t.Errorf("while paused: level %v, titles %q", s.level(44100), after)
	}
	p.Pause(false)
	await(t, "sound again", func() bool { return s.level(4410) > full*0.9 && p.State().Status == sound.Playing })
	if after, _ := w.titles(); len(after) > len(before)+1 {
		t.Errorf("the place was not kept: titles %q, then %q", before, after)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServerLost(t *testing.T) {
	s := newServer(t)
	p := open(t)
	_, done, stop := play(t, p, &items{list: tone(t, "44100", 50), wait: true})
	await(t, "sound", func() bool { return s.level(4410) > 0.3 })
	s.end()
	await(t, "a word of it", func() bool { return p.State().Fault != nil })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNoServer(t *testing.T) {
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(t.TempDir(), "none"))
	if _, err := sound.Open("Test"); !errors.Is(err, sound.ErrNoSound) {
		t.Errorf("got %v", err)
	}
	t.Setenv("PULSE_SERVER", "{broken nonsense:7 tcp:")
	if _, err := sound.Open("Test"); !errors.Is(err, sound.ErrNoSound) {
		t.Errorf("got %v", err)
	}
}

// What cannot be decoded at all is said, instead of silence without end.
func TestNothingButDamage(t *testing.T) {
	newServer(t)
	list := tone(t, "44100", 10)
	for i := range list {
		if list[i].Kind == codec.ItemFrame {
			list[i].Frame.Data = []byte("this is no FLAC")
		}
	}
	_, done, _ := play(t, open(t), &items{list: list})
	if err := <-done; !errors.Is(err, sound.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
