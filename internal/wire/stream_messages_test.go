// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

func parseNack(b []byte) (string, []byte, []byte, error) {
	var m wire.Nack
	rest, err := wire.ParseNack(b, &m)
	if err != nil {
		return "", nil, nil, err
	}
	fields := fmt.Sprintf("channel %d, epoch low %02x", m.Channel, m.EpochLow)
	for _, r := range m.Ranges[:m.NRanges] {
		fields += fmt.Sprintf(", chunk %d also %08x", r.Seq, r.Also)
	}
	for _, seq := range m.Manifests[:m.NManifest] {
		fields += fmt.Sprintf(", manifest of %d", seq)
	}
	return fields, m.Append(nil), rest, nil
}

// parseManifest keeps the signature that it finds: only the station's key makes another one.
func parseManifest(b []byte) (string, []byte, []byte, error) {
	if len(b) == 0 {
		return "", nil, nil, wire.ErrTruncated
	}
	var m wire.Manifest
	size, rest, err := wire.ParseManifest(b[1:], &m)
	if err != nil {
		return "", nil, nil, err
	}
	key := vectorKey()
	raw := m.Sign(nil, key)
	ok, _ := wire.VerifyManifest(key.ID(), b[1:1+size], nil)
	copy(raw[len(raw)-identity.SignatureBytes:], b[1+size-identity.SignatureBytes:1+size])
	fields := fmt.Sprintf("channel %d, end %v, epoch %d, first %d, n %d, kinds %v, media %v, duration %v, wall %d, headers %d, event %d, rate %d",
		b[0], m.End, m.Epoch, m.First, m.N, m.Kinds[:m.N], m.Media, m.Duration, m.Wall, m.Headers, m.Event, m.RateKBPS)
	if m.Previous {
		fields += fmt.Sprintf(", previous %d to %d", m.PrevEpoch, m.PrevEnd)
	}
	for _, h := range m.Hashes[:m.N] {
		fields += fmt.Sprintf(", hash %x", h)
	}
	fields += fmt.Sprintf(", signed %v", ok)
	return fields, wire.AppendManifestMessage(nil, b[0], raw), rest, nil
}

func parseChunk(b []byte) (string, []byte, []byte, error) {
	m, err := wire.ParseChunk(b)
	return fmt.Sprintf("channel %d, epoch low %02x, seq %d, data %x", m.Channel, m.EpochLow, m.Seq, m.Data), m.Append(nil), nil, err
}

// fullManifest has every field set and the most chunks.
func fullManifest() *wire.Manifest {
	m := &wire.Manifest{
		Epoch: 1_800_000_000, First: 0, N: wire.ManifestChunksMax, Media: 1500 * time.Millisecond, Duration: 490 * time.Millisecond,
		Wall: 1_800_000_001_500, Headers: 1, Event: 1, RateKBPS: 128, Previous: true, PrevEpoch: 1_799_999_000, PrevEnd: 4711,
	}
	m.Kinds[0], m.Kinds[1] = 1, 2
	for i := range m.Hashes {
		m.Hashes[i] = wire.HashChunk([]byte{byte(i)})
	}
	return m
}

// streamVectors are of NACK, MANIFEST and CHUNK.
func streamVectors() []stationVector {
	nack := []part{
		{"type 0x16 NACK", []byte{0x16}},
		{"channel", []byte{7}},
		{"lowest byte of the epoch", []byte{0x00}},
		{"ranges", []byte{2}},
		{"chunk 980", u32(980)},
		{"also 981 and 1012", []byte{0x80, 0, 0, 1}},
		{"chunk 2000", u32(2000)},
		{"also", u32(0)},
		{"manifests", []byte{1}},
		{"of chunk 990", u32(990)},
	}
	chunk := []part{
		{"type 0x18 CHUNK", []byte{0x18}},
		{"channel", []byte{7}},
		{"lowest byte of the epoch", []byte{0x00}},
		{"sequence number", u32(980)},
		{"data", []byte("sound")},
	}
	repeat := func(b []byte, n int) []byte { return bytes.Repeat(b, n) }
	full, end := manifestParts(fullManifest()), manifestParts(&wire.Manifest{
		End: true, Epoch: 1_800_000_000, First: 4000, Media: 280 * time.Second, Wall: 1_800_000_281_000, Headers: 1, Event: wire.NoEvent, RateKBPS: 128,
	})
	return []stationVector{
		{"nack", "NACK", "", nack},
		{"nack_longest", "NACK", "", []part{nack[0], nack[1], nack[2], {"ranges", []byte{8}}, {"ranges", count(0, 64)}, {"manifests", []byte{8}}, {"manifests", count(0x80, 32)}}},
		{"chunk", "CHUNK", "", chunk},
		{"chunk_longest", "CHUNK", "", replace(chunk, 4, "data", repeat([]byte("streamer"), wire.ChunkBytesMax/8)...)},
		{"manifest", "MANIFEST", "", full},
		{"manifest_end", "MANIFEST", "", end},
		{"manifest_not_signed", "MANIFEST", "", replace(full, len(full)-1, "signature: of nobody", make([]byte, identity.SignatureBytes)...)},

		{"reject_nack_ranges", "NACK", "too long", replace(nack, 3, "ranges: 9", 9)},
		{"reject_nack_manifests", "NACK", "too long", replace(nack, 8, "manifests: 9", 9)},
		{"reject_chunk_empty", "CHUNK", "truncated", chunk[:4]},
		{"reject_chunk_longer", "CHUNK", "too long", replace(chunk, 4, "data: 1 byte too many", make([]byte, wire.ChunkBytesMax+1)...)},
		{"reject_manifest_flags", "MANIFEST", "malformed", replace(full, manifestFlags, "flags: an unknown one", 6)},
		{"reject_manifest_epoch", "MANIFEST", "malformed", replace(full, manifestEpoch, "epoch: 0", 0, 0, 0, 0)},
		{"reject_manifest_first", "MANIFEST", "malformed", replace(full, manifestFirst, "first: numbers would wrap", 0xff, 0xff, 0xff, 0xf8)},
		{"reject_manifest_chunks", "MANIFEST", "too long", replace(full, manifestN, "chunks: 9", 9)},
		{"reject_manifest_empty", "MANIFEST", "malformed", replace(replace(full, manifestN, "chunks: none, and no end", 0), manifestKinds, "kinds", 0, 0)},
		{"reject_manifest_end_of_chunks", "MANIFEST", "malformed", replace(full, manifestFlags, "flags: end, with chunks", 3)},
		{"reject_manifest_kinds", "MANIFEST", "malformed", replace(end, manifestKinds, "kinds: of chunks that are not there", 0, 1)},
		{"reject_manifest_headers", "MANIFEST", "too long", replace(full, manifestHeaders, "headers: 65", 65)},
	}
}

// The places of fields in manifestParts.
const (
	manifestFlags   = 2
	manifestEpoch   = 3
	manifestFirst   = 4
	manifestN       = 5
	manifestKinds   = 6
	manifestHeaders = 10
)

// manifestParts cuts a signed manifest into its fields.
func manifestParts(m *wire.Manifest) []part {
	b := wire.AppendManifestMessage(nil, 7, m.Sign(nil, vectorKey()))
	var parts []part
	take := func(comment string, n int) {
		parts = append(parts, part{comment, b[:n:n]})
		b = b[n:]
	}
	take("type 0x17 MANIFEST", 1)
	take("channel", 1)
	take("flags", 1)
	take("epoch", 4)
	take("first", 4)
	take("chunks", 1)
	take("kinds", 2)
	take("media", 6)
	take("duration", 2)
	take("wall", 6)
	take("headers", 1)
	take("event", 4)
	take("rate", 2)
	if m.Previous {
		take("previous epoch", 4)
		take("its end", 4)
	}
	for range m.N {
		take("hash", wire.HashBytes)
	}
	take("signature", identity.SignatureBytes)
	return parts
}

func TestManifestSignature(t *testing.T) {
	key, other := vectorKey(), identity.NewStationKey([32]byte{0xff})
	raw := fullManifest().Sign(nil, key)
	verify := func(id identity.StationID, b []byte) bool {
		ok, _ := wire.VerifyManifest(id, b, nil)
		return ok
	}
	if !verify(key.ID(), raw) {
		t.Fatal("a manifest is refused")
	}
	if verify(other.ID(), raw) {
		t.Error("a manifest of another station is taken")
	}
	if verify(key.ID(), fullManifest().Sign(nil, other)) {
		t.Error("a manifest with another station's signature is taken")
	}
	for i := range raw {
		altered := bytes.Clone(raw)
		altered[i] ^= 1
		if verify(key.ID(), altered) {
			t.Errorf("a manifest with byte %d altered is taken", i)
		}
	}
	for _, n := range []int{0, identity.SignatureBytes - 1, identity.SignatureBytes, len(raw) - 1} {
		if verify(key.ID(), raw[:n]) {
			t.Errorf("the first %d bytes of a manifest are taken", n)
		}
	}
}

// What a station signs elsewhere is no manifest: the signature is bound to what it is for and to the station.
func TestManifestSignatureIsBound(t *testing.T) {
	key := vectorKey()
	id := key.ID()
	raw := fullManifest().Sign(nil, key)
	body := raw[:len(raw)-identity.SignatureBytes]
	for name, signed := range map[string][]byte{
		"no context": body,
		"no station": append([]byte("streamer manifest 1\x00"), body...),
		"no version": append(append([]byte("streamer manifest\x00"), id[:]...), body...),
	} {
		if ok, _ := wire.VerifyManifest(id, append(bytes.Clone(body), key.Sign(signed)...), nil); ok {
			t.Errorf("%s: taken", name)
		}
	}
}

// Scratch memory is used again, and what it held does not matter.
func TestVerifyManifestScratch(t *testing.T) {
	key := vectorKey()
	raw := fullManifest().Sign(nil, key)
	scratch := bytes.Repeat([]byte{0xaa}, 1000)
	ok, again := wire.VerifyManifest(key.ID(), raw, scratch)
	if !ok || &again[0] != &scratch[0] {
		t.Errorf("ok %v, scratch kept %v", ok, &again[0] == &scratch[0])
	}
}

// Longer times than their fields hold are cut, not wrapped.
func TestManifestDurationIsCut(t *testing.T) {
	m := fullManifest()
	m.Duration = 100 * time.Second
	var got wire.Manifest
	if _, _, err := wire.ParseManifest(m.Sign(nil, vectorKey()), &got); err != nil || got.Duration != 65535*time.Millisecond {
		t.Errorf("%v, %v", got.Duration, err)
	}
}

// What an earlier manifest left in m is not taken for the next one's.
func TestParseManifestForgets(t *testing.T) {
	m := *fullManifest()
	plain := fullManifest()
	plain.Previous = false
	if _, _, err := wire.ParseManifest(plain.Sign(nil, vectorKey()), &m); err != nil || m.Previous || m.PrevEpoch != 0 || m.PrevEnd != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestChunkLimits(t *testing.T) {
	for size, want := range map[int]error{0: wire.ErrTruncated, 1: nil, wire.ChunkBytesMax: nil, wire.ChunkBytesMax + 1: wire.ErrTooLong} {
		m, err := wire.ParseChunk(wire.Chunk{Seq: 5, Data: make([]byte, size)}.Append(nil)[1:])
		if !errors.Is(err, want) || want == nil && len(m.Data) != size {
			t.Errorf("%d bytes: %d, %v", size, len(m.Data), err)
		}
	}
}

func TestStreamParsersDoNotAllocate(t *testing.T) {
	key := vectorKey()
	id := key.ID()
	raw := fullManifest().Sign(nil, key)
	chunk := wire.Chunk{Data: make([]byte, 100)}.Append(nil)[1:]
	scratch := make([]byte, 0, 1024)
	var m wire.Manifest
	for name, f := range map[string]func(){
		"ParseManifest": func() { _, _, _ = wire.ParseManifest(raw, &m) },
		"ParseChunk":    func() { _, _ = wire.ParseChunk(chunk) },
		"VerifyManifest": func() {
			_, scratch = wire.VerifyManifest(id, raw, scratch)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func FuzzManifest(f *testing.F) { fuzzStation(f, "MANIFEST") }
func FuzzChunk(f *testing.F)    { fuzzStation(f, "CHUNK") }
func FuzzNack(f *testing.F)     { fuzzStation(f, "NACK") }
