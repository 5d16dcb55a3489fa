// SPDX-License-Identifier: MIT

//go:build linux

package mpris_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/codec"
	"streamer/internal/mpris"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sessionBus starts a real bus and makes it this process's session bus.
func sessionBus(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--session", "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("%v (apt-get install dbus-daemon)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // a test may have ended it
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))
	return cmd
}

// gdbus talks to the player as a desktop does.
func gdbus(t *testing.T, command string, args ...string) string {
	t.Helper()
	name := "org.mpris.MediaPlayer2.streamer"
	args = append([]string{command, "--session", "--dest", name, "--object-path", "/org/mpris/MediaPlayer2"}, args...)
	out, err := exec.CommandContext(t.Context(), "gdbus", args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("error: %s", out)
	}
	return strings.TrimSpace(string(out))
}

func call(t *testing.T, method string, args ...string) string {
	t.Helper()
	return gdbus(t, "call", append([]string{"--method", method}, args...)...)
}

func get(t *testing.T, iface, name string) string {
	t.Helper()
	return call(t, "org.freedesktop.DBus.Properties.Get", iface, name)
}

// calls notes what the desktop asked for.
type calls chan string

func (c calls) Pause(p bool)        { c <- fmt.Sprint("pause ", p) }
func (c calls) SetVolume(v float64) { c <- fmt.Sprint("volume ", v) }
func (c calls) Stop()               { c <- "stop" }

// hears shows something until the monitor, which begins to listen when it likes, hears of it.
func hears(t *testing.T, signals <-chan string, what string, show func(int)) string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for i := 0; ; i++ {
		show(i)
		select {
		case s := <-signals:
			if strings.Contains(s, "PropertiesChanged") && strings.Contains(s, what) {
				return s
			}
		case <-tick.C:
		case <-limit:
			t.Fatalf("the monitor does not hear of %s", what)
		}
	}
}

const player = "org.mpris.MediaPlayer2.Player"

func TestDesktop(t *testing.T) {
	sessionBus(t)
	asked := make(calls, 10)
	b, err := mpris.Open(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	monitor := exec.CommandContext(t.Context(), "gdbus", "monitor", "--session", "--dest", "org.mpris.MediaPlayer2.streamer")
	out, err := monitor.StdoutPipe()
	if err == nil {
		err = monitor.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = monitor.Process.Kill()
		_ = monitor.Wait()
	}()
	signals := make(chan string, 1000)
	go func() {
		defer close(signals)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			signals <- lines.Text()
		}
	}()
	hears(t, signals, "Volume", func(i int) { b.Show(mpris.State{Status: mpris.Stopped, Volume: float64(i)}) })

	heard := hears(t, signals, "Song", func(int) {
		b.Show(mpris.State{Status: mpris.Playing, Station: "Radio \"Ü\"", Volume: 0.5, Event: codec.Event{Title: "Song '1'", Artist: "Ärtist"}})
	})
	for _, want := range []string{"PlaybackStatus", "Playing", "Volume", "0.5", "Song '1'", "Ärtist", `Radio "Ü"`} {
		if !strings.Contains(heard, want) {
			t.Errorf("the signal lacks %s: %s", want, heard)
		}
	}
	if strings.Contains(heard, "CanPlay") {
		t.Errorf("the signal tells what did not change: %s", heard)
	}
	for _, c := range []struct{ iface, name, want string }{
		{player, "PlaybackStatus", "(<'Playing'>,)"},
		{player, "Volume", "(<0.5>,)"},
		{player, "Metadata", "'xesam:artist': <['Ärtist']>"},
		{player, "Metadata", "'mpris:trackid': <objectpath '/streamer/track/1'>"},
		{player, "CanSeek", "(<false>,)"},
		{"org.mpris.MediaPlayer2", "Identity", "(<'Streamer'>,)"},
		{player, "Nonsense", "UnknownProperty"},
		{"org.example", "Volume", "UnknownInterface"},
	} {
		if got := get(t, c.iface, c.name); !strings.Contains(got, c.want) {
			t.Errorf("%s.%s: %s, want %s", c.iface, c.name, got, c.want)
		}
	}
	b.Show(mpris.State{Status: mpris.Paused, Station: "Radio", Volume: 1})
	if got := get(t, player, "Metadata"); !strings.Contains(got, "'xesam:title': <'Radio'>") {
		t.Errorf("without a title: %s", got)
	}

	for _, c := range []struct{ method, want string }{
		{"Play", "pause false"}, {"Pause", "pause true"}, {"PlayPause", "pause false"}, {"Stop", "stop"},
	} {
		if got := call(t, player+"."+c.method); got != "()" || <-asked != c.want {
			t.Errorf("%s: %s", c.method, got)
		}
	}
	set := "org.freedesktop.DBus.Properties.Set"
	if got := call(t, set, player, "Volume", "<0.25>"); got != "()" || <-asked != "volume 0.25" {
		t.Errorf("set the volume: %s", got)
	}
	for _, c := range [][]string{{player, "Volume", "<'loud'>"}, {player, "PlaybackStatus", "<'Stopped'>"}, {player, "Volume", "<@d nan>"}} {
		if got := call(t, set, c...); !strings.HasPrefix(got, "error") {
			t.Errorf("set %v: %s", c, got)
		}
	}
	for _, method := range []string{"Next", "Previous"} {
		if got := call(t, player+"."+method); got != "()" {
			t.Errorf("%s: %s", method, got)
		}
	}
	if got := call(t, player+".Seek", "1000"); got != "()" {
		t.Errorf("Seek: %s", got)
	}
	if got := gdbus(t, "introspect"); !strings.Contains(got, "PlayPause()") || !strings.Contains(got, "OpenUri(") {
		t.Errorf("introspection: %s", got)
	}
	if len(asked) > 0 {
		t.Errorf("asked for %s as well", <-asked)
	}
}

func TestTwoPlayers(t *testing.T) {
	sessionBus(t)
	first, err := mpris.Open(make(calls))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := mpris.Open(make(calls))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	names, err := exec.CommandContext(t.Context(), "gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/",
		"--method", "org.freedesktop.DBus.ListNames").CombinedOutput()
	want := fmt.Sprintf("org.mpris.MediaPlayer2.streamer.instance%d", os.Getpid())
	if err != nil || !strings.Contains(string(names), want) {
		t.Errorf("%s, %v: want %s", names, err, want)
	}
}

func TestNoBus(t *testing.T) {
	for _, address := range []string{"disabled:", "unix:path=" + filepath.Join(t.TempDir(), "none"), "nonsense"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		began := time.Now()
		if b, err := mpris.Open(make(calls)); !errors.Is(err, mpris.ErrNoBus) {
			t.Errorf("%s: %v, %v", address, b, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v", address, took)
		}
	}
}

// A bus that goes away takes nothing with it.
func TestBusGoesAway(t *testing.T) {
	bus := sessionBus(t)
	b, err := mpris.Open(make(calls))
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = bus.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			b.Show(mpris.State{Status: mpris.Playing, Event: codec.Event{Title: fmt.Sprint(i)}})
		}
		b.Close()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("it waits for a bus that is gone")
	}
}
