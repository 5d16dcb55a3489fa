// SPDX-License-Identifier: MIT

package sim

import (
	"net/netip"

	"streamer/internal/gossip"
	"streamer/internal/wire"
)

// hostileAnswer answers as somebody does who wants to be the only one that others know: it names its mates, and hosts that do
// not exist, keeps all stations to itself, and says that there is more.
func (d *discovery) hostileAnswer(self int32, to netip.AddrPort, room int) []byte {
	a := wire.Answer{You: to, Stations: 0x8000 | 5000}
	if d.s.HostileTuned {
		for k := range wire.TunedMax {
			a.Tuned = append(a.Tuned, wire.TagOf(d.stations[max(0, d.s.Stations-1-k)].id))
		}
		a.Asker = wire.Asker{Of: wire.AskersMax, Hidden: true, Tuned: a.Tuned[0]}
	}
	room -= a.Len()
	for k := 0; k < hostileHosts; k++ {
		h := d.hostileHost()
		if room -= h.Len(); room < 0 {
			break
		}
		a.Hosts = append(a.Hosts, h)
	}
	return a.Append(nil)
}

// hostileHost names a hostile node, or one that does not exist.
func (d *discovery) hostileHost() wire.Host {
	mate := &d.nodes[d.s.Nodes+d.random.IntN(len(d.nodes)-d.s.Nodes)]
	if d.random.IntN(4) >= inventedOfFour {
		return wire.Host{Addr: mate.addr, Node: mate.id}
	}
	d.invent++
	h := wire.Host{Addr: addrIn(150<<8+uint32(d.random.IntN(d.s.HostileNetworks)), d.random.Uint32(), uint16(1+d.random.IntN(65535)))}
	fillFrom(h.Node[:8], uint64(d.invent)|1<<40)
	return h
}

// flood lets hostile nodes ask honest ones, and tell of themselves and of hosts that do not exist.
func (d *discovery) flood() {
	for i := d.s.Nodes; i < len(d.nodes); i++ {
		for range d.s.HostileFlood {
			to := int32(d.random.IntN(d.s.Nodes))
			if d.nodes[to].gossip == nil {
				continue
			}
			ask := wire.Ask{Node: d.nodes[i].id, Stations: 5000}
			for range wire.AskHostsMax {
				ask.Hosts = append(ask.Hosts, d.hostileHost())
			}
			d.send(int32(i), to, d.nodes[to].id, &gossip.Ask{Payload: ask.Append(nil), AnswerBytes: 0})
		}
	}
}
