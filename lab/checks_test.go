// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// TestRecordingChecks shows that the checks of recordings find what they are for, on real files.
func TestRecordingChecks(t *testing.T) {
	beside(t)
	n := netlab.New(t, 1)
	m := newMusic(t, n, 128, 20*time.Second)
	data, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	// Frames of 128 kbit/s at 44.1 kHz have 417 or 418 bytes: the 40,000 bytes are some 95 of them.
	middle := data[100_000:140_000]
	later := data[200_000:240_000]
	altered := slices.Clone(middle)
	altered[20_000] ^= 1
	for _, test := range []struct {
		name             string
		data             []byte
		jumps, strangers int
	}{
		{"whole", data, 0, 0},
		{"one piece", middle, 0, 0},
		{"two pieces, cut in frames", slices.Concat(middle, later), 1, -1},
		{"one bit altered", altered, 0, 1},
		{"once more, with the Xing frame that belongs to the file alone", slices.Concat(data, data), 0, 1},
	} {
		path := filepath.Join(n.Dir, "recording.mp3")
		if err := os.WriteFile(path, test.data, 0o644); err != nil {
			t.Fatal(err)
		}
		got := frames(t, path)
		got = got[:len(got)-1]
		if len(got) < len(test.data)/418-3 {
			t.Errorf("%s: only %d frames", test.name, len(got))
		}
		jumps, strangers := pieces(got, m)
		// A frame that is cut and joined with another makes one or two strangers, and then there is no jump.
		if test.strangers < 0 {
			if len(jumps)+len(strangers) == 0 {
				t.Errorf("%s: no fault was found", test.name)
			}
			continue
		}
		if len(jumps) != test.jumps || len(strangers) != test.strangers {
			t.Errorf("%s: jumps %v, strangers %v, want %d and %d", test.name, jumps, strangers, test.jumps, test.strangers)
		}
	}
	missing := slices.Delete(slices.Clone(m.frames), 100, 101)
	if jumps, strangers := pieces(missing, m); !slices.Equal(jumps, []int{100}) || len(strangers) != 0 {
		t.Errorf("a missing frame: jumps %v, strangers %v, want a jump at 100", jumps, strangers)
	}
}
