// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"fmt"
)

// An oggLink is one logical stream of audio: its header packets, then frames. A chain has one after the other.
type oggLink struct {
	out      *outbox
	format   Format
	packets  [][]byte // codec headers so far
	index    int      // packets that have ended
	sink     oggSink
	partial  []byte // the packet that has begun, in sinkPacket
	comments commentReader

	header Header // set when all codec headers are there
	clock  *linkClock
}

// oggSink is where the pieces of a packet go.
type oggSink uint8

const (
	sinkNone     oggSink = iota // no packet has begun, or its beginning is missing
	sinkPacket                  // gathered
	sinkComments                // read on the way
	sinkDrop
)

// oggContent tells what a logical stream carries from its first packet. FormatUnknown with "" is to be ignored.
func oggContent(first []byte) (f Format, refused string) {
	kinds := [...]struct {
		magic, refused string
		format         Format
	}{
		{vorbisIdent, "", FormatOggVorbis},
		{string(opusHeadMagic()), "", FormatOggOpus},
		{"\x7fFLAC\x01", "", FormatOggFLAC},
		{"Speex   ", "Ogg Speex; send Opus instead", FormatUnknown},
		{"\x80theora", "Ogg with video (Theora); send the audio only", FormatUnknown},
		{"\x01video\x00", "Ogg with video; send the audio only", FormatUnknown},
		{"BBCD\x00", "Ogg with video (Dirac); send the audio only", FormatUnknown},
		{"OVP80", "Ogg with video (VP8); send the audio only", FormatUnknown},
		{"PCM     ", "Ogg with PCM; send Vorbis, Opus or FLAC", FormatUnknown},
		{"fLaC", "the old way of FLAC in Ogg (before 2003); send Ogg FLAC 1.0", FormatUnknown},
	}
	for _, k := range kinds {
		if bytes.HasPrefix(first, []byte(k.magic)) {
			return k.format, k.refused
		}
	}
	return FormatUnknown, ""
}

// begin opens a packet whose first byte is given.
func (l *oggLink) begin(first byte) {
	l.partial = l.partial[:0]
	l.sink = sinkPacket
	switch {
	case l.index == 0 || l.header.Format != FormatUnknown:
	case l.format == FormatOggVorbis && l.index == 1:
		l.sink, l.comments = sinkComments, newCommentReader(len(vorbisComments))
	case l.format == FormatOggOpus && l.index == 1:
		l.sink, l.comments = sinkComments, newCommentReader(len(opusTags))
	case l.format == FormatOggFLAC && first != 0xff:
		l.sink = sinkDrop
		if first&^flacLast == flacComments {
			const blockHeaderBytes = 4
			l.sink, l.comments = sinkComments, newCommentReader(blockHeaderBytes)
		}
	}
}

// piece takes the next bytes of the packet that has begun; b lives as long as the Demuxer's call. last: it ends with them.
func (l *oggLink) piece(b []byte, last bool) error {
	sink := l.sink
	if last {
		l.sink = sinkNone
	}
	switch sink {
	case sinkNone:
		return nil
	case sinkComments:
		l.comments.write(b)
	case sinkPacket:
		if limit := l.packetMax(); len(l.partial)+len(b) > limit {
			return fmt.Errorf("%w: an %v packet above %d bytes; use smaller frames", ErrFormat, l.format, limit)
		}
		if !last {
			l.partial = append(l.partial, b...)
			return nil
		}
		if len(l.partial) > 0 {
			l.partial = append(l.partial, b...)
			b = l.out.keep(l.partial)
			l.partial = l.partial[:0]
		}
		if err := l.packet(b); err != nil {
			return err
		}
	case sinkDrop:
	}
	if !last {
		return nil
	}
	if l.index++; l.format == FormatOggOpus && l.index == 2 {
		return l.ready()
	}
	return nil
}

func (l *oggLink) packetMax() int {
	if l.header.Format == FormatUnknown && l.format != FormatOggFLAC {
		return HeaderBytesMax
	}
	return FrameBytesMax
}

// packet takes a whole one: a codec header or a frame.
func (l *oggLink) packet(b []byte) error {
	if l.header.Format != FormatUnknown {
		return l.frame(b)
	}
	switch {
	case l.format == FormatOggVorbis && (l.index == 0 || l.index == 2):
		l.packets = append(l.packets, bytes.Clone(b))
		if l.index == 2 {
			return l.ready()
		}
	case l.format == FormatOggOpus && l.index == 0:
		l.packets = append(l.packets, bytes.Clone(b))
	case l.format == FormatOggFLAC && l.index == 0:
		const infoAt = 17 // after \x7fFLAC, version, count, fLaC and a block header
		if len(b) < infoAt+streamInfoBytes {
			return fmt.Errorf("%w: damaged Ogg FLAC header", ErrFormat)
		}
		l.packets = append(l.packets, plainStreamInfo(b[infoAt:infoAt+streamInfoBytes]))
	default: // FLAC: the first frame
		if err := l.ready(); err != nil {
			return err
		}
		return l.frame(b)
	}
	return nil
}

// ready is when all headers are there.
func (l *oggLink) ready() error {
	h, err := newHeader(l.format, 0, l.packets)
	if err != nil {
		return fmt.Errorf("%w: damaged %v stream: %w", ErrFormat, l.format, err)
	}
	if h.kind() == kindVorbis {
		h.BitrateBPS = vorbisBitrate(h.Packets[0])
	}
	l.header = h
	l.clock.follow(h)
	l.out.header(h)
	l.out.event(l.comments.event)
	return nil
}

func (l *oggLink) frame(b []byte) error {
	if !l.out.hasHeader { // after a Reconnect
		l.out.header(l.header)
	}
	if n, ok := l.clock.timer.samples(b); ok {
		l.out.frame(b, n)
	}
	return nil
}
