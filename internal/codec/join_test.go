// SPDX-License-Identifier: MIT

package codec_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"streamer/internal/codec"
)

// split separates the header chunks, which every listener gets, from the rest.
func split(chunks []codec.Chunk) (headers, rest []codec.Chunk) {
	n := slices.IndexFunc(chunks, func(c codec.Chunk) bool { return c.Kind != codec.ChunkHeader })
	return chunks[:n], chunks[n:]
}

// A listener that joins anywhere gets the stream from the next whole frame on, and a player can decode it.
func TestJoinAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			items := demux(t, s.make(t), 1)
			want := hashes(items)
			headers, rest := split(packetize(t, items))
			decoded := 0
			for at := 7; at < len(rest); at += 7 {
				received := depacketize(codec.NewDepacketizer(), slices.Concat(headers, rest[at:]))
				got := hashes(received)
				if len(got) == 0 && at < len(rest)-10 {
					t.Fatalf("joined at chunk %d of %d: nothing was received", at, len(rest))
				}
				if !slices.Equal(got, want[len(want)-len(got):]) {
					t.Fatalf("joined at chunk %d: %d frames that are not the last ones", at, len(got))
				}
				checkStart(t, received, rest[at:])
				if decoded < 3 && at >= (decoded+1)*len(rest)/4 {
					decoded++
					if pcm := decodesCleanly(t, mux(t, received, codec.Event{}), s.demuxer); len(pcm) == 0 {
						t.Errorf("joined at chunk %d: nothing could be decoded", at)
					}
				}
			}
		})
	}
}

// checkStart: the first frame is the first one that begins in the chunks, at their time.
func checkStart(t *testing.T, received []codec.Item, chunks []codec.Chunk) {
	t.Helper()
	c := slices.IndexFunc(chunks, func(c codec.Chunk) bool { return c.Duration > 0 })
	i := slices.IndexFunc(received, func(i codec.Item) bool { return i.Kind == codec.ItemFrame })
	if c >= 0 && i >= 0 && received[i].Start != chunks[c].Start {
		t.Fatalf("the first frame is at %v, want %v", received[i].Start, chunks[c].Start)
	}
}

// A lost chunk costs the frames that have bytes in it and no others; what comes next is whole.
func TestLoss(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			items := demux(t, s.make(t), 1)
			headers, rest := split(packetize(t, items))
			spans := frameSpans(headers, rest)
			rng := rand.New(rand.NewPCG(5, 6))
			for range 20 {
				lost := make([]bool, len(rest))
				damaged := slices.Clone(rest)
				for range 1 + rng.IntN(len(rest)/8) {
					n := rng.IntN(len(rest))
					if rest[n].Kind != codec.ChunkAudio {
						continue
					}
					lost[n] = true
					damaged[n] = codec.Chunk{}
				}
				var want []packetHash
				for _, f := range spans {
					if !slices.Contains(lost[f.from:f.to+1], true) {
						want = append(want, f.packetHash)
					}
				}
				d := codec.NewDepacketizer()
				received := depacketize(d, slices.Concat(headers, damaged))
				checkHashes(t, "received", hashes(received), want)
				if d.Malformed() != 0 {
					t.Errorf("%d chunks were called malformed", d.Malformed())
				}
				checkGaps(t, received)
			}
		})
	}
}

// frameSpan is a frame with the first and last chunk that hold bytes of it.
type frameSpan struct {
	packetHash
	from, to int
}

func frameSpans(headers, chunks []codec.Chunk) (spans []frameSpan) {
	d := codec.NewDepacketizer()
	depacketize(d, headers)
	begins := 0
	for n, c := range chunks {
		for _, i := range depacketize(d, []codec.Chunk{c}) {
			if i.Kind != codec.ItemFrame {
				continue
			}
			for begins < n && chunks[begins].Start+chunks[begins].Duration <= i.Start {
				begins++
			}
			spans = append(spans, frameSpan{hashes([]codec.Item{i})[0], begins, n})
		}
	}
	return spans
}

// checkGaps: time jumps exactly where an ItemGap says so. How long the first Vorbis packet behind a gap lasts depends on
// the one before it; the next chunk sets it right.
func checkGaps(t *testing.T, items []codec.Item) {
	t.Helper()
	var end time.Duration
	tolerance := time.Microsecond
	rate, gap, first := 0, false, true
	for _, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			rate = i.Header.SampleRate
			if i.Header.Codec() == "vorbis" {
				tolerance = 25 * time.Millisecond
			}
		case codec.ItemGap:
			gap = true
		case codec.ItemFrame:
			jump := i.Start - end
			if !first && !gap && (jump > tolerance || jump < -tolerance) {
				t.Fatalf("a frame at %v, the one before ended at %v, and no gap", i.Start, end)
			}
			if gap && jump < -tolerance {
				t.Fatalf("time goes back over a gap, from %v to %v", end, i.Start)
			}
			end = i.Start + time.Duration(i.Frame.Samples)*time.Second/time.Duration(rate)
			gap, first = false, false
		case codec.ItemEvent:
		}
	}
}

// A source that stalls lets media time jump; a chunk never holds audio from both sides.
func TestAdvance(t *testing.T) {
	items := demux(t, sources()[0].make(t), 1)
	p := codec.NewPacketizer()
	if err := p.Begin(items[0].Header); err != nil {
		t.Fatal(err)
	}
	frame := items[1].Frame
	p.Frame(frame)
	lasts := p.Time()
	if got := p.Pending(); got != lasts {
		t.Errorf("pending %v, want %v", got, lasts)
	}
	p.Advance(1500 * time.Millisecond)
	p.Frame(frame)
	p.Flush()
	var audio []codec.Chunk
	for _, c := range takeChunks(p) {
		if c.Kind == codec.ChunkAudio {
			audio = append(audio, c)
		}
	}
	if len(audio) != 2 || audio[1].Start != lasts+1500*time.Millisecond || audio[0].Duration != lasts {
		t.Errorf("chunks %v", audio)
	}
	if got := p.Time() - 2*lasts; got < 1500*time.Millisecond || got > 1500*time.Millisecond+1 { // 1 ns of rounding
		t.Errorf("time %v, frames of %v", p.Time(), lasts)
	}
}

// Late joiners learn the title within EventEvery.
func TestEventIsRepeated(t *testing.T) {
	items := demux(t, sources()[0].make(t), 1)
	p := codec.NewPacketizer()
	p.Event(codec.Event{Title: "before the header"})
	if err := p.Begin(items[0].Header); err != nil {
		t.Fatal(err)
	}
	for p.Time() < 35*time.Second {
		for _, i := range items[1:] {
			p.Frame(i.Frame)
		}
		p.Event(codec.Event{Title: "before the header"}) // not news
	}
	chunks := takeChunks(p)
	var at []time.Duration
	for _, c := range chunks {
		if c.Kind == codec.ChunkEvent {
			at = append(at, c.Start)
		}
	}
	if len(at) != 4 {
		t.Fatalf("events at %v, want 4", at)
	}
	for i, start := range at {
		if want := time.Duration(i) * codec.EventEvery; start < want-100*time.Millisecond || start > want+100*time.Millisecond {
			t.Errorf("event %d at %v, want about %v", i, start, want)
		}
	}
	var events []codec.Item
	for _, i := range depacketize(codec.NewDepacketizer(), chunks) {
		if i.Kind == codec.ItemEvent {
			events = append(events, i)
		}
	}
	if len(events) != 1 || events[0].Event.Title != "before the header" {
		t.Errorf("a listener sees %v, want one event", events)
	}
}
