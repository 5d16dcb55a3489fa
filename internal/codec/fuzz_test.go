// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"streamer/internal/codec"
)

// samples returns the committed files under testdata/samples: the first kilobytes of what real encoders make.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/samples/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	files := make(map[string][]byte)
	for _, n := range names {
		if files[filepath.Base(n)], err = os.ReadFile(n); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// FuzzDemuxer: never a panic, never more memory than promised, frames within bounds, and the same frames whether the bytes
// come at once or in pieces. What comes out goes through the whole chain.
func FuzzDemuxer(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b, uint8(100))
		f.Add(b[:len(b)/2], uint8(1))
		f.Add(slices.Concat(b[len(b)/3:], b), uint8(255))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		checkChain(t, checkPieces(t, b, int(step)+1))
	})
}

// FuzzOggPackets is the same with the checksums put right, which chance never does: the input is packets with their lengths
// before them.
func FuzzOggPackets(f *testing.F) {
	for name, b := range samples(f) {
		if filepath.Ext(name) != ".ogg" {
			continue
		}
		var in []byte
		for _, p := range oggPackets(b) {
			in = append(binary.BigEndian.AppendUint16(in, uint16(len(p))), p...)
		}
		f.Add(in, uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, segments uint8) {
		var packets [][]byte
		for len(in) >= 2 {
			n := min(int(binary.BigEndian.Uint16(in)), len(in)-2)
			packets = append(packets, in[2:2+n])
			in = in[2+n:]
		}
		if len(packets) == 0 || len(packets[0]) > 255 {
			return
		}
		file := repage(packets, 1, func() int { return int(segments)%255 + 1 })
		items := checkPieces(t, file)
		checkChain(t, items)
	})
}

func demuxIn(b []byte, step int) (items []codec.Item, err error) {
	d := codec.NewDemuxer()
	for len(b) > 0 && err == nil {
		n := min(len(b), step)
		err = d.Write(b[:n])
		b = b[n:]
		items = append(items, drain(d)...)
	}
	if err == nil {
		err = d.Flush()
		items = append(items, drain(d)...)
	}
	d.Reconnect()
	return items, err
}

func equalItems(a, b codec.Item) bool {
	return a.Kind == b.Kind && a.Event == b.Event && a.Header.Equal(b.Header) && bytes.Equal(a.Frame.Data, b.Frame.Data) && a.Frame.Samples == b.Frame.Samples
}

// checkChain sends items through packetizer, depacketizer and muxer: the frames of each epoch arrive as they are.
func checkChain(t *testing.T, items []codec.Item) {
	t.Helper()
	p, d := codec.NewPacketizer(), codec.NewDepacketizer()
	var header codec.Header
	var want, got [][]byte
	var out []byte
	var m codec.Muxer
	pass := func() {
		for _, i := range depacketize(d, takeChunks(p)) {
			if i.Kind == codec.ItemFrame {
				got = append(got, i.Frame.Data)
				out = m.Frame(out[:0], i.Frame)
			}
		}
	}
	for n, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			if i.Header.Equal(header) {
				continue
			}
			p.Flush()
			pass()
			if err := p.Begin(i.Header); err != nil {
				t.Fatalf("Begin refused a header of the Demuxer: %v", err)
			}
			header = i.Header
			var err error
			if m, err = codec.NewMuxer(header, codec.Event{}); err != nil {
				t.Fatal(err)
			}
			out = m.Start(out[:0])
		case codec.ItemFrame:
			if len(i.Frame.Data) == 0 || len(i.Frame.Data) > codec.FrameBytesMax || i.Frame.Samples < 0 || n == 0 {
				t.Fatalf("item %d: a frame of %d bytes, %d samples", n, len(i.Frame.Data), i.Frame.Samples)
			}
			want = append(want, i.Frame.Data)
			p.Frame(i.Frame)
		case codec.ItemEvent:
			p.Event(i.Event)
		case codec.ItemGap:
			t.Fatal("gap")
		}
	}
	p.Flush()
	if m != nil {
		pass()
	}
	if d.Malformed() != 0 || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("%d frames went in, %d came out, %d chunks malformed", len(want), len(got), d.Malformed())
	}
}

// FuzzDepacketizer takes chunks as kind, length and bytes. A station's key holder may send anything.
func FuzzDepacketizer(f *testing.F) {
	for _, b := range samples(f) {
		items, _ := demuxIn(b, len(b))
		if len(items) == 0 {
			continue
		}
		var in []byte
		for _, c := range packetize(f, items) {
			in = append(in, byte(c.Kind))
			in = binary.BigEndian.AppendUint16(in, uint16(len(c.Data)))
			in = append(in, c.Data...)
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d := codec.NewDepacketizer()
		var m codec.Muxer
		var out []byte
		for at := time.Duration(0); len(in) >= 3; at += time.Second {
			kind, n := codec.ChunkKind(in[0]), min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3)
			c := codec.Chunk{Kind: kind, Start: at, Data: in[3 : 3+n]}
			in = in[3+n:]
			if kind == 255 {
				d.Gap()
				continue
			}
			d.Write(c)
			for {
				i, ok := d.Next()
				if !ok {
					break
				}
				switch i.Kind {
				case codec.ItemHeader:
					var err error
					if m, err = codec.NewMuxer(i.Header, codec.Event{}); err != nil {
						t.Fatal(err)
					}
					out = m.Start(out[:0])
				case codec.ItemFrame:
					if len(i.Frame.Data) == 0 || len(i.Frame.Data) > codec.FrameBytesMax || i.Frame.Samples < 0 {
						t.Fatalf("frame of %d bytes, %d samples", len(i.Frame.Data), i.Frame.Samples)
					}
					out = m.Frame(out[:0], i.Frame)
				case codec.ItemEvent:
					if i.Event.Clean() != i.Event {
						t.Fatalf("unclean event %+q", i.Event)
					}
				case codec.ItemGap:
					out = m.Gap(out[:0])
				}
			}
		}
	})
}

// FuzzHeader: a header that parses is appended as it was, and a muxer takes it.
func FuzzHeader(f *testing.F) {
	for _, b := range samples(f) {
		if items, _ := demuxIn(b, len(b)); len(items) > 0 {
			f.Add(codec.AppendHeader(nil, items[0].Header))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := codec.ParseHeader(b)
		if err != nil {
			if !errors.Is(err, codec.ErrHeader) {
				t.Fatal(err)
			}
			return
		}
		again := codec.AppendHeader(nil, h)
		h2, err := codec.ParseHeader(again)
		if err != nil || !h2.Equal(h) || h2.BitrateBPS != h.BitrateBPS || h.Codec() == "" || h.SampleRate <= 0 {
			t.Fatalf("%+v became %+v, %v", h, h2, err)
		}
		m, err := codec.NewMuxer(h, codec.Event{Title: "T"})
		if err != nil {
			t.Fatal(err)
		}
		m.End(m.Gap(m.Frame(m.Start(nil), codec.Frame{Data: b})))
	})
}

// FuzzEvent: an event that parses is clean and stays as it is; any texts become one that parses.
func FuzzEvent(f *testing.F) {
	f.Add([]byte{1, 2, 'T', 'i', 2, 1, 'A'}, "Title", "Art\xefst\n")
	f.Add([]byte{0}, "", "")
	f.Fuzz(func(t *testing.T, b []byte, title, other string) {
		if e, err := codec.ParseEvent(b); err == nil {
			again, err := codec.ParseEvent(codec.AppendEvent(nil, e))
			if err != nil || again != e || e.Clean() != e {
				t.Fatalf("%+q became %+q, %v", e, again, err)
			}
		} else if !errors.Is(err, codec.ErrEvent) {
			t.Fatal(err)
		}
		e := codec.Event{title, other, title + other, title, other, title + title, other + other}
		wire := codec.AppendEvent(nil, e)
		again, err := codec.ParseEvent(wire)
		if err != nil || again != e.Clean() || len(wire) > codec.ChunkBytesMax {
			t.Fatalf("%+q became %+q in %d bytes, %v", e, again, len(wire), err)
		}
	})
}
