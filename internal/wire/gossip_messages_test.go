// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// gossipParsers read a whole datagram or message by name, and write it again. What they return describes all fields.
func gossipParsers() map[string]func(b []byte) (fields string, again []byte, err error) {
	return map[string]func(b []byte) (string, []byte, error){
		"ASK": func(b []byte) (string, []byte, error) {
			a, err := wire.ParseSealedAsk(b)
			return fmt.Sprintf("id %08x, noise %x", a.ID, a.Noise), a.Append(nil), err
		},
		"ANSWER": func(b []byte) (string, []byte, error) {
			a, err := wire.ParseSealedAnswer(b)
			return fmt.Sprintf("id %08x, noise %x", a.ID, a.Noise), a.Append(nil), err
		},
		"payload of ASK": func(b []byte) (string, []byte, error) {
			message, err := wire.ParseAskPayload(b)
			return fmt.Sprintf("message %x", message), wire.AppendAskPayload(nil, message, len(b)), err
		},
		"ask":            parseAsk,
		"answer":         parseAnswer,
		"station record": parseRecord,
	}
}

func parseAsk(b []byte) (string, []byte, error) {
	var a wire.Ask
	err := wire.ParseAsk(b, &a)
	if err != nil {
		return "", nil, err
	}
	s := fmt.Sprintf("node %v, stations %d, hosts wanted %d, find %v", a.Node, a.Stations, a.WantHosts, a.Find)
	if a.Hidden {
		s += fmt.Sprintf(", hidden, proxies %v", a.Proxies)
	}
	if a.Slice.Modulus > 0 {
		s += fmt.Sprintf(", slice salt %08x modulus %d index %d prints %06x", a.Slice.Salt, a.Slice.Modulus, a.Slice.Index, a.Slice.Prints)
	}
	return s + describeLists(a.Tuned, a.Hosts, nil, a.Records), a.Append(nil), nil
}

func parseAnswer(b []byte) (string, []byte, error) {
	var a wire.Answer
	err := wire.ParseAnswer(b, &a)
	if err != nil {
		return "", nil, err
	}
	s := fmt.Sprintf("you %v, stations %d", a.You, a.Stations)
	if a.Asker.Of > 0 {
		s += fmt.Sprintf(", asker of %d hidden %v tuned %016x", a.Asker.Of, a.Asker.Hidden, uint64(a.Asker.Tuned))
	}
	return s + describeLists(a.Tuned, a.Hosts, a.Found, a.Records), a.Append(nil), nil
}

func describeLists(tuned []wire.StationTag, hosts []wire.Host, found []wire.FoundHost, records [][]byte) string {
	var s strings.Builder
	for _, t := range tuned {
		fmt.Fprintf(&s, ", tuned %016x", uint64(t))
	}
	for _, h := range hosts {
		fmt.Fprintf(&s, ", host %v node %v", h.Addr, h.Node)
	}
	for _, h := range found {
		fmt.Fprintf(&s, ", found %v node %v proxies %v", h.Addr, h.Node, h.Proxies.List())
	}
	for _, r := range records {
		fmt.Fprintf(&s, ", record %x", r)
	}
	return s.String()
}

// gossipVector is a vector of gossip; its text differs from a link's only in who reads it.
type gossipVector vector

func (v gossipVector) text() string {
	body := vector(v).text
	if v.expect != "" {
		return body()
	}
	fields, _, _ := gossipParsers()[v.parse](vector(v).bytes())
	var s strings.Builder
	fmt.Fprintf(&s, "expect: accept\nparse: %s\nfields: %s\n\n", v.parse, fields)
	v.expect = "nothing" // only the bytes are wanted
	_, bytes, _ := strings.Cut(vector(v).text(), "\n\n")
	return s.String() + bytes
}

func gossipVectors() []gossipVector {
	return slices.Concat(exchangeVectors(), messageVectors(), recordVectors())
}

func exchangeVectors() []gossipVector {
	ask := []part{
		{"type 6 ASK", []byte{6}},
		{"id", []byte{0xca, 0xfe, 0xba, 0xbe}},
		{"Noise: ephemeral key", count(0x60, 32)},
		{"Noise: payload, sealed", count(0x80, 40)},
		{"tag", count(0xe0, 16)},
	}
	answer := replace(ask, 0, "type 7 ANSWER", 7)
	shortAsk := replace(ask, 3, "Noise: payload, sealed: no message", 0, 0)
	shortAnswer := replace(answer, 3, "Noise: payload, sealed: no message")
	longest := replace(ask, 3, "Noise: payload, sealed", count(0, wire.AskBytesMax+2)...)
	payload := []part{{"length", []byte{0, 5}}, {"message", count(0x10, 5)}, {"padding", make([]byte, 9)}}
	return []gossipVector{
		{"ask_datagram", "ASK", "", ask},
		{"ask_datagram_shortest", "ASK", "", shortAsk},
		{"ask_datagram_longest", "ASK", "", longest},
		{"answer_datagram", "ANSWER", "", answer},
		{"answer_datagram_shortest", "ANSWER", "", shortAnswer},
		{"ask_payload", "payload of ASK", "", payload},
		{"ask_payload_no_padding", "payload of ASK", "", payload[:2]},

		{"reject_ask_datagram_shorter", "ASK", "truncated", replace(shortAsk, 4, "tag: 1 byte missing", count(0xe0, 15)...)},
		{"reject_ask_datagram_longer", "ASK", "too long", replace(longest, 4, "tag: 1 byte too many", count(0xe0, 17)...)},
		{"reject_ask_datagram_phase", "ASK", "type", replace(ask, 0, "type: only DATA has a key phase", 0x86)},
		{"reject_answer_datagram_shorter", "ANSWER", "truncated", replace(shortAnswer, 4, "tag: 1 byte missing", count(0xe0, 15)...)},
		{"reject_answer_datagram_type", "ANSWER", "type", ask},
		{"reject_ask_payload_longer", "payload of ASK", "too long", replace(payload, 2, "padding: too much", make([]byte, wire.AnswerBytesMax-6)...)},
		{"reject_ask_payload_shorter", "payload of ASK", "truncated", replace(payload[:2], 0, "length: more than there is", 0, 6)},
	}
}

func vectorRecord() wire.StationRecord {
	return wire.StationRecord{
		Seq: 1_800_000_000, OnAir: true, Codec: 1, KBPS: 128,
		Name: "Radio Über", Genre: "jazz", Description: "All night.", URL: "https://radio.example", Title: "Blue – Train",
		Entries: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:8466"), netip.MustParseAddrPort("[2001:db8::7]:8466")},
	}
}

func messageVectors() []gossipVector {
	id := vectorKey().ID()
	record := vectorRecord().Sign(nil, vectorKey())
	v6 := netip.MustParseAddr("2001:db8::7").AsSlice()
	mapped := netip.MustParseAddr("::ffff:192.0.2.7").As16()
	hosts := []part{
		{"hosts", []byte{2}},
		{"family: IPv4", []byte{4}},
		{"address 192.0.2.7", []byte{192, 0, 2, 7}},
		{"port", []byte{0x21, 0x12}},
		{"node id", count(0x40, 32)},
		{"family: IPv6", []byte{6}},
		{"address 2001:db8::7", v6},
		{"port", []byte{0x21, 0x12}},
		{"node id", count(0x60, 32)},
	}
	records := []part{{"records", []byte{1}}, {"length", []byte{byte(len(record) >> 8), byte(len(record))}}, {"record", record}}
	ask := slices.Concat([]part{
		{"flags: node, find, slice", []byte{7}},
		{"stations", []byte{0x03, 0xe8}},
		{"hosts wanted", []byte{6}},
		{"node id of the asker", count(0x20, 32)},
		{"find: station", id[:]},
		{"slice: salt", u32(0x01020304)},
		{"modulus", []byte{0, 50}},
		{"index", []byte{0, 49}},
		{"prints", []byte{2}},
		{"print", []byte{0xab, 0xcd, 0xef}},
		{"print", []byte{0, 0, 1}},
		{"tags of stations that the asker is tuned to", []byte{1}},
		{"tag", id[:8]},
	}, hosts, records)
	least := []part{{"flags", []byte{0}}, {"stations", []byte{0, 0}}, {"hosts wanted", []byte{0}}, {"tags", []byte{0}}, {"hosts", []byte{0}}, {"records", []byte{0}}}
	proxies := []part{
		{"proxies", []byte{2}},
		{"family: IPv4", []byte{4}},
		{"address 203.0.113.3", []byte{203, 0, 113, 3}},
		{"port", []byte{0x21, 0x12}},
		{"family: IPv6", []byte{6}},
		{"address 2001:db8::7", v6},
		{"port", []byte{0x21, 0x13}},
	}
	hidden := slices.Concat(replace(ask[:4:4], 0, "flags: node, find, slice, hidden", 15), proxies, ask[4:])
	alone := slices.Concat([]part{{"flags: node, hidden", []byte{9}}}, least[1:3], ask[3:4], []part{{"proxies", []byte{0}}}, least[3:])
	answer := slices.Concat([]part{
		{"you: IPv4", []byte{4}},
		{"address 198.51.100.9", []byte{198, 51, 100, 9}},
		{"port", []byte{0x21, 0x12}},
		{"stations", []byte{0x03, 0xe8}},
		{"tags of stations that the answerer is tuned to", []byte{2}},
		{"tag", id[:8]},
		{"tag", count(1, 8)},
		{"asker: of 63 or more, hidden, tuned to something", []byte{0xff}},
		{"tag", id[:8]},
	}, hosts, hosts, []part{{"proxies: none, it is reached directly", []byte{0}}}, records)
	answer[18] = part{"found", []byte{2}}
	answer = slices.Concat(answer[:23:23], proxies, answer[23:])
	none := []part{
		{"you: IPv6", []byte{6}},
		{"address 2001:db8::7", v6},
		{"port", []byte{0x21, 0x12}},
		{"stations", []byte{0, 0}},
		{"tags", []byte{0}},
		{"asker: none", []byte{0}},
		{"hosts", []byte{0}},
		{"found", []byte{0}},
		{"records", []byte{0}},
	}
	return []gossipVector{
		{"ask", "ask", "", ask},
		{"ask_least", "ask", "", least},
		{"ask_hidden", "ask", "", hidden},
		{"ask_hidden_alone", "ask", "", alone},
		{"answer", "answer", "", answer},
		{"answer_least", "answer", "", none},
		{"answer_asker", "answer", "", replace(none, 5, "asker: of 2, open, tuned to nothing", 8)},

		{"reject_ask_node", "ask", "malformed", replace(ask, 3, "node id: zero, though flags announce one", make([]byte, 32)...)},
		{"reject_ask_hidden_nobody", "ask", "malformed", replace(least, 0, "flags: hidden, and no node", 8)},
		{"reject_ask_proxies", "ask", "too long", replace(alone, 4, "proxies: 4", 4)},
		{"reject_ask_proxy", "ask", "malformed", replace(hidden, 7, "port: 0", 0, 0)},
		{"reject_answer_found_proxies", "answer", "too long", replace(answer, 23, "proxies: 4", 4)},
		{"reject_answer_found_zero", "answer", "malformed", replace(answer, 22, "node id: zero", make([]byte, 32)...)},
		{"reject_ask_index", "ask", "malformed", replace(ask, 7, "index: not below modulus", 0, 50)},
		{"reject_ask_prints", "ask", "too long", replace(replace(ask, 8, "prints: 65", 65), 9, "prints", make([]byte, 64*3)...)},
		{"reject_ask_tags", "ask", "too long", replace(least, 3, "tags: 5", 5)},
		{"reject_ask_hosts", "ask", "too long", replace(least, 4, "hosts: 9", 9)},
		{"reject_ask_records", "ask", "too long", replace(least, 5, "records: 5", 5)},
		{"reject_ask_record_empty", "ask", "malformed", append(replace(least, 5, "records", 1), part{"length: 0", []byte{0, 0}})},
		{"reject_ask_record_longer", "ask", "too long", append(replace(least, 5, "records", 1), part{"length: 721", []byte{2, 0xd1}}, part{"record", make([]byte, 721)})},
		{"reject_ask_longer", "ask", "too long", append(least[:6:6], part{"1 byte too many", []byte{0}})},
		{"reject_ask_host_zero", "ask", "malformed", replace(ask, 17, "node id: zero", make([]byte, 32)...)},
		{"reject_ask_host_port", "ask", "malformed", replace(ask, 16, "port: 0", 0, 0)},
		{"reject_ask_host_family", "ask", "malformed", replace(ask, 14, "family: unknown", 5)},
		{"reject_ask_host_mapped", "ask", "malformed", replace(ask, 19, "address: IPv4 written as IPv6", mapped[:]...)},
		{"reject_ask_host_multicast", "ask", "malformed", replace(ask, 15, "address: 224.0.0.1", 224, 0, 0, 1)},
		{"reject_ask_host_unspecified", "ask", "malformed", replace(ask, 15, "address: 0.0.0.0", 0, 0, 0, 0)},
		{"reject_ask_host_broadcast", "ask", "malformed", replace(ask, 15, "address: 255.255.255.255", 255, 255, 255, 255)},
		{"reject_answer_you", "answer", "malformed", replace(none, 2, "port: 0", 0, 0)},
		{"reject_answer_asker", "answer", "malformed", replace(none, 5, "asker: hidden, of none", 1)},
		{"reject_answer_asker_tag", "answer", "malformed", replace(answer, 8, "tag: 0", make([]byte, 8)...)},
		{"reject_answer_hosts", "answer", "too long", replace(none, 6, "hosts: 25", 25)},
		{"reject_answer_found", "answer", "too long", replace(none, 7, "found: 9", 9)},
		{"reject_answer_records", "answer", "too long", replace(none, 8, "records: 9", 9)},
		{"reject_answer_longer", "answer", "too long", append(none[:9:9], part{"1 byte too many", []byte{0}})},
	}
}

// Another implementation tests itself with the files, so the parsers are tested with the files.
func TestGossipVectors(t *testing.T) {
	sentinels := map[string]error{
		"accept": nil, "truncated": wire.ErrTruncated, "too long": wire.ErrTooLong, "type": wire.ErrType,
		"malformed": wire.ErrMalformed, "signature": wire.ErrSignature,
	}
	for _, v := range gossipVectors() {
		header, b := vectorFile(t, "gossip_"+v.name, v.text())
		want, ok := sentinels[header["expect"]]
		if !ok {
			t.Errorf("%s: unknown expectation %q", v.name, header["expect"])
		}
		fields, again, err := gossipParsers()[header["parse"]](b)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", v.name, err, want)
			continue
		}
		if err == nil && (fields != header["fields"] || !bytes.Equal(again, b)) {
			t.Errorf("%s: %s, written as %x", v.name, fields, again)
		}
	}
}

// Every proper prefix is refused as truncated; of datagrams, whose sealed part has any length, those below the least length.
func TestGossipTruncation(t *testing.T) {
	least := map[string]int{"ASK": wire.SealedAskBytesMin, "ANSWER": wire.SealedAnswerBytesMin}
	for _, v := range gossipVectors() {
		if v.expect != "" || v.name == "ask_payload" {
			continue
		}
		b := vector(v).bytes()
		for size := range b {
			_, _, err := gossipParsers()[v.parse](b[:size])
			if n := least[v.parse]; n > 0 && size >= n {
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

// Len says what Append appends, with nothing, with much, and with more than there is room for or than a parser takes.
func TestGossipLengths(t *testing.T) {
	host := wire.Host{Addr: netip.MustParseAddrPort("[2001:db8::7]:8466"), Node: identity.NodeID{1}}
	v4 := wire.Host{Addr: netip.MustParseAddrPort("192.0.2.7:8466"), Node: identity.NodeID{2}}
	for _, n := range []int{0, 1, 3, 100} {
		list, hidden := slices.Repeat([]netip.AddrPort{{}, v4.Addr, host.Addr}, n), n%2 == 1
		var proxies wire.Proxies
		for _, p := range list {
			proxies.Add(p)
		}
		hosts := []wire.Host{{}, {Addr: v4.Addr}, {Addr: netip.MustParseAddrPort("224.0.0.1:1"), Node: v4.Node}}[:min(n, 3)]
		records := [][]byte{nil, make([]byte, wire.StationRecordBytesMax+1)}[:min(n, 2)]
		ask := wire.Ask{Node: identity.NodeID{1}, Hidden: hidden, Proxies: list, Slice: wire.Slice{Modulus: uint16(n), Prints: make([]uint32, n)}, Tuned: make([]wire.StationTag, n)}
		ask.Hosts = append(append(hosts, v4), slices.Repeat([]wire.Host{host}, n)...)
		ask.Records = append(append(records, []byte{1}), slices.Repeat([][]byte{count(0, 200)}, n)...)
		answer := wire.Answer{You: host.Addr, Tuned: ask.Tuned, Hosts: ask.Hosts, Records: ask.Records}
		for _, h := range ask.Hosts {
			answer.Found = append(answer.Found, wire.FoundHost{Host: h, Proxies: proxies})
		}
		if b := ask.Append(nil); len(b) != ask.Len() {
			t.Errorf("%d: Ask.Len %d, appended %d", n, ask.Len(), len(b))
		} else if err := wire.ParseAsk(b, &wire.Ask{}); err != nil {
			t.Errorf("%d: ParseAsk of what Append wrote: %v", n, err)
		}
		answer.Asker = wire.Asker{Of: uint8(n), Hidden: n > 1, Tuned: wire.StationTag(n / 3)}
		var got wire.Answer
		if b := answer.Append(nil); len(b) != answer.Len() {
			t.Errorf("%d: Answer.Len %d, appended %d", n, answer.Len(), len(b))
		} else if err := wire.ParseAnswer(b, &got); err != nil {
			t.Errorf("%d: ParseAnswer of what Append wrote: %v", n, err)
		} else if n == 100 && (len(got.Hosts) != wire.AnswerHostsMax || len(got.Found) != wire.AnswerFoundMax || len(got.Records) != wire.AnswerRecordsMax) {
			t.Errorf("kept %d hosts, %d found, %d records", len(got.Hosts), len(got.Found), len(got.Records))
		}
	}
	if host.Len() != wire.HostBytesMax || v4.Len() != wire.HostBytesMax-12 {
		t.Errorf("hosts take %d and %d bytes", host.Len(), v4.Len())
	}
}

// Unknown flags do not keep an ask from being read.
func TestAskUnknownFlags(t *testing.T) {
	for _, v := range messageVectors() {
		if v.parse != "ask" || v.expect != "" {
			continue
		}
		b := vector(v).bytes()
		want, _, _ := parseAsk(b)
		b[0] |= 0xf0
		if got, _, err := parseAsk(b); err != nil || got != want {
			t.Errorf("%s: %s, %v", v.name, got, err)
		}
	}
}

// A message is read into memory that is there; what a longer one left behind does not show.
func TestGossipParsersReuseMemory(t *testing.T) {
	full, least := map[string][]byte{}, map[string][]byte{}
	for _, v := range messageVectors() {
		switch v.name {
		case "ask_hidden", "answer":
			full[v.parse] = vector(v).bytes()
		case "ask_least", "answer_least":
			least[v.parse] = vector(v).bytes()
		}
	}
	var ask wire.Ask
	var answer wire.Answer
	if err := errors.Join(wire.ParseAsk(full["ask"], &ask), wire.ParseAnswer(full["answer"], &answer)); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, wire.DatagramBytesMax)
	if n := testing.AllocsPerRun(100, func() {
		_ = wire.ParseAsk(full["ask"], &ask)
		_ = wire.ParseAnswer(full["answer"], &answer)
		dst = ask.Append(dst[:0])
		dst = answer.Append(dst[:0])
	}); n != 0 {
		t.Errorf("parsing and writing allocates %v times", n)
	}
	if err := errors.Join(wire.ParseAsk(least["ask"], &ask), wire.ParseAnswer(least["answer"], &answer)); err != nil {
		t.Fatal(err)
	}
	if got := ask.Append(nil); !bytes.Equal(got, least["ask"]) {
		t.Errorf("the ask before shows: %x", got)
	}
	if got := answer.Append(nil); !bytes.Equal(got, least["answer"]) {
		t.Errorf("the answer before shows: %x", got)
	}
}

// An ask is padded to what its answer may have, and no further than a datagram.
func TestAskPadding(t *testing.T) {
	if wire.SealedAskBytesMin != 55 || wire.SealedAnswerBytesMin != 53 || wire.AskBytesMax != 1145 || wire.AnswerBytesMax != 1147 {
		t.Errorf("ASK adds %d bytes to at most %d, ANSWER %d to at most %d", wire.SealedAskBytesMin, wire.AskBytesMax, wire.SealedAnswerBytesMin, wire.AnswerBytesMax)
	}
	for _, c := range []struct{ message, answer, want int }{
		{0, 0, 2},
		{10, 0, 12},
		{10, 12, 12},
		{10, 13, 13},
		{10, 500, 500},
		{wire.AskBytesMax, 0, wire.AskBytesMax + 2},
		{10, wire.AnswerBytesMax, wire.AnswerBytesMax},
		{10, 5000, wire.AnswerBytesMax},
		{10, -5, 12},
	} {
		message := count(1, c.message)
		b := wire.AppendAskPayload(nil, message, c.answer)
		got, err := wire.ParseAskPayload(b)
		if len(b) != c.want || err != nil || !bytes.Equal(got, message) {
			t.Errorf("message of %d for an answer of %d: %d bytes, want %d; %v", c.message, c.answer, len(b), c.want, err)
		}
		if len(b)+wire.SealedAnswerBytesMin > wire.DatagramBytesMax {
			t.Errorf("message of %d for an answer of %d does not fit a datagram", c.message, c.answer)
		}
	}
}

// fuzzGossip checks that a parser never panics nor alters its input, and that what it accepts it writes as it was, but for
// what it does not look at.
func fuzzGossip(f *testing.F, name string, unseen func(b []byte)) {
	f.Helper()
	for _, v := range gossipVectors() {
		if v.parse == name {
			f.Add(vector(v).bytes())
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		parse := gossipParsers()[name]
		fields, again, err := parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the parser altered its input")
		}
		if err != nil {
			return
		}
		unseen(before)
		if !bytes.Equal(again, before) {
			t.Fatalf("%x is written as\n%x", before, again)
		}
		if fields2, _, err := parse(again); err != nil || fields2 != fields {
			t.Fatalf("%x reads as\n%s, and then as\n%s, %v", b, fields, fields2, err)
		}
	})
}

func FuzzAsk(f *testing.F)          { fuzzGossip(f, "ask", func(b []byte) { b[0] &= 15 }) }
func FuzzAnswer(f *testing.F)       { fuzzGossip(f, "answer", func([]byte) {}) }
func FuzzSealedAsk(f *testing.F)    { fuzzGossip(f, "ASK", func([]byte) {}) }
func FuzzSealedAnswer(f *testing.F) { fuzzGossip(f, "ANSWER", func([]byte) {}) }
func FuzzAskPayload(f *testing.F) {
	fuzzGossip(f, "payload of ASK", func(b []byte) { clear(b[2+int(b[0])<<8+int(b[1]):]) })
}
