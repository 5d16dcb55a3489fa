// SPDX-License-Identifier: MIT

package udp_test

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"streamer/internal/udp"
)

// batchTo is n datagrams of equal size to one peer: what segmentation is for.
func batchTo(c *udp.Conn, family string, n, size int) []udp.Message {
	msgs := make([]udp.Message, n)
	for i := range msgs {
		msgs[i] = udp.Message{To: loopback(c, family), Data: make([]byte, size)}
		msgs[i].Data[0] = byte(i)
	}
	return msgs
}

func TestSegmentsAreUsed(t *testing.T) {
	a, b := listen(t), listen(t)
	got := collect(t, b)
	if n, err := a.NewWriter().WriteBatch(batchTo(b, "v4", 100, 1200)); n != 100 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	for i := range 100 {
		if r := next(t, got); r.data[0] != byte(i) || len(r.data) != 1200 {
			t.Fatalf("datagram %d: %d bytes, number %d", i, len(r.data), r.data[0])
		}
	}
	if s := a.Stats(); s.Segmented != 100 {
		t.Errorf("segmented %d of %d; this kernel should know UDP_SEGMENT (Linux 4.18)", s.Segmented, s.Sent)
	}
}

// The kernel refuses segments on a socket without checksums (EINVAL) and above the path's MTU (EMSGSIZE), as it does for
// some devices and tunnels. Everything must arrive all the same, and what cannot change is not tried again.
func TestSegmentsRefused(t *testing.T) {
	tests := []struct {
		name      string
		option    func(fd int) error
		elsewhere bool // whether other peers go on with segments
		bytes     int
	}{
		{
			name:   "no checksums",
			option: func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) },
			bytes:  1100,
		},
		{
			name:      "narrow path",
			option:    func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU, 1280) },
			elsewhere: true,
			bytes:     1400,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := listen(t), listen(t)
			var optErr error
			if err := a.Control(func(fd uintptr) { optErr = test.option(int(fd)) }); err != nil || optErr != nil {
				t.Fatal(err, optErr)
			}
			got := collect(t, b)
			w := a.NewWriter()
			family := "v4"
			if test.elsewhere {
				family = "v6"
			}
			for round := range 2 {
				if n, err := w.WriteBatch(batchTo(b, family, 50, test.bytes)); n != 50 || err != nil {
					t.Fatalf("round %d: WriteBatch = %d, %v", round, n, err)
				}
				for i := range 50 {
					if r := next(t, got); r.data[0] != byte(i) || len(r.data) != test.bytes {
						t.Fatalf("round %d, datagram %d: %d bytes, number %d", round, i, len(r.data), r.data[0])
					}
				}
			}
			if s := a.Stats(); s.Segmented != 0 || s.WriteErrors != 0 || s.Sent != 100 {
				t.Errorf("stats: %+v", s)
			}
			if a.SegmentsOff() == test.elsewhere {
				t.Errorf("segments off for all peers: %v", a.SegmentsOff())
			}
			if !test.elsewhere {
				return
			}
			if n, err := w.WriteBatch(batchTo(b, "v4", 50, test.bytes)); n != 50 || err != nil {
				t.Fatalf("another peer: WriteBatch = %d, %v", n, err)
			}
			if s := a.Stats(); s.Segmented != 50 {
				t.Errorf("another peer: segmented %d, want 50", s.Segmented)
			}
		})
	}
}

// A host list may name a broadcast address; a node must not be made to shout on its LAN.
func TestNoBroadcast(t *testing.T) {
	a := listen(t)
	to := netip.MustParseAddrPort("255.255.255.255:9")
	n, err := a.NewWriter().WriteBatch([]udp.Message{{To: to, Data: []byte("x")}})
	if n != 0 || !errors.Is(err, unix.EACCES) {
		t.Errorf("WriteBatch = %d, %v", n, err)
	}
}
