// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// Limits of the two messages of gossip. docs/protocol/gossip.md has the layouts and the rules.
const (
	TunedMax         = 4 // stations that one says one is tuned to
	AskHostsMax      = 8
	AskRecordsMax    = 4
	AnswerHostsMax   = 24
	AnswerFoundMax   = 8
	AnswerRecordsMax = 8
	ProxiesMax       = 3 // hosts that introduce others to a hidden one
)

// Ask is what one node asks another, and what it tells it by the way.
//
//	flags 1 (1: node, 2: find, 4: slice, 8: hidden) | stations 2 | hosts wanted 1 | [node id 32] | [hidden: n 1, n proxies] |
//	[find: station id 32] | [slice] | n 1, n tags of 8 | n 1, n hosts | n 1, n records: length 2, that many bytes
type Ask struct {
	Node      identity.NodeID  // the asker, if it is a host that others may be told of; else zero
	Hidden    bool             // it is reached by introduction only; needs Node
	Proxies   []netip.AddrPort // of a hidden asker: who introduces others to it; at most ProxiesMax
	Stations  uint16           // how many stations the asker knows
	WantHosts uint8            // hosts that the asker would like to hear of
	Find      identity.StationID
	Slice     Slice        // records wanted; Modulus 0: none
	Tuned     []StationTag // the asker is tuned to; at most TunedMax
	Hosts     []Host       // at most AskHostsMax
	Records   [][]byte     // station records, signed; at most AskRecordsMax
}

// Reset empties an Ask and keeps its memory.
func (a *Ask) Reset() {
	*a = Ask{
		Slice: Slice{Prints: a.Slice.Prints[:0]}, Proxies: a.Proxies[:0],
		Tuned: a.Tuned[:0], Hosts: a.Hosts[:0], Records: a.Records[:0],
	}
}

// Len returns how many bytes Append appends.
func (a *Ask) Len() int {
	n := 1 + 2 + 1
	if !a.Node.IsZero() {
		n += len(a.Node)
		if a.Hidden {
			n += addrsBytes(a.Proxies, ProxiesMax)
		}
	}
	if !a.Find.IsZero() {
		n += len(a.Find)
	}
	if a.Slice.Modulus > 0 {
		n += a.Slice.bytes()
	}
	return n + tagsBytes(a.Tuned) + hostsBytes(a.Hosts, AskHostsMax) + recordsBytes(a.Records, AskRecordsMax)
}

// Append appends the message. What is over a limit is left out.
func (a *Ask) Append(b []byte) []byte {
	hidden := a.Hidden && !a.Node.IsZero()
	b = append(b, flags(!a.Node.IsZero(), !a.Find.IsZero(), a.Slice.Modulus > 0, hidden))
	b = binary.BigEndian.AppendUint16(b, a.Stations)
	b = append(b, a.WantHosts)
	if !a.Node.IsZero() {
		b = append(b, a.Node[:]...)
	}
	if hidden {
		b = appendAddrs(b, a.Proxies, ProxiesMax)
	}
	if !a.Find.IsZero() {
		b = append(b, a.Find[:]...)
	}
	if a.Slice.Modulus > 0 {
		b = a.Slice.append(b)
	}
	b = appendTags(b, a.Tuned)
	b = appendHosts(b, a.Hosts, AskHostsMax)
	return appendRecords(b, a.Records, AskRecordsMax)
}

// ParseAsk reads an ASK, which must be the whole of b, into a, whose memory is used again. Records point into b and are not
// looked into. After an error a holds nothing of use.
func ParseAsk(b []byte, a *Ask) (err error) {
	a.Reset()
	s := cryptobyte.String(b)
	var f uint8
	if !s.ReadUint8(&f) || !s.ReadUint16(&a.Stations) || !s.ReadUint8(&a.WantHosts) {
		return ErrTruncated
	}
	if f&1 != 0 {
		if err = readID(&s, a.Node[:]); err != nil {
			return err
		}
	}
	if a.Hidden = f&8 != 0; a.Hidden {
		if f&1 == 0 {
			return ErrMalformed // nobody can be introduced to who has no name
		}
		if a.Proxies, err = readAddrs(&s, a.Proxies, ProxiesMax); err != nil {
			return err
		}
	}
	if f&2 != 0 {
		if err = readID(&s, a.Find[:]); err != nil {
			return err
		}
	}
	if f&4 != 0 {
		if err = a.Slice.read(&s); err != nil {
			return err
		}
	}
	if a.Tuned, err = readTags(&s, a.Tuned); err != nil {
		return err
	}
	if a.Hosts, err = readHosts(&s, a.Hosts, AskHostsMax); err != nil {
		return err
	}
	if a.Records, err = readRecords(&s, a.Records, AskRecordsMax); err != nil {
		return err
	}
	return nothingLeft(s)
}

// Answer answers an Ask.
//
//	you: family 1, address 4 or 16, port 2 | stations 2 | n 1, n tags of 8 | asker | n 1, n hosts |
//	n 1, n found: host, n 1, n proxies | n 1, n records: length 2, that many bytes
type Answer struct {
	You      netip.AddrPort // where the ask came from
	Stations uint16         // how many stations the answerer knows
	Tuned    []StationTag   // the answerer is tuned to; at most TunedMax
	Asker    Asker
	Hosts    []Host      // at most AnswerHostsMax
	Found    []FoundHost // tuned to what the ask wants found; at most AnswerFoundMax
	Records  [][]byte    // station records, signed; at most AnswerRecordsMax
}

// Reset empties an Answer and keeps its memory.
func (a *Answer) Reset() {
	*a = Answer{Tuned: a.Tuned[:0], Hosts: a.Hosts[:0], Found: a.Found[:0], Records: a.Records[:0]}
}

// Len returns how many bytes Append appends.
func (a *Answer) Len() int {
	return addrBytes(a.You) + 2 + tagsBytes(a.Tuned) + a.Asker.bytes() + hostsBytes(a.Hosts, AnswerHostsMax) +
		foundBytes(a.Found, AnswerFoundMax) + recordsBytes(a.Records, AnswerRecordsMax)
}

// Append appends the message. What is over a limit is left out; You must be an address that ValidAddr accepts.
func (a *Answer) Append(b []byte) []byte {
	b = appendAddr(b, a.You)
	b = binary.BigEndian.AppendUint16(b, a.Stations)
	b = appendTags(b, a.Tuned)
	b = a.Asker.append(b)
	b = appendHosts(b, a.Hosts, AnswerHostsMax)
	b = appendFound(b, a.Found, AnswerFoundMax)
	return appendRecords(b, a.Records, AnswerRecordsMax)
}

// ParseAnswer reads an ANSWER, which must be the whole of b, into a, whose memory is used again. Records point into b and
// are not looked into. After an error a holds nothing of use.
func ParseAnswer(b []byte, a *Answer) (err error) {
	a.Reset()
	s := cryptobyte.String(b)
	if a.You, err = readAddr(&s); err != nil {
		return err
	}
	if !s.ReadUint16(&a.Stations) {
		return ErrTruncated
	}
	if a.Tuned, err = readTags(&s, a.Tuned); err != nil {
		return err
	}
	if err = a.Asker.read(&s); err != nil {
		return err
	}
	if a.Hosts, err = readHosts(&s, a.Hosts, AnswerHostsMax); err != nil {
		return err
	}
	if a.Found, err = readFound(&s, a.Found, AnswerFoundMax); err != nil {
		return err
	}
	if a.Records, err = readRecords(&s, a.Records, AnswerRecordsMax); err != nil {
		return err
	}
	return nothingLeft(s)
}

// AskersMax stands for so many askers, or more.
const AskersMax = 63

// An Asker is one of the nodes that asked an answerer, chosen at random; counts of nodes and listeners rest on it.
//
//	1: flags (1: it is hidden, 2: it is tuned to something) and 4 x of | [tag 8]
type Asker struct {
	Of     uint8 // of how many it was chosen, at most AskersMax; 0: there is none
	Hidden bool
	Tuned  StationTag // a station that it is tuned to, 0 none
}

func (a Asker) bytes() int {
	if a.Of > 0 && a.Tuned != 0 {
		return 1 + 8
	}
	return 1
}

func (a Asker) append(b []byte) []byte {
	if a.Of == 0 {
		return append(b, 0)
	}
	b = append(b, flags(a.Hidden, a.Tuned != 0)|min(a.Of, AskersMax)<<2)
	if a.Tuned != 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(a.Tuned))
	}
	return b
}

func (a *Asker) read(s *cryptobyte.String) error {
	var f uint8
	var tag uint64
	if !s.ReadUint8(&f) {
		return ErrTruncated
	}
	if f != 0 && f>>2 == 0 {
		return ErrMalformed
	}
	if f&2 != 0 {
		if !s.ReadUint64(&tag) {
			return ErrTruncated
		}
		if tag == 0 {
			return ErrMalformed
		}
	}
	*a = Asker{Of: f >> 2, Hidden: f&1 != 0, Tuned: StationTag(tag)}
	return nil
}

// readID reads an id that a flag announced: it is not zero, or a message could be written in two ways.
func readID(s *cryptobyte.String, id []byte) error {
	if !s.CopyBytes(id) {
		return ErrTruncated
	}
	for _, b := range id {
		if b != 0 {
			return nil
		}
	}
	return ErrMalformed
}

func nothingLeft(s cryptobyte.String) error {
	if len(s) > 0 {
		return ErrTooLong
	}
	return nil
}

func appendTags(b []byte, tags []StationTag) []byte {
	tags = tags[:min(len(tags), TunedMax)]
	b = append(b, uint8(len(tags)))
	for _, t := range tags {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return b
}

func tagsBytes(tags []StationTag) int { return 1 + 8*min(len(tags), TunedMax) }

func readTags(s *cryptobyte.String, into []StationTag) ([]StationTag, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return into, ErrTruncated
	}
	if n > TunedMax {
		return into, ErrTooLong
	}
	for range n {
		var tag uint64
		if !s.ReadUint64(&tag) {
			return into, ErrTruncated
		}
		into = append(into, StationTag(tag))
	}
	return into, nil
}

// RecordLen returns how many bytes a station record takes inside a message.
func RecordLen(record []byte) int { return 2 + len(record) }

func validRecord(record []byte) bool { return len(record) > 0 && len(record) <= StationRecordBytesMax }

func appendRecords(b []byte, records [][]byte, most int) []byte {
	at := len(b)
	b = append(b, 0)
	for _, r := range records {
		if validRecord(r) && int(b[at]) < most {
			b = binary.BigEndian.AppendUint16(b, uint16(len(r)))
			b = append(b, r...)
			b[at]++
		}
	}
	return b
}

func recordsBytes(records [][]byte, most int) int {
	size, n := 1, 0
	for _, r := range records {
		if validRecord(r) && n < most {
			size += RecordLen(r)
			n++
		}
	}
	return size
}

func readRecords(s *cryptobyte.String, into [][]byte, most uint8) ([][]byte, error) {
	var n uint8
	if !s.ReadUint8(&n) {
		return into, ErrTruncated
	}
	if n > most {
		return into, ErrTooLong
	}
	for range n {
		var size uint16
		var r []byte
		if !s.ReadUint16(&size) {
			return into, ErrTruncated
		}
		if size > StationRecordBytesMax {
			return into, ErrTooLong
		}
		if size == 0 {
			return into, ErrMalformed
		}
		if !s.ReadBytes(&r, int(size)) {
			return into, ErrTruncated
		}
		into = append(into, r)
	}
	return into, nil
}
