// SPDX-License-Identifier: MIT

package players

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// tone makes sound, or silence.
func tone(d time.Duration, amplitude float64) []byte {
	var p []byte
	for i := range int(d * earRate / time.Second) {
		p = binary.LittleEndian.AppendUint16(p, uint16(int16(amplitude*math.Sin(float64(i)/17))))
	}
	return p
}

func TestEar(t *testing.T) {
	var e ear
	now := time.Unix(1000, 0)
	sound := slices.Concat(tone(300*time.Millisecond, 0), tone(time.Second, 5000), tone(30*time.Millisecond, 0),
		tone(time.Second, 5000), tone(400*time.Millisecond, 50), tone(time.Second, 5000), tone(time.Second, 0))
	for len(sound) > 0 { // in odd pieces
		n := min(len(sound), 1001)
		e.hear(now, sound[:n])
		sound = sound[n:]
		now = now.Add(time.Duration(n) * time.Second / (2 * earRate))
	}
	if d := e.first.Sub(time.Unix(1000, 0)); d < 290*time.Millisecond || d > 330*time.Millisecond {
		t.Errorf("first sound after %v, want 300 ms", d)
	}
	if d := e.played - 3*time.Second; d.Abs() > 30*time.Millisecond {
		t.Errorf("heard %v, want 3 s", e.played)
	}
	if e.holes != 1 || (e.longest-400*time.Millisecond).Abs() > 20*time.Millisecond {
		t.Errorf("%d holes, the longest of %v, want 1 of 400 ms", e.holes, e.longest)
	}
}

func TestLines(t *testing.T) {
	var got []string
	lines(strings.NewReader("a\rb\nc\r\n\n"+strings.Repeat("x", lineBytesMax+10)+"\nend"), func(s string) { got = append(got, s) })
	if len(got) < 6 || got[0] != "a" || got[1] != "b" || got[2] != "c" || got[len(got)-1] != "end" {
		t.Errorf("got %d lines, %.20q", len(got), got)
	}
}
