// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

func parseRecord(b []byte) (string, []byte, error) {
	r, err := wire.ParseStationRecord(b)
	if err != nil {
		return "", nil, err
	}
	fields := fmt.Sprintf("station %v, seq %d, on air %v, codec %d, rate %d, name %q, genre %q, description %q, url %q, title %q, entries %v",
		r.Station, r.Seq, r.OnAir, r.Codec, r.KBPS, r.Name, r.Genre, r.Description, r.URL, r.Title, r.Entries)
	return fields, r.Sign(nil, vectorKey()), nil // the vectors are all of one station
}

// vectorFile returns what is in a file of vectors, which must be text; with -update it becomes text.
func vectorFile(t *testing.T, name, text string) (header map[string]string, b []byte) {
	t.Helper()
	file := filepath.Join("testdata", "vectors", name+".txt")
	if *updateVectors {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%s differs from what the test makes; run go test ./internal/wire -update and look at the difference", file)
	}
	return readVector(t, string(got))
}

// recordParts are a record with a comment for each field, signed by the vectors' station over context.
func recordParts(context string, change func(parts []part)) []part {
	id := vectorKey().ID()
	r := vectorRecord()
	parts := []part{
		{"station", id[:]},
		{"sequence number", u32(r.Seq)},
		{"flags: on the air", []byte{1}},
		{"codec: MPEG audio", []byte{1}},
		{"rate", []byte{0, 128}},
	}
	for _, text := range []string{r.Name, r.Genre, r.Description, r.URL, r.Title} {
		parts = append(parts, part{fmt.Sprintf("length, %s", text), append([]byte{byte(len(text))}, text...)})
	}
	parts = append(parts,
		part{"entry points", []byte{2}},
		part{"IPv4, 192.0.2.7, port 8466", []byte{4, 192, 0, 2, 7, 0x21, 0x12}},
		part{"IPv6, 2001:db8::7, port 8466", append(append([]byte{6}, netip.MustParseAddr("2001:db8::7").AsSlice()...), 0x21, 0x12)})
	change(parts)
	signed := []byte(context)
	for _, p := range parts {
		signed = append(signed, p.bytes...)
	}
	return append(parts, part{"signature", vectorKey().Sign(signed)})
}

const recordContext = "streamer station 1\x00"

func recordVectors() []gossipVector {
	record := recordParts(recordContext, func([]part) {})
	signature := record[len(record)-1].bytes
	set := func(at int, comment string, b ...byte) []part {
		return recordParts(recordContext, func(parts []part) { parts[at] = part{comment, b} })
	}
	altered := append([]part(nil), record...)
	altered[1] = part{"sequence number: altered after it was signed", u32(1_800_000_001)}
	other := identity.NewStationKey([32]byte{9}).ID()
	foreign := append([]part(nil), record...)
	foreign[0] = part{"station: not the one that signed", other[:]}
	name := func(b ...byte) []byte { return append([]byte{byte(len(b))}, b...) }
	least := recordParts(recordContext, func(parts []part) {
		parts[2] = part{"flags: off the air", []byte{0}}
		for i := 5; i < 11; i++ {
			parts[i].bytes = []byte{0}
		}
		parts[11], parts[12] = part{"no entry points", nil}, part{"", nil}
	})
	return []gossipVector{
		{"record", "station record", "", record},
		{"record_least", "station record", "", least},

		{"reject_record_altered", "station record", "signature", altered},
		{"reject_record_foreign", "station record", "signature", foreign},
		{"reject_record_context", "station record", "signature", recordParts("streamer manifest 1\x00", func([]part) {})},
		{"reject_record_shorter", "station record", "truncated", append(record[:len(record)-1:len(record)-1], part{"signature: 1 byte missing", signature[:63]})},
		{"reject_record_longer", "station record", "too long", append(slices.Clip(record), part{"1 byte too many", []byte{0}})},
		{"reject_record_seq", "station record", "malformed", set(1, "sequence number: 0", 0, 0, 0, 0)},
		{"reject_record_station", "station record", "malformed", set(0, "station: zero", make([]byte, 32)...)},
		{"reject_record_name_longer", "station record", "too long", set(5, "length: 65, name", name(bytes.Repeat([]byte("n"), 65)...)...)},
		{"reject_record_name_utf8", "station record", "malformed", set(5, "length, name: not UTF-8", name('R', 0xff)...)},
		{"reject_record_name_control", "station record", "malformed", set(5, "length, name: a line feed", name('R', '\n')...)},
		{"reject_record_entries", "station record", "too long", set(10, "entry points: 5", 5)},
		{"reject_record_entry_port", "station record", "malformed", set(11, "IPv4, 192.0.2.7, port 0", 4, 192, 0, 2, 7, 0, 0)},
	}
}

func TestStationRecord(t *testing.T) {
	want := vectorRecord()
	want.Station = vectorKey().ID()
	raw := want.Sign([]byte("before"), vectorKey())
	raw, ok := bytes.CutPrefix(raw, []byte("before"))
	got, err := wire.ParseStationRecord(raw)
	if !ok || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if id, seq, err := wire.PeekStationRecord(raw); err != nil || id != want.Station || seq != want.Seq {
		t.Errorf("peeked %v %d, %v", id, seq, err)
	}
	for size := range 36 {
		if _, _, err := wire.PeekStationRecord(raw[:size]); !errors.Is(err, wire.ErrTruncated) {
			t.Errorf("peeked at %d bytes: %v", size, err)
		}
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if r, err := wire.ParseStationRecord(raw); err == nil || !reflect.DeepEqual(r, wire.StationRecord{}) {
				t.Fatalf("byte %d bit %d altered: accepted, or not empty: %+v, %v", i, bit, r, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

// The fullest record has 714 bytes, whatever one tries to get into it.
func TestLongestRecord(t *testing.T) {
	v6 := netip.MustParseAddrPort("[2001:db8::7]:8466")
	long := strings.Repeat("ü", 300) // 600 bytes
	r := wire.StationRecord{Seq: 1, Name: long, Genre: "\x00" + long, Description: long[1:], URL: long, Title: "a" + long}
	for range 10 {
		r.Entries = append(r.Entries, netip.AddrPort{}, v6)
	}
	raw := r.Sign(nil, vectorKey())
	got, err := wire.ParseStationRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != 713 || len(raw) > wire.StationRecordBytesMax { // the title ends one byte early, between two letters
		t.Errorf("%d bytes", len(raw))
	}
	if got.Name != long[:64] || got.Genre != long[:48] || got.Description != long[:160] || got.URL != long[:128] || got.Title != "a"+long[:126] {
		t.Errorf("cut to %+v", got)
	}
	if len(got.Entries) != wire.RecordEntriesMax || got.Entries[3] != v6 {
		t.Errorf("entry points %v", got.Entries)
	}
}

func TestCleanText(t *testing.T) {
	for _, c := range []struct {
		text string
		max  int
		want string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aüü", 4, "aü"},
		{"a\nb\x7f\u0085c", 9, "abc"},
		{"a\xffb", 9, "ab"},
		{"\xe2\x82", 9, ""},
		{"日本", 5, "日"},
		{"a\ufffdb", 9, "a\ufffdb"},
		{"abc", 0, ""},
	} {
		if got := wire.CleanText(c.text, c.max); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.max, got, c.want)
		}
	}
}

// What is to be signed is cleaned so that every parser takes it.
func FuzzCleanText(f *testing.F) {
	f.Add("a\nb\xff日本", 5)
	f.Fuzz(func(t *testing.T, s string, bytesMax int) {
		if bytesMax < 0 {
			return
		}
		got := wire.CleanText(s, bytesMax)
		if len(got) > bytesMax || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || wire.CleanText(got, bytesMax) != got {
			t.Errorf("%q to %d: %q", s, bytesMax, got)
		}
	})
}

// A record's signed part is anything, and the station signs it: nothing panics, and what is accepted is signed again as it was.
func FuzzStationRecord(f *testing.F) {
	for _, v := range recordVectors() {
		if b := vector(v).bytes(); len(b) > 96 {
			f.Add(b[32 : len(b)-64])
		}
	}
	id := vectorKey().ID()
	f.Fuzz(func(t *testing.T, rest []byte) {
		if _, err := wire.ParseStationRecord(rest); err == nil {
			t.Fatal("a record without a signature")
		}
		body := append(id[:], rest...)
		b := append(body, vectorKey().Sign(append([]byte(recordContext), body...))...)
		r, err := wire.ParseStationRecord(b)
		if err != nil {
			if !reflect.DeepEqual(r, wire.StationRecord{}) {
				t.Errorf("a record beside %v", err)
			}
			return
		}
		if b[36] &= 1; !bytes.Equal(r.Sign(nil, vectorKey())[:len(b)-64], b[:len(b)-64]) {
			t.Errorf("%x is signed as %+v", b, r)
		}
	})
}

func BenchmarkParseStationRecord(b *testing.B) {
	raw := vectorRecord().Sign(nil, vectorKey())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ParseStationRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
}
