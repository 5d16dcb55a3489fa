// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the binary shows is what it contains: a module that is new, has another version, or is gone, is found here.
func TestNoticesAreCurrent(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := notices(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "cmd", "streamer", "licenses.txt"))
	if err != nil {
		t.Fatal(err)
	}
	works, err := contained(root)
	if err != nil {
		t.Fatal(err)
	}
	for w := range works {
		if !strings.Contains(string(got), "\n  "+w.String()+"\n") {
			t.Errorf("cmd/streamer/licenses.txt lacks %s", w)
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("cmd/streamer/licenses.txt is not what the binary contains: make licenses")
	}
}

func TestLicences(t *testing.T) {
	module := t.TempDir()
	inner := filepath.Join(module, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := work{name: "example.org/x", version: "v1.0.0"}
	dirs := []string{module, inner}
	write(filepath.Join(module, "license.go"), "package x")
	write(filepath.Join(module, "licensed.txt"), "no licence")
	if texts, err := w.licences(dirs); err == nil {
		t.Errorf("without a licence: %q", texts)
	}
	write(filepath.Join(module, "LICENCE"), "one\r\ntwo\r\n\r\n")
	write(filepath.Join(module, "NOTICE.md"), "a notice\n")
	write(filepath.Join(inner, "License-MIT.txt"), "\n  another\n")
	write(filepath.Join(inner, "COPYING"), "one\ntwo")
	texts, err := w.licences(dirs)
	if want := []string{"one\ntwo", "a notice", "  another"}; err != nil || !slices.Equal(texts, want) {
		t.Errorf("got %q, %v, want %q", texts, err, want)
	}
}

func TestSourceOf(t *testing.T) {
	const want = "https://proxy.golang.org/github.com/!burnt!sushi/toml/@v/v1.6.0.zip"
	if got := sourceOf("github.com/BurntSushi/toml", "v1.6.0"); got != want {
		t.Errorf("got %s", got)
	}
}
