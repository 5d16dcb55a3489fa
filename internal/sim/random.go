// SPDX-License-Identifier: MIT

package sim

import (
	"encoding/binary"
	"math/rand/v2"
)

// A stream is a use of random numbers. Each has generators of its own, so that one more draw in one place changes nothing in
// another.
type stream uint64

// The streams.
const (
	streamNetwork stream = iota + 1 // loss, jitter, reordering: drawn in the order of events
	streamSetup                     // addresses, delays, joins, choice of victims
	streamStation                   // the station's key
	streamAudio                     // what the encoder produces; one for each epoch
	streamLiar                      // one for each hostile host
	streamKey                       // one for each life of each host, likewise the next two
	streamRand
	streamSecrets
	streamNAT    // one for each box
	streamGossip // one for each life of each host
	streamChurn  // who comes and goes
)

// streamBits is the room for the number of a stream.
const streamBits = 8

// newSource returns a generator of a stream of a run.
func newSource(seed uint64, s stream, index uint64) *rand.PCG {
	// The multiplier is odd: neighbours land far apart, and no two at the same place.
	return rand.NewPCG(seed, (index<<streamBits|uint64(s))*0x9e3779b97f4a7c15)
}

// secrets is an endless reader of seeded bytes: the node's source of keys and nonces, in 16 bytes of state.
type secrets struct{ source *rand.PCG }

// Read fills b. It never fails.
func (s secrets) Read(b []byte) (int, error) {
	fill(s.source, b)
	return len(b), nil
}

// fill overwrites b with bytes drawn from source.
func fill(source rand.Source, b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, source.Uint64())
		b = b[8:]
	}
	if len(b) > 0 {
		var rest [8]byte
		binary.LittleEndian.PutUint64(rest[:], source.Uint64())
		copy(b, rest[:])
	}
}

// seed32 draws the seed of a key.
func seed32(source rand.Source) (seed [32]byte) {
	fill(source, seed[:])
	return seed
}
