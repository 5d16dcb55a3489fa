// SPDX-License-Identifier: MIT

package link_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
)

// What nodes of one process have in common changes not a byte of what they send, under loss and with attempts that are repeated.
func TestAgreed(t *testing.T) {
	run := func(agreed *link.Agreed) (sent []string) {
		n := newNetwork(t, 7)
		n.lossPM, n.dupPM, n.jitter = 100, 50, 30*time.Millisecond
		n.taps = append(n.taps, func(from, to netip.AddrPort, b []byte) {
			sent = append(sent, fmt.Sprintf("%v %v %v %x", n.now, from, to, b))
		})
		share := func(c *link.Config) { c.Agreed = agreed }
		var hosts []*host
		for i := range 6 {
			hosts = append(hosts, n.add(fmt.Sprint("host", i), fmt.Sprintf("192.0.2.%d:1", i+1), share))
		}
		for _, a := range hosts {
			for _, b := range hosts {
				if a != b {
					a.table.Dial(n.now, b.addr, identity.NodeID{}, &a.out)
					a.flush()
				}
			}
		}
		n.run(8 * time.Second)
		for _, a := range hosts {
			for _, b := range hosts {
				if _, up := a.table.Find(b.key.Public()); a != b && !up {
					t.Errorf("%s has no link to %s", a.name, b.name)
				}
			}
		}
		return sent
	}
	if alone, together := run(nil), run(&link.Agreed{}); !slices.Equal(alone, together) {
		t.Errorf("%d datagrams alone and %d together differ", len(alone), len(together))
	}
}
