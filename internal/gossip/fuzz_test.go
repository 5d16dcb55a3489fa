// SPDX-License-Identifier: MIT

package gossip_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/wire"
)

// Whatever somebody asks or answers, a node goes on, answers within the room that it has, and tells of nobody it did not meet.
func FuzzMessages(f *testing.F) {
	ask := wire.Ask{
		Node: nodeID(5), Stations: 3, WantHosts: 9, Find: stationKey(1).ID(), Tuned: []wire.StationTag{1},
		Slice: wire.Slice{Modulus: 3, Prints: []uint32{1, 2}}, Hosts: []wire.Host{hostOf(addr("5.5.5.5:5"), 5)}, Records: [][]byte{record(1, unixStart)},
	}
	var found wire.FoundHost
	found.Host = hostOf(addr("[2001:db8::1]:5"), 6)
	found.Proxies.Add(addr("9.9.9.9:9"))
	hidden := ask
	hidden.Hidden, hidden.Proxies = true, []netip.AddrPort{addr("9.9.9.9:9"), addr("10.0.0.9:9")}
	answer := wire.Answer{
		You: addr("1.1.1.1:1"), Stations: 0x8001, Tuned: []wire.StationTag{1, 2}, Hosts: []wire.Host{hostOf(addr("5.5.5.5:5"), 5)},
		Found: []wire.FoundHost{found}, Records: [][]byte{record(2, unixStart)},
	}
	f.Add(ask.Append(nil), answer.Append(nil), uint16(400))
	f.Add(hidden.Append(nil), answer.Append(nil), uint16(400))
	f.Add((&wire.Ask{Slice: wire.Slice{Modulus: 0xffff, Salt: 1}}).Append(nil), (&wire.Answer{You: addr("1.1.1.1:1")}).Append(nil), uint16(0))
	known := [][]byte{record(1, unixStart), record(3, unixStart-60)}
	f.Fuzz(func(t *testing.T, asked, answered []byte, room uint16) {
		r := newRig(t)
		n := r.add(addr("1.1.1.1:1"), func(c *gossip.Config) { c.HostsMax = 160 })
		r.push(n, known...)
		n.AddSeed(r.now, addr("2.2.2.2:2"))
		n.Find(r.now, stationKey(1).ID(), &gossip.Output{})
		for range 4 {
			var out gossip.Output
			r.now = r.now.Add(time.Second)
			n.Advance(r.now, &out)
			for _, a := range out.Asks {
				n.HandleAnswer(r.now, a.Token, nodeID(9), a.To, answered, &gossip.Output{})
			}
			limit := int(room) % wire.AnswerBytesMax
			if got := n.HandleAsk(r.now, addr("3.3.3.3:3"), asked, limit, &out); len(got) > limit {
				t.Fatalf("an answer of %d bytes where %d are allowed", len(got), limit)
			} else if len(got) > 0 {
				var a wire.Answer
				if err := wire.ParseAnswer(got, &a); err != nil {
					t.Fatal(err)
				}
				for _, h := range a.Hosts {
					if h.Node != nodeID(9) {
						t.Fatalf("told of %v, which never answered", h)
					}
				}
			}
		}
		n.Stations(r.now)
	})
}
