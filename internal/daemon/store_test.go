// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"streamer/internal/codec"
	"streamer/internal/daemon"
)

func openStore(t *testing.T) (*daemon.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := daemon.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Hurry()
	return s, dir
}

func newStation(t *testing.T, s *daemon.Store, name string) daemon.Station {
	t.Helper()
	st, err := s.New(name, codec.Event{StationName: "Rádio", Title: "not kept"}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestStoreKeepsStations(t *testing.T) {
	s, dir := openStore(t)
	made := newStation(t, s, "b")
	other := newStation(t, s, "a.2-_X")
	got, err := s.Load("b")
	if err != nil {
		t.Fatal(err)
	}
	if got.Key.ID() != made.Key.ID() || got.Key.Seed() != made.Key.Seed() || got.Info != (codec.Event{StationName: "Rádio"}) {
		t.Errorf("loaded %+v, made %+v", got, made)
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].Key.ID() != other.Key.ID() || list[1].Key.ID() != made.Key.ID() {
		t.Errorf("List = %v, %v", list, err)
	}
	file := filepath.Join(dir, "stations", "b.json")
	byFile, err := s.Open(file)
	if err != nil || byFile.Key.ID() != made.Key.ID() || byFile.Name != "" {
		t.Errorf("Open(file) = %v, %v", byFile, err)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "stations"): 0o700, file: 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "stations", ".*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestStoreRefuses(t *testing.T) {
	s, dir := openStore(t)
	newStation(t, s, "mine")
	if _, err := s.New("mine", codec.Event{}, rand.Reader); !errors.Is(err, daemon.ErrStationExists) {
		t.Errorf("New over an existing one: %v", err)
	}
	for _, name := range []string{"", ".", "../x", "a/b", ".hidden", "a b", "ä", strings.Repeat("x", 65), "a\x00b"} {
		if _, err := s.New(name, codec.Event{}, rand.Reader); err == nil {
			t.Errorf("New(%q) was taken", name)
		}
	}
	for _, name := range []string{"missing", filepath.Join(dir, "missing.json")} {
		if _, err := s.Open(name); !errors.Is(err, daemon.ErrNoStation) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.OpenStore(file); err == nil || !strings.Contains(err.Error(), "is a file, not a directory") {
		t.Errorf("OpenStore(file): %v", err)
	}
}

// A damaged file is refused by name, its secret is not quoted, and nothing is written over it.
func TestDamagedStationIsLeftAlone(t *testing.T) {
	s, dir := openStore(t)
	st := newStation(t, s, "default")
	file := filepath.Join(dir, "stations", "default.json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seed := st.Key.Seed()
	secret := base64.StdEncoding.EncodeToString(seed[:])
	tests := map[string]string{
		"other seed":    strings.Replace(string(whole), secret[:8], "AAAAAAAA", 1),
		"other format":  strings.Replace(string(whole), "key 1", "key 2", 1),
		"short seed":    strings.Replace(string(whole), secret, secret[:40], 1),
		"two objects":   string(whole) + "{}",
		"empty":         "",
		"huge":          string(whole) + strings.Repeat(" ", 1<<17),
		"not an object": "[" + string(whole) + "]",
	}
	for i := range len(whole) - 2 { // the last bytes are "}\n"
		tests[fmt.Sprintf("cut at %d", i)] = string(whole[:i])
	}
	for name, content := range tests {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.OpenOrNew("", codec.Event{}, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), secret[:20]) {
			t.Fatalf("%s: OpenOrNew: %v", name, err)
		}
		if _, err := s.List(); err == nil {
			t.Fatalf("%s: List hides it", name)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != content {
			t.Fatalf("%s: the file was altered", name)
		}
	}
}

func TestOpenOrNew(t *testing.T) {
	s, _ := openStore(t)
	made, err := s.OpenOrNew("", codec.Event{StationName: "One"}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.OpenOrNew(daemon.DefaultStation, codec.Event{StationName: "Two"}, rand.Reader)
	if err != nil || again.Key.ID() != made.Key.ID() || again.Info.StationName != "One" {
		t.Errorf("again %+v, %v", again, err)
	}
	if _, err := s.OpenOrNew("typo", codec.Event{}, rand.Reader); !errors.Is(err, daemon.ErrNoStation) {
		t.Errorf("a name that is mistyped makes a station: %v", err)
	}
}

func TestEpochsOnlyGrow(t *testing.T) {
	s, _ := openStore(t)
	st := newStation(t, s, "a")
	next := func(st *daemon.Station, unix int64, want uint32) {
		t.Helper()
		if got, err := s.NextEpoch(st, unix); err != nil || got != want {
			t.Errorf("NextEpoch(%d) = %d, %v; want %d", unix, got, err, want)
		}
	}
	next(&st, 1000, 1000)
	next(&st, 1000, 1001) // twice within a second
	next(&st, 500, 1002)  // the clock was set back
	again, err := s.Load("a")
	if err != nil {
		t.Fatal(err)
	}
	next(&again, 500, 1003) // after a restart
	next(&st, 500, 1004)    // beside another process
	next(&st, 1<<40, 1<<32-1)
	if _, err := s.NextEpoch(&st, 0); err == nil {
		t.Error("an epoch was given out twice")
	}
}

func TestExportImport(t *testing.T) {
	s, _ := openStore(t)
	st := newStation(t, s, "mine")
	var text bytes.Buffer
	if err := s.Export(&text, "mine", "correct horse"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "-----BEGIN AGE ENCRYPTED FILE-----\n") {
		t.Errorf("export is not armored: %.60q", text.String())
	}
	elsewhere, _ := openStore(t)
	pasted := "\r\n  " + strings.ReplaceAll(text.String(), "\n", "\r\n")
	got, err := elsewhere.Import(strings.NewReader(pasted), "theirs", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if got.Key.Seed() != st.Key.Seed() || got.Info != st.Info || got.Name != "theirs" {
		t.Errorf("imported %+v, exported %+v", got, st)
	}
	if again, err := elsewhere.Load("theirs"); err != nil || again.Key.ID() != st.Key.ID() {
		t.Errorf("Load after Import: %v, %v", again, err)
	}
	tests := []struct{ name, text, passphrase, want string }{
		{"theirs", text.String(), "correct horse", "exists already"},
		{"x", text.String(), "wrong horse", "the passphrase is wrong"},
		{"x", text.String(), "", "the passphrase is empty"},
		{"x", "hello", "correct horse", "no exported station"},
		{"x", text.String()[:len(text.String())/2], "correct horse", "damaged"},
		{"x", strings.Repeat("x", 1<<17), "correct horse", "larger than"},
		{"../x", text.String(), "correct horse", "station name"},
	}
	for _, test := range tests {
		_, err := elsewhere.Import(strings.NewReader(test.text), test.name, test.passphrase)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Import as %q with %q: %v; want %q", test.name, test.passphrase, err, test.want)
		}
	}
	if err := s.Export(&text, "mine", "short"); err == nil {
		t.Error("a short passphrase was taken")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s, _ := openStore(t)
	st := newStation(t, s, "a")
	seed := st.Key.Seed()
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "station", st)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "station", st)
	fmt.Fprintf(&b, "%v %+v %#v %v %+v %#v", st, st, st, &st, &st, &st)
	for _, form := range []string{
		base64.StdEncoding.EncodeToString(seed[:])[:16], fmt.Sprintf("%x", seed[:8]), fmt.Sprintf("%X", seed[:8]),
		fmt.Sprintf("%d", seed[:4]), string(seed[:8]),
	} {
		if strings.Contains(b.String(), form) {
			t.Errorf("the seed shows as %q", form)
		}
	}
}

func TestDefaultDataDir(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/x/y")
	if dir, err := daemon.DefaultDataDir(); err != nil || dir != "/x/y/streamer" {
		t.Errorf("got %q, %v", dir, err)
	}
	t.Setenv("XDG_DATA_HOME", "relative")
	t.Setenv("HOME", "/home/u")
	if dir, err := daemon.DefaultDataDir(); err != nil || dir != "/home/u/.local/share/streamer" {
		t.Errorf("got %q, %v", dir, err)
	}
}
