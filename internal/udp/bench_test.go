// SPDX-License-Identifier: MIT

package udp_test

import (
	"net/netip"
	"testing"

	"streamer/internal/udp"
)

// BenchmarkWrite sends 1,200-byte datagrams over loopback to 1,000 addresses that one silent socket owns, so that what is
// measured is the sending. "perPeer" neighbours in a batch go to the same peer.
func BenchmarkWrite(b *testing.B) {
	for _, bench := range []struct {
		name    string
		batch   int
		perPeer int
	}{
		{"single", 1, 1},
		{"batch64", 64, 1},
		{"batch512", 512, 1},
		{"segmented2", 512, 2},
		{"segmented4", 512, 4},
		{"segmented8", 512, 8},
		{"segmented16", 512, 16},
	} {
		b.Run(bench.name, func(b *testing.B) {
			from, sink := listen(b), listen(b)
			data := make([]byte, 1200)
			msgs := make([]udp.Message, bench.batch)
			for i := range msgs {
				peer := i / bench.perPeer % 1000
				a := netip.AddrFrom4([4]byte{127, 1, byte(peer >> 8), byte(peer)})
				msgs[i] = udp.Message{To: netip.AddrPortFrom(a, uint16(sink.Port())), Data: data}
			}
			w := from.NewWriter()
			b.ReportAllocs()
			b.SetBytes(1200)
			for n := 0; n < b.N; n += bench.batch {
				if _, err := w.WriteBatch(msgs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}
