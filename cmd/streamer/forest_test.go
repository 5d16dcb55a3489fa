// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"streamer/internal/daemon"
)

func numbers(from, to, step int) (n []int) {
	for i := from; i < to; i += step {
		n = append(n, i)
	}
	return n
}

func neighbor(id, addr string, classes []int, lan bool) daemon.NeighborStatus {
	return daemon.NeighborStatus{NodeID: id, Addr: addr, Classes: classes, RTTMS: 12, LAN: lan}
}

// seated is a relay in the middle of a forest: its parents come by one way, by another through one of them, by several ways, and by
// one that nobody told.
func seated() daemon.TunedStatus {
	hops, lag := []int{0, 1, 2, 3}, int64(210)
	st := daemon.TunedStatus{
		Parents: []daemon.ParentStatus{
			{NeighborStatus: neighbor("firsthop22", "203.0.113.9:8466", numbers(0, 4, 1), false), Hops: &hops[1], LagMS: &lag, Ancestors: []string{"studio"}},
			{NeighborStatus: neighbor("thirdhop22", "192.168.100.200:8466", numbers(4, 8, 1), true), Hops: &hops[3], LagMS: &lag, Ancestors: []string{"studio", "firsth", "second"}},
			{NeighborStatus: neighbor("several222", "[2001:db8:1234:5678:9abc:def0:1234:5678]:8466", numbers(8, 12, 1), false), Hops: &hops[2], Ancestors: []string{"studio", "oneway", "another"}},
			{NeighborStatus: neighbor("nobody2222", "198.51.100.1:8466", nil, false)},
		},
	}
	for i := range 16 {
		c := daemon.ClassPlace{Children: i}
		if i < 12 {
			c.Hops = &hops[2]
		}
		st.Position.Classes = append(st.Position.Classes, c)
	}
	st.Position.Standing, st.Position.GiveBPS, st.Position.SpareBPS, st.Position.RoomClasses = "relay", 1_600_000, 400_000, 1
	for i := range forestChildren + 3 {
		st.Children = append(st.Children, daemon.ChildStatus{
			NeighborStatus: neighbor("child22"+string(rune('a'+i)), "203.0.113.200:8466", numbers(0, 16, 2), false), UploadBPS: int64(40_000 + 1000*i), Leaf: i%2 == 0,
		})
	}
	return st
}

const wantForest = `
  studio                  sixteenths        behind  away
  ├─ firsthop             0123............  0.21 s  12 ms  203.0.113.9
  │  └─ second
  │     └─ thirdhop       ....4567........  0.21 s  12 ms  LAN 192.168.100.200
  ├─ oneway, another
  │  └─ several2          ........89ab....          12 ms  2001:db8:1…1234:5678
  └─ by a way unknown
     └─ nobody22          ................          12 ms  198.51.100.1
  this node    hops       222222222222....
               children   0123456789++++++
  feeds                   sixteenths        kbit/s  away
  ├─ child22o leaf        0.2.4.6.8.a.c.e.  54, 3 %  12 ms  203.0.113.200
`

func TestForest(t *testing.T) {
	st := seated()
	var b strings.Builder
	if err := printForest(&b, &st); err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	if !strings.HasPrefix(squeezed(b.String()), squeezed(wantForest)) {
		t.Errorf("got%s\nwant%s", b.String(), wantForest)
	}
	if !strings.Contains(b.String(), "└─ 3 more") || !strings.Contains(squeezed(b.String()), "123, 8 %") {
		t.Error("the children that are not shown are not counted")
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line); n > 81 {
			t.Errorf("%d columns: %s", n-1, line)
		}
	}
	if got, want := standing(&st), "relay; 400 kbit/s of 1.6 Mbit/s spare, room for 1 sixteenth"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var none strings.Builder
	if err := printForest(&none, &daemon.TunedStatus{}); err != nil || none.Len() > 0 {
		t.Errorf("a node that is alone draws %q, %v", none.String(), err)
	}
}

// squeezed has one space where there are several, but at the beginnings of lines.
func squeezed(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		text := strings.TrimLeft(line, " ")
		lines = append(lines, line[:len(line)-len(text)]+strings.Join(strings.Fields(text), " "))
	}
	return strings.Join(lines, "\n")
}
