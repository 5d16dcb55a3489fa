// SPDX-License-Identifier: MIT

package lan_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/lan"
)

// vectors are the rows of the table in the specification: what it is, the bytes, and what the parser says.
func vectors(t testing.TB) [][3]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/protocol/lan.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## 6. Vectors")
	var rows [][3]string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(cells[2], "`") {
			rows = append(rows, [3]string{strings.TrimSpace(cells[1]), strings.Trim(cells[2], " `"), strings.TrimSpace(cells[3])})
		}
	}
	if len(rows) < 6 {
		t.Fatalf("%d vectors in the specification", len(rows))
	}
	return rows
}

func TestVectors(t *testing.T) {
	var id identity.NodeID
	for i := range id {
		id[i] = byte(0x20 + i)
	}
	accepted := map[string]lan.Beacon{
		"newcomer, port 8464": {Newcomer: true, Port: 8464, Node: id},
		"no newcomer":         {Port: 8464, Node: id},
	}
	for _, row := range vectors(t) {
		raw, err := hex.DecodeString(row[1])
		if err != nil {
			t.Fatal(err)
		}
		b, err := lan.ParseBeacon(raw)
		want, ok := accepted[row[2]]
		if ok != (err == nil) || b != want || !ok && row[2] != "refused" {
			t.Errorf("%s: %+v, %v; want %s", row[0], b, err, row[2])
		}
		if ok && raw[5] < 2 && !bytes.Equal(b.Append(nil), raw) {
			t.Errorf("%s: written as %x", row[0], b.Append(nil))
		}
	}
}

func TestTruncatedBeacon(t *testing.T) {
	whole := lan.Beacon{Port: 1, Node: identity.NodeID{1}}.Append(nil)
	if len(whole) != lan.BeaconBytes {
		t.Fatalf("%d bytes", len(whole))
	}
	for n := range whole {
		if b, err := lan.ParseBeacon(whole[:n]); err == nil {
			t.Errorf("%d bytes make %+v", n, b)
		}
	}
	if _, err := lan.ParseBeacon(append(whole, 0)); err == nil {
		t.Error("one byte too many was taken")
	}
}

func FuzzParseBeacon(f *testing.F) {
	for _, row := range vectors(f) {
		raw, _ := hex.DecodeString(row[1])
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := lan.ParseBeacon(raw)
		if err != nil {
			return
		}
		again, err := lan.ParseBeacon(b.Append(nil))
		if err != nil || again != b || b.Port == 0 || b.Node.IsZero() {
			t.Fatalf("%x gives %+v, then %+v, %v", raw, b, again, err)
		}
	})
}
