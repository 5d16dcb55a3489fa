// SPDX-License-Identifier: MIT

package codec_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"streamer/internal/codec"
)

// butt and DarkIce go on with the same encoder after a break: the first bytes of the new connection are somewhere in the
// middle of a frame, and no header comes again.
func TestReconnectInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.make(t)
			want := hashes(demux(t, file, 1))
			rng := rand.New(rand.NewPCG(9, 10))
			for range 25 {
				stop := len(file)/4 + rng.IntN(len(file)/4)
				again := stop + rng.IntN(len(file)/6)
				d := codec.NewDemuxer()
				before := feed(t, d, file[:stop])
				d.Reconnect()
				after := feed(t, d, file[again:])
				if len(after) == 0 || after[0].Kind != codec.ItemHeader || !after[0].Header.Equal(before[0].Header) {
					t.Fatalf("stopped at %d, went on at %d: no equal header", stop, again)
				}
				got := hashes(before)
				if !slices.Equal(got, want[:len(got)]) {
					t.Fatalf("stopped at %d: frames before differ", stop)
				}
				got = hashes(after)
				if len(got) < len(want)/6 || !slices.Equal(got, want[len(want)-len(got):]) {
					t.Fatalf("stopped at %d, went on at %d: %d frames after, not the last of %d", stop, again, len(got), len(want))
				}
			}
		})
	}
}

func feed(t testing.TB, d *codec.Demuxer, b []byte) (items []codec.Item) {
	t.Helper()
	for len(b) > 0 {
		n := min(len(b), 1400)
		if err := d.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		items = append(items, drain(d)...)
		b = b[n:]
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	return append(items, drain(d)...)
}

// After a break another tool may come, with another format.
func TestReconnectWithAnotherFormat(t *testing.T) {
	t.Parallel()
	all := []string{"mp3-cbr-128", "aac-64", "vorbis", "flac", "webm-opus"}
	for _, first := range all {
		for _, second := range all {
			d := codec.NewDemuxer()
			file := sourceNamed(t, first).make(t)
			feed(t, d, file[:len(file)/2])
			d.Reconnect()
			s := sourceNamed(t, second)
			items := feed(t, d, s.make(t))
			if len(items) == 0 || items[0].Kind != codec.ItemHeader || items[0].Header.Format != s.format {
				t.Fatalf("%s, then %s: %v", first, second, items[:min(1, len(items))])
			}
			checkHashes(t, first+", then "+second, hashes(items), hashes(demux(t, s.make(t), 1)))
		}
	}
}

// A folder of files, one after the other on one connection.
func TestConcatenatedFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mp3-vbr", "mp3-mpeg2", "aac-64", "flac", "webm-opus", "webm-vorbis", "webm-live"} {
		file := sourceNamed(t, name).make(t)
		one := hashes(demux(t, file, 1))
		items := demux(t, slices.Concat(file, file), 2)
		checkHashes(t, name, hashes(items), slices.Concat(one, one))
		packetize(t, items)
	}
	// MP3 of another rate is another stream.
	a, b := sourceNamed(t, "mp3-cbr-128").make(t), sourceNamed(t, "mp3-mpeg2").make(t)
	items := demux(t, slices.Concat(a, b), 3)
	checkHashes(t, "two rates", hashes(items), slices.Concat(hashes(demux(t, a, 1)), hashes(demux(t, b, 1))))
	var rates []int
	for _, i := range items {
		if i.Kind == codec.ItemHeader {
			rates = append(rates, i.Header.SampleRate)
		}
	}
	if !slices.Equal(rates, []int{44100, 22050}) {
		t.Errorf("headers of %v Hz", rates)
	}
}

// An error stays until Reset or Reconnect.
func TestErrorStays(t *testing.T) {
	t.Parallel()
	d := codec.NewDemuxer()
	if err := d.Write([]byte("RIFF....WAVEfmt ")); !errors.Is(err, codec.ErrFormat) {
		t.Fatalf("error %v", err)
	}
	if err := d.Write(nil); !errors.Is(err, codec.ErrFormat) {
		t.Errorf("error %v the second time", err)
	}
	d.Reset()
	s := sourceNamed(t, "mp3-cbr-128")
	if items := feed(t, d, s.make(t)); len(items) < 100 {
		t.Errorf("%d items after Reset", len(items))
	}
}

// A node that starts anew while a tool goes on sending gets the middle of a stream first. Self-framing formats are found
// there; the others need their beginning, and the error says so.
func TestFreshStartInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		file := s.make(t)
		at := len(file)/3 + 1
		d := codec.NewDemuxer()
		switch s.format {
		case codec.FormatMPEG, codec.FormatAAC:
			got, want := hashes(feed(t, d, file[at:])), hashes(demux(t, file, 1))
			if len(got) < len(want)/2 || !slices.Equal(got, want[len(want)-len(got):]) {
				t.Errorf("%s: %d frames that are not the last of %d", s.name, len(got), len(want))
			}
			continue
		case codec.FormatOggVorbis, codec.FormatOggOpus, codec.FormatOggFLAC, codec.FormatFLAC, codec.FormatWebM, codec.FormatUnknown:
		}
		var err error
		for n := 0; n < 1<<20 && err == nil; n += len(file) - at {
			err = d.Write(file[at:])
			if items := drain(d); len(items) > 0 {
				t.Fatalf("%s: items without a beginning", s.name)
			}
		}
		if !errors.Is(err, codec.ErrFormat) {
			t.Errorf("%s: error %v", s.name, err)
		}
	}
}
