// SPDX-License-Identifier: MIT

package codec

import "fmt"

// An oggParser takes Ogg pages: one stream of audio at a time, link after link. A BOS page begins a new link whenever it
// comes, with or without an EOS before it, and under the same serial number or another.
type oggParser struct {
	out      *outbox
	clock    linkClock
	link     *oggLink // nil: no audio yet
	serial   uint32
	sequence uint32 // of the page that must come next
	heads    bool   // BOS pages are coming, no other page yet
	strange  []byte // the magic of a stream that is not known here
	idle     int    // bytes since the last page of audio
	damaged  int    // pages in a row with a wrong checksum
}

const (
	oggStartMax   = 256 << 10 // bytes without a beginning before a source is given up
	oggIdleMax    = 2 << 20   // the same without a page of audio, later
	oggDamagedMax = 64        // bounds the work on bytes that only look like pages
)

func (o *oggParser) resume() {
	o.idle, o.damaged, o.heads = 0, 0, false
	if o.link == nil {
		return
	}
	if o.link.header.Format == FormatUnknown {
		o.link = nil // cut off within the headers
		return
	}
	o.link.sink = sinkNone
}

func (o *oggParser) parse(b []byte, end bool) (int, error) {
	pos := 0
	for {
		n := indexOgg(b[pos:])
		pos += n
		o.idle += n
		p, size, v := readOggPage(b[pos:])
		switch {
		case o.idle > oggIdleMax, o.link == nil && o.idle > oggStartMax:
			return pos, o.errIdle()
		case v == verdictWait:
			return pos, nil
		case v == verdictNo && len(b)-pos < oggHeadBytes:
			return pos, nil
		case v == verdictNo:
			pos++
			o.idle++
			if o.damaged++; o.damaged > oggDamagedMax {
				return pos, fmt.Errorf("%w: damaged Ogg pages, one after the other", ErrFormat)
			}
			continue
		}
		o.damaged = 0
		o.idle += size
		pos += size
		if err := o.page(p); err != nil {
			return pos, err
		}
	}
}

func (o *oggParser) errIdle() error {
	if o.link == nil {
		return fmt.Errorf("%w: Ogg without its beginning: stop the broadcast in your tool and start it again", ErrFormat)
	}
	return fmt.Errorf("%w: no page of the audio in %d bytes of Ogg", ErrFormat, o.idle)
}

func (o *oggParser) page(p oggPage) error {
	if p.flags&oggBOS != 0 {
		return o.beginLink(p)
	}
	if o.heads {
		o.heads = false
		if o.link == nil && o.strange != nil {
			return fmt.Errorf("%w: Ogg with something unknown (%q); send Vorbis, Opus or FLAC", ErrFormat, o.strange)
		}
	}
	if o.link == nil || p.serial != o.serial {
		return nil
	}
	return o.audio(p)
}

// beginLink takes a BOS page. The BOS pages of streams that run side by side come together: the first audio counts.
func (o *oggParser) beginLink(p oggPage) error {
	format, refused := oggContent(p.body)
	switch {
	case refused != "":
		return fmt.Errorf("%w: this is %s", ErrFormat, refused)
	case !o.heads:
		o.heads, o.strange, o.link = true, nil, nil
	case o.link != nil && format != FormatUnknown && p.serial != o.serial:
		return nil
	}
	if format == FormatUnknown {
		const skeleton, magicMax = "fishead\x00", 8
		if magic := p.body[:min(len(p.body), magicMax)]; string(magic) != skeleton && o.strange == nil {
			o.strange = append([]byte{}, magic...)
		}
		return nil
	}
	o.link = &oggLink{out: o.out, format: format, clock: &o.clock}
	o.serial, o.sequence = p.serial, p.sequence
	return o.audio(p)
}

// audio takes the packets, or pieces of them, of a page of the link.
func (o *oggParser) audio(p oggPage) error {
	l := o.link
	o.idle = 0
	if (p.sequence != o.sequence || p.flags&oggContinued == 0) && l.sink != sinkNone {
		if l.sink = sinkNone; l.header.Format == FormatUnknown { // a codec header is cut
			o.link = nil
			return nil
		}
	}
	o.sequence = p.sequence + 1
	inside := p.flags&oggContinued != 0
	body := p.body
	for lacing := p.lacing; len(lacing) > 0; inside = false {
		size, segments, last := 0, 0, false
		for !last && segments < len(lacing) {
			size += int(lacing[segments])
			last = lacing[segments] < 255
			segments++
		}
		if !inside && size > 0 {
			l.begin(body[0])
		}
		if err := l.piece(body[:size], last); err != nil {
			return err
		}
		body, lacing = body[size:], lacing[segments:]
	}
	return nil
}
