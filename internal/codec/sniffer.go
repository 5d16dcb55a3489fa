// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"fmt"
)

// A sniffer finds out what a source sends, from the bytes alone: Content-Type says little and often lies. After a
// Reconnect it also looks for the middle of what came before.
type sniffer struct {
	out    *outbox
	before parser // of the connection before; nil: none
	found  parser // set when it is known
	tags   tagSkipper
	free   freeFormat
	seen   bool // a byte has come
	looked bool // at the very first bytes
	at     int  // bytes passed over
}

const (
	sniffBytes    = 12       // enough for every magic number
	sniffBytesMax = 64 << 10 // what a source may send before its first frame
)

const sendInstead = "send MP3, AAC (ADTS), Ogg (Vorbis, Opus or FLAC), FLAC or WebM"

func (s *sniffer) resume() { *s = sniffer{out: s.out, before: s.before} }

func (s *sniffer) parse(b []byte, end bool) (int, error) {
	s.seen = s.seen || len(b) > 0
	for pos := 0; ; {
		n, v := s.tags.skip(b[pos:], s.out, end)
		pos += n
		rest := b[pos:]
		if v == verdictWait || len(rest) == 0 {
			return pos, s.atEnd(end)
		}
		if !s.looked {
			if len(rest) < sniffBytes && !end {
				return pos, nil
			}
			v, err := s.magic(rest, end)
			if v != verdictNo || err != nil {
				return pos, err
			}
			s.looked = true
		}
		v, err := s.middle(rest, end)
		if v != verdictNo || err != nil {
			return pos, err
		}
		pos++
		if s.at++; s.at > sniffBytesMax {
			return pos, fmt.Errorf("%w: no audio found in the first %d bytes; %s; FLAC and WebM must come from their beginning", ErrFormat, s.at, sendInstead)
		}
	}
}

func (s *sniffer) atEnd(end bool) error {
	if !end || !s.seen {
		return nil
	}
	return fmt.Errorf("%w: no audio found; %s", ErrFormat, sendInstead)
}

// magic looks at the first bytes of a stream. verdictYes: s.found is set.
func (s *sniffer) magic(b []byte, end bool) (verdict, error) {
	switch {
	case bytes.HasPrefix(b, []byte(oggCapture)):
		s.found = s.oggParser()
		return verdictYes, nil
	case bytes.HasPrefix(b, []byte(ebmlMagic)):
		s.found = newWebMParser(s.out)
		return verdictYes, nil
	case bytes.HasPrefix(b, []byte(flacMagic)):
		s.found = newFLACParser(s.out)
		return verdictYes, nil
	}
	if what, instead := foreign(b); what != "" {
		return verdictNo, fmt.Errorf("%w: this is %s; %s", ErrFormat, what, instead)
	}
	return isTransportStream(b, end)
}

// middle looks for a place in b[0] where a stream can be taken up.
func (s *sniffer) middle(b []byte, end bool) (verdict, error) {
	f, v := chainAt(b, end)
	switch {
	case v == verdictYes:
		s.found = &syncParser{out: s.out}
		return v, nil
	case v == verdictNo && f.rate > 0 && f.length == 0 && s.free.see(f, s.at):
		return v, errFreeFormat()
	}
	const oggStart = oggCapture + "\x00"
	switch n := min(len(b), len(oggStart)); {
	case string(b[:n]) != oggStart[:n]:
	case n < len(oggStart):
		return waitUnless(end), nil
	default:
		s.found = s.oggParser()
		return verdictYes, nil
	}
	if m, ok := s.before.(interface {
		middle(b []byte, end bool) verdict
	}); ok && v == verdictNo {
		if v = m.middle(b, end); v == verdictYes {
			s.found = s.before
		}
	}
	return v, nil
}

func (s *sniffer) oggParser() parser {
	if o, ok := s.before.(*oggParser); ok {
		return o
	}
	return &oggParser{out: s.out}
}

// foreign names formats that are known by their first bytes and not carried. A stream may begin in the middle of a frame,
// so three bytes are the least that is believed.
func foreign(b []byte) (what, instead string) {
	const notStreamable = "it is no format for live streams; " + sendInstead
	kinds := [...]struct {
		magic, what, instead string
		at                   int
	}{
		{"ftyp", "MP4 (M4A)", "it needs its end to be read; send AAC in ADTS frames, or another of: " + sendInstead, 4},
		{"RIFF", "WAV or AVI", notStreamable, 0},
		{"FORM", "AIFF", notStreamable, 0},
		{"FLV\x01", "Flash video", sendInstead, 0},
		{"ADIF", "AAC in ADIF", "send AAC in ADTS frames", 0},
		{"\x30\x26\xb2\x75", "Windows Media", sendInstead, 0},
		{".RMF", "RealMedia", sendInstead, 0},
		{".snd", "Sun audio", sendInstead, 0},
		{"caff", "Core Audio", sendInstead, 0},
		{"wvpk", "WavPack", "send FLAC instead", 0},
		{"MAC ", "Monkey's Audio", "send FLAC instead", 0},
		{"TTA1", "True Audio", "send FLAC instead", 0},
		{"MPCK", "Musepack", sendInstead, 0},
		{"MThd", "MIDI", sendInstead, 0},
		{"#!AMR", "AMR", sendInstead, 0},
		{"#EXTM3U", "a playlist", "send the audio itself", 0},
		{"[playlist]", "a playlist", "send the audio itself", 0},
		{"<!DOCTYPE", "a web page", "send the audio itself", 0},
		{"<html", "a web page", "send the audio itself", 0},
		{"<?xml", "XML", "send the audio itself", 0},
		{"\x1f\x8b\x08", "gzip", "send the audio as it is", 0},
	}
	for _, k := range kinds {
		if tagged(b, k.at, k.magic) {
			return k.what, k.instead
		}
	}
	return "", ""
}

// isTransportStream looks for the sync bytes of three MPEG-TS packets in a row, and for two of LATM.
func isTransportStream(b []byte, end bool) (verdict, error) {
	const sync, packetBytes = 0x47, 188
	if len(b) < sniffBytes {
		return verdictNo, nil
	}
	if b[0] == 0x56 && b[1]&0xe0 == 0xe0 {
		next := 3 + int(b[1]&0x1f)<<8 + int(b[2])
		switch {
		case len(b) < next+2:
			return waitUnless(end), nil
		case b[next] == 0x56 && b[next+1]&0xe0 == 0xe0:
			return verdictNo, fmt.Errorf("%w: this is AAC in LATM; send AAC in ADTS frames", ErrFormat)
		}
	}
	if b[0] != sync {
		return verdictNo, nil
	}
	if len(b) <= 2*packetBytes {
		return waitUnless(end), nil
	}
	if b[packetBytes] == sync && b[2*packetBytes] == sync {
		return verdictNo, fmt.Errorf("%w: this is an MPEG transport stream; %s", ErrFormat, sendInstead)
	}
	return verdictNo, nil
}
