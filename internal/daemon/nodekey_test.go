// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"streamer/internal/daemon"
)

// A kept key is made once, for its owner's eyes only, and is the same from then on.
func TestKeptNodeKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	first, err := daemon.KeptNodeSeed(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := daemon.KeptNodeSeed(dir, iotest.ErrReader(errors.New("nothing is drawn twice"))); err != nil || again != first {
		t.Errorf("the key is another one at the second start, %v", err)
	}
	if other, err := daemon.KeptNodeSeed(dir+"2", rand.Reader); err != nil || other == first {
		t.Errorf("two nodes have one key, %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "node.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestKeptNodeKeyIsRefused(t *testing.T) {
	whole := strings.Repeat("0f", 32)
	for name, text := range map[string]string{
		"empty": "", "short": whole[2:], "long": whole + "00", "odd": whole[1:], "no digits": "xx" + whole[2:], "two lines": whole + "\n" + whole,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "node.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := daemon.KeptNodeSeed(dir, rand.Reader); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
		if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, []byte(text)) {
			t.Errorf("%s: the file was altered: %q, %v", name, kept, err)
		}
	}
}

// Without randomness there is no key, and none is kept.
func TestKeptNodeKeyNeedsRandomness(t *testing.T) {
	dir := t.TempDir()
	if _, err := daemon.KeptNodeSeed(dir, strings.NewReader("too little")); err == nil {
		t.Error("a key was made of nothing")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
