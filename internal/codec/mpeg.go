// SPDX-License-Identifier: MIT

package codec

import (
	"bytes"
	"encoding/binary"
)

// A syncFrame is what the first bytes of a self-framing frame say (MPEG audio, ADTS).
type syncFrame struct {
	format   Format
	key      [syncKeyBytes]byte // what all frames of one stream have in common
	length   int                // bytes, header included; 0: free format
	samples  int
	rate     int // Hz
	channels int
	bitrate  int // bit/s of a constant rate; 0 where the header does not say
	layer    int // MPEG only
}

const (
	syncKeyBytes    = 4
	syncHeaderBytes = 7    // parseSyncFrame needs as many
	syncFrameMax    = 8191 // longest frame: ADTS has 13 bits for it
)

// mpegLayer returns 1, 2 or 3, or 0 for the reserved value (ADTS), from the second header byte.
func mpegLayer(b1 byte) int { return (4 - int(b1>>1&3)) & 3 }

// parseSyncFrame reads the header of an ADTS or MPEG audio frame from at least syncHeaderBytes bytes.
func parseSyncFrame(b []byte) (syncFrame, bool) {
	switch {
	case len(b) < syncHeaderBytes || b[0] != 0xff || b[1]&0xe0 != 0xe0:
		return syncFrame{}, false
	case b[1]&0xf6 == 0xf0:
		return parseADTS(b)
	}
	return parseMPEG(b)
}

// mpegBitrate returns kbit/s for an index of 1 to 14 (ISO 11172-3 2.4.2.3, ISO 13818-3 2.4.2.3).
func mpegBitrate(lsf bool, layer, index int) int {
	const (
		v1l1 = "\x20\x40\x60\x80\xa0\xc0\xe0\x00\x20\x40\x60\x80\xa0\xc0" // the low byte; 256 and more are added below
		v1l2 = "\x20\x30\x38\x40\x50\x60\x70\x80\xa0\xc0\xe0\x00\x40\x80"
		v1l3 = "\x20\x28\x30\x38\x40\x50\x60\x70\x80\xa0\xc0\xe0\x00\x40"
		v2l1 = "\x20\x30\x38\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xe0\x00"
		v2   = "\x08\x10\x18\x20\x28\x30\x38\x40\x50\x60\x70\x80\x90\xa0"
	)
	table, from256 := v2, 15 // from256: the first index that stands for 256 or more
	switch {
	case lsf && layer == 1:
		table, from256 = v2l1, 14
	case lsf:
	case layer == 1:
		table, from256 = v1l1, 8
	case layer == 2:
		table, from256 = v1l2, 12
	default:
		table, from256 = v1l3, 13
	}
	kbps := int(table[index-1])
	if index >= from256 {
		kbps += 256
	}
	return kbps
}

// parseMPEG reads an MPEG audio header. Free format has length 0.
func parseMPEG(b []byte) (syncFrame, bool) {
	version, layer := b[1]>>3&3, mpegLayer(b[1]) // version: 0 is 2.5, 2 is 2, 3 is 1
	bitrateIndex, rateIndex, emphasis := int(b[2]>>4), b[2]>>2&3, b[3]&3
	if version == 1 || layer == 0 || bitrateIndex == 15 || rateIndex == 3 || emphasis == 2 {
		return syncFrame{}, false
	}
	rate := [3]int{44100, 48000, 32000}[rateIndex]
	lsf := version != 3
	if lsf {
		rate /= 2
	}
	if version == 0 {
		rate /= 2
	}
	f := syncFrame{format: FormatMPEG, rate: rate, channels: 2, samples: 1152, layer: layer}
	f.key = [syncKeyBytes]byte{0xff, b[1] & 0xfe, b[2] & 0x0c}
	if b[3]>>6 == 3 {
		f.channels = 1
		f.key[3] = 0xc0
	}
	if lsf && layer == 3 {
		f.samples = 576
	}
	if layer == 1 {
		f.samples = 384
	}
	if bitrateIndex == 0 {
		return f, true
	}
	f.bitrate = 1000 * mpegBitrate(lsf, layer, bitrateIndex)
	padding := int(b[2] >> 1 & 1)
	if layer == 1 {
		f.length = (12*f.bitrate/rate + padding) * 4
	} else {
		f.length = f.samples/8*f.bitrate/rate + padding
	}
	return f, true
}

// xingTag looks for the Xing, Info or VBRI tag that stands in a file's first frame instead of audio. It says how long that
// file is, which misleads players of a stream. averageBPS is 0 where the tag does not tell.
func xingTag(b []byte, f syncFrame) (averageBPS int, ok bool) {
	if f.format != FormatMPEG || f.layer != 3 || len(b) < f.length {
		return 0, false
	}
	sideInfo := 32
	switch {
	case f.samples == 576 && f.channels == 1:
		sideInfo = 9
	case f.samples == 576 || f.channels == 1:
		sideInfo = 17
	}
	const head, crc = 4, 2
	at, from := head+sideInfo, head
	if b[1]&1 == 0 { // with a CRC; LAME puts the tag where it would be without
		from += crc
		if !isXing(b[:f.length], at) {
			at += crc
		}
	}
	const vbriAt = 36
	switch {
	case isXing(b[:f.length], at):
		return xingAverage(b[at+4:f.length], f), isZero(b[from:at])
	case tagged(b[:f.length], vbriAt, "VBRI") && f.length >= vbriAt+18:
		v := b[vbriAt:]
		return averageBitrate(binary.BigEndian.Uint32(v[10:]), binary.BigEndian.Uint32(v[14:]), f), true
	}
	return 0, false
}

func isXing(b []byte, at int) bool { return tagged(b, at, "Xing") || tagged(b, at, "Info") }

func xingAverage(b []byte, f syncFrame) int {
	const hasFramesAndBytes = 3
	if len(b) < 12 || b[3]&hasFramesAndBytes != hasFramesAndBytes {
		return 0
	}
	return averageBitrate(binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[4:]), f)
}

func averageBitrate(size, frames uint32, f syncFrame) int {
	if frames == 0 {
		return 0
	}
	bps := int64(size) * 8 * int64(f.rate) / (int64(frames) * int64(f.samples))
	if bps > bitrateMax {
		return 0
	}
	return int(bps)
}

func tagged(b []byte, at int, tag string) bool {
	return len(b) >= at && bytes.HasPrefix(b[at:], []byte(tag))
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
