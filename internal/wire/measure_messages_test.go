// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"streamer/internal/wire"
)

func measureParsers() []func([]byte) (string, []byte, []byte, error) {
	return []func([]byte) (string, []byte, []byte, error){
		reread(wire.ParseMeasure, wire.Measure.Append), reread(wire.ParseMeasuring, wire.Measuring.Append),
	}
}

func TestMeasureMessages(t *testing.T) {
	for i, b := range [][]byte{{0x30, 1, 2, 3, 4}, {0x31, 1, 2, 3, 4, 0x02, 0x58}} {
		parse := measureParsers()[i]
		fields, again, rest, err := parse(append(b[1:], 9))
		if err != nil || !bytes.Equal(again, b) || !bytes.Equal(rest, []byte{9}) {
			t.Errorf("%x: %s, again %x, rest %x, %v", b, fields, again, rest, err)
		}
		for n := range b[1:] {
			if _, _, _, err := parse(b[1 : 1+n]); !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%x: %v", b[:1+n], err)
			}
		}
	}
}

func FuzzMeasureMessages(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 0x02, 0x58})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range measureParsers() {
			_, again, rest, err := parse(b)
			if err == nil && !bytes.Equal(append(again[1:], rest...), b) {
				t.Errorf("%x is written as %x", b, again)
			}
		}
	})
}
