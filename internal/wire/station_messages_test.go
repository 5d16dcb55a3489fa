// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// A stationParser reads a message of one type, type included, and writes it again. What it returns describes all fields.
type stationParser func(b []byte) (fields string, again, rest []byte, err error)

// stationParsers are the parsers by the names that the specification gives to messages.
func stationParsers() map[string]stationParser {
	return map[string]stationParser{
		"OPEN": message(wire.TypeOpen, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseOpen(b)
			return fmt.Sprintf("channel %d, reply %v, source %v, station %v", m.Channel, m.Reply, m.Source, m.Station), m.Append(nil), rest, err
		}),
		"GONE": message(wire.TypeGone, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseGone(b, nil)
			return fmt.Sprintf("leaving %v, station %v%s", m.Leaving, m.Station, describe(m.Candidates)), m.Append(nil), rest, err
		}),
		"HAVE": message(wire.TypeHave, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseHave(b)
			return fmt.Sprintf("channel %d, ended %v, leaf %v, ask %v, epoch %d, next %d, complete %d, hops %d, free %d, parts %x, map [%x]",
				m.Channel, m.Ended, m.Leaf, m.Ask, m.Epoch, m.Next, m.Complete, m.Hops, m.Free, m.Parts, m.Map), m.Append(nil), rest, err
		}),
		"PATH": message(wire.TypePath, func(b []byte) (string, []byte, []byte, error) {
			var m wire.Path
			rest, err := wire.ParsePath(b, &m)
			if err != nil {
				return "", nil, nil, err
			}
			fields := fmt.Sprintf("channel %d", m.Channel)
			for i := range m.Parts {
				p := &m.Parts[i]
				fields += fmt.Sprintf(", part %d hops %d ids %x", i, p.Hops, p.IDs[:p.N])
			}
			return fields, m.Append(nil), rest, nil
		}),
		"WANT": message(wire.TypeWant, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseWant(b)
			return fmt.Sprintf("channel %d, token %d, manifests %v, orphan %v, backlog %v, headers %v, classes %04x, epoch %d, from %d, back %d, gives %d, age %d, room %d",
				m.Channel, m.Token, m.Manifests, m.Orphan, m.Backlog, m.Headers, m.Classes, m.Epoch, m.From, m.Back, m.Gives, m.Age, m.Room), m.Append(nil), rest, err
		}),
		"GRANT": message(wire.TypeGrant, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseGrant(b, nil)
			return fmt.Sprintf("channel %d, token %d, manifests %v, reason %d, classes %04x, epoch %d, from %d, live %d, wait %d%s",
				m.Channel, m.Token, m.Manifests, m.Reason, m.Classes, m.Epoch, m.From, m.Live, m.Wait, describe(m.Candidates)), m.Append(nil), rest, err
		}),
		"PEERS": message(wire.TypePeers, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParsePeers(b, nil)
			return fmt.Sprintf("channel %d, ask %v%s", m.Channel, m.Ask, describe(m.Candidates)), m.Append(nil), rest, err
		}),
		"MOVE": message(wire.TypeMove, func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseMove(b, nil)
			return fmt.Sprintf("channel %d, wait %d, classes %04x%s", m.Channel, m.Wait, m.Classes, describe(m.Candidates)), m.Append(nil), rest, err
		}),
		"NACK":     message(wire.TypeNack, parseNack),
		"MANIFEST": message(wire.TypeManifest, parseManifest),
		"CHUNK":    message(wire.TypeChunk, parseChunk),
	}
}

// message has the rest of a message parsed when it has the type.
func message(typ byte, parse stationParser) stationParser {
	return func(b []byte) (string, []byte, []byte, error) {
		if len(b) == 0 {
			return "", nil, nil, wire.ErrTruncated
		}
		if b[0] != typ {
			return "", nil, nil, wire.ErrType
		}
		return parse(b[1:])
	}
}

func describe(cs []wire.Candidate) string {
	var s strings.Builder
	for i := range cs {
		c := &cs[i]
		fmt.Fprintf(&s, ", candidate %v node %v source %v hops %d free %d", c.Addr, c.Node, c.Source, c.Hops, c.Free)
		if c.Open {
			s.WriteString(" open")
		}
	}
	return s.String()
}

// stationVector is a vector of the messages about stations; its text differs from a link's only in who reads it.
type stationVector vector

func (v stationVector) text() string {
	var s strings.Builder
	if v.expect == "" {
		fields, _, _, _ := stationParsers()[v.parse](vector(v).bytes())
		fmt.Fprintf(&s, "expect: accept\nparse: %s\nfields: %s\n\n", v.parse, fields)
	} else {
		fmt.Fprintf(&s, "expect: %s\nparse: %s\n\n", v.expect, v.parse)
	}
	for _, p := range v.parts {
		fmt.Fprintf(&s, "# %s\n", p.comment)
		for b := p.bytes; len(b) > 0; b = b[min(len(b), 32):] {
			fmt.Fprintf(&s, "%x\n", b[:min(len(b), 32)])
		}
	}
	return s.String()
}

// The station of all vectors: Ed25519 seed 00 01 02 ... 1f.
func vectorKey() identity.StationKey { return identity.NewStationKey([32]byte(count(0, 32))) }

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// replace returns parts with one of them altered.
func replace(parts []part, at int, comment string, b ...byte) []part {
	parts = append([]part(nil), parts...)
	parts[at] = part{comment, b}
	return parts
}

func stationVectors() []stationVector {
	list := []stationVector{
		{"reject_type", "OPEN", "type", []part{{"type 0x1b: none", []byte{0x1b}}}},
	}
	list = append(list, memberVectors()...)
	list = append(list, subscriptionVectors()...)
	return append(list, streamVectors()...)
}

// candidateParts are an IPv4 candidate and, by its family, the source at an IPv6 address.
func candidateParts() []part {
	return []part{
		{"candidates", []byte{2}},
		{"family: IPv4", []byte{4}},
		{"address 192.0.2.7", []byte{192, 0, 2, 7}},
		{"port", []byte{0x21, 0x12}},
		{"node id", count(0x40, 32)},
		{"hops", []byte{3}},
		{"free classes", []byte{16}},
		{"family: IPv6, the source", []byte{0x86}},
		{"address 2001:db8::7", netip.MustParseAddr("2001:db8::7").AsSlice()},
		{"port", []byte{0x21, 0x12}},
		{"node id", count(0x60, 32)},
		{"hops", []byte{0}},
		{"free classes", []byte{4}},
	}
}

// memberVectors are of the messages that say who carries a station: OPEN, GONE, PEERS, HAVE, PATH.
func memberVectors() []stationVector {
	id := vectorKey().ID()
	open := []part{{"type 0x10 OPEN", []byte{0x10}}, {"channel", []byte{7}}, {"flags: reply", []byte{1}}, {"station", id[:]}}
	gone := []part{{"type 0x11 GONE", []byte{0x11}}, {"flags: leaving", []byte{1}}, {"station", id[:]}}
	peers := []part{{"type 0x19 PEERS", []byte{0x19}}, {"channel", []byte{7}}, {"flags: ask", []byte{1}}}
	none := part{"candidates", []byte{0}}
	many := append(peers[:3:3], candidateParts()...)
	mapped := netip.MustParseAddr("::ffff:192.0.2.7").As16()
	have := []part{
		{"type 0x12 HAVE", []byte{0x12}},
		{"channel", []byte{7}},
		{"flags: ended, leaf, ask, quarters 0 and 2", []byte{0x57}},
		{"epoch", u32(1_800_000_000)},
		{"next", u32(1000)},
		{"complete", u32(980)},
		{"hops of the quarters: 2, 1, 3, unknown", []byte{2, 1, 3, 255}},
		{"free classes", []byte{48}},
		{"bytes of map", []byte{2}},
		{"map: chunks 981 and 995", []byte{0x02, 0x80}},
	}
	path := []part{
		{"type 0x13 PATH", []byte{0x13}},
		{"channel", []byte{7}},
		{"quarter 0: hops, ids", []byte{2, 2}},
		{"ids", count(0x40, 8)},
		{"quarter 1: hops, ids", []byte{1, 1}},
		{"ids", count(0x40, 4)},
		{"quarter 2: does not reach the sender", []byte{255, 0}},
		{"quarter 3: hops, ids", []byte{1, 1}},
		{"ids", count(0x40, 4)},
		{"manifests: the sender is the source", []byte{0, 0}},
	}
	return []stationVector{
		{"open", "OPEN", "", open},
		{"open_source", "OPEN", "", replace(open, 2, "flags: source", 2)},
		{"gone", "GONE", "", append(gone[:3:3], none)},
		{"gone_candidates", "GONE", "", append(gone[:3:3], candidateParts()...)},
		{"peers_ask", "PEERS", "", append(peers[:3:3], none)},
		{"peers", "PEERS", "", replace(many, 2, "flags", 0)},
		{"have", "HAVE", "", have},
		{"have_nothing", "HAVE", "", []part{have[0], have[1], {"flags", []byte{0}}, {"epoch: nothing known yet", u32(0)}, {"next", u32(0)},
			{"complete", u32(0)}, {"hops: unknown", []byte{255, 255, 255, 255}}, {"free classes", []byte{0}}, {"bytes of map", []byte{0}}}},
		{"have_longest", "HAVE", "", append(have[:8:8], part{"bytes of map", []byte{16}}, part{"map", count(0xf0, 16)})},
		{"path", "PATH", "", path},
		{"path_longest", "PATH", "", replace(replace(path, 2, "quarter 0: hops, ids", 24, 24), 3, "ids", count(0, 96)...)},

		{"reject_open_shorter", "OPEN", "truncated", []part{open[0], open[1], open[2], {"station: 1 byte missing", id[:31]}}},
		{"reject_peers_candidates", "PEERS", "too long", append(peers[:3:3], part{"candidates: 9", []byte{9}})},
		{"reject_peers_family", "PEERS", "malformed", replace(many, 4, "family: unknown", 5)},
		{"reject_peers_mapped", "PEERS", "malformed", replace(many, 11, "address: IPv4 written as IPv6", mapped[:]...)},
		{"reject_gone_shorter", "GONE", "truncated", append(gone[:3:3], candidateParts()[:12]...)},
		{"reject_have_map", "HAVE", "too long", append(have[:8:8], part{"bytes of map: 17", []byte{17}}, part{"map", count(0, 17)})},
		{"reject_path_ids", "PATH", "too long", replace(replace(path, 2, "quarter 0: hops, 25 ids", 24, 25), 3, "ids", count(0, 100)...)},
	}
}

// subscriptionVectors are of WANT and GRANT.
func subscriptionVectors() []stationVector {
	want := []part{
		{"type 0x14 WANT", []byte{0x14}},
		{"channel", []byte{7}},
		{"token", []byte{3}},
		{"flags: manifests, backlog, headers", []byte{0x0d}},
		{"classes: the first two quarters", []byte{0x33, 0x33}},
		{"epoch", u32(1_800_000_000)},
		{"from", u32(980)},
		{"back", []byte{0x0b, 0xb8}},
		{"gives", []byte{0, 27}},
		{"age", []byte{4}},
		{"room", []byte{11}},
	}
	grant := []part{
		{"type 0x15 GRANT", []byte{0x15}},
		{"channel", []byte{9}},
		{"token", []byte{3}},
		{"flags: manifests", []byte{1}},
		{"reason: full", []byte{1}},
		{"classes", []byte{0x11, 0x11}},
		{"epoch", u32(1_800_000_000)},
		{"from", u32(984)},
		{"live", u32(1010)},
		{"wait", []byte{20}},
	}
	move := []part{
		{"type 0x1a MOVE", []byte{0x1a}},
		{"channel", []byte{9}},
		{"wait", []byte{60}},
		{"classes", []byte{0x11, 0x11}},
	}
	all := append(replace(grant, 4, "reason: all", 0), part{"candidates", []byte{0}})
	return []stationVector{
		{"want", "WANT", "", want},
		{"want_orphan", "WANT", "", replace(want, 3, "flags: manifests, orphan", 3)},
		{"want_nothing", "WANT", "", replace(replace(want, 3, "flags", 0), 4, "classes: the subscription ends", 0, 0)},
		{"grant", "GRANT", "", all},
		{"grant_full", "GRANT", "", append(grant[:10:10], candidateParts()...)},
		{"move", "MOVE", "", append(move[:4:4], candidateParts()...)},
		{"move_nobody", "MOVE", "", append(move[:4:4], part{"candidates", []byte{0}})},

		{"reject_move_shorter", "MOVE", "truncated", move[:4]},
		{"reject_move_candidates", "MOVE", "too long", append(move[:4:4], part{"candidates: 9", []byte{9}})},
		{"reject_want_shorter", "WANT", "truncated", want[:10]},
		{"reject_grant_candidates", "GRANT", "too long", append(grant[:10:10], part{"candidates: 9", []byte{9}})},
		{"reject_grant_shorter", "GRANT", "truncated", grant[:10]},
	}
}

// The files are what another implementation tests itself with, so the parsers are tested with the files.
func TestStationVectors(t *testing.T) {
	sentinels := map[string]error{
		"accept": nil, "truncated": wire.ErrTruncated, "too long": wire.ErrTooLong, "malformed": wire.ErrMalformed, "type": wire.ErrType,
	}
	for _, v := range stationVectors() {
		file := filepath.Join("testdata", "vectors", "station_"+v.name+".txt")
		if *updateVectors {
			if err := os.WriteFile(file, []byte(v.text()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != v.text() {
			t.Errorf("%s differs from what the test makes; run go test ./internal/wire -update and look at the difference", file)
		}
		header, b := readVector(t, string(text))
		want, ok := sentinels[header["expect"]]
		if !ok {
			t.Errorf("%s: unknown expectation %q", file, header["expect"])
		}
		fields, again, rest, err := stationParsers()[header["parse"]](b)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", file, err, want)
			continue
		}
		if err == nil && (fields != header["fields"] || !bytes.Equal(again, b) || len(rest) > 0) {
			t.Errorf("%s: %s, written as %x, left %x", file, fields, again, rest)
		}
	}
}

// Every proper prefix of every vector is refused as truncated, except of CHUNK, whose data has any length above 0.
func TestStationTruncation(t *testing.T) {
	const chunkHeader = 7
	for _, v := range stationVectors() {
		if v.expect != "" {
			continue
		}
		b := vector(v).bytes()
		for size := range b {
			_, _, _, err := stationParsers()[v.parse](b[:size])
			if v.parse == "CHUNK" && size > chunkHeader {
				if err != nil {
					t.Errorf("%s: %d bytes: %v", v.name, size, err)
				}
				continue
			}
			if !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%s: %d of %d bytes: %v, want ErrTruncated", v.name, size, len(b), err)
			}
		}
	}
}

// A message takes its own bytes and leaves those behind it to the next; only a chunk takes all.
func TestStationMessagesInSequence(t *testing.T) {
	for _, v := range stationVectors() {
		if v.expect != "" || v.parse == "CHUNK" {
			continue
		}
		b := vector(v).bytes()
		_, again, rest, err := stationParsers()[v.parse](append(b, 0xde, 0xad))
		if err != nil || !bytes.Equal(again, b) || !bytes.Equal(rest, []byte{0xde, 0xad}) {
			t.Errorf("%s: left %x, wrote %x, %v", v.name, rest, again, err)
		}
	}
}

// Flags that a later version may set do not keep this one from reading the message.
func TestStationUnknownFlags(t *testing.T) {
	flagsAt := map[string]int{"OPEN": 2, "GONE": 1, "HAVE": 2, "WANT": 3, "GRANT": 3, "PEERS": 2}
	for _, v := range stationVectors() {
		at, ok := flagsAt[v.parse]
		if v.expect != "" || !ok {
			continue
		}
		b := vector(v).bytes()
		want, _, _, _ := stationParsers()[v.parse](b)
		if b[at] |= 0x80; v.parse == "HAVE" { // its high flags are taken
			b[at] = b[at]&^0x80 | vector(v).bytes()[at]&0x80 | 0x08
		}
		if got, _, _, err := stationParsers()[v.parse](b); err != nil || got != want {
			t.Errorf("%s: %s, %v", v.name, got, err)
		}
	}
}

// What a writer is given too much of it leaves out, rather than write what no parser takes.
func TestCandidatesAreCut(t *testing.T) {
	many := make([]wire.Candidate, wire.CandidatesMax+1)
	for i := range many {
		many[i].Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 8466)
	}
	m, rest, err := wire.ParsePeers(wire.Peers{Candidates: many}.Append(nil)[1:], nil)
	if err != nil || len(rest) > 0 || len(m.Candidates) != wire.CandidatesMax || m.Candidates[7].Addr != many[7].Addr {
		t.Errorf("%d candidates, %v", len(m.Candidates), err)
	}
	var p wire.PathPart
	for i := range byte(wire.PathIDsMax + 1) {
		p.Add(wire.PathID{i})
		p.Add(wire.PathID{i})
	}
	if p.N != wire.PathIDsMax || !p.Has(wire.PathID{wire.PathIDsMax - 1}) || p.Has(wire.PathID{wire.PathIDsMax}) {
		t.Errorf("%d ids: %x", p.N, p.IDs)
	}
}

// A message with the most of everything fits a packet.
func TestLongestMessagesFit(t *testing.T) {
	v6 := netip.AddrPortFrom(netip.MustParseAddr("2001:db8::7"), 8466)
	var cs []wire.Candidate
	for range wire.CandidatesMax {
		cs = append(cs, wire.Candidate{Addr: v6})
	}
	var path wire.Path
	for i := range path.Parts {
		for j := range byte(wire.PathIDsMax) {
			path.Parts[i].Add(wire.PathID{j})
		}
	}
	nack := wire.Nack{NRanges: wire.NackRangesMax, NManifest: wire.NackManifests}
	for name, n := range map[string]int{
		"GONE":     len(wire.Gone{Candidates: cs}.Append(nil)),
		"GRANT":    len(wire.Grant{Candidates: cs}.Append(nil)),
		"MOVE":     len(wire.Move{Candidates: cs}.Append(nil)),
		"PATH":     len(path.Append(nil)),
		"NACK":     len(nack.Append(nil)),
		"MANIFEST": len(wire.AppendManifestMessage(nil, 1, fullManifest().Sign(nil, vectorKey()))),
		"CHUNK":    len(wire.Chunk{Data: make([]byte, wire.ChunkBytesMax)}.Append(nil)),
	} {
		if room := wire.PayloadBytesMax - wire.PingBytes; n > room {
			t.Errorf("%s has %d bytes; %d fit", name, n, room)
		}
	}
}

// fuzzStation checks that a parser never panics nor alters its input, and that what it accepts it writes so that it reads
// the same again.
func fuzzStation(f *testing.F, name string) {
	f.Helper()
	for _, v := range stationVectors() {
		if v.parse == name {
			f.Add(vector(v).bytes()[1:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte{stationTypes[name]}, body...)
		before := bytes.Clone(b)
		parse := stationParsers()[name]
		fields, again, rest, err := parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the parser altered its input")
		}
		if err != nil {
			return
		}
		if len(again)+len(rest) != len(b) || !bytes.HasSuffix(b, rest) {
			t.Fatalf("%x: wrote %d bytes, left %d of %d", b, len(again), len(rest), len(b))
		}
		fields2, again2, rest2, err := parse(again)
		if err != nil || fields2 != fields || !bytes.Equal(again2, again) || len(rest2) > 0 {
			t.Fatalf("%x reads as\n%s, is written as\n%x and then reads as\n%s, %v", b, fields, again, fields2, err)
		}
	})
}

// stationTypes are the types by name.
var stationTypes = map[string]byte{
	"OPEN": wire.TypeOpen, "GONE": wire.TypeGone, "HAVE": wire.TypeHave, "PATH": wire.TypePath, "WANT": wire.TypeWant,
	"GRANT": wire.TypeGrant, "NACK": wire.TypeNack, "MANIFEST": wire.TypeManifest, "CHUNK": wire.TypeChunk, "PEERS": wire.TypePeers,
	"MOVE": wire.TypeMove,
}

func FuzzOpen(f *testing.F)  { fuzzStation(f, "OPEN") }
func FuzzGone(f *testing.F)  { fuzzStation(f, "GONE") }
func FuzzHave(f *testing.F)  { fuzzStation(f, "HAVE") }
func FuzzPath(f *testing.F)  { fuzzStation(f, "PATH") }
func FuzzWant(f *testing.F)  { fuzzStation(f, "WANT") }
func FuzzGrant(f *testing.F) { fuzzStation(f, "GRANT") }
func FuzzPeers(f *testing.F) { fuzzStation(f, "PEERS") }
func FuzzMove(f *testing.F)  { fuzzStation(f, "MOVE") }
