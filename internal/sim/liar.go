// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"slices"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// Hostility is how a host harms others.
type Hostility uint8

// The kinds of hostility. The first three are the core itself with a driver that changes what it sends before it is
// sealed, always to the same length; the others speak the protocol on their own (impostor.go).
const (
	HostileAlter  Hostility = iota + 1 // flips a bit in each chunk that it forwards
	HostileReplay                      // sends old chunks and old manifests in place of new ones
	HostileForge                       // invents manifests, which another key signs
	HostileMap                         // claims to have and to grant everything, and sends nothing
	HostileStorm                       // asks everybody for everything, all the time
)

// liarMemory is how many sent payloads a liar keeps to send again.
const liarMemory = 512

// A liar changes what a node sends.
type liar struct {
	kind   Hostility
	random rand.Source
	kept   [][]byte            // ring of sent payloads
	next   int                 // place of the next one
	key    identity.StationKey // that signs inventions
	told   uint64              // payloads changed
}

func newLiar(kind Hostility, random rand.Source) *liar {
	return &liar{kind: kind, random: random, key: identity.NewStationKey(seed32(random))}
}

// twist changes the fanouts of one call.
func (l *liar) twist(out *node.Output) {
	for i := range out.Fanouts {
		f := &out.Fanouts[i]
		truth := slices.Clone(f.Payload)
		switch l.kind {
		case HostileAlter:
			f.Payload = l.altered(slices.Clone(truth))
		case HostileReplay:
			f.Payload = l.replayed(truth)
		case HostileForge:
			f.Payload = l.forged(slices.Clone(truth))
		case HostileMap, HostileStorm: // impostors: they have no node
		}
		l.keep(truth)
	}
}

func (l *liar) keep(payload []byte) {
	if len(l.kept) < liarMemory {
		l.kept = append(l.kept, payload)
		return
	}
	l.kept[l.next] = payload
	l.next = (l.next + 1) % liarMemory
}

// altered flips one bit of the data of a chunk.
func (l *liar) altered(payload []byte) []byte {
	if data := chunkData(payload); len(data) > 0 {
		bit := l.random.Uint64() % uint64(8*len(data))
		data[bit/8] ^= 1 << (bit % 8)
		l.told++
	}
	return payload
}

// replayed returns an older payload of the same length, the oldest that is kept.
func (l *liar) replayed(payload []byte) []byte {
	for i := range l.kept {
		if old := l.kept[(l.next+i)%len(l.kept)]; len(old) == len(payload) && old[0] == payload[0] {
			l.told++
			return old
		}
	}
	return payload
}

// forged replaces a manifest by an invention that another key signed: of the same chunks, or of some that nobody published
// yet. Its hashes are of nothing.
func (l *liar) forged(payload []byte) []byte {
	if len(payload) < 2 || payload[0] != wire.TypeManifest {
		return payload
	}
	var m wire.Manifest
	size, rest, err := wire.ParseManifest(payload[2:], &m)
	if err != nil {
		return payload
	}
	if l.random.Uint64()%2 == 0 {
		m.First += forgedAhead
	}
	for i := range m.N {
		fill(l.random, m.Hashes[i][:])
	}
	forged := m.Sign(payload[:2:2], l.key)
	if len(forged) != 2+size {
		return payload
	}
	l.told++
	return append(forged, rest...)
}

// forgedAhead is how far ahead of the stream an invention may be, in chunks.
const forgedAhead = 16

// chunkData returns the data of the chunk in a payload, after any manifests; nil when there is none.
func chunkData(payload []byte) []byte {
	for rest := payload; len(rest) > 0; {
		switch rest[0] {
		case wire.TypeChunk:
			m, err := wire.ParseChunk(rest[1:])
			if err != nil {
				return nil
			}
			return m.Data
		case wire.TypeManifest:
			if len(rest) < 2 {
				return nil
			}
			var m wire.Manifest
			var err error
			if _, rest, err = wire.ParseManifest(rest[2:], &m); err != nil {
				return nil
			}
		default:
			return nil
		}
	}
	return nil
}
