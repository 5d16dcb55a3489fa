// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/node"
)

// A measurement on purpose finds what a line carries, keeps its bounds, and is not made again soon.
func TestMeasureOnPurpose(t *testing.T) {
	for _, test := range []struct {
		name      string
		line      upLine
		low, high int64
		atLeast   bool
		stands    time.Duration // still, of each second
	}{
		{"router", upLine{bps: 1_500_000, queue: 200 * time.Millisecond}, 1_200_000, 1_700_000, false, 0},
		{"one second of buffer", upLine{bps: 1_500_000, queue: time.Second}, 1_200_000, 1_700_000, false, 0},
		{"policer", upLine{bps: 1_500_000, queue: 60 * time.Millisecond, polices: true}, 1_200_000, 1_700_000, false, 0},
		{"slow", upLine{bps: 300_000, queue: 500 * time.Millisecond}, 200_000, 340_000, false, 0},
		{"fast", upLine{bps: 100_000_000, queue: 200 * time.Millisecond}, 5_000_000, 20_000_000, true, 0},
		{"a machine that stands still", upLine{bps: 1_500_000, queue: 200 * time.Millisecond}, 1_200_000, 1_700_000, false, 350 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRegion(t)
			r.open(5)
			a := r.add(true)
			r.run(r.now.Add(25 * time.Second))
			before, inner := test.line.sent, r.tap
			r.tap = func(from, to netip.AddrPort, bytes int) time.Duration {
				took := r.delay
				if inner != nil {
					took = inner(from, to, bytes)
				}
				if to.Addr() == a.addr.Addr() {
					return took + max(0, test.stands-time.Duration(r.now)%time.Second)
				}
				if from.Addr() != a.addr.Addr() {
					return took
				}
				if waits := test.line.pass(r.now, bytes); waits >= 0 {
					return took + waits
				}
				return -1
			}
			r.command(a, node.MeasureUploadCommand{})
			r.run(r.now.Add(12 * time.Second))
			got := a.Status(r.now).Measure
			if got.State != node.MeasureDone || got.BPS < test.low || got.BPS > test.high || got.AtLeast != test.atLeast || got.Percent != 100 {
				t.Errorf("%+v, want %d to %d", got, test.low, test.high)
			}
			sent := test.line.sent - before
			if sent > 2_200_000 {
				t.Errorf("%d bytes were sent", sent)
			}
			t.Logf("%+v after %d bytes", got, sent)
			r.command(a, node.MeasureUploadCommand{})
			r.run(r.now.Add(time.Second))
			if again := a.Status(r.now).Measure.State; again != node.MeasureLater {
				t.Errorf("state %d of a second one", again)
			}
		})
	}
}

// Who knows nobody hears so.
func TestMeasureAlone(t *testing.T) {
	w := newNet(t, 1, node.UploadAuto)
	w.command(w.nodes[0], node.MeasureUploadCommand{})
	w.run(w.now.Add(10 * time.Second))
	if got := w.nodes[0].Status(w.now).Measure; got.State != node.MeasureNobody || got.BPS != 0 {
		t.Errorf("%+v", got)
	}
}
