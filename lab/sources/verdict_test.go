// SPDX-License-Identifier: MIT

//go:build lab && linux

package sources_test

import (
	"slices"
	"strings"
	"testing"
)

// A verdict compares what was recorded with what was sent, both as hashes of packets.
type verdict struct {
	sent, got int
	late      int // packets before the first that was recorded
	holes     int // packets after it that were not recorded, at the end too
	altered   int // recorded packets that were never sent, or not in this order
}

// ownLeast is the part of what was sent that must have been recorded, in percent: a listener may begin late.
const ownLeast = 60

func (v verdict) right() bool {
	return v.got > 0 && v.holes == 0 && v.altered == 0 && v.got*100 >= v.sent*ownLeast
}

// judge prefers to see the recording as the end of what was sent: the packets of silence before a sound are all the same.
func judge(sent, got []string) verdict {
	v := verdict{sent: len(sent), got: len(got)}
	if late := len(sent) - len(got); late >= 0 && len(got) > 0 && slices.Equal(sent[late:], got) {
		v.late = late
		return v
	}
	next := 0
	for _, f := range got {
		at := slices.Index(sent[next:], f)
		switch {
		case at < 0:
			v.altered++
			continue
		case next == 0 && v.altered == 0:
			v.late = at
		default:
			v.holes += at
		}
		next += at + 1
	}
	v.holes += len(sent) - next
	return v
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		sent, got string
		want      verdict
		right     bool
	}{
		{"0 1 2 3 4 5 6 7 8 9", "0 1 2 3 4 5 6 7 8 9", verdict{sent: 10, got: 10}, true},
		{"0 0 0 3 4 5 6 7 8 9", "0 3 4 5 6 7 8 9", verdict{sent: 10, got: 8, late: 2}, true},
		{"0 1 2 3 4 5 6 7 8 9", "3 4 5 6 7 8 9", verdict{sent: 10, got: 7, late: 3}, true},
		{"0 1 2 3 4 5 6 7 8 9", "1 2 3 4 6 7 8 9", verdict{sent: 10, got: 8, late: 1, holes: 1}, false},
		{"0 1 2 3 4 5 6 7 8 9", "0 1 2 3 4 5 6 7 8", verdict{sent: 10, got: 9, holes: 1}, false},
		{"0 1 2 3 4 5 6 7 8 9", "0 1 x 3 4 5 6 7 8 9", verdict{sent: 10, got: 10, holes: 1, altered: 1}, false},
		{"0 1 2 3", "0 1 2 3 3", verdict{sent: 4, got: 5, altered: 1}, false},
		{"0 1 2 3", "", verdict{sent: 4, holes: 4}, false},
	} {
		v := judge(strings.Fields(c.sent), strings.Fields(c.got))
		if v != c.want || v.right() != c.right {
			t.Errorf("of %q came %q: %+v, right %v; want %+v, %v", c.sent, c.got, v, v.right(), c.want, c.right)
		}
	}
}
