// SPDX-License-Identifier: MIT

package daemon_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/node"
)

// cpuTime is what this process has used so far, the kernel's part included.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSender sends chunks of 1,120 bytes to children behind one silent socket: what a relay pays for each child and
// chunk, sealing and kernel included.
func BenchmarkSender(b *testing.B) {
	for _, bench := range []struct{ children, chunks int }{{1, 1}, {10, 1}, {100, 1}, {1000, 1}, {1000, 4}, {1000, 8}} {
		b.Run(fmt.Sprintf("children=%d/chunks=%d", bench.children, bench.chunks), func(b *testing.B) {
			sink, conn := listenUDP(b), listenUDP(b)
			addrs := make([]netip.AddrPort, bench.children)
			for i := range addrs {
				a := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
				addrs[i] = netip.AddrPortFrom(a, uint16(sink.Port()))
			}
			f := newFamily(b, addrs)
			s := daemon.NewSender(conn)
			defer s.Close()
			var out node.Output
			for i := range bench.chunks {
				out.Fanouts = append(out.Fanouts, f.fanout(b, payload(i, 1130), func(int) bool { return true }))
			}
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				s.Send(&out)
			}
			used := cpuTime(b) - before
			packets := float64(b.N) * float64(bench.children*bench.chunks)
			b.ReportMetric(float64(used.Nanoseconds())/packets, "cpu-ns/datagram")
			b.ReportMetric(packets/b.Elapsed().Seconds(), "datagrams/s")
		})
	}
}
