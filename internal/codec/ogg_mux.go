// SPDX-License-Identifier: MIT

package codec

// An oggMuxer makes one continuous Ogg stream: one serial number, granule positions from 0, new pages around the source's
// packets.
type oggMuxer struct {
	header Header
	event  Event
	timer  packetTimer

	page    oggPage // being filled
	ended   bool    // a packet ends on it
	samples int     // of the packets that begin on it
	played  int64   // samples up to the last packet
}

func newOggMuxer(h Header, e Event) *oggMuxer {
	m := &oggMuxer{header: h, event: e, timer: newPacketTimer(h)}
	h.BitrateBPS = 0
	m.page.serial = oggCRC(0, AppendHeader(nil, h)) // differs between the links of a chain
	return m
}

// Start appends the header pages: the first packet alone, as all three mappings want it, then the others with comments
// made from the current event. Audio begins on a page of its own.
func (m *oggMuxer) Start(dst []byte) []byte {
	first, others := m.headerPackets()
	m.page.flags = oggBOS
	dst = m.packet(dst, first, 0)
	dst = m.Flush(dst)
	for _, p := range others {
		dst = m.packet(dst, p, 0)
	}
	return m.Flush(dst)
}

func (m *oggMuxer) headerPackets() (first []byte, others [][]byte) {
	p := m.header.Packets
	switch m.header.Format {
	case FormatOggVorbis:
		const framingBit = 1
		comments := append(appendComments([]byte(vorbisComments), m.event), framingBit)
		return p[0], [][]byte{comments, p[1]}
	case FormatOggOpus:
		return p[0], [][]byte{appendComments([]byte(opusTags), m.event)}
	default: // FLAC: mapping version 1.0, one header packet more, then a native FLAC beginning (RFC 9639 section 10.1)
		first = append([]byte("\x7fFLAC\x01\x00\x00\x01"+flacMagic), flacStreamInfo, 0, 0, streamInfoBytes)
		return append(first, p[0]...), [][]byte{appendFLACComments(nil, m.event)}
	}
}

func (m *oggMuxer) Frame(dst []byte, f Frame) []byte {
	n, _ := m.timer.samples(f.Data)
	dst = m.packet(dst, f.Data, n)
	if m.samples >= m.header.SampleRate/muxPerSecond {
		dst = m.Flush(dst)
	}
	return dst
}

// packet adds a packet that lasts n samples to the page, and ends pages that are full.
func (m *oggMuxer) packet(dst, data []byte, n int) []byte {
	if segments := len(data)/255 + 1; len(m.page.lacing)+segments > oggSegmentsMax {
		dst = m.Flush(dst)
	}
	m.samples += n
	for {
		size := min(len(data), 255)
		m.page.lacing = append(m.page.lacing, byte(size))
		m.page.body = append(m.page.body, data[:size]...)
		data = data[size:]
		if size < 255 {
			break
		}
		if len(m.page.lacing) == oggSegmentsMax {
			dst = m.Flush(dst)
			m.page.flags = oggContinued
		}
	}
	m.ended = true
	m.played += int64(n)
	return dst
}

// Flush ends the page. The granule position of one on which no packet ends is -1.
func (m *oggMuxer) Flush(dst []byte) []byte {
	if len(m.page.lacing) == 0 {
		return dst
	}
	return m.put(dst)
}

func (m *oggMuxer) put(dst []byte) []byte {
	m.page.granule = -1
	if m.ended {
		m.page.granule = m.played
	}
	dst = appendOggPage(dst, m.page)
	m.page.sequence++
	m.page.flags, m.ended, m.samples = 0, false, 0
	m.page.lacing, m.page.body = m.page.lacing[:0], m.page.body[:0]
	return dst
}

// Gap leaves a page number out, which is how Ogg says that something is missing.
func (m *oggMuxer) Gap(dst []byte) []byte {
	dst = m.Flush(dst)
	m.page.sequence++
	return dst
}

// End appends the last page, which is empty unless packets wait for it.
func (m *oggMuxer) End(dst []byte) []byte {
	m.page.flags |= oggEOS
	m.ended = true
	return m.put(dst)
}
