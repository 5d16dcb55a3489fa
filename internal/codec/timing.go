// SPDX-License-Identifier: MIT

package codec

// A packetTimer tells how long the packets of a stream last. It must see all of them, in order.
type packetTimer struct {
	kind   codecKind
	vorbis vorbisTiming
	flac   streamInfo
}

// newPacketTimer returns the timer for a header from newHeader.
func newPacketTimer(h Header) packetTimer {
	t := packetTimer{kind: h.kind()}
	switch t.kind {
	case kindVorbis:
		t.vorbis, _ = newVorbisTiming(h.Packets[0], h.Packets[1])
	case kindFLAC:
		t.flac, _ = parseStreamInfo(h.Packets[0])
	case kindUnknown, kindMPEG, kindAAC, kindOpus:
	}
	return t
}

// samples returns the duration of a packet at the header's sample rate; false for what is no audio packet.
func (t *packetTimer) samples(packet []byte) (int, bool) {
	switch t.kind {
	case kindVorbis:
		return t.vorbis.samples(packet)
	case kindOpus:
		return opusSamples(packet)
	case kindFLAC:
		n, v := t.flac.samples(packet)
		return n, v == verdictYes
	case kindMPEG, kindAAC:
		f, ok := parseSyncFrame(packet)
		return f.samples, ok
	case kindUnknown:
	}
	return 0, false
}

// missed says that the packet before the next one is missing, or the stream is joined in the middle: the block before it,
// whose size is not known, is taken to be as long.
func (t *packetTimer) missed() { t.vorbis.before = vorbisUnknown }

// A linkClock runs on over links with equal headers, as the decoder will that gets them as one stream: the first Vorbis
// packet of a link then lasts as long as its overlap with the last one before.
type linkClock struct {
	header Header
	timer  packetTimer
}

func (c *linkClock) follow(h Header) {
	if !h.Equal(c.header) {
		c.timer = newPacketTimer(h)
	}
	c.header = h
}
