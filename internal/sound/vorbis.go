// SPDX-License-Identifier: MIT

package sound

import (
	"fmt"
	"math"
	"math/bits"

	vorbislib "github.com/jfreymuth/vorbis"

	"streamer/internal/codec"
)

// A vorbisEngine feeds packets to jfreymuth's decoder.
type vorbisEngine struct {
	lib vorbislib.Decoder
	out []float32
}

func newVorbis(h codec.Header) (*vorbisEngine, error) {
	if err := checkVorbisSetup(h.Packets[1]); err != nil {
		return nil, err
	}
	e := &vorbisEngine{}
	for _, p := range h.Packets {
		if err := e.lib.ReadHeader(p); err != nil {
			return nil, err
		}
	}
	e.out = make([]float32, e.lib.BufferSize())
	return e, nil
}

func (e *vorbisEngine) gap() { e.lib.Clear() }

func (e *vorbisEngine) decode(packet []byte) ([]float32, error) {
	out, err := e.lib.DecodeInto(packet, e.out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return out, nil
}

// Limits of a Vorbis setup header's codebooks; those of encoders stay far below. Without them 64 KiB of header ask for
// gigabytes, or for loops without end.
const (
	vorbisEntriesMax = 1 << 15 // in one book
	vorbisTotalMax   = 1 << 17 // entries in all books
	vorbisValuesMax  = 1 << 22 // numbers in all books
	vorbisLengthMax  = 32      // bits of a code word
)

// checkVorbisSetup reads the codebooks of a setup header (Vorbis I specification 3.2.1), as the decoder will, and refuses
// those that it would choke on in ways that nobody can recover from. All else that may be wrong there makes it panic.
func checkVorbisSetup(p []byte) error {
	const magicBytes = 7
	r := &lsbReader{b: p, at: 8 * magicBytes}
	entries, values := 0, 0
	for n := range r.read(8) + 1 {
		e, v, ok := r.codebook()
		entries, values = entries+e, values+v
		if !ok || r.at > 8*len(p) || entries > vorbisTotalMax || values > vorbisValuesMax {
			return fmt.Errorf("%w: Vorbis with this codebook %d", ErrUnsupported, n)
		}
	}
	return nil
}

// codebook skips a codebook and tells how large it is.
func (r *lsbReader) codebook() (entries, values int, ok bool) {
	if r.read(24) != 0x564342 { // "BCV"
		return 0, 0, false
	}
	dimensions := r.read(16)
	entries = r.read(24)
	if dimensions == 0 || entries < 2 || entries > vorbisEntriesMax || !r.lengths(entries) {
		return 0, 0, false
	}
	lookup := r.read(4)
	if lookup == 0 {
		return entries, 0, true
	}
	values = entries * dimensions
	if lookup > 2 || values > vorbisValuesMax {
		return 0, 0, false
	}
	r.at += 32 + 32
	width := r.read(4) + 1
	r.at++
	given := values
	if lookup == 1 { // the decoder's own formula, so that both read alike
		given = int(math.Floor(math.Pow(float64(entries), 1/float64(dimensions))))
	}
	r.at += given * width
	return entries, values, given > 0
}

// lengths skips the lengths of a book's code words; ok says that there is one and that they are all given.
func (r *lsbReader) lengths(entries int) (ok bool) {
	if r.read(1) == 0 {
		sparse, used := r.read(1) == 1, 0
		for range entries {
			if !sparse || r.read(1) == 1 {
				r.at += 5
				used++
			}
		}
		return used > 0
	}
	length := r.read(5) + 1
	for done := 0; done < entries; length++ {
		n := r.read(bits.Len(uint(entries - done)))
		if length > vorbisLengthMax || n > entries-done {
			return false
		}
		done += n
	}
	return true
}
