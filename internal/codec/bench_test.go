// SPDX-License-Identifier: MIT

package codec_test

import (
	"testing"

	"streamer/internal/codec"
)

// A source's bytes in pieces as they come from a socket.
func BenchmarkDemuxer(b *testing.B) {
	for _, s := range sources() {
		b.Run(s.name, func(b *testing.B) {
			file := s.make(b)
			d := codec.NewDemuxer()
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			frames := 0
			for b.Loop() {
				frames = 0
				d.Reset()
				for rest := file; len(rest) > 0; {
					n := min(len(rest), 1400)
					if err := d.Write(rest[:n]); err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
					for i, ok := d.Next(); ok; i, ok = d.Next() {
						if i.Kind == codec.ItemFrame {
							frames++
						}
					}
				}
			}
			b.ReportMetric(float64(frames), "frames/op")
		})
	}
}

// A byte at a time is the worst that can come.
func BenchmarkDemuxerByteByByte(b *testing.B) {
	for _, name := range []string{"mp3-cbr-128", "ogg-flac", "flac", "webm-opus"} {
		b.Run(name, func(b *testing.B) {
			file := sourceNamed(b, name).make(b)
			file = file[:min(len(file), 40_000)]
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				d := codec.NewDemuxer()
				for i := range file {
					if err := d.Write(file[i : i+1]); err != nil {
						b.Fatal(err)
					}
					for _, ok := d.Next(); ok; _, ok = d.Next() {
					}
				}
			}
		})
	}
}

func BenchmarkPacketizer(b *testing.B) {
	benchmarkItems(b, func(items []codec.Item) {
		p := codec.NewPacketizer()
		for _, i := range items {
			switch i.Kind {
			case codec.ItemHeader:
				if err := p.Begin(i.Header); err != nil {
					b.Fatal(err)
				}
			case codec.ItemFrame:
				p.Frame(i.Frame)
			case codec.ItemEvent, codec.ItemGap:
			}
			for _, ok := p.Next(); ok; _, ok = p.Next() {
			}
		}
	})
}

func BenchmarkDepacketizer(b *testing.B) {
	for _, s := range sources() {
		b.Run(s.name, func(b *testing.B) {
			file := s.make(b)
			chunks := packetize(b, demux(b, file, 1))
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				d := codec.NewDepacketizer()
				for _, c := range chunks {
					d.Write(c)
					for _, ok := d.Next(); ok; _, ok = d.Next() {
					}
				}
			}
		})
	}
}

func BenchmarkMuxer(b *testing.B) {
	var out []byte
	benchmarkItems(b, func(items []codec.Item) {
		m, err := codec.NewMuxer(items[0].Header, codec.Event{})
		if err != nil {
			b.Fatal(err)
		}
		for _, i := range items {
			if i.Kind == codec.ItemFrame {
				out = m.Frame(out[:0], i.Frame)
			}
		}
	})
}

func benchmarkItems(b *testing.B, do func(items []codec.Item)) {
	for _, s := range sources() {
		b.Run(s.name, func(b *testing.B) {
			file := s.make(b)
			items := demux(b, file, 1)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				do(items)
			}
			b.ReportMetric(float64(len(items)), "frames/op")
		})
	}
}
