// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrHeader is wrapped by every error about a header that makes no sense.
var ErrHeader = errors.New("bad codec header")

// headerPacketsMax is how many Packets a header has at most; Vorbis has two.
const headerPacketsMax = 4

// String returns the name of the format for people and logs.
func (f Format) String() string {
	switch f {
	case FormatMPEG:
		return "mpeg"
	case FormatAAC:
		return "aac"
	case FormatOggVorbis:
		return "ogg/vorbis"
	case FormatOggOpus:
		return "ogg/opus"
	case FormatOggFLAC:
		return "ogg/flac"
	case FormatFLAC:
		return "flac"
	case FormatWebM:
		return "webm"
	case FormatUnknown:
	}
	return "unknown"
}

// Equal reports whether o continues the same stream: everything but BitrateBPS is the same. For Opus the pre-skip and the
// rate before encoding may differ (RFC 7845 section 5.1, bytes 10 to 15 of OpusHead): butt begins each title with another
// pre-skip, and a decoder that is running needs neither.
func (h Header) Equal(o Header) bool {
	same := bytes.Equal
	if h.Format == FormatOggOpus {
		same = equalOpusHead
	}
	return h.Format == o.Format && h.SampleRate == o.SampleRate && h.Channels == o.Channels &&
		slices.EqualFunc(h.Packets, o.Packets, same)
}

func equalOpusHead(a, b []byte) bool {
	const from, to = 10, 16
	if len(a) < to || len(b) < to {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(a[:from], b[:from]) && bytes.Equal(a[to:], b[to:])
}

// MIME returns the Content-Type for players.
func (h Header) MIME() string {
	switch h.Format {
	case FormatMPEG:
		return "audio/mpeg"
	case FormatAAC:
		return "audio/aac"
	case FormatOggVorbis, FormatOggOpus, FormatOggFLAC:
		return "audio/ogg"
	case FormatFLAC:
		return "audio/flac"
	case FormatWebM:
		return "audio/webm"
	case FormatUnknown:
	}
	return "application/octet-stream"
}

// Codec returns the short name that people know: mp3, mp2, aac, vorbis, opus or flac; "" for a header that is not valid.
func (h Header) Codec() string {
	switch h.kind() {
	case kindMPEG:
		if len(h.Packets[0]) == syncKeyBytes && mpegLayer(h.Packets[0][1]) == 2 {
			return "mp2"
		}
		return "mp3"
	case kindAAC:
		return "aac"
	case kindVorbis:
		return "vorbis"
	case kindOpus:
		return "opus"
	case kindFLAC:
		return "flac"
	case kindUnknown:
	}
	return ""
}

// JoinsAt reports whether a player may begin with f, given the preamble of Muxer.Start. Every frame of the carried codecs
// will do: MP3's bit reservoir, Vorbis's overlap and Opus's convergence cost a few silent or soft milliseconds.
func (h Header) JoinsAt(f Frame) bool { return h.kind() != kindUnknown && len(f.Data) > 0 }

// codecKind is what is inside the container.
type codecKind uint8

const (
	kindUnknown codecKind = iota
	kindMPEG
	kindAAC
	kindVorbis
	kindOpus
	kindFLAC
)

// kind tells the codec; never kindUnknown for a header from newHeader.
func (h Header) kind() codecKind {
	if len(h.Packets) == 0 {
		return kindUnknown
	}
	switch h.Format {
	case FormatMPEG:
		return kindMPEG
	case FormatAAC:
		return kindAAC
	case FormatOggVorbis:
		return kindVorbis
	case FormatOggOpus:
		return kindOpus
	case FormatOggFLAC, FormatFLAC:
		return kindFLAC
	case FormatWebM:
		if bytes.HasPrefix(h.Packets[0], opusHeadMagic()) {
			return kindOpus
		}
		return kindVorbis
	case FormatUnknown:
	}
	return kindUnknown
}

// newHeader checks packets, which it keeps, and reads the sample rate and the channels out of them.
func newHeader(f Format, bitrateBPS int, packets [][]byte) (Header, error) {
	h := Header{Format: f, BitrateBPS: bitrateBPS, Packets: packets}
	total := 0
	for _, p := range packets {
		total += len(p)
	}
	switch {
	case len(packets) == 0 || len(packets) > headerPacketsMax:
		return Header{}, fmt.Errorf("%w: %d packets", ErrHeader, len(packets))
	case total > HeaderBytesMax-headerOverheadMax:
		return Header{}, fmt.Errorf("%w: %d bytes, at most %d are carried", ErrHeader, total, HeaderBytesMax-headerOverheadMax)
	case bitrateBPS < 0:
		return Header{}, fmt.Errorf("%w: negative bit rate", ErrHeader)
	}
	var err error
	switch h.kind() {
	case kindMPEG, kindAAC:
		err = h.readSyncKey()
	case kindVorbis:
		err = h.readVorbis()
	case kindOpus:
		err = h.readOpusHead()
	case kindFLAC:
		err = h.readStreamInfo()
	case kindUnknown:
		err = fmt.Errorf("%w: format %d is not known here", ErrHeader, f)
	}
	if err != nil {
		return Header{}, err
	}
	return h, nil
}

// headerOverheadMax is what AppendHeader adds to the packets at most: format, bit rate, number and lengths of packets.
const headerOverheadMax = 1 + binary.MaxVarintLen64 + 1 + headerPacketsMax*3

// AppendHeader appends the binary form of h, which must be valid (docs/protocol/chunks.md section 2). The sample rate and
// the channels are not in it: they follow from the packets.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, byte(h.Format))
	dst = binary.AppendUvarint(dst, uint64(h.BitrateBPS))
	dst = append(dst, byte(len(h.Packets)))
	for _, p := range h.Packets {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

// ParseHeader parses and checks the binary form of a header. The result shares no memory with b.
func ParseHeader(b []byte) (Header, error) {
	if len(b) > HeaderBytesMax {
		return Header{}, fmt.Errorf("%w: %d bytes, at most %d", ErrHeader, len(b), HeaderBytesMax)
	}
	if len(b) == 0 {
		return Header{}, errHeaderTruncated()
	}
	format, b := Format(b[0]), b[1:]
	bitrate, n := binary.Uvarint(b)
	if n <= 0 || bitrate > bitrateMax || len(b) == n {
		return Header{}, errHeaderTruncated()
	}
	count, b := int(b[n]), b[n+1:]
	if count > headerPacketsMax {
		return Header{}, fmt.Errorf("%w: %d packets", ErrHeader, count)
	}
	packets := make([][]byte, 0, count)
	for range count {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return Header{}, errHeaderTruncated()
		}
		end := n + int(size)
		packets = append(packets, bytes.Clone(b[n:end:end]))
		b = b[end:]
	}
	if len(b) != 0 {
		return Header{}, fmt.Errorf("%w: %d bytes too many", ErrHeader, len(b))
	}
	return newHeader(format, int(bitrate), packets)
}

// bitrateMax is the highest BitrateBPS, in bit/s; anything above is nonsense.
const bitrateMax = 1 << 30

func errHeaderTruncated() error { return fmt.Errorf("%w: cut short", ErrHeader) }
