// SPDX-License-Identifier: MIT

package wire_test

import (
	"fmt"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// What another implementation must compute alike: which slice a station is in, and the print of its record.
func TestSliceVectors(t *testing.T) {
	for _, c := range []struct {
		name    string
		id      identity.StationID
		seq     uint32
		salt    uint32
		modulus uint16
	}{
		{"slice", vectorKey().ID(), 1_800_000_000, 0x01020304, 50},
		{"slice_salt_0", vectorKey().ID(), 1, 0, 65535},
		{"slice_whole", vectorKey().ID(), 1<<32 - 1, 1<<32 - 1, 1},
		{"slice_long", identity.StationID([]byte("another station's id, 32 bytes..")), 1_800_000_000, 0x01020304, 50},
	} {
		s := wire.Slice{Salt: c.salt, Modulus: c.modulus}
		for !s.Holds(c.id) {
			s.Index++
		}
		text := vector{expect: "as in fields", parse: "slice of a station, and print of its record", parts: []part{
			{"station", c.id[:]}, {"sequence number", u32(c.seq)}, {"salt", u32(c.salt)}, {"modulus", []byte{byte(c.modulus >> 8), byte(c.modulus)}},
		}}.text()
		fields := fmt.Sprintf("index %d, print %06x\n", s.Index, s.Print(c.id, c.seq))
		vectorFile(t, "gossip_"+c.name, "fields: "+fields+text)
	}
}

// Every station is in exactly one slice, the slices are about equal, and another salt mixes them anew.
func TestSlices(t *testing.T) {
	const stations, modulus = 5000, 50
	var sizes [2][modulus]int
	moved := 0
	for n := range stations {
		id := identity.StationID{byte(n >> 8), byte(n)} // as unlike a random key as can be
		var in [2]int
		for salt := range in {
			holds := 0
			for index := range modulus {
				s := wire.Slice{Salt: uint32(salt), Modulus: modulus, Index: uint16(index)}
				if s.Holds(id) {
					holds, in[salt] = holds+1, index
					sizes[salt][index]++
				}
			}
			if holds != 1 {
				t.Fatalf("station %d is in %d slices", n, holds)
			}
		}
		if in[0] != in[1] {
			moved++
		}
	}
	for salt := range sizes {
		for index, size := range sizes[salt] {
			if size < 60 || size > 140 { // 100 expected, standard deviation 10
				t.Errorf("salt %d: slice %d has %d stations, want about 100", salt, index, size)
			}
		}
	}
	if moved < stations*95/100 {
		t.Errorf("another salt moved %d of %d stations", moved, stations)
	}
	if (wire.Slice{}).Holds(identity.StationID{}) {
		t.Error("no slice holds a station")
	}
}

// Prints of different records differ, but for as many as chance has it, and those that meet under one salt part under another.
func TestPrints(t *testing.T) {
	const records = 1 << 14 // 8 pairs meet by chance among 24 bits
	type record struct {
		tag wire.StationTag
		seq uint32
	}
	seen := make(map[uint32]record)
	meetings := 0
	for n := range records {
		r := record{wire.StationTag(n / 4), uint32(1 + n%4)}
		s := wire.Slice{Salt: 7}
		p := s.PrintOf(r.tag, r.seq)
		if p >= 1<<24 {
			t.Fatalf("print %x", p)
		}
		if other, ok := seen[p]; ok {
			meetings++
			if s.Salt++; s.PrintOf(r.tag, r.seq) == s.PrintOf(other.tag, other.seq) {
				t.Errorf("%v and %v meet under two salts", r, other)
			}
		}
		seen[p] = r
	}
	if meetings > 24 {
		t.Errorf("%d records meet, want about 8", meetings)
	}
}
