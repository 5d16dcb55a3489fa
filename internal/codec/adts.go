// SPDX-License-Identifier: MIT

package codec

import "fmt"

// parseADTS reads an ADTS header (ISO 13818-7 6.2) of at least syncHeaderBytes bytes. HE-AAC is signalled inside the raw
// blocks: its header says half the rate, at which a block's 1024 samples last as long as they should.
func parseADTS(b []byte) (syncFrame, bool) {
	const samplesPerBlock = 1024
	rate, ok := aacRate(b[2] >> 2 & 15)
	length := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	headerBytes := 7
	if b[1]&1 == 0 {
		headerBytes = 9
	}
	if !ok || length <= headerBytes {
		return syncFrame{}, false
	}
	channels := int(b[2]&1)<<2 | int(b[3]>>6)
	if channels == 7 {
		channels = 8
	}
	return syncFrame{
		format:   FormatAAC,
		key:      [syncKeyBytes]byte{0xff, b[1] & 0xfe, b[2] & 0xfd, b[3] & 0xc0},
		length:   length,
		samples:  samplesPerBlock * (1 + int(b[6]&3)),
		rate:     rate,
		channels: channels,
	}, true
}

func aacRate(index byte) (hz int, ok bool) {
	rates := [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	if int(index) >= len(rates) {
		return 0, false
	}
	return rates[index], true
}

// readSyncKey fills in a header whose only packet is the key of a self-framing format.
func (h *Header) readSyncKey() error {
	if len(h.Packets) != 1 || len(h.Packets[0]) != syncKeyBytes {
		return fmt.Errorf("%w: %v needs one packet of %d bytes", ErrHeader, h.Format, syncKeyBytes)
	}
	// A whole frame header with this key: any bit rate, the shortest allowed length.
	b := [syncHeaderBytes]byte(append(append([]byte{}, h.Packets[0]...), 2, 0, 0))
	if h.Format == FormatMPEG {
		b[2] |= 0x10
	}
	f, ok := parseSyncFrame(b[:])
	if !ok || f.format != h.Format || f.layer == 1 || f.key != [syncKeyBytes]byte(h.Packets[0]) {
		return fmt.Errorf("%w: %x begins no %v frame", ErrHeader, h.Packets[0], h.Format)
	}
	h.SampleRate, h.Channels = f.rate, f.channels
	return nil
}
