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

// recordsInAsk is how many rumours an ask of the usual size carries; one of full size carries what fits.
const recordsInAsk = 2

// firstAnswers is how many full answers a node gets that carries audio from the beginning.
const firstAnswers = 3

// askSomebody asks the next host: anchors, seeds and tests first, then one of the station that is looked for, or a random
// one, tried or untried alike.
func (g *Gossip) askSomebody(now mono.Time, out *Output) {
	sec := g.second(now)
	var flags pendingFlags
	if g.behind > 0 && (!g.busy || g.hungry || g.counts.AnswersReceived < firstAnswers) {
		flags = pendingFull
	}
	for len(g.first) > 0 {
		a := g.first[0]
		g.first = g.first[1:]
		if i := g.hosts.find(a); i >= 0 && g.hosts.slots[i].flags&hostAsked == 0 {
			g.ask(now, i, flags, out)
			return
		}
	}
	g.first = nil
	g.turn++
	if g.turn%askerTurns == 1 && g.askBack(now, out) {
		return
	}
	if i := g.pickSought(sec); i >= 0 {
		g.ask(now, i, flags|pendingSought, out)
		return
	}
	tried := g.cfg.Rand.IntN(2) == 0
	i := g.hosts.pick(g.cfg.Rand, sec, tried)
	if i < 0 {
		i = g.hosts.pick(g.cfg.Rand, sec, !tried)
	}
	if i < 0 {
		return
	}
	if flags == 0 && g.turn%2 == 0 {
		flags = pendingRecent
	}
	g.ask(now, i, flags, out)
}

// askAgain asks the host that said it has more.
func (g *Gossip) askAgain(now mono.Time, out *Output) {
	g.follow.at = mono.Never
	if i := g.hosts.find(g.follow.to); i >= 0 && g.hosts.slots[i].flags&hostAsked == 0 {
		g.ask(now, i, g.follow.flags, out)
	}
}

// ask asks the host at a place of the tables. flags say for what: pendingFull for a slice of all stations and as much as
// fits, pendingRecent for the newest, both for the newest and as much as fits, none for a small slice of all.
func (g *Gossip) ask(now mono.Time, i int, flags pendingFlags, out *Output) {
	g.askHost(now, &g.hosts.slots[i], flags, out)
}

// askHost is ask for a host that may have no place.
func (g *Gossip) askHost(now mono.Time, h *host, flags pendingFlags, out *Output) {
	if len(g.pending) >= pendingMax {
		return
	}
	a := &g.cfg.Scratch.ask
	a.Reset()
	a.Stations, a.WantHosts = uint16(len(g.stations)), warmHosts
	g.tellReach(a, h.addrPort())
	a.Tuned = append(a.Tuned, g.tuned...)
	if g.lonely(now) {
		a.WantHosts = coldHosts
	}
	prints := min(max(len(g.stations)/printsShare, printsLeast), wire.PrintsMax)
	answerBytes, rumours := warmAnswerBytes, recordsInAsk
	if flags&pendingAsker != 0 && h.flags&hostProven == 0 {
		rumours = 0 // its address may be forged
	}
	if flags&pendingFull != 0 {
		prints, answerBytes, rumours = wire.PrintsMax, wire.AnswerBytesMax, wire.AskRecordsMax
		if flags&pendingRecent != 0 && g.follow.bytes > 0 {
			answerBytes = g.follow.bytes
		}
	} else if a.WantHosts > warmHosts {
		answerBytes = followAnswerBytes
	}
	g.wantFound(a)
	if !a.Find.IsZero() {
		answerBytes = max(answerBytes, followAnswerBytes)
	}
	if flags&pendingRecent != 0 {
		g.sliceRecent(now, &a.Slice, prints)
	} else {
		g.sliceOfAll(now, &a.Slice, prints)
	}
	if s := g.station(a.Find); s != nil && len(a.Slice.Prints) < wire.PrintsMax {
		a.Slice.Prints = append(a.Slice.Prints, a.Slice.PrintOf(s.tag, s.seq)) // or it would be sent each time
	}
	g.pushRumours(a, rumours)
	g.send(now, h, flags, answerBytes, out)
}

// pushRumours puts rumours into an ask.
func (g *Gossip) pushRumours(a *wire.Ask, most int) {
	n, room := 0, wire.AskBytesMax-a.Len()
	for n < min(len(g.rumours), most, wire.AskRecordsMax) {
		raw := g.rumours[n].rec.Raw
		if room -= wire.RecordLen(raw); room < 0 {
			break
		}
		a.Records = append(a.Records, raw)
		n++
	}
	g.pushed(n)
}

// send hands the ask in the scratch to the driver.
func (g *Gossip) send(now mono.Time, h *host, flags pendingFlags, answerBytes int, out *Output) {
	start := len(out.bytes)
	a := &g.cfg.Scratch.ask
	out.bytes = a.Append(out.bytes)
	g.tokens++
	to := wire.Host{Addr: h.addrPort()}
	// What is long goes only to addresses that answered once; others are asked by HELLO first, 72 bytes, and so is who did not
	// answer the last time: its key may be another now, or a lie.
	if h.fails == 0 && (h.flags&hostProven != 0 || answerBytes <= warmAnswerBytes) {
		to.Node = h.node
	}
	h.flags |= hostAsked
	out.Asks = append(out.Asks, Ask{
		To: to.Addr, Node: to.Node, Token: g.tokens, Payload: out.bytes[start:len(out.bytes):len(out.bytes)], AnswerBytes: answerBytes,
	})
	p := pending{token: g.tokens, to: to.Addr, at: now, flags: flags, want: a.WantHosts}
	if !a.Find.IsZero() {
		p.find = wire.TagOf(a.Find)
	}
	g.pending = append(g.pending, p)
	g.counts.AsksSent++
}

// done takes a pending ask off the list.
func (g *Gossip) done(token uint64) (pending, bool) {
	i := slices.IndexFunc(g.pending, func(p pending) bool { return p.token == token })
	if i < 0 {
		return pending{}, false
	}
	p := g.pending[i]
	g.pending[i] = g.pending[len(g.pending)-1]
	g.pending = g.pending[:len(g.pending)-1]
	return p, true
}

// Failed is called when an ask got no answer.
func (g *Gossip) Failed(now mono.Time, token uint64) {
	p, ok := g.done(token)
	if !ok {
		return
	}
	g.counts.AsksFailed++
	g.hungry = false
	i := g.hosts.find(p.to)
	if i < 0 {
		return
	}
	sec := g.second(now)
	if now.Sub(g.answered) > silenceOurs*time.Second {
		// Nobody answers: it is this node that is cut off, and nobody shall be forgotten for that.
		h := &g.hosts.slots[i]
		h.flags &^= hostAsked | hostTest
		h.next = sec + 1 + g.cfg.Rand.Uint32N(silenceRetry)
		return
	}
	g.hosts.failed(sec, i)
}

// HandleAnswer takes the answer to an ask. node is the answerer's proven id, from its address; payload belongs to the caller.
func (g *Gossip) HandleAnswer(now mono.Time, token uint64, node identity.NodeID, from netip.AddrPort, payload []byte, out *Output) {
	p, ok := g.done(token)
	if !ok {
		return
	}
	from = unmap(from)
	a := &g.cfg.Scratch.answer
	if err := wire.ParseAnswer(payload, a); err != nil || node == g.cfg.Self {
		g.counts.AsksFailed++
		if i := g.hosts.find(p.to); i >= 0 {
			g.hosts.remove(i) // hostile, broken, or this node itself
		}
		return
	}
	g.counts.AnswersReceived++
	sec := g.second(now)
	g.answered = now
	out.Seen = append(out.Seen, Seen{By: from, You: a.You})
	i := g.answerer(sec, p, wire.Host{Addr: from, Node: node}, a)
	if i >= 0 {
		i = g.noteAnswer(sec, i, node, a)
	}
	g.noteHosts(now, from, a, p)
	g.noteFound(sec, p, wire.Host{Addr: from, Node: node}, a, out)
	g.votes.add(groupOf(from.Addr()), a.You)
	fresh := g.noteRecords(now, from, i, a, out)
	g.plan(now, p, i, a, fresh)
}

// answerer returns the place of the host that answered, -1 when it has none. Hidden ones have none: others cannot ask them, nor
// can this node tomorrow.
func (g *Gossip) answerer(sec uint32, p pending, by wire.Host, a *wire.Answer) int {
	i := g.hosts.find(p.to)
	hidden := a.Stations&hiddenFlag != 0 && !sameLAN(by.Addr, a.You)
	how := told(p.to)
	if p.flags&pendingAsker != 0 {
		g.noteAskedBack(sec, by.Addr, hidden, a.Tuned)
		how = telling{group: strangerGroup, teller: p.to, private: true}
	}
	if a.Asker.Of > 0 && !hidden && p.flags&pendingSought == 0 {
		g.askers.hear(sec, by.Addr, a)
	}
	if hidden {
		g.hidden.prove(sec, by, a.Tuned)
		if i >= 0 {
			g.hosts.remove(i)
		}
		return -1
	}
	if i < 0 {
		i = g.hosts.add(sec, wire.Host{Addr: p.to, Node: by.Node}, how)
	}
	return i
}

// noteAnswer notes that a host answered and what it is tuned to. It returns its place now.
func (g *Gossip) noteAnswer(sec uint32, i int, node identity.NodeID, a *wire.Answer) int {
	h := &g.hosts.slots[i]
	h.tuned = [wire.TunedMax]wire.StationTag{}
	copy(h.tuned[:], a.Tuned)
	young := g.young(sec) && g.cfg.Rand.IntN(youngChance) == 0
	i, test := g.hosts.answered(sec, i, node, young)
	if test >= 0 && len(g.first) < pendingMax {
		g.hosts.slots[test].flags |= hostTest
		g.first = append(g.first, g.hosts.slots[test].addrPort())
	}
	return i
}

// noteHosts takes the hosts of an answer: as a sample of the network, and for the tables.
func (g *Gossip) noteHosts(now mono.Time, from netip.AddrPort, a *wire.Answer, p pending) {
	sec, how := g.second(now), told(from)
	teller := g.hosts.tellerPrint(from)
	for _, h := range a.Hosts[:min(len(a.Hosts), int(p.want))] { // who says more than he was asked has no more weight
		if g.isSelf(h) || h.Addr == from {
			continue
		}
		i := g.hosts.find(h.Addr)
		if p.flags&pendingSought == 0 {
			g.census.sample(g.hosts.key, how.group, from, g.sampled(sec, i, teller))
		}
		if i < 0 && g.hosts.insert(sec, h, how) >= 0 {
			g.met = now
		}
	}
}

// sampled tells what a host that was named says about the size of the network.
func (g *Gossip) sampled(sec uint32, i int, teller uint32) sampling {
	if i < 0 {
		return sampleUnknown
	}
	h := &g.hosts.slots[i]
	switch {
	case h.flags&hostProven != 0 && h.teller == teller:
		return sampleNone // we know it from the same mouth
	case h.flags&hostSought != 0:
		return sampleNone
	case h.proven(sec, tellSeconds):
		return sampleKnown
	}
	return sampleUnknown
}

// noteRecords takes the records of an answer and returns how many of them were new to us. A host that sends what nobody
// signed is forgotten.
func (g *Gossip) noteRecords(now mono.Time, from netip.AddrPort, i int, a *wire.Answer, out *Output) (fresh int) {
	for _, raw := range a.Records {
		switch fate := g.learn(now, raw); fate {
		case recordForged:
			g.counts.RecordsForged++
			if i >= 0 {
				g.hosts.remove(i)
			}
			return fresh
		case recordKnown, recordRefused:
			g.counts.RecordsKnown++
		case recordLater, recordNews:
			fresh++
			g.counts.RecordsNew++
			out.Changed = true
			if fate == recordNews {
				g.news = now
			}
			g.foundRecord(from, raw, out)
		}
	}
	return fresh
}

// plan decides from an answer how to go on.
func (g *Gossip) plan(now mono.Time, p pending, i int, a *wire.Answer, fresh int) {
	more := a.Stations&moreFlag != 0
	if more && i >= 0 {
		h := &g.hosts.slots[i]
		switch {
		case fresh > 0: // an honest one may have had no room once
			h.flags &^= hostEmpty
		case p.flags&pendingFull != 0 && len(a.Records) == 0:
			h.flags |= hostEmpty
		}
		more = h.flags&hostEmpty == 0
	}
	recent := p.flags & pendingRecent
	if p.flags&pendingFull == 0 && recent == 0 && !more && g.busy && g.behind > 0 {
		g.behind-- // while the node carries audio small asks see whether there is more
	}
	if p.flags&pendingFull != 0 && recent == 0 {
		// That there is more is believed of those who brought something.
		if g.hungry = more && fresh > 0; g.hungry {
			g.behind = answersUntilUp + 2*g.slicesOfAll(wire.PrintsMax) // an answer may get lost, or be a liar's
		} else if g.behind > 0 {
			g.behind--
		}
	}
	if !more || g.follow.at != mono.Never || p.flags&pendingFull != 0 && fresh == 0 {
		return
	}
	// One at a time, and no host is asked more often than every 50 ms.
	next := followUp{at: now, to: p.to, flags: pendingFull | recent, bytes: wire.AnswerBytesMax, left: followsMax}
	switch {
	case p.flags&pendingFull == 0:
		next.bytes = followAnswerBytes
	case recent != 0:
		if g.follow.left == 0 {
			return
		}
		next.left = g.follow.left - 1
		next.at = now.Add(followEvery)
	default:
		next.at = now.Add(followEvery)
	}
	g.follow = next
}

// followsMax is how many answers about the newest are asked for in a row.
const followsMax = 6
