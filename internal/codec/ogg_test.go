// SPDX-License-Identifier: MIT

package codec_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"streamer/internal/codec"
)

// oggPages cuts a file into its pages.
func oggPages(file []byte) (pages [][]byte) {
	for len(file) > 0 {
		size := 27 + int(file[26])
		for _, n := range file[27:size] {
			size += int(n)
		}
		pages = append(pages, file[:size])
		file = file[size:]
	}
	return pages
}

// oggPackets returns the packets of a file, headers first.
func oggPackets(file []byte) (packets [][]byte) {
	var open []byte
	for _, p := range oggPages(file) {
		segments := int(p[26])
		body := p[27+segments:]
		for _, n := range p[27 : 27+segments] {
			open = append(open, body[:n]...)
			body = body[n:]
			if n < 255 {
				packets = append(packets, open)
				open = nil
			}
		}
	}
	return packets
}

// repage lays packets out on pages of at most the given number of segments, the first on a page of its own. Comments,
// setup and audio may share pages, and packets go on over page ends, as in streams of MPD, butt and others.
func repage(packets [][]byte, serial uint32, segmentsMax func() int) (file []byte) {
	var lacing, body []byte
	sequence, flags := uint32(0), byte(2)
	put := func(next byte) {
		file = codec.AppendOggPage(file, flags, serial, sequence, lacing, body)
		sequence++
		lacing, body, flags = nil, nil, next
	}
	limit := 255
	for i, p := range packets {
		for begun := false; ; begun = true {
			n := min(255, len(p))
			if len(lacing) >= limit {
				next := byte(0)
				if begun {
					next = 1
				}
				put(next)
				limit = segmentsMax()
			}
			lacing, body, p = append(lacing, byte(n)), append(body, p[:n]...), p[n:]
			if n < 255 {
				break
			}
		}
		if i == 0 {
			put(0)
			limit = segmentsMax()
		}
	}
	put(0)
	return file
}

func oggSources(t testing.TB) []source {
	t.Helper()
	return []source{sourceNamed(t, "vorbis"), sourceNamed(t, "opus-20"), sourceNamed(t, "ogg-flac")}
}

func TestOggPageLayouts(t *testing.T) {
	t.Parallel()
	for _, s := range oggSources(t) {
		file := s.make(t)
		want := hashes(demux(t, file, 1))
		rng := rand.New(rand.NewPCG(7, 8))
		for _, limit := range []int{1, 2, 5, 60, 255} {
			pages := repage(oggPackets(file), 0, func() int { return 1 + rng.IntN(limit) })
			checkHashes(t, s.name, hashes(demux(t, pages, 2)), want)
		}
	}
}

// Liquidsoap begins a new link with every track, DarkIce uses serial number 0 for all, and a dropped connection leaves no
// EOS page: players get one stream with one serial number.
func TestOggChain(t *testing.T) {
	t.Parallel()
	for _, s := range oggSources(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			one := s.make(t)
			two := ffmpeg(t, one, "-f ogg -i - -c copy -metadata:s:a title=Second -metadata:s:a artist=B -f ogg -")
			same := repage(oggPackets(two), binary.LittleEndian.Uint32(one[14:]), func() int { return 50 })
			pages := oggPages(one)
			cut := slices.Concat(pages[:len(pages)-1]...)
			for name, first := range map[string][]byte{"whole": one, "no EOS": cut} {
				for _, second := range [][]byte{two, same} {
					items := demux(t, slices.Concat(first, second), 3)
					want := slices.Concat(hashes(demux(t, first, 1)), hashes(demux(t, second, 1)))
					checkHashes(t, name, hashes(items), want)
					checkTitles(t, items, "T", "Second")
					received := depacketize(codec.NewDepacketizer(), packetize(t, items))
					played := mux(t, received, codec.Event{Title: "T"})
					checkHashes(t, name+", played", packetHashes(t, played, "ogg"), want)
					decodesCleanly(t, played, "ogg")
					checkPages(t, played, items)
				}
			}
		})
	}
}

func checkTitles(t *testing.T, items []codec.Item, want ...string) {
	t.Helper()
	var got []string
	for _, i := range items {
		if i.Kind == codec.ItemEvent {
			got = append(got, i.Event.Title)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("titles %q, want %q", got, want)
	}
}

// A cover of megabytes in the comments passes through without being gathered.
func TestOggCover(t *testing.T) {
	t.Parallel()
	cover := "METADATA_BLOCK_PICTURE=" + strings.Repeat("QUJD", 1<<20)
	for _, s := range []source{sourceNamed(t, "opus-20"), sourceNamed(t, "ogg-flac"), sourceNamed(t, "vorbis")} {
		packets := oggPackets(s.make(t))
		comments := binary.LittleEndian.AppendUint32(nil, 3)
		comments = append(comments, "ven"...)
		comments = binary.LittleEndian.AppendUint32(comments, 3)
		for _, c := range []string{"ARTIST=Bj\xf6rk", cover, "title=J\u00f3ga\n"} {
			comments = binary.LittleEndian.AppendUint32(comments, uint32(len(c)))
			comments = append(comments, c...)
		}
		head := len("OpusTags")
		switch s.codec {
		case "vorbis":
			head = len("\x03vorbis")
			comments = append(comments, 1)
		case "flac":
			head = 4
		}
		packets[1] = slices.Concat(packets[1][:head], comments)
		file := repage(packets, 1, func() int { return 255 })
		d := codec.NewDemuxer()
		var events []codec.Event
		for len(file) > 0 {
			n := min(len(file), 4096)
			if err := d.Write(file[:n]); err != nil {
				t.Fatal(err)
			}
			file = file[n:]
			for _, i := range drain(d) {
				if i.Kind == codec.ItemEvent {
					events = append(events, i.Event)
				}
			}
			if d.Held() > 512<<10 {
				t.Fatalf("%s: the demuxer holds %d bytes", s.name, d.Held())
			}
		}
		if want := (codec.Event{Title: "J\u00f3ga", Artist: "Bj\u00f6rk"}); len(events) != 1 || events[0] != want {
			t.Errorf("%s: events %+v, want %+v", s.name, events, want)
		}
	}
}

// A skeleton beside the audio is dropped, and so is a second audio stream.
func TestOggMultiplex(t *testing.T) {
	t.Parallel()
	vorbis, opus := oggPages(sourceNamed(t, "vorbis").make(t)), oggPages(sourceNamed(t, "opus-20").make(t))
	skeleton := codec.AppendOggPage(nil, 2, 77, 0, []byte{64}, append([]byte("fishead\x00"), make([]byte, 56)...))
	bone := codec.AppendOggPage(nil, 0, 77, 1, []byte{8}, []byte("fisbone\x00"))
	file := slices.Concat(skeleton, vorbis[0], opus[0], bone)
	for i := range max(len(vorbis), len(opus)) {
		if i > 0 && i < len(vorbis) {
			file = append(file, vorbis[i]...)
		}
		if i > 0 && i < len(opus) {
			file = append(file, opus[i]...)
		}
	}
	items := demux(t, slices.Concat(file, file), 4)
	one := hashes(demux(t, slices.Concat(vorbis...), 1))
	checkHashes(t, "vorbis of both", hashes(items), slices.Concat(one, one))
}

// checkPages: one serial number, page numbers without a hole, and at the end the granule position that the frames add up to.
func checkPages(t *testing.T, file []byte, items []codec.Item) {
	t.Helper()
	pages := oggPages(file)
	for i, p := range pages {
		if !bytes.Equal(p[14:18], file[14:18]) {
			t.Fatal("more than one serial number")
		}
		if n := binary.LittleEndian.Uint32(p[18:]); n != uint32(i) {
			t.Fatalf("page %d has number %d", i, n)
		}
		if bos, eos := p[5]&2 != 0, p[5]&4 != 0; bos != (i == 0) || eos != (i == len(pages)-1) {
			t.Fatalf("page %d of %d has flags %x", i, len(pages), p[5])
		}
	}
	samples := 0
	for _, i := range items {
		samples += i.Frame.Samples
	}
	if n := binary.LittleEndian.Uint64(pages[len(pages)-1][6:]); n != uint64(samples) {
		t.Errorf("the last page is at %d, the frames add up to %d", n, samples)
	}
}

// Pages that are missing cost the packets on them and those cut by them; nothing is put together from two packets.
func TestOggMissingPages(t *testing.T) {
	t.Parallel()
	for _, s := range oggSources(t) {
		packets := oggPackets(s.make(t))
		rng := rand.New(rand.NewPCG(15, 16))
		pages := oggPages(repage(packets, 1, func() int { return 1 + rng.IntN(4) }))
		want := hashes(demux(t, slices.Concat(pages...), 1))
		for range 20 {
			n := len(pages)/2 + rng.IntN(len(pages)/4)
			got := hashes(demux(t, slices.Concat(slices.Concat(pages[:n]...), slices.Concat(pages[n+1+rng.IntN(3):]...)), 1))
			lost := len(want) - len(got)
			if lost < 1 || lost > 20 {
				t.Fatalf("%s: %d of %d packets lost", s.name, lost, len(want))
			}
			for i, h := range got {
				if h != want[i] && h != want[i+lost] {
					t.Fatalf("%s: packet %d is not one of the source's", s.name, i)
				}
			}
		}
	}
}

// A hole in the page numbers is how a player learns of a gap.
func TestOggGap(t *testing.T) {
	t.Parallel()
	items := demux(t, sourceNamed(t, "opus-20").make(t), 1)
	m, err := codec.NewMuxer(items[0].Header, codec.Event{})
	if err != nil {
		t.Fatal(err)
	}
	frame := items[len(items)-1].Frame
	file := m.Start(nil)
	file = m.Frame(file, frame)
	file = m.Gap(file)
	file = m.Frame(file, frame)
	file = m.End(file)
	var numbers []uint32
	for _, p := range oggPages(file) {
		numbers = append(numbers, binary.LittleEndian.Uint32(p[18:]))
	}
	if !slices.Equal(numbers, []uint32{0, 1, 2, 4}) {
		t.Errorf("pages %v", numbers)
	}
}
