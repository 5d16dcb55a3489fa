// SPDX-License-Identifier: MIT

// Package codec turns a broadcaster's bytes into timed frames, frames into chunks of at most ChunkBytesMax bytes, and
// back into bytes that a player takes. It decodes no audio. It does no I/O, reads no clock and starts no goroutine; a
// value belongs to the goroutine that made it.
//
//	source bytes -> Demuxer -> Header, Frame, Event -> Packetizer -> Chunk ... network ... Chunk -> Depacketizer ->
//	Header, Frame, Event -> Muxer -> player bytes
package codec

import "time"

// Protocol limits (docs/protocol/chunks.md).
const (
	ChunkBytesMax  = 1120      // largest Chunk.Data: a chunk fits one datagram on any path
	HeaderBytesMax = 64 << 10  // a binary Header, and with it all of Header.Packets together
	FrameBytesMax  = 128 << 10 // one Frame; larger ones (exotic FLAC) are refused at the source
	EventTextMax   = 255       // bytes of UTF-8 in one text of an Event
)

// Format names a codec in its container as it travels and as players get it.
type Format uint8

// The formats that are carried. Values are part of the protocol (first byte of a header).
const (
	FormatUnknown   Format = 0
	FormatMPEG      Format = 1 // MPEG-1/2/2.5 audio layer II and III (MP3)
	FormatAAC       Format = 2 // AAC in ADTS frames
	FormatOggVorbis Format = 3
	FormatOggOpus   Format = 4
	FormatOggFLAC   Format = 5
	FormatFLAC      Format = 6 // native FLAC
	FormatWebM      Format = 7 // WebM/Matroska with one Opus or Vorbis track
)

// A Header says what a decoder needs before the first frame. Equal headers continue one stream. Packets hold, by format:
//
//	MPEG, AAC          the four bytes that begin every frame, with everything that may vary set to zero
//	Ogg Vorbis         identification and setup header
//	Ogg Opus           OpusHead
//	Ogg FLAC, FLAC     STREAMINFO (34 bytes) with frame sizes, total samples and MD5 set to zero
//	WebM               as Ogg Vorbis or Ogg Opus, whichever the track is
type Header struct {
	Format     Format
	SampleRate int      // Hz; the clock of Frame.Samples
	Channels   int      // 1..255; 0: the frames say (ADTS with its own channel layout)
	BitrateBPS int      // nominal, bit/s, as far as known; 0 unknown. Not part of Equal
	Packets    [][]byte // codec headers without comments, in the format's own order; at most HeaderBytesMax together
}

// A Frame is one codec access unit, byte for byte as the source sent it.
type Frame struct {
	Data    []byte
	Samples int // duration in samples at Header.SampleRate
}

// An Event is what belongs to the moment: it takes effect between two frames. All texts are UTF-8, each at most
// EventTextMax bytes.
type Event struct {
	Title, Artist, Album                 string // the track
	StationName, Genre, Description, URL string // the station, as its broadcaster set it
}

// ItemKind tells which field of an Item is set.
type ItemKind uint8

// The kinds of Item.
const (
	ItemHeader ItemKind = iota + 1 // Item.Header: a new stream begins, or the same goes on (compare with Equal)
	ItemFrame                      // Item.Frame
	ItemEvent                      // Item.Event
	ItemGap                        // chunks were lost here; the next frame is whole
)

// An Item is one thing found in a stream, in order.
type Item struct {
	Kind   ItemKind
	Start  time.Duration // media time since the epoch began; from a Depacketizer only
	Header Header
	Frame  Frame
	Event  Event
}

// ChunkKind tells what a chunk carries. Values are part of the protocol.
type ChunkKind uint8

// The kinds of Chunk. An epoch begins with its header chunks (sequence numbers 0 to n-1), then audio and events follow.
const (
	ChunkAudio  ChunkKind = 0
	ChunkHeader ChunkKind = 1
	ChunkEvent  ChunkKind = 2
)

// A Chunk is the unit that is signed, requested and forwarded; opaque to everything outside this package.
type Chunk struct {
	Kind     ChunkKind
	Start    time.Duration // media time since the epoch began, millisecond resolution or finer
	Duration time.Duration // of the audio that begins here; 0 for headers and events
	Data     []byte        // 1..ChunkBytesMax bytes, never altered once made
}
