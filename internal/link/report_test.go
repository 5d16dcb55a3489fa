// SPDX-License-Identifier: MIT

package link_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// stream has a send b twenty packets of audio a second; b reports as a node does. It returns what a was told.
func stream(n *network, a, b *host, d time.Duration) (told []link.Report) {
	audio := make([]byte, 800)
	audio[0] = wire.TypeChunk
	for end := n.now.Add(d); n.now < end; {
		a.table.Seal(n.now, a.only(), audio, &a.out)
		a.flush()
		n.run(50 * time.Millisecond)
		if b.table.ReportDue(n.now, b.only(), true) {
			b.table.Seal(n.now, b.only(), b.table.AppendReport(n.now, b.only(), nil), &b.out)
			b.flush()
		}
		n.run(25 * time.Millisecond) // there by now; the rest of the rhythm follows
		told = append(told, a.reports...)
		a.reports = nil
		n.run(0)
	}
	return told
}

// Reports come every 2.3 seconds while nothing is wrong, and tell of no loss and no delay.
func TestReportsOfAnEmptyLine(t *testing.T) {
	n, a, b := pair(t, 1)
	told := stream(n, a, b, 20*time.Second)
	if len(told) < 8 || len(told) > 12 {
		t.Errorf("%d reports in 20 s", len(told))
	}
	packets := uint32(0)
	for i, r := range told {
		packets += r.Sent
		if r.Lost != 0 || !r.Measured || r.Delay > time.Millisecond || i > 0 && r.Sent < 20 {
			t.Errorf("report %d: %+v", i, r)
		}
	}
	if packets < 230 || packets > 290 {
		t.Errorf("they tell of %d packets of about 266", packets)
	}
}

// A queue that fills shows in the delay, and what is lost is told soon and adds up.
func TestReportsTellDelayAndLoss(t *testing.T) {
	n, a, b := pair(t, 1)
	stream(n, a, b, 6*time.Second)
	n.delay += 80 * time.Millisecond
	told := stream(n, a, b, 6*time.Second)
	last := told[len(told)-1]
	if !last.Measured || last.Delay < 79*time.Millisecond || last.Delay > 81*time.Millisecond {
		t.Errorf("80 ms in a queue are reported as %+v", last)
	}
	count := 0
	n.filter = func(from, _ netip.AddrPort, b []byte) bool {
		if from != a.addr || len(b) < 800 {
			return true
		}
		count++
		return count%4 != 0
	}
	told = stream(n, a, b, 10*time.Second)
	sent, lost := uint32(0), uint32(0)
	for _, r := range told {
		sent, lost = sent+r.Sent, lost+r.Lost
	}
	if len(told) < 8 || lost*100 < sent*18 || lost*100 > sent*30 {
		t.Errorf("%d reports, %d of %d packets lost, want a quarter", len(told), lost, sent)
	}
}

// Who gets no audio says nothing, and what nobody sent cannot be reported.
func TestReportsOnlyOfAudio(t *testing.T) {
	n, a, b := pair(t, 1)
	for range 100 {
		a.say(1, "x")
		n.run(100 * time.Millisecond)
		if b.table.ReportDue(n.now, b.only(), false) || len(b.table.AppendReport(n.now, b.only(), nil)) != 0 {
			t.Fatal("a report of what is no audio")
		}
	}
	lie := wire.Report{Highest: 5000, Received: 1, N: 4}
	b.table.Seal(n.now, b.only(), lie.Append(nil), &b.out)
	b.flush()
	n.run(time.Second)
	stream(n, a, b, time.Second)
	b.table.Seal(n.now, b.only(), lie.Append(nil), &b.out) // of a counter that is still to come
	b.flush()
	n.run(time.Second)
	if len(a.reports) != 0 {
		t.Errorf("a believes %+v", a.reports)
	}
}
