// SPDX-License-Identifier: MIT

package codec

import (
	"encoding/binary"
	"math"
)

// A webmMuxer makes a live WebM stream: a Segment of unknown size, clusters of known size, timestamps in milliseconds
// from 0.
type webmMuxer struct {
	header Header
	event  Event
	timer  packetTimer

	played int64  // samples so far
	begun  int64  // of the cluster
	blocks []byte // of the cluster that is being filled
}

func newWebMMuxer(h Header, e Event) *webmMuxer {
	return &webmMuxer{header: h, event: e.Clean(), timer: newPacketTimer(h)}
}

// Start appends everything before the first cluster, with tags made from the current event.
func (m *webmMuxer) Start(dst []byte) []byte {
	head := appendUint(nil, idEBMLVersion, 1)
	head = appendUint(head, idEBMLReadVersion, 1)
	head = appendUint(head, idEBMLMaxIDLength, 4)
	head = appendUint(head, idEBMLMaxSizeLength, 8)
	head = appendString(head, idDocType, "webm")
	head = appendUint(head, idDocTypeVersion, 4)
	head = appendUint(head, idDocTypeReadVersion, 2)
	dst = appendElement(dst, idEBML, head)
	dst = appendUnknownSize(appendID(dst, idSegment))
	const nanosecondsPerTick = 1_000_000
	info := appendUint(nil, idTimestampScale, nanosecondsPerTick)
	info = appendString(info, idMuxingApp, vendor)
	info = appendString(info, idWritingApp, vendor)
	if m.event.Title != "" {
		info = appendString(info, idTitle, m.event.Title)
	}
	dst = appendElement(dst, idInfo, info)
	dst = appendElement(dst, idTracks, appendElement(nil, idTrackEntry, m.trackEntry()))
	return m.appendTags(dst)
}

func (m *webmMuxer) trackEntry() []byte {
	b := appendUint(nil, idTrackNumber, 1)
	b = appendUint(b, idTrackUID, 1)
	b = appendUint(b, idTrackType, webmAudio)
	b = appendUint(b, idFlagLacing, 0)
	p := m.header.Packets
	if m.header.kind() == kindOpus {
		const second, preRoll = 1_000_000_000, 80_000_000
		b = appendString(b, idCodecID, "A_OPUS")
		b = appendElement(b, idCodecPrivate, p[0])
		b = appendUint(b, idCodecDelay, uint64(opusSkip(p[0])*second/opusRate))
		b = appendUint(b, idSeekPreRoll, preRoll)
	} else {
		const framingBit = 1
		comments := append(appendComments([]byte(vorbisComments), m.event), framingBit)
		private := appendXiphSize(appendXiphSize([]byte{2}, len(p[0])), len(comments))
		private = append(append(append(private, p[0]...), comments...), p[1]...)
		b = appendString(b, idCodecID, "A_VORBIS")
		b = appendElement(b, idCodecPrivate, private)
	}
	rate := binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(m.header.SampleRate)))
	audio := appendElement(nil, idSamplingFrequency, rate)
	audio = appendUint(audio, idChannels, uint64(m.header.Channels))
	return appendElement(b, idAudio, audio)
}

func appendXiphSize(dst []byte, n int) []byte {
	for ; n >= 255; n -= 255 {
		dst = append(dst, 255)
	}
	return append(dst, byte(n))
}

func (m *webmMuxer) appendTags(dst []byte) []byte {
	tag := appendElement(nil, idTargets, nil)
	none := len(tag)
	names := [3]string{"TITLE", "ARTIST", "ALBUM"}
	for i, text := range [3]string{m.event.Title, m.event.Artist, m.event.Album} {
		if text != "" {
			simple := appendString(appendString(nil, idTagName, names[i]), idTagString, text)
			tag = appendElement(tag, idSimpleTag, simple)
		}
	}
	if len(tag) == none {
		return dst
	}
	return appendElement(dst, idTags, appendElement(nil, idTag, tag))
}

func (m *webmMuxer) Frame(dst []byte, f Frame) []byte {
	const trackNumber, keyframe = 0x81, 0x80
	if len(m.blocks) == 0 {
		m.begun = m.played
	}
	at := m.milliseconds(m.played) - m.milliseconds(m.begun)
	m.blocks = appendID(m.blocks, idSimpleBlock)
	m.blocks = appendSize(m.blocks, 4+len(f.Data))
	m.blocks = append(m.blocks, trackNumber, byte(at>>8), byte(at), keyframe)
	m.blocks = append(m.blocks, f.Data...)
	n, _ := m.timer.samples(f.Data)
	m.played += int64(n)
	if m.played-m.begun >= int64(m.header.SampleRate)/muxPerSecond {
		dst = m.Flush(dst)
	}
	return dst
}

// Flush ends the cluster.
func (m *webmMuxer) Flush(dst []byte) []byte {
	if len(m.blocks) == 0 {
		return dst
	}
	timestamp := appendUint(nil, idTimestamp, uint64(m.milliseconds(m.begun)))
	dst = appendID(dst, idCluster)
	dst = appendSize(dst, len(timestamp)+len(m.blocks))
	dst = append(dst, timestamp...)
	dst = append(dst, m.blocks...)
	m.blocks = m.blocks[:0]
	return dst
}

// Gap and End only end the cluster: WebM has no sign for what is missing, nor for the end.
func (m *webmMuxer) Gap(dst []byte) []byte { return m.Flush(dst) }
func (m *webmMuxer) End(dst []byte) []byte { return m.Flush(dst) }

func (m *webmMuxer) milliseconds(samples int64) int64 {
	rate := int64(m.header.SampleRate)
	return samples/rate*1000 + (samples%rate*1000+rate/2)/rate
}
