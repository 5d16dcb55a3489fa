// SPDX-License-Identifier: MIT

package playback_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
		{"internal", nil, false, "not there yet"},
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
