// SPDX-License-Identifier: MIT

package link

import (
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// glareMax is how far apart two links between the same runs of two nodes may come up, one dialled by each, and still be
// taken for dials that crossed: no dial lasts longer.
const glareMax = 2 * dialMax

// electMax is how long a link that ought to stay may take to be heard; then the other one stays.
const electMax = time.Second

// ending is why a link is removed; the zero value tells nobody.
type ending struct {
	reason DownReason
	code   wire.CloseCode
}

// join takes a link whose keys are ready into service. Unless another one to the same peer is in service, it is announced.
func (t *Table) join(now mono.Time, l *link, out *Output) {
	l.state, l.upSince, l.heard = stateUp, now, now
	l.pings.left = startPings
	t.timers.sooner(l)
	if t.byPeer[l.peer] != nil {
		t.spare = append(t.spare, l)
		t.elect(now, l, out)
		return
	}
	if x := t.byAddr[l.addr]; l.id == 0 && x != nil && x.dial != nil {
		t.adopt(l, x)
	}
	t.announce(now, l, out)
}

// adopt ends the dial x because the peer's own dial made the link: it gets the ID that the node knows.
func (t *Table) adopt(l, x *link) {
	at, _ := t.position(x.id)
	l.id, t.links[at] = x.id, l
	x.id = 0
	x.state = stateGone
	delete(t.byAddr, x.addr)
	t.timers.drop(x)
	t.unregister(x)
}

// announce puts a link in service.
func (t *Table) announce(now mono.Time, l *link, out *Output) {
	if l.id == 0 {
		if t.refusing { // the peer believes that it is up
			t.sealClose(now, l, wire.CloseLeaving, out)
		}
		if t.full() || t.refusing {
			t.drop(DropFull)
			t.remove(now, l, ending{}, out)
			return
		}
		t.name(l)
	}
	l.announced = true
	t.byPeer[l.peer] = l
	t.claim(l)
	out.Events = append(out.Events, Event{Kind: EventUp, ID: l.id, NodeID: l.peer, Addr: l.addr})
}

// claim makes l the link of its address, unless that is being dialled.
func (t *Table) claim(l *link) {
	if x := t.byAddr[l.addr]; x == nil || x.dial == nil {
		t.byAddr[l.addr] = l
	}
}

// elect ends one of two links between the same two nodes, of which l is one. Both nodes come to the same result, each on
// its own, and only when the winner has been heard: then both have its keys, and the path is known to carry packets.
func (t *Table) elect(now mono.Time, l *link, out *Output) {
	for i := 0; i < len(t.spare); i++ {
		s := t.spare[i]
		a := t.byPeer[l.peer]
		if s.peer != l.peer || a == nil {
			continue
		}
		winner, loser := t.winner(a, s)
		if !winner.answered && now >= s.upSince.Add(electMax) {
			winner, loser = loser, winner
		}
		if !winner.answered {
			continue
		}
		why := ending{reason: DownReplaced}
		if loser == s {
			why.reason = DownDuplicate
		}
		t.remove(now, loser, why, out) // a spare takes the place of what was announced
		i--
	}
}

// winner says which of two links stays: the announced one or the spare, which is younger. A node that was restarted, or
// that lost the old link, dials again: then the younger is right. When both dialled, the lower id's dial stays.
func (t *Table) winner(announced, spare *link) (winner, loser *link) {
	crossed := announced.instance == spare.instance &&
		announced.initiator != spare.initiator &&
		spare.upSince.Sub(announced.upSince) <= glareMax
	if crossed && announced.initiator == (t.self.Compare(announced.peer) < 0) {
		return announced, spare
	}
	return spare, announced
}

// remove forgets a link. When it was the one in service, a spare takes its place.
func (t *Table) remove(now mono.Time, l *link, why ending, out *Output) {
	if l.half != nil {
		t.forgetHalf(l)
	}
	l.state, l.dial, l.path = stateGone, nil, nil
	t.timers.drop(l)
	t.unregister(l)
	if at, ok := t.position(l.id); ok && t.links[at] == l {
		t.links = slices.Delete(t.links, at, at+1)
	}
	if at := slices.Index(t.spare, l); at >= 0 {
		t.spare = slices.Delete(t.spare, at, at+1)
	}
	if t.byAddr[l.addr] == l {
		delete(t.byAddr, l.addr)
	}
	if l.id != 0 && why.reason != 0 {
		out.Events = append(out.Events, Event{
			Kind: EventDown, ID: l.id, NodeID: l.peer, Addr: l.addr, Reason: why.reason, Code: why.code,
		})
	}
	if l.announced {
		delete(t.byPeer, l.peer)
		t.promote(now, l, out)
	}
}

// promote announces the youngest spare to the peer of l.
func (t *Table) promote(now mono.Time, l *link, out *Output) {
	for i := len(t.spare) - 1; i >= 0; i-- {
		if s := t.spare[i]; s.peer == l.peer {
			t.spare = slices.Delete(t.spare, i, i+1)
			t.announce(now, s, out)
			return
		}
	}
}

// Close tells the peer why and forgets the link; a Down event with DownLocalClose follows in out.
func (t *Table) Close(now mono.Time, id ID, code wire.CloseCode, out *Output) {
	l := t.find(id)
	if l == nil {
		return
	}
	for i := len(t.spare) - 1; i >= 0; i-- {
		if s := t.spare[i]; l.announced && s.peer == l.peer {
			t.sealClose(now, s, code, out)
			t.remove(now, s, ending{reason: DownLocalClose}, out)
		}
	}
	if l.state == stateUp {
		t.sealClose(now, l, code, out)
	}
	t.remove(now, l, ending{reason: DownLocalClose}, out)
}
