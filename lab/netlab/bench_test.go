// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"net/netip"
	"testing"

	"streamer/lab/netlab"
)

// BenchmarkForward is one host that sends 1,200 byte datagrams to another as fast as it can.
func BenchmarkForward(b *testing.B) {
	n := netlab.New(b, 1)
	from, to := n.Host(b, "a", netlab.Line{}, netlab.Line{}), n.Host(b, "b", netlab.Line{}, netlab.Line{})
	in, err := to.ListenUDP(netip.MustParseAddrPort("[::]:9"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := from.ListenUDP(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	data := make([]byte, 1172)
	for b.Loop() {
		if _, err := out.WriteToUDPAddrPort(data, netip.AddrPortFrom(to.IPv4(), 9)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(to.Received().Packets)/b.Elapsed().Seconds(), "delivered/s")
}
