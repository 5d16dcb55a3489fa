// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"streamer/internal/codec"
)

// demux gives file to a Demuxer in pieces of random size and returns copies of the items.
func demux(t testing.TB, file []byte, seed uint64) []codec.Item {
	t.Helper()
	d := codec.NewDemuxer()
	var items []codec.Item
	take := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, drain(d)...)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for rest := file; len(rest) > 0; {
		n := min(len(rest), 1+rng.IntN(1<<rng.IntN(14)))
		piece := slices.Clone(rest[:n])
		take(d.Write(piece))
		clear(piece)
		rest = rest[n:]
	}
	take(d.Flush())
	return items
}

func drain(d *codec.Demuxer) (items []codec.Item) {
	for {
		i, ok := d.Next()
		if !ok {
			return items
		}
		i.Frame.Data = slices.Clone(i.Frame.Data)
		items = append(items, i)
	}
}

// packetize turns items into the chunks of one epoch. Headers after the first must be equal to it.
func packetize(t testing.TB, items []codec.Item) []codec.Chunk {
	t.Helper()
	p := codec.NewPacketizer()
	var header codec.Header
	var chunks []codec.Chunk
	for _, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			if header.Format == codec.FormatUnknown {
				if header = i.Header; p.Begin(header) != nil {
					t.Fatalf("Begin refused the header of a real file")
				}
			} else if !header.Equal(i.Header) {
				t.Fatalf("a second header that is not equal: %v, then %v", header, i.Header)
			}
		case codec.ItemFrame:
			p.Frame(i.Frame)
		case codec.ItemEvent:
			p.Event(i.Event)
		case codec.ItemGap:
			t.Fatal("gap in a demuxed file")
		}
		chunks = append(chunks, takeChunks(p)...)
	}
	p.Flush()
	return append(chunks, takeChunks(p)...)
}

func takeChunks(p *codec.Packetizer) (chunks []codec.Chunk) {
	for {
		c, ok := p.Next()
		if !ok {
			return chunks
		}
		chunks = append(chunks, c)
	}
}

// depacketize gives chunks to a Depacketizer, with a gap before each that is nil.
func depacketize(d *codec.Depacketizer, chunks []codec.Chunk) (items []codec.Item) {
	for _, c := range chunks {
		if c.Data == nil {
			d.Gap()
			continue
		}
		d.Write(c)
		for {
			i, ok := d.Next()
			if !ok {
				break
			}
			items = append(items, i)
		}
	}
	return items
}

// mux makes the bytes for a player that joins at the first item.
func mux(t testing.TB, items []codec.Item, e codec.Event) []byte {
	t.Helper()
	var m codec.Muxer
	var out []byte
	for _, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			if m != nil {
				continue
			}
			var err error
			if m, err = codec.NewMuxer(i.Header, e); err != nil {
				t.Fatal(err)
			}
			out = m.Start(out)
		case codec.ItemFrame:
			out = m.Frame(out, i.Frame)
		case codec.ItemGap:
			out = m.Gap(out)
		case codec.ItemEvent:
		}
	}
	return m.End(out)
}

func hashes(items []codec.Item) (hashes []packetHash) {
	for _, i := range items {
		if i.Kind == codec.ItemFrame {
			sum := md5.Sum(i.Frame.Data)
			hashes = append(hashes, packetHash{strconv.Itoa(len(i.Frame.Data)), hex.EncodeToString(sum[:])})
		}
	}
	return hashes
}

func checkHashes(t *testing.T, what string, got, want []packetHash) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	t.Errorf("%s: %d packets, want %d; the first that differs is number %d", what, len(got), len(want), n)
}

func checkChunks(t *testing.T, chunks []codec.Chunk, header codec.Header) {
	t.Helper()
	var last, sum time.Duration
	for i, c := range chunks {
		switch {
		case len(c.Data) == 0 || len(c.Data) > codec.ChunkBytesMax:
			t.Fatalf("chunk %d has %d bytes", i, len(c.Data))
		case c.Start < last:
			t.Fatalf("chunk %d: time goes back from %v to %v", i, last, c.Start)
		case c.Kind != codec.ChunkAudio && c.Duration != 0:
			t.Fatalf("chunk %d of kind %d lasts %v", i, c.Kind, c.Duration)
		case c.Duration > codec.ChunkDurationMax && header.Format != codec.FormatFLAC:
			t.Fatalf("chunk %d lasts %v", i, c.Duration)
		}
		last = c.Start
		if c.Kind == codec.ChunkAudio && c.Duration > 0 {
			if c.Start != sum {
				t.Fatalf("chunk %d begins at %v, the one before ended at %v", i, c.Start, sum)
			}
			sum += c.Duration
		}
	}
	if sum < 3900*time.Millisecond || sum > 4300*time.Millisecond {
		t.Errorf("all chunks last %v, want about 4 s", sum)
	}
}

// Every frame that ffmpeg finds in a file reaches the player byte for byte, whatever pieces the file came in.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.make(t)
			want := packetHashes(t, file, s.demuxer)
			items := demux(t, file, 1)
			if len(items) == 0 || items[0].Kind != codec.ItemHeader {
				t.Fatalf("%d items, the first is no header", len(items))
			}
			h := items[0].Header
			if rate := strconv.Itoa(h.SampleRate); h.Format != s.format || h.Codec() != s.codec || (rate != s.rate && s.codec != "opus") {
				t.Errorf("header says %v %s %s Hz, want %v %s %s", h.Format, h.Codec(), rate, s.format, s.codec, s.rate)
			}
			if ch := strconv.Itoa(h.Channels); ch != s.chans {
				t.Errorf("%s channels, want %s", ch, s.chans)
			}
			if len(want) < 20 {
				t.Fatalf("ffmpeg found %d packets only", len(want))
			}
			checkHashes(t, "demuxed", hashes(items), want)
			chunks := packetize(t, items)
			checkChunks(t, chunks, h)
			d := codec.NewDepacketizer()
			received := depacketize(d, chunks)
			if d.Malformed() != 0 {
				t.Errorf("%d malformed chunks", d.Malformed())
			}
			checkHashes(t, "received", hashes(received), want)
			played := mux(t, received, codec.Event{Title: "T"})
			checkHashes(t, "played", packetHashes(t, played, s.demuxer), want)
			checkSound(t, played, file, s)
		})
	}
}

// checkSound: the player hears the same samples at the same times. The end may be longer: a live stream has none.
func checkSound(t *testing.T, played, file []byte, s source) {
	t.Helper()
	got, want := decodesCleanly(t, played, s.demuxer), decodesCleanly(t, file, s.demuxer)
	if n := min(len(got), len(want)); n < len(want) || !bytes.Equal(got[:n], want[:n]) {
		t.Errorf("%d bytes of PCM, not the %d of the file first", len(got), len(want))
	}
	if s.demuxer != "ogg" {
		return
	}
	times, wantTimes := packetTimes(t, played, s.demuxer), packetTimes(t, file, s.demuxer)
	for i, want := range wantTimes {
		if i >= len(times) || times[i] != want {
			t.Fatalf("packet %d of %d is not at %s", i, len(times), want)
		}
	}
}
