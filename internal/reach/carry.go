// SPDX-License-Identifier: MIT

package reach

import (
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	carriesMax = 16
	carryEvery = 5 * time.Second
	carryNext  = 2500 * time.Millisecond // another peer
	carrySoon  = time.Second             // while no peer carries
	carryHosts = 2                       // that are dialled when all that are known have been asked
	fullFor    = 10 * time.Second        // since a peer refused to carry
)

// A carry is a station that this node has asked others to relay.
type carry struct {
	message wire.Carry
	next    mono.Time
	asked   PeerID // last
}

// SetRoom says whether this node would relay one more station for others; its peers are told.
func (r *Reach) SetRoom(now mono.Time, room bool, out *Output) {
	if full := !room; full != r.full {
		r.full = full
		for _, p := range r.peers {
			r.sayStanding(now, p, out)
		}
	}
}

// AskCarry asks a peer that carries stations for others to relay one: nobody else who has it can be reached.
func (r *Reach) AskCarry(now mono.Time, m wire.Carry, out *Output) {
	i := slices.IndexFunc(r.carries, func(c carry) bool { return c.message == m })
	if i < 0 {
		if len(r.carries) >= carriesMax {
			r.carries = slices.Delete(r.carries, 0, 1)
		}
		i = len(r.carries)
		r.carries = append(r.carries, carry{message: m})
	}
	c := &r.carries[i]
	if now < c.next {
		return
	}
	best, fresh := r.carrier(now)
	if fresh <= 1 { // the next shall be another one: this one may reach those who have the station as little as this node does
		out.Hosts[FamilyAny] = max(out.Hosts[FamilyAny], carryHosts)
	}
	switch {
	case best == nil: // a node that strangers reach has no proxies, and perhaps no peers at all
		c.next = now.Add(carrySoon)
		return
	case fresh > 0:
		c.next = now.Add(carryNext)
	default:
		c.next = now.Add(carryEvery)
	}
	best.hold, best.carryAt, c.asked = now.Add(holdFor), now, best.id
	out.message(best.id, m.Append)
}

// carrier chooses who is asked next: one that says that it has room, that was asked the longest ago or never; nobody who refused
// lately. Who has no room may carry this very station. Fresh is how many were not asked yet.
func (r *Reach) carrier(now mono.Time) (best *peer, fresh int) {
	ties := 0
	for _, p := range r.peers {
		switch {
		case !p.open || !p.carries && !p.carrier || now < p.full:
			continue
		case best == nil || p.carries && !best.carries || p.carries == best.carries && p.carryAt < best.carryAt:
			best, ties = p, 1
		case p.carries == best.carries && p.carryAt == best.carryAt:
			if ties++; r.cfg.Rand.IntN(ties) == 0 {
				best = p
			}
		}
		if p.carryAt == 0 {
			fresh++
		}
	}
	return best, fresh
}

// CarryRefused is called when a peer says that it does not have a station: if this node asked it to relay that one, it asks another.
func (r *Reach) CarryRefused(now mono.Time, id PeerID, station identity.StationID, out *Output) {
	i := slices.IndexFunc(r.carries, func(c carry) bool { return c.message.Station == station && c.asked == id })
	p := r.byID[id]
	if i < 0 || p == nil || now < p.full {
		return
	}
	p.full = now.Add(fullFor)
	r.carries[i].next = now
	r.AskCarry(now, r.carries[i].message, out)
}

func (r *Reach) handleCarry(p *peer, m wire.Carry, out *Output) {
	if r.cfg.Carries && r.open(p.addr) && !m.Station.IsZero() {
		out.Carry = append(out.Carry, Request{Peer: p.id, Station: m.Station})
	}
}
