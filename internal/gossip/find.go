// SPDX-License-Identifier: MIT

package gossip

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// A find is a station for which hosts are wanted.
type find struct {
	id    identity.StationID
	tag   wire.StationTag
	since mono.Time
}

// Find begins to look for hosts that are tuned to a station: mostly among hosts that are said to be, more slowly elsewhere.
// What is known is found at once.
func (g *Gossip) Find(now mono.Time, id identity.StationID, out *Output) {
	if !slices.ContainsFunc(g.finds, func(f find) bool { return f.id == id }) {
		if len(g.finds) >= findsMax {
			g.finds = slices.Delete(g.finds, 0, 1)
		}
		g.finds = append(g.finds, find{id, wire.TagOf(id), now})
	}
	g.nextAsk = now
	if s := g.station(id); s != nil {
		g.foundEntries(s.rec, false, out)
	}
	sec := g.second(now)
	n := 0
	for i := range g.hosts.slots {
		if h := &g.hosts.slots[i]; n < wire.AnswerFoundMax && h.isTuned(wire.TagOf(id)) && h.proven(sec, heardSeconds) {
			out.find(id, wire.FoundHost{Host: h.wire()})
			n++
		}
	}
	g.hidden.tuned(g.cfg.Rand, sec, wire.TagOf(id), func(h *hiddenHost) bool {
		if f, ok := h.found(true); ok {
			out.find(id, f)
			n++
		}
		return n < wire.AnswerFoundMax
	})
}

// StopFind ends it.
func (g *Gossip) StopFind(id identity.StationID) {
	g.finds = slices.DeleteFunc(g.finds, func(f find) bool { return f.id == id })
}

// findInterval is the time between asks while something is looked for: short at first.
func (g *Gossip) findInterval(now mono.Time) time.Duration {
	for _, f := range g.finds {
		if now.Sub(f.since) < findEager {
			return findEvery
		}
	}
	return findLaterEvery
}

// pickSought returns a host that is said to be tuned to what is looked for, three times out of four.
func (g *Gossip) pickSought(sec uint32) int {
	if len(g.finds) == 0 || g.turn%4 == 0 {
		return -1
	}
	tag := g.finds[int(g.turn)%len(g.finds)].tag
	best, n := -1, 0
	for i := range g.hosts.slots {
		if h := &g.hosts.slots[i]; h.isTuned(tag) && h.flags&hostAsked == 0 && (h.next <= sec || h.fails == 0 && h.seen < sec) {
			if n++; g.cfg.Rand.IntN(n) == 0 {
				best = i
			}
		}
	}
	return best
}

// wantFound puts what is looked for into an ask.
func (g *Gossip) wantFound(a *wire.Ask) {
	if len(g.finds) > 0 {
		a.Find = g.finds[int(g.turn)%len(g.finds)].id
	}
}

// tellFound answers what is looked for: the record, unless the asker has it, and hosts that said that they are tuned in.
func (g *Gossip) tellFound(now mono.Time, asker netip.AddrPort, ask *wire.Ask, a *wire.Answer, room int) int {
	if ask.Find.IsZero() {
		return room
	}
	if s := g.station(ask.Find); s != nil && !hasPrint(ask.Slice.Prints, ask.Slice.PrintOf(s.tag, s.seq)) {
		if size := wire.RecordLen(s.rec.Raw); size <= room {
			a.Records = append(a.Records, s.rec.Raw)
			room -= size
		}
	}
	sec, tag := g.second(now), wire.TagOf(ask.Find)
	near := isPrivate(asker.Addr())
	tell := func(f wire.FoundHost) bool {
		if size := f.Len(); f.Addr != asker && f.Node != ask.Node && size <= room {
			room -= size
			a.Found = append(a.Found, f)
		}
		return len(a.Found) < wire.AnswerFoundMax
	}
	start := g.cfg.Rand.IntN(len(g.hosts.slots))
	open := 0 // hidden ones get the other half, if there are some
	most := wire.AnswerFoundMax
	g.hidden.tuned(g.cfg.Rand, sec, tag, func(h *hiddenHost) bool {
		if f, ok := h.found(near); ok && f.Addr != asker {
			most--
		}
		return most > wire.AnswerFoundMax/2
	})
	for k := range g.hosts.slots {
		h := &g.hosts.slots[(start+k)%len(g.hosts.slots)]
		if open >= most || !h.isTuned(tag) || !h.proven(sec, heardSeconds) || h.node.IsZero() || isPrivate(h.addrPort().Addr()) && !near {
			continue
		}
		tell(wire.FoundHost{Host: h.wire()})
		open = len(a.Found)
	}
	g.hidden.tuned(g.cfg.Rand, sec, tag, func(h *hiddenHost) bool {
		f, ok := h.found(near)
		return !ok || tell(f)
	})
	return room
}

// noteFound tells the application of hosts on a station that is looked for: the answerer, if it says so itself, and those it
// told of, which are asked themselves next.
func (g *Gossip) noteFound(sec uint32, p pending, by wire.Host, a *wire.Answer, out *Output) {
	for _, f := range g.finds {
		if slices.Contains(a.Tuned, f.tag) {
			out.find(f.id, wire.FoundHost{Host: by})
		}
		if f.tag != p.find {
			continue
		}
		how := told(by.Addr)
		for _, h := range a.Found {
			if g.isSelf(h.Host) || !hostAddr(h.Addr) || isPrivate(h.Addr.Addr()) && !how.private {
				continue
			}
			if len(h.Proxies.List()) > 0 {
				noteFoundHidden(f.id, by.Addr, h, out)
				continue
			}
			out.find(f.id, h)
			if g.hosts.find(h.Addr) >= 0 {
				continue
			}
			if i := g.hosts.insert(sec, h.Host, how); i >= 0 {
				g.hosts.slots[i].flags |= hostSought
				g.hosts.slots[i].tuned[0] = f.tag // a hint, until it says so itself
			}
		}
	}
}

// noteFoundHidden tells the application of a hidden host that somebody told of, with the proxies that he may tell of.
func noteFoundHidden(id identity.StationID, by netip.AddrPort, h wire.FoundHost, out *Output) {
	f := wire.FoundHost{Host: h.Host}
	for _, p := range h.Proxies.List() {
		if proxyAddr(p, by) {
			f.Proxies.Add(p)
		}
	}
	if len(f.Proxies.List()) > 0 {
		out.find(id, f)
	}
}

// foundRecord tells the application of the entry points of a station that is looked for.
func (g *Gossip) foundRecord(from netip.AddrPort, raw []byte, out *Output) {
	if len(g.finds) == 0 {
		return
	}
	id, _, err := wire.PeekStationRecord(raw)
	if err != nil || !slices.ContainsFunc(g.finds, func(f find) bool { return f.id == id }) {
		return
	}
	if s := g.station(id); s != nil {
		g.foundEntries(s.rec, isPrivate(from.Addr()), out)
	}
}

// foundEntries tells the application of entry points: of private ones only when somebody near brought the record, or when others
// see this node itself at none but private addresses. Nobody far away shall send it knocking at its own LAN.
func (g *Gossip) foundEntries(rec *Record, near bool, out *Output) {
	near = near || !g.votes.global()
	for _, a := range rec.Entries {
		if a = unmap(a); hostAddr(a) && (near || !isPrivate(a.Addr())) {
			out.find(rec.Station, wire.FoundHost{Host: wire.Host{Addr: a}})
		}
	}
}
