// SPDX-License-Identifier: MIT

package sound_test

import (
	"testing"
	"time"

	"streamer/internal/sound"
)

// BenchmarkDecode tells how much of a core it takes to decode at the speed of listening.
func BenchmarkDecode(b *testing.B) {
	for _, c := range encodings {
		switch c.name {
		case "mp3-128", "mp3-320", "vorbis-q4", "opus-96", "flac":
		default:
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			s := demux(b, encoded(b, c.rate, c.channels, c.command))
			d, err := sound.NewDecoder(s.header)
			if err != nil {
				b.Fatal(err)
			}
			samples := 0
			for i := 0; b.Loop(); i++ {
				got, err := d.Decode(s.frames[i%len(s.frames)])
				if err != nil {
					b.Fatal(err)
				}
				samples += len(got) / d.Channels()
			}
			played := time.Duration(samples) * time.Second / time.Duration(d.Rate())
			b.ReportMetric(100*b.Elapsed().Seconds()/played.Seconds(), "%core")
		})
	}
}
