// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"time"

	"streamer/internal/mono"
)

// A sighting is the last word of one network on where it sees this node.
type sighting struct {
	voter   netip.Addr
	by, you netip.AddrPort
	at      mono.Time
	since   mono.Time    // of this word
	heard   uint64       // which Seen was the last
	before  *earlierWord // nil: none
	aside   *siblingSight
}

// An earlierWord is what a network said before.
type earlierWord struct {
	was    netip.AddrPort
	turned uint64 // which Seen changed it
}

// A siblingSight is the word of another port at the same address.
type siblingSight struct {
	by, you netip.AddrPort
	at      mono.Time
}

// asideNear is how near in time two ports of one address must speak for their words to be compared.
const asideNear = time.Minute

// note keeps what was said, and returns what the same address and port had said before; zero when nothing.
func (f *family) note(now mono.Time, heard uint64, by, you netip.AddrPort) (was netip.AddrPort) {
	s := f.place(voterOf(by.Addr()))
	fresh := s.by.IsValid() && now.Sub(s.at) <= asideNear
	switch {
	case s.by == by:
		was = s.you
	case s.by.Addr() == by.Addr() && fresh:
		if s.aside != nil && s.aside.by == by {
			was = s.aside.you
		}
		s.aside = &siblingSight{by, you, now}
		return was
	case s.by.Addr() == by.Addr():
		s.aside = &siblingSight{s.by, s.you, s.at}
	default:
		s.aside = nil
	}
	if s.you != you {
		s.before, s.since = nil, now
		if s.you.IsValid() {
			s.before = &earlierWord{s.you, heard}
		}
	}
	s.by, s.you, s.at, s.heard = by, you, now, heard
	return was
}

// place is where a network's word goes: where its last one is, or instead of the oldest.
func (f *family) place(voter netip.Addr) *sighting {
	oldest := 0
	for i := range f.seen {
		if f.seen[i].voter == voter {
			return &f.seen[i]
		}
		if f.seen[i].heard < f.seen[oldest].heard {
			oldest = i
		}
	}
	if len(f.seen) < votersMax {
		f.seen = append(f.seen, sighting{})
		oldest = len(f.seen) - 1
	}
	f.seen[oldest] = sighting{voter: voter}
	return &f.seen[oldest]
}

// A lead is what most networks say.
type lead struct {
	addr  netip.AddrPort
	votes int
	since mono.Time // said first
}

func (l *lead) consider(addr netip.AddrPort, votes int, since mono.Time) {
	if votes > l.votes || votes == l.votes && since < l.since {
		*l = lead{addr, votes, since}
	}
}

// count counts the fresh votes: of all, for the address and port that leads, and for the address that leads.
func (f *family) count(now mono.Time) (all int, port, host lead) {
	for i := range f.seen {
		s := &f.seen[i]
		if now.Sub(s.at) > voteFresh {
			continue
		}
		all++
		ports, hosts, firstPort, firstHost := 0, 0, s.since, s.since
		for j := range f.seen {
			t := &f.seen[j]
			if now.Sub(t.at) > voteFresh || t.you.Addr() != s.you.Addr() {
				continue
			}
			hosts++
			firstHost = min(firstHost, t.since)
			if t.you == s.you {
				ports++
				firstPort = min(firstPort, t.since)
			}
		}
		port.consider(s.you, ports, firstPort)
		host.consider(s.you, hosts, firstHost)
	}
	return all, port, host
}

// decide draws conclusions from what networks say, of which you is the last word, and reports whether a settled outside address changed. A majority of those
// heard in the last minutes decides, of two at least. So do those who said the old one before and now say the same new one, with
// nobody saying the old one since: a router that started anew is noticed
// long before most words have gone stale.
func (f *family) decide(now mono.Time, you netip.AddrPort) (changed bool) {
	all, port, host := f.count(now)
	moved, to := f.moved(you)
	switch {
	case moved:
		changed = f.settle(to, true, 1)
	case port.votes >= 2 && 2*port.votes > all:
		changed = f.settle(port.addr, true, all)
		f.mapping = EndpointIndependent
	case all >= 2 && 3*port.votes <= all, all == 2 && port.votes == 1 && f.mapping == BehaviourUnknown,
		host.votes >= 2 && 2*host.votes > all && host.addr.Addr() != f.outside.Addr():
		changed = f.scatter(host, all)
	case !f.outside.IsValid():
		f.outside = port.addr // the only word there is
	}
	if f.says(you, f.outside) {
		f.borne = now
	}
	return changed
}

// scatter concludes that each destination sees another port.
func (f *family) scatter(host lead, all int) (changed bool) {
	to, sure := f.outside, host.votes >= 2 && 2*host.votes > all
	if !to.IsValid() || sure && to.Addr() != host.addr.Addr() {
		to = host.addr
	}
	f.mapping = AddressPortDependent
	changed = f.settle(to, sure, all)
	same, other := 0, 0
	for i := range f.seen {
		s := &f.seen[i]
		if s.aside == nil || max(s.at, s.aside.at).Sub(min(s.at, s.aside.at)) > asideNear {
			continue
		}
		if s.aside.you == s.you {
			same++
		} else {
			other++
		}
	}
	if same > other {
		f.mapping = AddressDependent
	}
	return changed
}

// settle sets the outside address, surely or not, as so many networks have it, and reports whether a settled one changed.
func (f *family) settle(to netip.AddrPort, sure bool, all int) (changed bool) {
	changed = f.settled && !f.says(to, f.outside)
	if changed {
		old := f.outside
		kept := f.seen[:0]
		for _, s := range f.seen {
			if !f.says(s.you, old) {
				kept = append(kept, s)
			}
		}
		f.seen = kept
	}
	f.outside, f.settled, f.wide = to, f.settled || sure, all >= 3
	return changed
}

// says reports whether two words agree: with a mapping that depends on the destination, when the host does.
func (f *family) says(a, b netip.AddrPort) bool {
	if f.dependent() {
		return a.Addr() == b.Addr()
	}
	return a == b
}

// moved reports whether enough of those who said the outside address now say another one together, after you was said.
func (f *family) moved(you netip.AddrPort) (bool, netip.AddrPort) {
	if !f.outside.IsValid() || f.says(you, f.outside) {
		return false, netip.AddrPort{}
	}
	var last uint64 // when the old one was said last
	stay := 0
	for i := range f.seen {
		if s := &f.seen[i]; f.says(s.you, f.outside) {
			stay++
			last = max(last, s.heard)
		}
	}
	for i := range f.seen {
		movers := 0
		for j := range f.seen {
			s := &f.seen[j]
			if s.before != nil && f.says(s.you, f.seen[i].you) && f.says(s.before.was, f.outside) && s.before.turned > last {
				movers++
			}
		}
		if !f.says(f.seen[i].you, f.outside) && movers >= min(moversMax, (stay+movers)/2+1) {
			return true, f.seen[i].you
		}
	}
	return false, netip.AddrPort{}
}

func (f *family) dependent() bool {
	return f.mapping == AddressDependent || f.mapping == AddressPortDependent
}

// known reports whether the outside address is known.
func (f *family) known(now mono.Time) bool {
	return f.outside.IsValid() && now.Sub(f.borne) <= outsideMax
}

// translated reports whether the outside address is none of the local ones.
func (f *family) translated(port uint16) bool {
	if !f.outside.IsValid() || len(f.local) == 0 {
		return false
	}
	for _, a := range f.local {
		if a == f.outside.Addr() {
			return port != 0 && f.outside.Port() != port
		}
	}
	return true
}

// ours reports whether an address may be this node's NAT, its machine or its LAN.
func (f *family) ours(ip netip.Addr) bool {
	if ip == f.outside.Addr() || ip == f.mapped.Addr() {
		return true
	}
	for i := range f.seen {
		if f.seen[i].you.Addr() == ip {
			return true
		}
	}
	for _, a := range f.local {
		if a == ip || neighbours(a, ip) {
			return true
		}
	}
	return false
}
