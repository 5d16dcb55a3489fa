// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"streamer/internal/codec"
)

// A key holder sends frames that never end: what a listener holds of them stays within a header and a frame.
func TestDepacketizerIsBounded(t *testing.T) {
	items, _ := demuxIn(samples(t)["opus.ogg"], 1000)
	p := codec.NewPacketizer()
	if err := p.Begin(items[0].Header); err != nil {
		t.Fatal(err)
	}
	d := codec.NewDepacketizer()
	depacketize(d, takeChunks(p))
	begin := binary.AppendUvarint([]byte{0, 0}, codec.FrameBytesMax)
	begin = append(begin, make([]byte, codec.ChunkBytesMax-len(begin))...)
	more := append([]byte{7, 255}, make([]byte, codec.ChunkBytesMax-2)...)
	piece := append([]byte{0, 59}, make([]byte, codec.ChunkBytesMax-2)...)
	next := bytes.Clone(piece)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for round := range 200 {
		at := time.Duration(round) * time.Second
		d.Write(codec.Chunk{Kind: codec.ChunkAudio, Start: at, Data: begin})
		for range 300 {
			d.Write(codec.Chunk{Kind: codec.ChunkAudio, Start: at, Data: more})
		}
		d.Write(codec.Chunk{Kind: codec.ChunkHeader, Data: piece})
		for n := byte(1); n < 59; n++ {
			next[0] = n
			d.Write(codec.Chunk{Kind: codec.ChunkHeader, Data: next})
		}
	}
	for i, ok := d.Next(); ok; i, ok = d.Next() {
		if i.Kind == codec.ItemFrame {
			t.Fatalf("a frame of %d bytes came out", len(i.Frame.Data))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 4*codec.FrameBytesMax {
		t.Errorf("%d bytes are held", held)
	}
	if d.Malformed() == 0 {
		t.Error("no chunk was called malformed")
	}
	runtime.KeepAlive(d)
}

// The largest frame there may be goes through.
func TestLargestFrame(t *testing.T) {
	items, _ := demuxIn(samples(t)["flac"], 1000)
	var header codec.Header
	var frame codec.Frame
	for _, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			header = i.Header
		case codec.ItemFrame:
			frame = i.Frame
		case codec.ItemEvent, codec.ItemGap:
		}
	}
	frame.Data = append(bytes.Clone(frame.Data), make([]byte, codec.FrameBytesMax-len(frame.Data))...)
	p, d := codec.NewPacketizer(), codec.NewDepacketizer()
	if err := p.Begin(header); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.Frame(frame)
	}
	p.Flush()
	chunks := takeChunks(p)
	if limit := 3*codec.FrameBytesMax/1100 + 2; len(chunks) > limit {
		t.Errorf("%d chunks, want at most %d", len(chunks), limit)
	}
	got := hashes(depacketize(d, chunks))
	checkHashes(t, "received", got, hashes([]codec.Item{{Kind: codec.ItemFrame, Frame: frame}, {Kind: codec.ItemFrame, Frame: frame}, {Kind: codec.ItemFrame, Frame: frame}}))
	header.Format = codec.FormatOggFLAC
	m, err := codec.NewMuxer(header, codec.Event{})
	if err != nil {
		t.Fatal(err)
	}
	ogg := m.Start(nil)
	for range 3 {
		ogg = m.Frame(ogg, frame)
	}
	checkHashes(t, "out of its Ogg pages", hashes(demux(t, m.End(ogg), 1)), got)
}

// What the chunks add to the audio.
func TestOverhead(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		items := demux(t, s.make(t), 1)
		audio, sent := 0, 0
		for _, i := range items {
			audio += len(i.Frame.Data)
		}
		_, rest := split(packetize(t, items))
		for _, c := range rest {
			sent += len(c.Data)
		}
		const percentMax = 2
		if percent := 100 * (sent - audio) / audio; percent > percentMax {
			t.Errorf("%s: %d bytes of audio make %d bytes of chunks, %d %%", s.name, audio, sent, percent)
		}
	}
}
