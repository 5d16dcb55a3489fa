// SPDX-License-Identifier: MIT

package link

import (
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// REPORT: who gets audio over a link says now and then how it arrives. docs/protocol/links.md, section 7.1.
const (
	reportEvery  = time.Second             // with a packet that goes anyway
	reportMax    = 2300 * time.Millisecond // in a packet of its own
	reportFirst  = 400 * time.Millisecond  // after the first audio, in a packet of its own
	reportUrgent = 300 * time.Millisecond  // once packets are missing
	reportHoles  = 3                       // so many
	reportLeast  = 4                       // packets of audio, else there is nothing to tell

	stampUnit    = 250 * time.Microsecond
	stampsKept   = 64   // packets of audio whose sending is remembered; a power of 2
	stampsMost   = 4096 // while the upload is measured on purpose
	arrivalsKept = 32   // likewise their arrival
	arrivalsAge  = 2500 * time.Millisecond
	baseSpan     = time.Minute // the least delay of the last two to three of these is that of an empty line (RFC 6817, BASE_HISTORY)
	baseSpans    = 3
)

// stamp is a time in 250 us, modulo 2^16: differences of up to 8 s are told.
func stamp(t mono.Time) uint16 { return uint16(int64(t) / int64(stampUnit)) }

// isAudio reports whether packets of a kind are those that reports are about.
func isAudio(k wire.Kind) bool {
	return k == wire.KindChunk || k == wire.KindManifest || k == wire.KindOther
}

// departures are a link's packets of audio as this side sent them, and what the peer said of them.
type departures struct {
	sent     []uint32 // low bits of the counter, and when: at counter mod length
	reported bool
	highest  uint32 // of the last report
	received uint16

	least    [baseSpans]int16 // delay in units of stamp, less origin: of baseSpan each, the newest first
	leastAt  mono.Time        // when the newest began
	origin   uint16
	measured bool
}

// arrivals are a link's packets of audio as they came.
type arrivals struct {
	last     [arrivalsKept]arrival
	n        uint32 // so many came
	said     uint32 // so many at the last report
	saidAt   mono.Time
	highest  uint32 // at the last report
	received uint32
}

type arrival struct {
	counter uint32
	at      mono.Time
}

// depart remembers when a packet of audio was sent.
func (l *link) depart(now mono.Time, counter uint32, kind wire.Kind) {
	if l.departs == nil {
		l.departs = &departures{sent: make([]uint32, stampsKept)}
	}
	d := l.departs
	if kind == wire.KindOther && len(d.sent) < stampsMost {
		d.sent = make([]uint32, stampsMost)
	}
	d.sent[counter%uint32(len(d.sent))] = counter<<16 | uint32(stamp(now))
}

// arrive notes an authentic packet.
func (l *link) arrive(now mono.Time, counter uint32, kind wire.Kind) {
	l.received++
	if !isAudio(kind) {
		return
	}
	a := l.arrives
	if a == nil {
		a = &arrivals{saidAt: now, highest: counter, received: l.received}
		l.arrives = a
	}
	a.last[a.n%arrivalsKept] = arrival{counter, now}
	a.n++
}

// ReportDue reports whether the link would like a REPORT with the next payload; with alone, whether it is worth a packet of its
// own.
func (t *Table) ReportDue(now mono.Time, id ID, alone bool) bool {
	l := t.up(id)
	if l == nil || l.arrives == nil || l.arrives.n-l.arrives.said < reportLeast {
		return false
	}
	a := l.arrives
	since := now.Sub(a.saidAt)
	if !alone {
		return since >= reportEvery
	}
	holes := int64(l.in.window.next-1-a.highest) - int64(l.received-a.received)
	return since >= reportMax || since >= reportUrgent && holes >= reportHoles || since >= reportFirst && a.said == 0
}

// AppendReport adds a REPORT to a payload that the node is about to send over the link. It adds nothing when the link is not up
// or when the payload would become longer than PayloadBytesMax.
func (t *Table) AppendReport(now mono.Time, id ID, dst []byte) []byte {
	l := t.up(id)
	if l == nil || l.arrives == nil || len(dst)+wire.ReportBytesMax > PayloadBytesMax {
		return dst
	}
	a, highest := l.arrives, l.in.window.next-1
	m := wire.Report{Highest: uint16(highest), Received: uint16(l.received)}
	fresh := min(a.n-a.said, arrivalsKept)
	for i := range min(fresh, wire.ReportSamplesMax) { // spread over what came since the last report, the newest first
		s := &a.last[(a.n-1-i*fresh/wire.ReportSamplesMax)%arrivalsKept]
		if back := highest - s.counter; back <= 0xff && now.Sub(s.at) < arrivalsAge {
			m.Samples[m.N] = wire.ReportSample{Back: uint8(back), Arrived: stamp(s.at)}
			m.N++
		}
	}
	a.said, a.saidAt, a.highest, a.received = a.n, now, highest, l.received
	return m.Append(dst)
}

// A Report is what a peer told of the packets that it was sent since its report before.
type Report struct {
	ID       ID
	Sent     uint32        // packets
	Lost     uint32        // of which, as far as is known by now
	Delay    time.Duration // the least that a packet waited more than in an empty line
	Measured bool          // Delay is known, and so is the rest

	First, Last mono.Time     // when the first and the last packet was sent of which the peer told
	Took        time.Duration // from the arrival of the one to that of the other
}

// reported takes a REPORT: what it says that is new goes to the output.
func (t *Table) reported(now mono.Time, l *link, m *wire.Report, out *Output) {
	d := l.departs
	if d == nil || l.out.counter == 0 {
		return // nothing was sent that anybody could report
	}
	last := l.out.counter - 1
	behind := uint32(uint16(last) - m.Highest)
	if behind > last {
		return
	}
	highest := last - behind
	if d.reported && highest <= d.highest {
		return // late, or twice
	}
	r := Report{ID: l.id, Sent: highest - d.highest, Lost: 0}
	if got := uint32(m.Received - d.received); got < r.Sent {
		r.Lost = r.Sent - got
	}
	if !d.reported && highest >= 1<<8 {
		r.Sent, r.Lost = 0, 0 // of a time long before
	}
	d.reported, d.highest, d.received = true, highest, m.Received
	var began, ended uint16 // arrivals
	for _, s := range m.Samples[:m.N] {
		counter := highest - uint32(s.Back)
		sent := d.sent[counter%uint32(len(d.sent))]
		if uint32(s.Back) > highest || uint16(sent>>16) != uint16(counter) {
			continue
		}
		delay, at := d.delay(now, s.Arrived-uint16(sent)), now.Add(-time.Duration(stamp(now)-uint16(sent))*stampUnit)
		if !r.Measured {
			r.Delay, r.First, r.Last, r.Measured = delay, at, at, true
			began, ended = s.Arrived, s.Arrived
		}
		r.Delay = min(r.Delay, delay)
		if at < r.First {
			r.First, began = at, s.Arrived
		}
		if at > r.Last {
			r.Last, ended = at, s.Arrived
		}
	}
	r.Took = max(0, time.Duration(int16(ended-began))*stampUnit)
	out.Reports = append(out.Reports, r)
}

// delay is how much longer a packet took than the fastest of the last minutes. passed is the difference of two clocks that
// nobody has set.
func (d *departures) delay(now mono.Time, passed uint16) time.Duration {
	if !d.measured {
		d.measured, d.origin, d.leastAt = true, passed, now
	}
	took := int16(passed - d.origin)
	if now.Sub(d.leastAt) >= baseSpan {
		copy(d.least[1:], d.least[:])
		d.least[0], d.leastAt = took, now
	}
	d.least[0] = min(d.least[0], took)
	least := min(d.least[0], d.least[1], d.least[2])
	return time.Duration(took-least) * stampUnit
}
