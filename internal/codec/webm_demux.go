// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"fmt"
)

// A webmParser takes WebM and Matroska with one audio track of Opus or Vorbis. It walks flat through the elements: those
// that hold what it needs are entered, the others passed over, so that it does not matter whether sizes are known.
type webmParser struct {
	out    *outbox
	clock  linkClock
	header Header // set at the first cluster
	number int64  // of the audio track

	track    webmTrack // that is being read
	chosen   *webmTrack
	refused  string // why a track was not chosen
	event    Event
	tagName  string
	skip     int64 // bytes of an element to pass over
	search   bool  // lost: look for the next cluster
	searched int
}

// webmTrack is what a TrackEntry says.
type webmTrack struct {
	number  int64
	kind    uint64
	codec   string
	private []byte
	encoded bool // compressed or encrypted as a whole
}

const (
	webmElementMax = 1 << 32 // bytes; anything larger is damage
	webmTextMax    = 4096    // longer strings are passed over
	webmBlockMax   = FrameBytesMax + 1024
	webmVideo      = 1 // TrackType
	webmAudio      = 2
)

func newWebMParser(out *outbox) *webmParser { return &webmParser{out: out} }

func (w *webmParser) resume() { w.search, w.searched, w.skip = true, 0, 0 }

// middle tells whether a cluster of this stream begins at b[0].
func (w *webmParser) middle(b []byte, end bool) verdict {
	magic := appendID(nil, idCluster)
	switch n := min(len(b), len(magic)); {
	case w.header.Format == FormatUnknown || !bytes.Equal(b[:n], magic[:n]):
		return verdictNo
	case n < len(magic):
		return waitUnless(end)
	}
	return verdictYes
}

func (w *webmParser) parse(b []byte, end bool) (int, error) {
	pos := 0
	for {
		n := int(min(w.skip, int64(len(b)-pos)))
		pos += n
		w.skip -= int64(n)
		if w.skip > 0 {
			return pos, nil
		}
		if w.search {
			pos += w.passOver(b[pos:])
			if err := w.errSearch(); w.search || err != nil {
				return pos, err
			}
		}
		id, size, head, v := readElement(b[pos:])
		if v == verdictWait {
			return pos, nil
		}
		if v == verdictNo || size > webmElementMax {
			w.search, w.searched = true, 0
			pos++
			continue
		}
		value, ok, err := w.enter(id, size)
		if err != nil {
			return pos, err
		}
		if ok {
			pos += head
			w.skip = value
			continue
		}
		if int64(len(b)-pos-head) < size {
			return pos, nil
		}
		pos += head + int(size)
		if err := w.leaf(id, b[pos-int(size):pos:pos]); err != nil {
			return pos, err
		}
	}
}

// passOver looks for the next cluster or the beginning of another file.
func (w *webmParser) passOver(b []byte) int {
	magic := appendID(nil, idCluster)
	n := max(0, len(b)-len(magic)+1)
	for i := range n {
		if id := string(b[i : i+len(magic)]); id == ebmlMagic || id == string(magic) && w.header.Format != FormatUnknown {
			w.search, n = false, i
			break
		}
	}
	w.searched += n
	return n
}

func (w *webmParser) errSearch() error {
	if w.searched <= syncSearchMax {
		return nil
	}
	return fmt.Errorf("%w: damaged WebM: no cluster in %d bytes", ErrFormat, w.searched)
}

// enter decides about an element by its head. done: nothing of its value is wanted but what comes after skip bytes.
func (w *webmParser) enter(id uint32, size int64) (skip int64, done bool, err error) {
	limit := int64(webmTextMax)
	switch id {
	case idEBML:
		*w = webmParser{out: w.out, clock: w.clock}
		return 0, true, nil
	case idSegment, idInfo, idTracks, idAudio, idBlockGroup, idTags, idTag:
		return 0, true, nil
	case idTrackEntry:
		return 0, true, w.endTrack()
	case idSimpleTag:
		w.tagName = ""
		return 0, true, nil
	case idCluster:
		return 0, true, w.begin()
	case idContentEncodings:
		w.track.encoded = true
		return size, true, w.errSize(id, size, webmElementMax)
	case idSimpleBlock, idBlock:
		return 0, false, w.errSize(id, size, webmBlockMax)
	case idCodecPrivate:
		return 0, false, w.errSize(id, size, HeaderBytesMax)
	case idTrackNumber, idTrackType:
		limit = 8
		return 0, false, w.errSize(id, size, limit)
	case idDocType, idCodecID, idTitle, idTagName, idTagString:
		if size >= 0 && size <= limit {
			return 0, false, nil
		}
	}
	return size, true, w.errSize(id, size, webmElementMax)
}

func (w *webmParser) errSize(id uint32, size, limit int64) error {
	if size == ebmlUnknownSize {
		return fmt.Errorf("%w: WebM element %x of unknown size", ErrFormat, id)
	}
	if size > limit {
		return fmt.Errorf("%w: WebM element %x of %d bytes, at most %d are carried", ErrFormat, id, size, limit)
	}
	return nil
}

// leaf takes a value.
func (w *webmParser) leaf(id uint32, value []byte) error {
	switch id {
	case idDocType:
		if s := string(bytes.TrimRight(value, "\x00")); s != "webm" && s != "matroska" {
			return fmt.Errorf("%w: EBML document %q; send WebM or Matroska", ErrFormat, s)
		}
	case idTitle:
		w.event.takeField("TITLE", string(value))
	case idTrackNumber:
		w.track.number = int64(readUint(value))
	case idTrackType:
		w.track.kind = readUint(value)
	case idCodecID:
		w.track.codec = string(bytes.TrimRight(value, "\x00"))
	case idCodecPrivate:
		w.track.private = bytes.Clone(value)
	case idTagName:
		w.tagName = string(value)
	case idTagString:
		w.event.takeField(w.tagName, string(value))
	case idSimpleBlock, idBlock:
		return w.block(value)
	}
	return nil
}

// endTrack is called where a track's description ends: at the next one, and at the first cluster.
func (w *webmParser) endTrack() error {
	t := w.track
	w.track = webmTrack{}
	switch {
	case t.kind == webmVideo:
		return fmt.Errorf("%w: WebM with video (%s); send the audio only", ErrFormat, t.codec)
	case t.kind != webmAudio || w.chosen != nil:
	case t.codec != "A_OPUS" && t.codec != "A_VORBIS":
		w.refused = "codec " + t.codec
	case t.encoded:
		w.refused = "content compression or encryption (mkvmerge --compression 0:none)"
	default:
		w.chosen = &t
	}
	return nil
}

// begin is when a cluster comes: at the first one all headers are there.
func (w *webmParser) begin() error {
	if w.header.Format != FormatUnknown {
		return nil
	}
	if err := w.endTrack(); err != nil {
		return err
	}
	if w.chosen == nil {
		if w.refused == "" {
			w.refused = "no audio"
		}
		return fmt.Errorf("%w: WebM with %s; send one track of Opus or Vorbis", ErrFormat, w.refused)
	}
	packets := [][]byte{w.chosen.private}
	if w.chosen.codec == "A_VORBIS" {
		sizes, body, ok := xiphSizes(w.chosen.private)
		if !ok || len(sizes) != 3 {
			return fmt.Errorf("%w: damaged WebM: Vorbis headers", ErrFormat)
		}
		ident, comments, setup := body[:sizes[0]], body[sizes[0]:sizes[0]+sizes[1]], body[sizes[0]+sizes[1]:]
		r := newCommentReader(len(vorbisComments))
		r.write(comments)
		w.event.takeField("TITLE", r.event.Title)
		w.event.takeField("ARTIST", r.event.Artist)
		w.event.takeField("ALBUM", r.event.Album)
		packets = [][]byte{ident, setup}
	}
	h, err := newHeader(FormatWebM, 0, packets)
	if err != nil {
		return fmt.Errorf("%w: damaged WebM: %w", ErrFormat, err)
	}
	if h.kind() == kindVorbis {
		h.BitrateBPS = vorbisBitrate(h.Packets[0])
	}
	w.header, w.number = h, w.chosen.number
	w.clock.follow(h)
	w.out.header(h)
	w.out.event(w.event)
	return nil
}
