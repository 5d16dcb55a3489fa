// SPDX-License-Identifier: MIT

package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// Limits of the stream.
const (
	ChunkBytesMax     = 1120                   // data of one chunk
	ManifestChunksMax = 8                      // chunks named by one manifest
	ManifestSpan      = 600 * time.Millisecond // of audio in one manifest, unless one chunk alone is longer
	Classes           = 16                     // class of a chunk: its sequence number mod 16
	HeadersMax        = 64                     // header chunks of one epoch
	HashBytes         = 16
)

// timeMax is the latest time in a manifest, in milliseconds: so that nanoseconds fit 63 bits, whatever is added to them.
const timeMax = 1 << 42

// NoEvent is Manifest.Event when no event is in force.
const NoEvent uint32 = 1<<32 - 1

// Hash is what a manifest says of a chunk: the first 16 bytes of the SHA-256 of its data.
type Hash [HashBytes]byte

// HashChunk hashes a chunk's data.
func HashChunk(data []byte) Hash {
	sum := sha256.Sum256(data)
	return Hash(sum[:HashBytes])
}

// A Manifest is the station's signed word on a run of chunks. It goes ahead of them.
//
//	flags 1 (1: end of stream, 2: previous epoch named) | epoch 4 | first 4 | n 1 | kinds 2 | media 6 | duration 2 |
//	wall 6 | headers 1 | event 4 | rate 2 | [previous epoch 4 | its end 4] | n hashes of 16 | signature 64
//
// The signature (Ed25519, RFC 8032) is over "streamer manifest 1" and a zero byte, the station id, and everything before
// the signature. Media and duration are in milliseconds, wall in milliseconds since 1970, rate in 1,000 bit/s.
type Manifest struct {
	End       bool // the stream ends before First; N is 0
	Epoch     uint32
	First     uint32 // sequence number of the first chunk
	N         int    // 0 to 8
	Kinds     [ManifestChunksMax]uint8
	Media     time.Duration // of the first chunk, since the epoch began
	Duration  time.Duration // of all chunks together
	Wall      int64         // when the source signed it
	Headers   int           // the epoch's header chunks are 0 to Headers-1
	Event     uint32        // sequence number of the event in force at the end of this manifest, or NoEvent
	RateKBPS  uint16        // nominal rate of the audio
	Previous  bool          // the next two are set
	PrevEpoch uint32        // the epoch that this one follows without a gap
	PrevEnd   uint32        // one after its last chunk
	Hashes    [ManifestChunksMax]Hash
}

const manifestContext = "streamer manifest 1\x00"

// Sign appends the signed manifest: what Parse takes and what follows the channel in a MANIFEST message.
func (m *Manifest) Sign(b []byte, key identity.StationKey) []byte {
	id := key.ID()
	signed := append(append([]byte(manifestContext), id[:]...), m.append(nil)...)
	b = append(b, signed[len(manifestContext)+len(id):]...)
	return append(b, key.Sign(signed)...)
}

func (m *Manifest) append(b []byte) []byte {
	b = append(b, flags(m.End, m.Previous))
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = binary.BigEndian.AppendUint32(b, m.First)
	b = append(b, uint8(m.N))
	var kinds uint16
	for i := range m.N {
		kinds |= uint16(m.Kinds[i]&3) << (2 * i)
	}
	b = binary.BigEndian.AppendUint16(b, kinds)
	b = appendUint48(b, uint64(m.Media/time.Millisecond))
	b = binary.BigEndian.AppendUint16(b, uint16(min(m.Duration/time.Millisecond, 1<<16-1)))
	b = appendUint48(b, uint64(m.Wall))
	b = append(b, uint8(m.Headers))
	b = binary.BigEndian.AppendUint32(b, m.Event)
	b = binary.BigEndian.AppendUint16(b, m.RateKBPS)
	if m.Previous {
		b = binary.BigEndian.AppendUint32(b, m.PrevEpoch)
		b = binary.BigEndian.AppendUint32(b, m.PrevEnd)
	}
	for i := range m.N {
		b = append(b, m.Hashes[i][:]...)
	}
	return b
}

// ParseManifest parses a signed manifest into m without verifying it. The size is what the manifest occupies in b, which
// VerifyManifest takes.
func ParseManifest(b []byte, m *Manifest) (size int, rest []byte, err error) {
	s := cryptobyte.String(b)
	var f, n, headers uint8
	var kinds, duration uint16
	var media, wall uint64
	if !s.ReadUint8(&f) || !s.ReadUint32(&m.Epoch) || !s.ReadUint32(&m.First) || !s.ReadUint8(&n) ||
		!s.ReadUint16(&kinds) || !s.ReadUint48(&media) || !s.ReadUint16(&duration) || !s.ReadUint48(&wall) ||
		!s.ReadUint8(&headers) || !s.ReadUint32(&m.Event) || !s.ReadUint16(&m.RateKBPS) {
		return 0, nil, ErrTruncated
	}
	m.End, m.Previous = f&1 != 0, f&2 != 0
	if m.PrevEpoch, m.PrevEnd = 0, 0; m.Previous && (!s.ReadUint32(&m.PrevEpoch) || !s.ReadUint32(&m.PrevEnd)) {
		return 0, nil, ErrTruncated
	}
	if n > ManifestChunksMax || headers > HeadersMax {
		return 0, nil, ErrTooLong
	}
	if f > 3 || m.Epoch == 0 || m.First > 1<<32-1-ManifestChunksMax || m.End != (n == 0) || kinds>>(2*n) != 0 ||
		media > timeMax || wall > timeMax {
		return 0, nil, ErrMalformed
	}
	m.N, m.Headers, m.Wall = int(n), int(headers), int64(wall)
	m.Media, m.Duration = time.Duration(media)*time.Millisecond, time.Duration(duration)*time.Millisecond
	for i := range m.N {
		m.Kinds[i] = uint8(kinds>>(2*i)) & 3
		if !s.CopyBytes(m.Hashes[i][:]) {
			return 0, nil, ErrTruncated
		}
	}
	if !s.Skip(identity.SignatureBytes) {
		return 0, nil, ErrTruncated
	}
	return len(b) - len(s), s, nil
}

// VerifyManifest reports whether station signed the whole of b, a manifest as ParseManifest measured it. Scratch is
// memory to work in; the grown scratch is returned.
func VerifyManifest(station identity.StationID, b, scratch []byte) (ok bool, _ []byte) {
	if len(b) < identity.SignatureBytes {
		return false, scratch
	}
	cut := len(b) - identity.SignatureBytes
	scratch = append(append(append(scratch[:0], manifestContext...), station[:]...), b[:cut]...)
	return station.Verify(scratch, b[cut:]), scratch
}

// AppendManifestMessage appends a MANIFEST message: type 1 | channel 1 | signed manifest.
func AppendManifestMessage(b []byte, channel uint8, signed []byte) []byte {
	return append(append(b, TypeManifest, channel), signed...)
}

// Chunk is the last message of a packet: its data reaches to the end.
//
//	type 1 | channel 1 | epoch 1 (its lowest byte) | sequence number 4 | data 1..1120
type Chunk struct {
	Channel  uint8
	EpochLow uint8
	Seq      uint32
	Data     []byte
}

// Append appends the message with its type.
func (m Chunk) Append(b []byte) []byte {
	b = append(b, TypeChunk, m.Channel, m.EpochLow)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	return append(b, m.Data...)
}

// ParseChunk parses what follows the type. Data points into b.
func ParseChunk(b []byte) (m Chunk, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&m.EpochLow) || !s.ReadUint32(&m.Seq) || len(s) == 0 {
		return Chunk{}, ErrTruncated
	}
	if len(s) > ChunkBytesMax {
		return Chunk{}, ErrTooLong
	}
	m.Data = s
	return m, nil
}

// A NackRange names a chunk and, bit i of Also, the chunks Seq+1+i.
type NackRange struct {
	Seq  uint32
	Also uint32
}

// Nack asks for chunks and manifests that are missing.
//
//	type 1 | channel 1 | epoch 1 (its lowest byte) | n 1 | n times: sequence number 4, bitmap 4 | k 1 | k times: sequence number 4
//
// A manifest is asked for by the number of any chunk that it names.
type Nack struct {
	Channel   uint8
	EpochLow  uint8
	NRanges   int
	Ranges    [NackRangesMax]NackRange
	NManifest int
	Manifests [NackManifests]uint32
}

// Append appends the message with its type.
func (m *Nack) Append(b []byte) []byte {
	b = append(b, TypeNack, m.Channel, m.EpochLow, uint8(m.NRanges))
	for _, r := range m.Ranges[:m.NRanges] {
		b = binary.BigEndian.AppendUint32(b, r.Seq)
		b = binary.BigEndian.AppendUint32(b, r.Also)
	}
	b = append(b, uint8(m.NManifest))
	for _, seq := range m.Manifests[:m.NManifest] {
		b = binary.BigEndian.AppendUint32(b, seq)
	}
	return b
}

// ParseNack parses what follows the type into m.
func ParseNack(b []byte, m *Nack) (rest []byte, err error) {
	s := cryptobyte.String(b)
	var n uint8
	if !s.ReadUint8(&m.Channel) || !s.ReadUint8(&m.EpochLow) || !s.ReadUint8(&n) {
		return nil, ErrTruncated
	}
	if n > NackRangesMax {
		return nil, ErrTooLong
	}
	m.NRanges = int(n)
	for i := range m.NRanges {
		if !s.ReadUint32(&m.Ranges[i].Seq) || !s.ReadUint32(&m.Ranges[i].Also) {
			return nil, ErrTruncated
		}
	}
	if !s.ReadUint8(&n) {
		return nil, ErrTruncated
	}
	if n > NackManifests {
		return nil, ErrTooLong
	}
	m.NManifest = int(n)
	for i := range m.NManifest {
		if !s.ReadUint32(&m.Manifests[i]) {
			return nil, ErrTruncated
		}
	}
	return s, nil
}

func appendUint48(b []byte, v uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(v>>32))
	return binary.BigEndian.AppendUint32(b, uint32(v))
}
