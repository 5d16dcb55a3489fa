// SPDX-License-Identifier: MIT

package codec

// String returns the name of the format for people and logs: "mpeg", "aac", "ogg/vorbis", ...
func (f Format) String() string { return "" }

// Equal reports whether o continues the same stream: everything but BitrateBPS is the same.
func (h Header) Equal(o Header) bool { return false }

// MIME returns the Content-Type for players: audio/mpeg, audio/aac, audio/ogg, audio/flac or audio/webm.
func (h Header) MIME() string { return "" }

// Codec returns the short name that people know: mp3, mp2, aac, vorbis, opus or flac.
func (h Header) Codec() string { return "" }

// JoinsAt reports whether a player may begin with f, given the preamble of Muxer.Start.
func (h Header) JoinsAt(f Frame) bool { return len(f.Data) > 0 }

// AppendHeader appends the binary form of h, which must be valid (docs/protocol/chunks.md section 2).
func AppendHeader(dst []byte, h Header) []byte { return dst }

// ParseHeader parses and checks the binary form of a header. The result shares no memory with b.
func ParseHeader(b []byte) (Header, error) { return Header{}, nil }
