// SPDX-License-Identifier: MIT

package wire

import "encoding/binary"

// TypeReport is a message of links: how packets arrive.
const TypeReport = 0x06

// ReportSamplesMax is how many packets a REPORT tells the arrival of.
const ReportSamplesMax = 4

// A ReportSample is when one packet arrived.
type ReportSample struct {
	Back    uint8  // its counter is Report.Highest less this
	Arrived uint16 // by the receiver's own clock, in 250 us, modulo 2^16 (16 s)
}

// A Report tells the sender of packets how they arrive: its loss and delay are what its upload is estimated from.
//
//	type 1 | highest 2 | received 2 | n 1 | n times: back 1, arrived 2
type Report struct {
	Highest  uint16 // low bits of the highest counter that came
	Received uint16 // packets that came since the link began, modulo 2^16
	N        uint8  // at most ReportSamplesMax
	Samples  [ReportSamplesMax]ReportSample
}

// ParseReport reads a REPORT from the front of b.
func ParseReport(b []byte) (m Report, rest []byte, err error) {
	r, err := openMessage(b, TypeReport)
	m.Highest, m.Received, m.N = r.u16(), r.u16(), r.u8()
	if m.N > ReportSamplesMax {
		return Report{}, nil, ErrTooLong
	}
	for i := range m.Samples[:m.N] {
		m.Samples[i] = ReportSample{r.u8(), r.u16()}
	}
	return m, r.b, firstError(err, r.err)
}

// Append appends the 6 to 18 bytes of the message.
func (m *Report) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, TypeReport), m.Highest)
	dst = append(binary.BigEndian.AppendUint16(dst, m.Received), m.N)
	for _, s := range m.Samples[:m.N] {
		dst = binary.BigEndian.AppendUint16(append(dst, s.Back), s.Arrived)
	}
	return dst
}

// ReportBytesMax is the length of the longest REPORT.
const ReportBytesMax = 6 + 3*ReportSamplesMax

func (r *reader) u16() uint16 {
	if field := r.take(2); field != nil {
		return binary.BigEndian.Uint16(field)
	}
	return 0
}
