// SPDX-License-Identifier: MIT

package playback_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/playback"
)

func TestFindPlayer(t *testing.T) {
	dir := t.TempDir()
	program := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PATH", dir)
	if _, err := playback.FindPlayer("auto"); err == nil || !strings.Contains(err.Error(), "--player none") {
		t.Errorf("nothing installed: got %v", err)
	}
	ffplay := program("ffplay")
	if p, err := playback.FindPlayer("auto"); err != nil || p.Command[0] != ffplay {
		t.Errorf("got %v, %v", p, err)
	}
	mpv := program("mpv")
	if p, err := playback.FindPlayer("auto"); err != nil || p.Command[0] != mpv || p.Piped {
		t.Errorf("got %v, %v", p, err)
	}
	for _, c := range []struct {
		text    string
		command []string
		piped   bool
		err     string
	}{
		{"none", nil, false, ""},
		{"mpv --volume=50", []string{mpv, "--volume=50"}, false, ""},
		{"mpv 'a b' \"c 'd'\" ''", []string{mpv, "a b", "c 'd'", ""}, false, ""},
		{"mpv --quiet -", []string{mpv, "--quiet", "-"}, true, ""},
		{"", nil, false, "auto, none or a command"},
		{"mpv 'x", nil, false, "not closed"},
		{"nothere", nil, false, "nothere"},
	} {
		p, err := playback.FindPlayer(c.text)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: got %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil || (p == nil) != (c.command == nil) {
			t.Errorf("%q: got %v, %v", c.text, p, err)
		} else if p != nil && (!slices.Equal(p.Command, c.command) || p.Piped != c.piped) {
			t.Errorf("%q: got %v %v", c.text, p.Command, p.Piped)
		}
	}
}

func TestRunPlayer(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct{ name, command, want string }{
		{"address", `sh -c 'echo "$1" > ` + out + `' sh`, "http://x/listen/y\n"},
		{"piped", `sh -c 'cat > ` + out + `' -`, "the audio"},
		{"piped, leaves early", `sh -c 'head -c 3 > ` + out + `' -`, "the"},
	} {
		p, err := playback.FindPlayer(c.command)
		if err != nil {
			t.Fatal(err)
		}
		audio := func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "the audio")
			return err
		}
		if err := p.Run(t.Context(), "http://x/listen/y", audio, io.Discard); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := os.ReadFile(out); err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestRunPlayerEnds(t *testing.T) {
	var log bytes.Buffer
	p, err := playback.FindPlayer("sh -c 'echo cannot play >&2; exit 3'")
	if err != nil {
		t.Fatal(err)
	}
	if err = p.Run(t.Context(), "x", nil, &log); err == nil || !strings.Contains(log.String(), "cannot play") {
		t.Errorf("got %v and %q", err, log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if p, err = playback.FindPlayer("sleep 60 -"); err != nil {
		t.Fatal(err)
	}
	p.Command = []string{p.Command[0], "60"}
	wait := func(ctx context.Context, _ io.Writer) error { <-ctx.Done(); return nil }
	if err = p.Run(ctx, "x", wait, io.Discard); err != nil {
		t.Errorf("a player that was asked to go: %v", err)
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`mpv --x 'a b' "c"`)
	f.Fuzz(func(t *testing.T, s string) {
		words, err := playback.SplitWords(s)
		if err != nil {
			return
		}
		quoted := make([]string, 0, len(words))
		for _, w := range words {
			if strings.Contains(w, `'`) {
				return
			}
			quoted = append(quoted, "'"+w+"'")
		}
		again, err := playback.SplitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: %q, then %q, %v", s, words, again, err)
		}
	})
}

// Where no player is known the system's own gets the playlist, as a file.
func TestSystemPlayer(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the program that opens files has another name here, and is there")
	}
	dir := t.TempDir()
	got := filepath.Join(dir, "got")
	script := "#!/bin/sh\nwhile read -r line; do echo \"$line\" >>" + got + "; done <\"$1\"; echo \"$1\" >>" + got + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if _, err := playback.FindPlayer("auto"); !errors.Is(err, playback.ErrNoPlayer) {
		t.Errorf("without a desktop: %v", err)
	}
	t.Setenv("DISPLAY", ":7")
	p, err := playback.FindPlayer("auto")
	if err != nil || !p.Opens {
		t.Fatalf("got %v, %v", p, err)
	}
	id := identity.NewStationKey([32]byte{1}).ID().String()
	server := httptest.NewServer(playback.NewHandler(playback.Config{Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, server.URL+"/listen/"+id, nil, io.Discard) }()
	for deadline := time.Now().Add(20 * time.Second); ; {
		text, _ := os.ReadFile(got)
		if strings.Contains(string(text), ".pls\n") {
			if want := server.URL + "/listen/" + id; !strings.Contains(string(text), want) {
				t.Errorf("the playlist lacks %s: %s", want, text)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was opened: %q", text)
		}
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
