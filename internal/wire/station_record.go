// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"streamer/internal/identity"
)

// Limits of a station's record, in bytes of UTF-8.
const (
	RecordNameBytesMax        = 64
	RecordGenreBytesMax       = 48
	RecordDescriptionBytesMax = 160
	RecordURLBytesMax         = 128
	RecordTitleBytesMax       = 128
	RecordEntriesMax          = 4

	// StationRecordBytesMax is the most that a signed record takes: 714 today.
	StationRecordBytesMax = 720
)

// recordHeadBytes is what stands before the texts: station, sequence number, flags, codec, rate.
const recordHeadBytes = identity.KeyBytes + 4 + 1 + 1 + 2

// The longest record fits.
const _ = uint(StationRecordBytesMax - (recordHeadBytes + 5 + RecordNameBytesMax + RecordGenreBytesMax +
	RecordDescriptionBytesMax + RecordURLBytesMax + RecordTitleBytesMax + 1 + RecordEntriesMax*addrBytesMax +
	identity.SignatureBytes))

// recordContext keeps signatures of records apart from all others that a station makes.
const recordContext = "streamer station 1\x00"

// A StationRecord is what a station says of itself to everybody. The one with the highest sequence number counts.
//
//	station id 32 | sequence number 4 | flags 1 (1: on the air) | codec 1 | rate 2 |
//	name, genre, description, url, title: n 1, n bytes each | n 1, n entry points: family 1, address 4 or 16, port 2 |
//	signature 64
//
// The signature (Ed25519, RFC 8032) is over "streamer station 1" and a zero byte, and everything before the signature.
type StationRecord struct {
	Station identity.StationID
	Seq     uint32 // seconds since 1970 when it was signed; never 0
	OnAir   bool
	Codec   uint8  // as in a stream's header, docs/protocol/chunks.md
	KBPS    uint16 // nominal rate of the audio in 1,000 bit/s; 0 unknown

	Name, Genre, Description, URL, Title string // UTF-8 without control characters

	Entries []netip.AddrPort // where to tune in, at most RecordEntriesMax
}

// texts are the fields that have any length, with their limits.
func (r *StationRecord) texts() [5]struct {
	text     *string
	bytesMax int
} {
	return [...]struct {
		text     *string
		bytesMax int
	}{
		{&r.Name, RecordNameBytesMax},
		{&r.Genre, RecordGenreBytesMax},
		{&r.Description, RecordDescriptionBytesMax},
		{&r.URL, RecordURLBytesMax},
		{&r.Title, RecordTitleBytesMax},
	}
}

// Sign appends the record of key's station, signed. Station is not looked at; texts are cut and cleaned by CleanText, entry
// points that no node can be at are left out.
func (r StationRecord) Sign(dst []byte, key identity.StationKey) []byte {
	signed := make([]byte, 0, len(recordContext)+StationRecordBytesMax)
	id := key.ID()
	signed = append(append(signed, recordContext...), id[:]...)
	signed = appendU32(signed, r.Seq)
	signed = append(signed, flags(r.OnAir), r.Codec)
	signed = binary.BigEndian.AppendUint16(signed, r.KBPS)
	for _, f := range r.texts() {
		text := CleanText(*f.text, f.bytesMax)
		signed = append(append(signed, uint8(len(text))), text...)
	}
	signed = appendAddrs(signed, r.Entries, RecordEntriesMax)
	dst = append(dst, signed[len(recordContext):]...)
	return append(dst, key.Sign(signed)...)
}

// CleanText returns s as a record may bear it: valid UTF-8 without control characters, cut to at most bytesMax bytes
// between two characters.
func CleanText(s string, bytesMax int) string {
	if len(s) <= bytesMax && cleanText(s) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if unicode.IsControl(c) || c == utf8.RuneError {
			continue
		}
		if b.Len()+utf8.RuneLen(c) > bytesMax {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

func cleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// PeekStationRecord tells whose record b claims to be, and which one, without looking any further: so that what is known
// already need not be verified.
func PeekStationRecord(b []byte) (id identity.StationID, seq uint32, err error) {
	s := cryptobyte.String(b)
	if !s.CopyBytes(id[:]) || !s.ReadUint32(&seq) {
		return identity.StationID{}, 0, ErrTruncated
	}
	return id, seq, nil
}

// ParseStationRecord reads a record, which must be the whole of b, and verifies its signature: ErrSignature when its station
// did not sign it. The texts and entry points are copies.
func ParseStationRecord(b []byte) (r StationRecord, err error) {
	if len(b) > StationRecordBytesMax {
		return StationRecord{}, ErrTooLong
	}
	s := cryptobyte.String(b)
	var f uint8
	if !s.CopyBytes(r.Station[:]) || !s.ReadUint32(&r.Seq) || !s.ReadUint8(&f) || !s.ReadUint8(&r.Codec) || !s.ReadUint16(&r.KBPS) {
		return StationRecord{}, ErrTruncated
	}
	r.OnAir = f&1 != 0
	if r.Seq == 0 || r.Station.IsZero() {
		return StationRecord{}, ErrMalformed
	}
	for _, f := range r.texts() {
		if *f.text, err = readText(&s, f.bytesMax); err != nil {
			return StationRecord{}, err
		}
	}
	if r.Entries, err = readAddrs(&s, nil, RecordEntriesMax); err != nil {
		return StationRecord{}, err
	}
	switch {
	case len(s) < identity.SignatureBytes:
		return StationRecord{}, ErrTruncated
	case len(s) > identity.SignatureBytes:
		return StationRecord{}, ErrTooLong
	}
	var signed [len(recordContext) + StationRecordBytesMax]byte
	n := copy(signed[:], recordContext)
	n += copy(signed[n:], b[:len(b)-len(s)])
	if !r.Station.Verify(signed[:n], s) {
		return StationRecord{}, ErrSignature
	}
	return r, nil
}

func readText(s *cryptobyte.String, bytesMax int) (string, error) {
	var n uint8
	var raw []byte
	if !s.ReadUint8(&n) {
		return "", ErrTruncated
	}
	if int(n) > bytesMax {
		return "", ErrTooLong
	}
	if !s.ReadBytes(&raw, int(n)) {
		return "", ErrTruncated
	}
	text := string(raw)
	if !cleanText(text) {
		return "", ErrMalformed
	}
	return text, nil
}
