// SPDX-License-Identifier: MIT

package codec

import "errors"

// ErrFormat is wrapped by every error of a Demuxer: the bytes are none that are carried, or damaged beyond use. The text
// says what they are and what to send instead.
var ErrFormat = errors.New("format not carried")

// A Demuxer finds out what a source sends and splits it into frames, byte for byte. The first item is a header; further
// ones follow when a new track or link begins. An MP3 file's Xing, Info or VBRI frame is no audio and is left out: it
// tells the length of that file, which misleads players of a stream.
//
// Between calls a Demuxer holds at most what one frame, page or header needs, well below 1 MiB.
type Demuxer struct {
	buf    []byte
	pos    int // buf[pos:] is not parsed yet
	parser parser
	out    outbox
	err    error
}

// A parser takes bytes and puts items into the outbox it was made with.
type parser interface {
	// parse returns how many bytes of b it is done with; the rest comes again with more behind it. end: nothing will
	// come behind it. Frames that alias b stay valid until the Demuxer's next call.
	parse(b []byte, end bool) (int, error)
	// resume says that the bytes that come next don't continue those before.
	resume()
}

// NewDemuxer returns a Demuxer that knows nothing yet.
func NewDemuxer() *Demuxer {
	d := &Demuxer{}
	d.Reset()
	return d
}

// Write takes the next bytes of the source, in pieces of any size. Call Next until it says false after every Write; items
// found before an error are there as well. After an error every Write returns it until Reset. p is the caller's again.
func (d *Demuxer) Write(p []byte) error {
	d.take(p)
	return d.parse(false)
}

// Flush says that the source has ended and releases the last frames. Call Next until it says false, then Reset or
// Reconnect. An error means that all there was made no sense.
func (d *Demuxer) Flush() error {
	d.take(nil)
	return d.parse(true)
}

// Next returns the next item. Frame.Data is valid until the next call of another method; headers and events are the
// caller's to keep.
func (d *Demuxer) Next() (Item, bool) { return d.out.next() }

// Reconnect says that the source was cut off and what comes next is a new connection: perhaps the same encoder in
// mid-frame (or mid-page, without headers), perhaps something else. A header comes first again, Equal when the same stream
// goes on. An error is forgotten.
func (d *Demuxer) Reconnect() {
	d.take(nil)
	d.pos = len(d.buf)
	d.err = nil
	d.out.restart()
	if s, ok := d.parser.(*sniffer); ok {
		s.resume()
		return
	}
	d.parser.resume()
	d.parser = &sniffer{out: &d.out, before: d.parser}
}

// Reset forgets everything.
func (d *Demuxer) Reset() {
	*d = Demuxer{}
	d.parser = &sniffer{out: &d.out}
}

// take makes room for p behind what is not parsed yet, at a cost that is linear over all calls.
func (d *Demuxer) take(p []byte) {
	const keepMax = 1 << 20
	if len(d.out.items) > d.out.head {
		panic("codec: Demuxer called before Next said false")
	}
	d.out.reset()
	rest := d.buf[d.pos:]
	switch {
	case len(rest) == 0 && cap(d.buf) > keepMax:
		d.buf, d.pos = nil, 0
	case len(rest) == 0 || len(d.buf)+len(p) > cap(d.buf) && d.pos >= len(rest):
		d.buf, d.pos = d.buf[:copy(d.buf, rest)], 0
	}
	d.buf = append(d.buf, p...)
}

func (d *Demuxer) parse(end bool) error {
	for d.err == nil {
		parser := d.parser
		n, err := parser.parse(d.buf[d.pos:], end)
		d.pos += n
		d.err = err
		if s, ok := parser.(*sniffer); !ok || s.found == nil {
			break
		} else {
			d.parser = s.found
		}
	}
	return d.err
}

// An outbox collects the items of one call.
type outbox struct {
	items []Item
	head  int
	arena []byte // frames that were in pieces

	hasHeader bool  // a header came since the beginning or the last Reconnect
	early     Event // came before it
}

func (o *outbox) next() (Item, bool) {
	if o.head == len(o.items) {
		return Item{}, false
	}
	o.head++
	return o.items[o.head-1], true
}

// reset forgets the items of the call before.
func (o *outbox) reset() {
	const keepMax = 1 << 20
	clear(o.items)
	o.items, o.head, o.arena = o.items[:0], 0, o.arena[:0]
	if cap(o.arena) > keepMax {
		o.arena = nil
	}
}

func (o *outbox) restart() {
	o.hasHeader = false
	o.early = Event{}
}

func (o *outbox) header(h Header) {
	o.hasHeader = true
	o.items = append(o.items, Item{Kind: ItemHeader, Header: h})
	o.event(o.early)
	o.early = Event{}
}

// frame takes a frame that stays valid until the next call.
func (o *outbox) frame(data []byte, samples int) {
	o.items = append(o.items, Item{Kind: ItemFrame, Frame: Frame{Data: data, Samples: samples}})
}

// event passes an event on after the header it belongs to. An empty one says nothing.
func (o *outbox) event(e Event) {
	switch {
	case e == Event{}:
	case o.hasHeader:
		o.items = append(o.items, Item{Kind: ItemEvent, Event: e})
	default:
		o.early = e
	}
}

// keep copies a frame that was put together from pieces to where it stays valid until the next call.
func (o *outbox) keep(b []byte) []byte {
	start := len(o.arena)
	o.arena = append(o.arena, b...)
	return o.arena[start:len(o.arena):len(o.arena)]
}
