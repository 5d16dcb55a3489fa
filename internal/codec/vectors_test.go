// SPDX-License-Identifier: MIT

package codec_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/internal/codec"
)

var update = flag.Bool("update", false, "rewrite the expect: lines of testdata/vectors")

// A vector file has one line "expect: ..." with what the parsers make of the bytes, then lines of hex with comments after
// "#". A line "@kind" or "@kind START" begins the next chunk, "@gap" says that chunks are missing.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			expect, body, ok := strings.Cut(strings.TrimPrefix(string(text), "expect: "), "\n")
			if !ok {
				t.Fatal("no expect: line")
			}
			got := describe(t, filepath.Base(name), body)
			if got == expect {
				return
			}
			if !*update {
				t.Fatalf("got  %s\nwant %s", got, expect)
			}
			if err := os.WriteFile(name, []byte("expect: "+got+"\n"+body), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// describe parses a vector and tells in one line what came out.
func describe(t *testing.T, name, body string) string {
	t.Helper()
	chunks := vectorChunks(t, body)
	switch kind, _, _ := strings.Cut(name, "-"); kind {
	case "header":
		h, err := codec.ParseHeader(chunks[0].Data)
		if err != nil {
			return "refused: " + err.Error()
		}
		if again := codec.AppendHeader(nil, h); string(again) != string(chunks[0].Data) {
			t.Errorf("appended again it is %x", again)
		}
		return fmt.Sprintf("%v %s %d Hz %d channels %d bit/s", h.Format, h.Codec(), h.SampleRate, h.Channels, h.BitrateBPS)
	case "event":
		e, err := codec.ParseEvent(chunks[0].Data)
		if err != nil {
			return "refused: " + err.Error()
		}
		return fmt.Sprintf("%+q", e)
	case "chunks":
		d := codec.NewDepacketizer()
		return itemsLine(depacketize(d, chunks), d.Malformed())
	default:
		t.Fatalf("what is a vector of %s?", kind)
		return ""
	}
}

func itemsLine(items []codec.Item, malformed uint64) string {
	var b strings.Builder
	for _, i := range items {
		switch i.Kind {
		case codec.ItemHeader:
			fmt.Fprintf(&b, "header %s, ", i.Header.Codec())
		case codec.ItemFrame:
			fmt.Fprintf(&b, "frame %d B %d samples at %v, ", len(i.Frame.Data), i.Frame.Samples, i.Start.Round(time.Microsecond))
		case codec.ItemEvent:
			fmt.Fprintf(&b, "event %q at %v, ", i.Event.Title, i.Start)
		case codec.ItemGap:
			b.WriteString("gap, ")
		}
	}
	fmt.Fprintf(&b, "%d malformed", malformed)
	return b.String()
}

func vectorChunks(t *testing.T, body string) (chunks []codec.Chunk) {
	t.Helper()
	current := codec.Chunk{}
	put := func() {
		if current.Data != nil {
			chunks = append(chunks, current)
		}
		current = codec.Chunk{}
	}
	for line := range strings.Lines(body) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "@gap":
			put()
			chunks = append(chunks, codec.Chunk{})
			continue
		case "@audio", "@header", "@event":
			put()
			current.Kind = map[string]codec.ChunkKind{"@audio": codec.ChunkAudio, "@header": codec.ChunkHeader, "@event": codec.ChunkEvent}[fields[0]]
			if len(fields) > 1 {
				start, err := time.ParseDuration(fields[1])
				if err != nil {
					t.Fatal(err)
				}
				current.Start = start
			}
			continue
		}
		b, err := hex.DecodeString(strings.Join(fields, ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		current.Data = append(current.Data, b...)
	}
	put()
	return chunks
}
