// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"streamer/internal/wire"
)

// A vector is one file under testdata/vectors: what to parse, what comes out, and the bytes with what they are.
type vector struct {
	name   string // of the file
	parse  string // by which of linkParsers
	expect string // "" for accept, or the name of the error
	parts  []part
}

type part struct {
	comment string
	bytes   []byte
}

func (v vector) bytes() (b []byte) {
	for _, p := range v.parts {
		b = append(b, p.bytes...)
	}
	return b
}

// text is the file.
func (v vector) text() string {
	var s strings.Builder
	if v.expect == "" {
		fields, _, _ := linkParsers()[v.parse](v.bytes())
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

// count returns n bytes that count up from first.
func count(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func linkVectors() []vector {
	hello := []part{
		{"type 1 HELLO", []byte{1}},
		{"version", []byte{1}},
		{"nonce", count(0x10, 8)},
		{"padding", make([]byte, 62)},
	}
	cookie := []part{
		{"type 2 COOKIE", []byte{2}},
		{"version", []byte{1}},
		{"nonce of the HELLO", count(0x10, 8)},
		{"cookie", count(0x20, 24)},
		{"static key of the responder", count(0x40, 32)},
	}
	init := []part{
		{"type 3 INIT", []byte{3}},
		{"cookie", count(0x20, 24)},
		{"Noise: ephemeral key", count(0x60, 32)},
		{"Noise: static key, sealed", count(0x80, 48)},
		{"Noise: payload, sealed", count(0xb0, 24)},
	}
	resp := []part{
		{"type 4 RESP", []byte{4}},
		{"receiver", []byte{0xde, 0xad, 0xbe, 0xef}},
		{"Noise: ephemeral key", count(0x60, 32)},
		{"Noise: payload, sealed", count(0xb0, 24)},
	}
	data := []part{
		{"type 5 DATA, key phase 0", []byte{5}},
		{"receiver", []byte{0xde, 0xad, 0xbe, 0xef}},
		{"counter", []byte{0, 1, 0, 2}},
		{"sealed", count(0xd0, 5)},
		{"tag", count(0xe0, 16)},
	}
	with := func(parts []part, at int, p part) []part {
		parts = append([]part(nil), parts...)
		parts[at] = p
		return parts
	}
	report := []part{
		{"type 0x06 REPORT", []byte{6}},
		{"low bits of the highest counter", []byte{0x12, 0x34}},
		{"packets received", []byte{0x11, 0xff}},
		{"samples", []byte{2}},
		{"back, arrived in 250 us", []byte{0, 0xab, 0xcd}},
		{"back, arrived in 250 us", []byte{9, 0xa0, 1}},
	}
	list := []vector{
		{"hello", "HELLO", "", hello},
		{"hello_later_version", "HELLO", "", with(hello, 1, part{"version: a responder answers with its own", []byte{9}})},
		{"cookie", "COOKIE", "", cookie},
		{"init", "INIT", "", init},
		{"resp", "RESP", "", resp},
		{"data", "DATA", "", data},
		{"data_phase_1", "DATA", "", with(data, 0, part{"type 5 DATA, key phase 1", []byte{0x85}})},
		{"data_empty", "DATA", "", with(data, 3, part{"sealed: nothing", nil})},
		{"data_longest", "DATA", "", with(data, 3, part{"sealed", count(0, wire.PayloadBytesMax)})},
		{"handshake_payload", "payload of INIT and RESP", "", []part{{"sender's index", []byte{0xde, 0xad, 0xbe, 0xef}}, {"instance", []byte{1, 2, 3, 4}}}},
		{"ping", "PING", "", []part{{"type 0x01 PING", []byte{1}}, {"token", []byte{0xca, 0xfe, 0xba, 0xbe}}}},
		{"pong", "PONG", "", []part{{"type 0x02 PONG", []byte{2}}, {"token", []byte{0xca, 0xfe, 0xba, 0xbe}}}},
		{"path_challenge", "PATH_CHALLENGE", "", []part{{"type 0x03 PATH_CHALLENGE", []byte{3}}, {"proof", count(0x30, 8)}}},
		{"path_response", "PATH_RESPONSE", "", []part{{"type 0x04 PATH_RESPONSE", []byte{4}}, {"proof", count(0x30, 8)}}},
		{"report", "REPORT", "", report},
		{"report_no_sample", "REPORT", "", []part{report[0], report[1], report[2], {"samples", []byte{0}}}},
		{"close", "CLOSE", "", []part{{"type 0x05 CLOSE", []byte{5}}, {"code: leaving", []byte{1}}}},

		{"reject_cookie_version", "COOKIE", "version", with(cookie, 1, part{"version: not ours", []byte{2}})},
		{"reject_data_longer", "DATA", "too long", with(data, 3, part{"sealed: 1 byte too many", count(0, wire.PayloadBytesMax+1)})},
		{"reject_data_no_tag", "DATA", "truncated", data[:4]},
		{"reject_data_type_bits", "DATA", "type", with(data, 0, part{"type: a bit that must be zero", []byte{0x45}})},
		{"reject_hello_phase", "HELLO", "type", with(hello, 0, part{"type: only DATA has a key phase", []byte{0x81}})},
		{"reject_type_0", "HELLO", "type", with(hello, 0, part{"type: unknown", []byte{0}})},
		{"reject_type_8", "DATA", "type", with(data, 0, part{"type: unknown", []byte{8}})},
		{"reject_handshake_payload_longer", "payload of INIT and RESP", "too long", []part{{"1 byte too many", count(0, 9)}}},
		{"reject_report_samples", "REPORT", "too long", with(report, 3, part{"samples: at most 4", []byte{5}})},
		{"reject_ping_type", "PING", "type", []part{{"type 0x02 PONG", []byte{2}}, {"token", []byte{0xca, 0xfe, 0xba, 0xbe}}}},
		{"reject_ping_short", "PING", "truncated", []part{{"type 0x01 PING", []byte{1}}, {"token", []byte{0xca, 0xfe, 0xba}}}},
	}
	for name, parts := range map[string][]part{"hello": hello, "cookie": cookie, "init": init, "resp": resp} {
		all := vector{parts: parts}.bytes()
		list = append(list,
			vector{"reject_" + name + "_longer", strings.ToUpper(name), "too long", []part{{"1 byte too many", append(all, 0)}}},
			vector{"reject_" + name + "_shorter", strings.ToUpper(name), "truncated", []part{{"1 byte missing", all[:len(all)-1]}}})
	}
	return list
}

var updateVectors = flag.Bool("update", false, "write testdata/vectors/link_*.txt")

// The files are what another implementation tests itself with, so the parsers are tested with the files.
func TestLinkVectors(t *testing.T) {
	sentinels := map[string]error{
		"accept": nil, "truncated": wire.ErrTruncated, "too long": wire.ErrTooLong, "version": wire.ErrVersion, "type": wire.ErrType,
	}
	for _, v := range linkVectors() {
		file := filepath.Join("testdata", "vectors", "link_"+v.name+".txt")
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
		fields, again, err := linkParsers()[header["parse"]](b)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", file, err, want)
			continue
		}
		if err == nil && (fields != header["fields"] || !bytes.Equal(again, b)) {
			t.Errorf("%s: %s, written as %x", file, fields, again)
		}
	}
}

// readVector splits a file into its header and its bytes.
func readVector(t *testing.T, text string) (header map[string]string, b []byte) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	header = make(map[string]string)
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		header[key] = value
	}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		part, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return header, b
}
