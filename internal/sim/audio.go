// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"sort"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mono"
)

// The shape of the simulated encoder's work.
const (
	frameDuration = 26122 * time.Microsecond // an MP3 frame at 44.1 kHz: encoders hand over whole frames
	chunkLongest  = 300 * time.Millisecond   // of audio in one chunk
	chunkSlack    = 120                      // chunks are filled up to this many bytes short of the most
	encoderJitter = 5 * time.Millisecond     // an encoder is a process on a busy machine
	titleEvery    = 15 * time.Second
	titleBytes    = 80
	headerBytes   = 900
	headerChunks  = 2 // of each epoch
)

// An encoder makes a station's chunks: seeded bytes in the sizes, durations and rhythm of a codec at one bit rate. Each
// epoch has an encoder of its own.
type encoder struct {
	random  *rand.Rand
	bps     int64
	begun   mono.Time
	media   time.Duration // end of the audio so far
	titleAt time.Duration // media time of the next event chunk
	handed  mono.Time     // when the last chunk was handed over
}

func newEncoder(random *rand.Rand, bps int64, begun mono.Time) *encoder {
	return &encoder{random: random, bps: bps, begun: begun, handed: begun, titleAt: titleEvery / 3}
}

// header returns one of the chunks that an epoch begins with.
func (e *encoder) header() codec.Chunk {
	return codec.Chunk{Kind: codec.ChunkHeader, Data: e.bytes(headerBytes)}
}

// next returns the next chunk and when the encoder hands it over.
func (e *encoder) next() (codec.Chunk, mono.Time) {
	if e.media >= e.titleAt {
		e.titleAt += titleEvery
		return codec.Chunk{Kind: codec.ChunkEvent, Start: e.media, Data: e.bytes(titleBytes)}, e.hand(e.media, 0)
	}
	size := int64(codec.ChunkBytesMax) - int64(e.random.IntN(chunkSlack))
	size = max(1, min(size, e.bps*int64(chunkLongest)/8/int64(time.Second)))
	c := codec.Chunk{
		Kind:     codec.ChunkAudio,
		Start:    e.media,
		Duration: time.Duration(size * 8 * int64(time.Second) / e.bps),
		Data:     e.bytes(int(size)),
	}
	e.media += c.Duration
	return c, e.hand(e.media, time.Duration(e.random.Int64N(int64(encoderJitter))))
}

// hand returns when a chunk that ends at media time t is handed over: when the frame that holds t is complete, and never
// before the chunk ahead of it.
func (e *encoder) hand(t, jitter time.Duration) mono.Time {
	frames := (t + frameDuration - 1) / frameDuration
	e.handed = max(e.handed, e.begun.Add(frames*frameDuration+jitter))
	return e.handed
}

func (e *encoder) bytes(n int) []byte {
	b := make([]byte, n)
	fill(e.random, b)
	return b
}

// A published chunk is what the source handed to its node: the truth that every checker compares with.
type published struct {
	codec.Chunk
	epoch   uint32
	seq     uint32
	at      mono.Time
	escaped bool // another node delivered it: from here on everybody must
}

// A broadcast is everything a station published, in order.
type broadcast struct {
	chunks []published
	starts []epochStart
}

// An epochStart is where an epoch begins in broadcast.chunks.
type epochStart struct {
	epoch   uint32
	index   int
	headers uint32
}

func (b *broadcast) begin(epoch uint32) {
	b.starts = append(b.starts, epochStart{epoch: epoch, index: len(b.chunks)})
}

// add appends a chunk to the current epoch.
func (b *broadcast) add(c codec.Chunk, at mono.Time) {
	e := &b.starts[len(b.starts)-1]
	if c.Kind == codec.ChunkHeader {
		e.headers++
	}
	b.chunks = append(b.chunks, published{Chunk: c, epoch: e.epoch, seq: uint32(len(b.chunks) - e.index), at: at})
}

// find returns the index of a chunk, or -1.
func (b *broadcast) find(epoch, seq uint32) int { return b.findMasked(epoch, seq, 1<<32-1) }

// findLow is find for what a datagram says: the lowest byte of the epoch.
func (b *broadcast) findLow(epochLow uint8, seq uint32) int {
	return b.findMasked(uint32(epochLow), seq, 0xff)
}

func (b *broadcast) findMasked(epoch, seq, mask uint32) int {
	for i := len(b.starts) - 1; i >= 0; i-- {
		if b.starts[i].epoch&mask != epoch {
			continue
		}
		end := len(b.chunks)
		if i+1 < len(b.starts) {
			end = b.starts[i+1].index
		}
		if index := b.starts[i].index + int(seq); index < end {
			return index
		}
		return -1
	}
	return -1
}

// headers returns how many header chunks an epoch has.
func (b *broadcast) headers(epoch uint32) uint32 {
	for i := range b.starts {
		if b.starts[i].epoch == epoch {
			return b.starts[i].headers
		}
	}
	return 0
}

// at returns the index of the first chunk that was published at t or later.
func (b *broadcast) at(t mono.Time) int {
	return sort.Search(len(b.chunks), func(i int) bool { return b.chunks[i].at >= t })
}
