// SPDX-License-Identifier: MIT

package gossip

import (
	"cmp"
	"net/netip"
	"slices"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// anchorsMax is how many hosts are asked first after a restart: whoever lets a node restart does not choose whom it meets.
const anchorsMax = 2

// Saved is what a node keeps over a restart. The driver writes and reads it.
type Saved struct {
	Hosts   []SavedHost
	Anchors []netip.AddrPort // the last that answered, of different networks
	Records [][]byte         // stations, signed
}

// A SavedHost is a host and how it was known.
type SavedHost struct {
	wire.Host
	Tried bool
}

// Save returns what to keep.
func (g *Gossip) Save() Saved {
	var s Saved
	type recent struct {
		at   netip.AddrPort
		seen uint32
	}
	var answered []recent
	for i := range g.hosts.slots {
		h := &g.hosts.slots[i]
		if h.port == 0 {
			continue
		}
		s.Hosts = append(s.Hosts, SavedHost{h.wire(), g.hosts.isTried(i)})
		if h.flags&hostProven != 0 && h.fails == 0 {
			answered = append(answered, recent{h.addrPort(), h.seen})
		}
	}
	slices.SortStableFunc(answered, func(a, b recent) int { return cmp.Compare(b.seen, a.seen) })
	for _, r := range answered {
		if len(s.Anchors) == anchorsMax {
			break
		}
		if len(s.Anchors) == 0 || groupOf(s.Anchors[0].Addr()) != groupOf(r.at.Addr()) {
			s.Anchors = append(s.Anchors, r.at)
		}
	}
	for i := range g.stations {
		if !g.stations[i].own {
			s.Records = append(s.Records, g.stations[i].rec.Raw)
		}
	}
	return s
}

// Restore takes what Save returned, after SetWall: hosts go back to their tables, though none is told to others before it
// answered again; records that are too old or not signed are dropped. What is too much is dropped too.
func (g *Gossip) Restore(now mono.Time, s Saved) {
	sec := g.second(now)
	for _, h := range s.Hosts[:min(len(s.Hosts), 2*len(g.hosts.slots))] {
		if h.Addr = unmap(h.Addr); !g.isSelf(h.Host) {
			g.hosts.restore(sec, h)
		}
	}
	for _, a := range s.Anchors[:min(len(s.Anchors), anchorsMax)] {
		g.first = append(g.first, unmap(a))
	}
	g.stations = append(make([]station, 0, len(g.stations)+min(len(s.Records), StationsMax)), g.stations...)
	for _, raw := range s.Records[:min(len(s.Records), StationsMax)] {
		g.learn(now, raw)
	}
	g.nextAsk, g.restored = now, g.restored || len(s.Hosts) >= fewHosts
}

// restore puts a remembered host back. Who told of it is forgotten, so the untried ones stand as if told by themselves.
func (t *hosts) restore(sec uint32, h SavedHost) {
	if !hostAddr(h.Addr) {
		return
	}
	i := t.add(sec, h.Host, telling{group: groupOf(h.Addr.Addr()), private: true})
	if i < 0 || !h.Tried || t.isTried(i) {
		return
	}
	t.slots[i].flags |= hostKept
	if to := t.free(t.triedBucket(h.Addr)); to >= 0 {
		t.slots[to] = t.slots[i]
		t.swapPrints(to, i)
		t.remove(i)
	}
}
