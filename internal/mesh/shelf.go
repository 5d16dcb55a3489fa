// SPDX-License-Identifier: MIT

package mesh

import (
	"bytes"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// Limits of a shelf: more than the window of one station, which is what a simulation has.
const (
	shelfManifestsMax = 2048
	shelfChunksMax    = 8192
	shelfPagesMax     = 2048
)

// A Shelf is for a driver of many nodes in one process: what one of them has verified and keeps, the others neither verify
// nor keep again. Nothing goes on it that was not verified, and nothing is taken from it that is not equal, byte for byte,
// to what came; so a node does with one just what it does without. Its nodes belong to one goroutine. The zero value is empty.
type Shelf struct {
	manifests map[manifestKey]*manifest
	chunks    map[wire.Hash]*[]byte
	oldest    []manifestKey     // ring
	stalest   []wire.Hash       // ring
	pages     map[pageKey]*page // whole ones
	pageKeys  []pageKey         // ring
	nextM     int
	nextC     int
	nextP     int
}

type manifestKey struct {
	station      identity.StationID
	epoch, first uint32
	end          bool
}

// manifest returns the verified manifest with these bytes, or nil.
func (sh *Shelf) manifest(station identity.StationID, m *wire.Manifest, raw []byte) *manifest {
	if sh == nil {
		return nil
	}
	if kept := sh.manifests[manifestKey{station, m.Epoch, m.First, m.End}]; kept != nil && bytes.Equal(kept.raw, raw) {
		return kept
	}
	return nil
}

// putManifest keeps a verified manifest, which nobody changes from here on.
func (sh *Shelf) putManifest(station identity.StationID, m *manifest) {
	if sh == nil {
		return
	}
	if sh.manifests == nil {
		sh.manifests = map[manifestKey]*manifest{}
	}
	key := manifestKey{station, m.Epoch, m.First, m.End}
	if sh.manifests[key] != nil {
		sh.manifests[key] = m
		return
	}
	sh.manifests[key] = m
	if len(sh.oldest) < shelfManifestsMax {
		sh.oldest = append(sh.oldest, key)
		return
	}
	delete(sh.manifests, sh.oldest[sh.nextM])
	sh.oldest[sh.nextM] = key
	sh.nextM = (sh.nextM + 1) % shelfManifestsMax
}

// verified returns bytes to keep of a chunk whose data must have this hash, or nil when it has another one. The data itself
// stays the caller's.
func (sh *Shelf) verified(data []byte, want wire.Hash) *[]byte {
	if sh == nil {
		if wire.HashChunk(data) != want {
			return nil
		}
		kept := bytes.Clone(data)
		return &kept
	}
	if kept := sh.chunks[want]; kept != nil {
		if !bytes.Equal(*kept, data) {
			return nil // SHA-256: nobody finds two chunks with one hash
		}
		return kept
	}
	if wire.HashChunk(data) != want {
		return nil
	}
	if sh.chunks == nil {
		sh.chunks = map[wire.Hash]*[]byte{}
	}
	copied := bytes.Clone(data)
	kept := &copied
	sh.chunks[want] = kept
	if len(sh.stalest) < shelfChunksMax {
		sh.stalest = append(sh.stalest, want)
		return kept
	}
	delete(sh.chunks, sh.stalest[sh.nextC])
	sh.stalest[sh.nextC] = want
	sh.nextC = (sh.nextC + 1) % shelfChunksMax
	return kept
}
