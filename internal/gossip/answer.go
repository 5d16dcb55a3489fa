// SPDX-License-Identifier: MIT

package gossip

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// tellDraws is how many random places are looked at for each host that is to be told.
const tellDraws = 12

// HandleAsk answers an ask that came from an address, in at most room bytes. The answer is valid until the next call; nil is
// no answer. payload belongs to the caller.
func (g *Gossip) HandleAsk(now mono.Time, from netip.AddrPort, payload []byte, room int, out *Output) []byte {
	from = unmap(from)
	s := g.cfg.Scratch
	ask, a := &s.ask, &s.out
	if !hostAddr(from) || wire.ParseAsk(payload, ask) != nil || !ask.Node.IsZero() && ask.Node == g.cfg.Self {
		g.counts.AsksRefused++
		return nil
	}
	g.counts.AsksAnswered++
	sec := g.second(now)
	g.noteAsker(sec, from, ask, out)
	g.notePushed(now, from, ask, out)

	a.Reset()
	a.You, a.Stations = from, uint16(min(len(g.stations), StationsMax))
	if g.reach.hiddenFrom(from) {
		a.Stations |= hiddenFlag
	}
	a.Tuned = append(a.Tuned, g.tuned...)
	a.Asker = g.tellAsker(sec)
	room -= a.Len()
	if room < 0 {
		return nil
	}
	room = g.tellFound(now, from, ask, a, room)
	room = g.tellHosts(sec, from, int(ask.WantHosts), a, room)
	room, more := g.missing(now, &ask.Slice, a, room)
	if more {
		a.Stations |= moreFlag
	}
	g.tellRumours(ask, a, room)
	s.buf = a.Append(s.buf[:0])
	return s.buf
}

// noteAsker takes the asker for a host, if it says it is one. Its address is not proven: anybody can write any sender. So
// strangers have a part of the tables where they push out only each other, and what a stranger tells of hosts is not heard.
func (g *Gossip) noteAsker(sec uint32, from netip.AddrPort, ask *wire.Ask, out *Output) {
	i := g.hosts.find(from)
	hidden := ask.Hidden && !g.near(from)
	if !ask.Node.IsZero() && !g.reach.hidden { // whoever asks a hidden node is no random one
		g.askers.consider(sec, from, ask, hidden)
	}
	if hidden {
		g.noteHidden(sec, from, i, ask, out)
		return
	}
	if !ask.Node.IsZero() {
		g.hidden.forget(from, ask.Node)
	}
	if i < 0 {
		if !ask.Node.IsZero() {
			g.hosts.insert(sec, wire.Host{Addr: from, Node: ask.Node}, telling{group: strangerGroup, teller: from, private: true})
		}
		return
	}
	if !g.hosts.slots[i].proven(sec, tellSeconds) {
		return
	}
	how := told(from)
	for _, h := range ask.Hosts {
		if !g.isSelf(h) {
			g.hosts.add(sec, h, how)
		}
	}
}

// noteHidden keeps a hidden asker for those who look for its station; this node may be one of them. It leaves the tables, where
// it got by an ask before it knew how it stands. Of others there its own answer decides: an ask is easily forged.
func (g *Gossip) noteHidden(sec uint32, from netip.AddrPort, i int, ask *wire.Ask, out *Output) {
	if i >= 0 {
		if h := &g.hosts.slots[i]; h.flags&(hostAsker|hostProven|hostAsked) == hostAsker {
			g.hosts.remove(i)
		}
	}
	g.hidden.note(g.cfg.Rand, sec, from, ask)
	for _, f := range g.finds {
		g.hidden.tuned(g.cfg.Rand, sec, f.tag, func(h *hiddenHost) bool {
			found, ok := h.found(true)
			if ok && h.node == ask.Node && h.addrPort() == from {
				out.find(f.id, found)
			}
			return true
		})
	}
}

// notePushed takes the records of an ask, as long as strangers did not send too many to verify.
func (g *Gossip) notePushed(now mono.Time, from netip.AddrPort, ask *wire.Ask, out *Output) {
	for _, raw := range ask.Records {
		if int(g.verifies) >= verifyPerSecond*int(sweepEvery/time.Second) {
			return
		}
		switch fate := g.learn(now, raw); fate {
		case recordForged:
			g.verifies++
			g.counts.RecordsForged++
			return
		case recordKnown, recordRefused:
			g.counts.RecordsKnown++
		case recordLater, recordNews:
			g.verifies++
			g.counts.RecordsNew++
			out.Changed = true
			if fate == recordNews {
				g.news = now
			}
			g.foundRecord(from, raw, out)
		}
	}
}

// tellHosts tells of random hosts that answered this node lately; nobody hears of hosts that this node only heard of, nor of
// those that he told of himself. Those come first that once asked this node: everybody asks, so they are a fair sample of all
// there are, while what others tell of are those that many know already.
func (g *Gossip) tellHosts(sec uint32, asker netip.AddrPort, want int, a *wire.Answer, room int) int {
	t := &g.hosts
	teller := t.tellerPrint(asker)
	want = min(want, wire.AnswerHostsMax)
	tell := func(i int, kind hostFlags) {
		h := &t.slots[i]
		if h.flags&kind != kind || !h.proven(sec, tellSeconds) || h.teller == teller || h.node.IsZero() {
			return
		}
		w := h.wire()
		if w.Addr == asker || w.Len() > room || isPrivate(w.Addr.Addr()) && !isPrivate(asker.Addr()) ||
			slices.ContainsFunc(a.Hosts, func(o wire.Host) bool { return o.Addr == w.Addr }) {
			return
		}
		room -= w.Len()
		a.Hosts = append(a.Hosts, w)
	}
	for _, kind := range [...]hostFlags{hostAsker, 0} {
		for k := 0; k < tellDraws*want && len(a.Hosts) < want; k++ {
			tell(g.cfg.Rand.IntN(len(t.slots)), kind)
		}
	}
	if t.fresh > len(t.slots)/tellDraws {
		return room
	}
	start := g.cfg.Rand.IntN(len(t.slots)) // so few that chance does not find them
	for k := 0; k < len(t.slots) && len(a.Hosts) < want; k++ {
		tell((start+k)%len(t.slots), 0)
	}
	return room
}

// tellRumours fills what room is left with news. News that the asker has already counts as told: so it dies out.
func (g *Gossip) tellRumours(ask *wire.Ask, a *wire.Answer, room int) {
	defer g.dropRumours()
	for i := range g.rumours {
		r := &g.rumours[i]
		if hasBytes(ask.Records, r.rec.Raw) {
			continue // that is from whom we have it
		}
		if !hasRecord(a, r.rec) && !hasPrint(ask.Slice.Prints, ask.Slice.Print(r.rec.Station, r.rec.Seq)) {
			size := wire.RecordLen(r.rec.Raw)
			if size > room || len(a.Records) == wire.AnswerRecordsMax {
				return
			}
			a.Records = append(a.Records, r.rec.Raw)
			room -= size
		}
		r.left--
	}
}

func hasBytes(records [][]byte, raw []byte) bool {
	for _, r := range records {
		if bytes.Equal(r, raw) {
			return true
		}
	}
	return false
}
