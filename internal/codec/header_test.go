// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"streamer/internal/codec"
)

// Every proper prefix of a header or an event is refused, and so is anything behind it.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for name, file := range samples(t) {
		items, _ := demuxIn(file, len(file))
		if len(hashes(items)) < 3 {
			t.Fatalf("%s is no good sample: %d items", name, len(items))
		}
		b := codec.AppendHeader(nil, items[0].Header)
		for n := range b {
			if _, err := codec.ParseHeader(b[:n]); !errors.Is(err, codec.ErrHeader) {
				t.Fatalf("%s: %d of %d bytes: %v", name, n, len(b), err)
			}
		}
		if _, err := codec.ParseHeader(append(b, 0)); !errors.Is(err, codec.ErrHeader) {
			t.Errorf("%s: a byte too many: %v", name, err)
		}
	}
	b := codec.AppendEvent(nil, codec.Event{Title: "Title"})
	for n := range b {
		if _, err := codec.ParseEvent(b[:n]); !errors.Is(err, codec.ErrEvent) {
			t.Fatalf("event, %d of %d bytes: %v", n, len(b), err)
		}
	}
}

func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	items, _ := demuxIn(samples(t)["vorbis.ogg"], 1000)
	h := items[0].Header
	h.Packets = [][]byte{h.Packets[0], bytes.Repeat(h.Packets[1], 1+codec.HeaderBytesMax/len(h.Packets[1]))}
	p := codec.NewPacketizer()
	if err := p.Begin(h); !errors.Is(err, codec.ErrHeader) {
		t.Errorf("Begin took a header of %d bytes: %v", len(h.Packets[1]), err)
	}
	if _, err := codec.NewMuxer(h, codec.Event{}); !errors.Is(err, codec.ErrHeader) {
		t.Errorf("NewMuxer took it: %v", err)
	}
	if err := p.Begin(codec.Header{Format: codec.FormatWebM}); !errors.Is(err, codec.ErrHeader) {
		t.Errorf("Begin took an empty header: %v", err)
	}
	if _, err := codec.ParseHeader(make([]byte, codec.HeaderBytesMax+1)); !errors.Is(err, codec.ErrHeader) {
		t.Errorf("ParseHeader: %v", err)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	var headers []codec.Header
	for _, file := range samples(t) {
		items, _ := demuxIn(file, len(file))
		headers = append(headers, items[0].Header)
	}
	for i, a := range headers {
		for j, b := range headers {
			b.BitrateBPS += 1000
			same := a.Codec() == b.Codec() && a.Format == b.Format && a.SampleRate == b.SampleRate && a.Channels == b.Channels
			if got := a.Equal(b); got != (i == j) && !same {
				t.Errorf("%v %v: equal %t", a, b, got)
			}
		}
	}
}

func TestMIME(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		h := demux(t, s.make(t), 1)[0].Header
		want := map[string]string{"mp3": "audio/mpeg", "aac": "audio/aac", "ogg": "audio/ogg", "flac": "audio/flac", "matroska": "audio/webm"}[s.demuxer]
		if h.MIME() != want {
			t.Errorf("%s: %s, want %s", s.name, h.MIME(), want)
		}
		if !h.JoinsAt(codec.Frame{Data: []byte{1}}) || h.JoinsAt(codec.Frame{}) {
			t.Errorf("%s: JoinsAt", s.name)
		}
	}
	if (codec.Header{}).Codec() != "" || codec.FormatUnknown.String() != "unknown" {
		t.Error("the zero header has a codec")
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 200)
	for in, want := range map[string]string{
		"plain":                        "plain",
		" \t trimmed\r\n":              "trimmed",
		"two\nlines":                   "two lines",
		"Bj\xf6rk":                     "Björk",
		"\x93quoted\x94 \x80 5":        "“quoted” € 5",
		"Caf\xe9":                      "Café",
		"Tîtr\xc3":                     "Tîtr",
		"\xef\xbb\xbfBOM":              "BOM",
		"nul\x00inside":                "nul inside",
		"line\u2028separator":          "line separator",
		"\xff\xfe":                     "ÿþ",
		"":                             "",
		"\x81\x8d":                     "",
		long:                           long[:254],
		"日本語 \xe6\x97\xa5\xe6\x9c":     "日本語 日",
		strings.Repeat("a", 300):       strings.Repeat("a", 255),
		strings.Repeat(" ", 300):       "",
		"ends\u00a0with a space\u3000": "ends\u00a0with a space",
	} {
		if got := (codec.Event{Title: in}).Clean().Title; got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// All texts at their longest fit one chunk: the long ones are cut alike, the short ones not at all.
func TestEventFitsChunk(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("日本", 40)
	e := codec.Event{Title: long, Artist: long, Album: long, StationName: long, Genre: "Jazz", Description: long, URL: long}
	b := codec.AppendEvent(nil, e)
	if len(b) > codec.ChunkBytesMax || len(b) < codec.ChunkBytesMax-6*4 {
		t.Errorf("%d bytes", len(b))
	}
	got, err := codec.ParseEvent(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Genre != "Jazz" || !utf8.ValidString(got.Title) || len(got.Title) < 150 || got.Title != got.URL {
		t.Errorf("event %+v", got)
	}
}

// butt begins each title with another pre-skip: the stream goes on. Another mapping family is another stream.
func TestEqualIgnoresOpusPreSkip(t *testing.T) {
	t.Parallel()
	head := []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")
	with := func(at int, v byte) codec.Header {
		b := append([]byte(nil), head...)
		b[at] = v
		return codec.Header{Format: codec.FormatOggOpus, SampleRate: 48000, Channels: 2, Packets: [][]byte{b}}
	}
	same := with(0, 'O')
	for at, want := range map[int]bool{9: false, 10: true, 11: true, 12: true, 15: true, 16: false, 18: false} {
		if got := same.Equal(with(at, 0xf8)); got != want {
			t.Errorf("byte %d differs: equal %t, want %t", at, got, want)
		}
	}
}
