// SPDX-License-Identifier: MIT

package tools

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const oggCapture = "OggS"

// oggPackets returns the packets of audio in an Ogg file, without codec headers, link after link. ffmpeg 5.1 is no judge of
// a chain: it gives out the headers of each FLAC link but the first as packets, and refuses Vorbis behind a link that ended
// before its audio began, which is how butt begins when the title is set at once.
func oggPackets(file []byte) ([][]byte, error) {
	const headBytes = 27
	var link oggLink
	for at := 0; at < len(file); {
		page := file[at:]
		if n := min(len(page), len(oggCapture)); string(page[:n]) != oggCapture[:n] {
			return nil, fmt.Errorf("no Ogg page at %d", at)
		}
		if len(page) < headBytes || len(page) < headBytes+int(page[headBytes-1]) {
			break // cut short where the sender was stopped
		}
		size := headBytes + int(page[headBytes-1])
		lacing := page[headBytes:size]
		for _, n := range lacing {
			size += int(n)
		}
		if len(page) < size {
			break
		}
		link.page(page[:size], lacing)
		at += size
	}
	return link.audio, nil
}

// oggLink is the stream of audio that is being read.
type oggLink struct {
	serial uint32
	heads  int    // header packets still to come
	flac   bool   // or as many as come before the first frame
	open   []byte // the packet that goes on on the next page
	audio  [][]byte
}

// page takes a whole page with its lacing.
func (l *oggLink) page(page, lacing []byte) {
	const continued, bos, serialAt, lacingAt = 1, 2, 14, 27
	flags, serial := page[5], binary.LittleEndian.Uint32(page[serialAt:])
	body := page[lacingAt+len(lacing):]
	if flags&bos != 0 {
		l.begin(serial, body)
	}
	if serial != l.serial {
		return // another stream beside the audio
	}
	if flags&continued == 0 {
		l.open = nil
	}
	for _, n := range lacing {
		l.open = append(l.open, body[:n]...)
		body = body[n:]
		if n < 255 {
			l.packet(l.open)
			l.open = nil
		}
	}
}

// begin takes the first packet of a link or of a stream beside it.
func (l *oggLink) begin(serial uint32, first []byte) {
	heads, flac := 0, false
	switch {
	case bytes.HasPrefix(first, []byte("\x01vorbis")):
		heads = 3
	case bytes.HasPrefix(first, []byte("OpusHead")):
		heads = 2
	case bytes.HasPrefix(first, []byte("\x7fFLAC")):
		flac = true
	default:
		return
	}
	l.serial, l.heads, l.flac = serial, heads, flac
}

func (l *oggLink) packet(b []byte) {
	const sync = 0xff // the first byte of every FLAC frame and of no header
	switch {
	case l.heads > 0:
		l.heads--
	case len(b) > 0 && (!l.flac || b[0] == sync):
		l.audio = append(l.audio, b)
	}
}
