// SPDX-License-Identifier: MIT

package codec

// Held returns how many bytes a Demuxer keeps between calls, spare capacity included.
func (d *Demuxer) Held() int { return cap(d.buf) + cap(d.out.arena) }

// AppendOggPage lets tests lay out Ogg pages as other muxers do.
func AppendOggPage(dst []byte, flags byte, serial, sequence uint32, lacing, body []byte) []byte {
	return appendOggPage(dst, oggPage{flags: flags, granule: -1, serial: serial, sequence: sequence, lacing: lacing, body: body})
}
