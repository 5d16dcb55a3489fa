// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
)

// Limits and times of an Observer. docs/protocol/reach.md has the reasons.
const (
	localMax    = 32               // own addresses
	votersMax   = 16               // networks whose last word is kept, of each family
	voteFresh   = 5 * time.Minute  // after this time it is no vote
	outsideMax  = 30 * time.Minute // an outside address that nobody bore out for so long is not known any more
	moversMax   = 4                // so many that change their word together are enough, however many there are
	hairpinWait = 3 * time.Second
	leaseMax    = 24 * time.Hour
)

// An Observer knows where this node stands: which address others see, how its NAT maps and filters, and whether strangers
// reach it. It is told what the node sees and decides; what single peers say decides nothing.
type Observer struct {
	ip4, ip6 family
	located  bool   // SetLocal was called
	port     uint16 // own; 0 not known
	contacts contacts
	recent   recent
	round    round
	came     arrival
	heard    uint64 // counts Seen
	deadline mono.Time
}

// A family is what is known of IPv4 or of IPv6.
type family struct {
	local   []netip.Addr // sorted, at most localMax
	seen    []sighting   // at most votersMax
	since   mono.Time    // of the local addresses
	outside netip.AddrPort
	settled bool // outside is more than one network's word
	wide    bool // at least three networks were heard when the mapping was decided
	borne   mono.Time
	mapping Behaviour

	mapped    netip.AddrPort // by a router
	mappedEnd mono.Time

	proven    bool // a stranger's datagram arrived
	provenBy  netip.Addr
	tested    bool // it was tried, and none did
	filtering Behaviour
	hairpin   Hairpinning
	hairpinAt mono.Time     // when the node gives up what it sent itself by its outside address; Never: nothing
	lifetime  time.Duration // a path stayed open so long without a datagram
	lost      time.Duration // and was closed after so long; 0: it never was
	order     uint32        // mappings that this node has made, as far as it knows
	samples   []sample
}

// NewObserver returns an Observer that knows nothing. After a restart, tell it of all hosts that the node remembers
// (Contacted): the NAT may remember them too.
func NewObserver(now mono.Time) *Observer {
	o := &Observer{ip4: family{since: now, hairpinAt: mono.Never}, ip6: family{since: now, hairpinAt: mono.Never}}
	o.round = round{due: now.Add(probeSoon), conclude: mono.Never}
	o.deadline = o.round.due
	return o
}

func (o *Observer) family(ip netip.Addr) *family {
	if ip.Is4() {
		return &o.ip4
	}
	return &o.ip6
}

// main is the family that a standing describes: IPv4 unless only IPv6 is in use.
func (o *Observer) main() *family {
	if !o.ip4.outside.IsValid() && o.ip6.outside.IsValid() {
		return &o.ip6
	}
	return &o.ip4
}

// SetLocal says which addresses this node's machine has, and the port that it listens on. When they change, everything is
// asked again. Loopback and link-local addresses do not count. The slice is copied.
func (o *Observer) SetLocal(now mono.Time, addrs []netip.Addr, port uint16) {
	var ip4, ip6 []netip.Addr
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast():
		case a.Is4():
			ip4 = append(ip4, a)
		default:
			ip6 = append(ip6, a)
		}
	}
	first, moved := !o.located, port != o.port
	o.located, o.port = true, port
	changed4, changed6 := o.ip4.setLocal(ip4), o.ip6.setLocal(ip6)
	if first {
		return // nothing was known that could have changed
	}
	if moved || changed4 {
		o.ip4.forget(now)
	}
	if moved || changed6 {
		o.ip6.forget(now)
	}
	if moved || changed4 || changed6 {
		o.recent = recent{made: o.recent.made}
		o.restart(now, 0)
	}
}

// setLocal reports whether the addresses differ.
func (f *family) setLocal(addrs []netip.Addr) bool {
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	addrs = addrs[:min(len(addrs), localMax)]
	if slices.Equal(addrs, f.local) {
		return false
	}
	f.local = addrs
	return true
}

// forget drops what was known: the node is somewhere else.
func (f *family) forget(now mono.Time) {
	*f = family{local: f.local, seen: f.seen[:0], samples: f.samples[:0], since: now, hairpinAt: mono.Never,
		mapped: f.mapped, mappedEnd: f.mappedEnd, order: f.order}
}

// unprove drops what was known of what comes in.
func (f *family) unprove() {
	f.proven, f.tested, f.filtering = false, false, BehaviourUnknown
}

// Seen is called when a peer, at the address by, says that it sees this node at the address you.
func (o *Observer) Seen(now mono.Time, by, you netip.AddrPort) {
	by, you = plain(by), plain(you)
	if !global(by) {
		return
	}
	o.contacts.add(now, by)
	if !global(you) || by.Addr().Is4() != you.Addr().Is4() {
		return
	}
	o.heard++
	f := o.family(by.Addr())
	was := f.note(now, o.heard, by, you)
	old := f.outside
	if f.decide(now, you) {
		f.samples = f.samples[:0]
		if old.Addr() != f.outside.Addr() {
			f.unprove()
			f.hairpin, f.hairpinAt, f.lifetime, f.lost = HairpinUnknown, mono.Never, 0, 0
		}
		o.restart(now, restartEvery)
	}
	if f.proven && f.provenBy == f.outside.Addr() {
		f.unprove() // it was another node behind the same NAT
	}
	if you.Addr() == f.outside.Addr() {
		o.sample(now, f, by, you, was)
	}
}

// Contacted is called when this node sends something to an address: the first datagram, and again at least every 5 minutes
// for as long as it goes on. Otherwise a known peer may pass for a stranger.
func (o *Observer) Contacted(now mono.Time, to netip.AddrPort) {
	to = plain(to)
	if !global(to) {
		return
	}
	f := o.family(to.Addr())
	ip, exact := o.contacts.add(now, to)
	o.contact(now, f, to, ip && f.mapping == AddressDependent || exact)
	if to == f.outside && f.hairpin == HairpinUnknown && f.translated(o.port) {
		f.hairpinAt = now.Add(hairpinWait)
		o.deadline = mono.Min(o.deadline, f.hairpinAt)
	}
}

// Arrived is called when a datagram that needs no link came from an address: HELLO, ASK, PUNCH. It reports whether it proves
// that strangers reach this node.
func (o *Observer) Arrived(now mono.Time, from netip.AddrPort) (stranger bool) {
	from = plain(from)
	if !global(from) {
		return false
	}
	f := o.family(from.Addr())
	if f.ours(from.Addr()) {
		if from.Addr() == f.outside.Addr() && f.translated(o.port) {
			f.hairpin, f.hairpinAt = HairpinYes, mono.Never
		}
		return false
	}
	ip, exact := o.contacts.add(now, from)
	o.came = arrival{from, ip && !exact}
	switch {
	case !ip:
		f.proven, f.provenBy, f.tested, f.filtering = true, from.Addr(), false, EndpointIndependent
		o.came = arrival{}
		o.succeed(now, f)
		return true
	case !exact:
		o.round.near[o.index(f)] = true
		if f.filtering != EndpointIndependent {
			f.filtering = AddressDependent
		}
	}
	if !o.round.last.tester.IsValid() {
		o.shows(now, f)
	}
	return false
}

// SetMapped says that a router gave this node's port an address outside, for a time. That proves nothing.
func (o *Observer) SetMapped(now mono.Time, outside netip.AddrPort, lifetime time.Duration) {
	outside = plain(outside)
	if !outside.IsValid() || outside.Port() == 0 || lifetime <= 0 {
		return
	}
	f := o.family(outside.Addr())
	was := f.mapped
	f.mapped, f.mappedEnd = outside, now.Add(min(lifetime, leaseMax))
	o.deadline = mono.Min(o.deadline, f.mappedEnd)
	if was == outside {
		return
	}
	if was.IsValid() {
		f.unprove() // what came in may have come by the old one
	}
	f.tested = false
	o.restart(now, 0)
}

// ClearMapped says that what SetMapped told does not hold any more.
func (o *Observer) ClearMapped(now mono.Time) {
	o.unmap(now, &o.ip4)
	o.unmap(now, &o.ip6)
}

func (o *Observer) unmap(now mono.Time, f *family) {
	if f.mapped.IsValid() {
		f.mapped, f.mappedEnd = netip.AddrPort{}, 0
		f.unprove()
		o.restart(now, 0)
	}
}

// Deadline is when Advance is to be called, and WantsProbe to be asked.
func (o *Observer) Deadline() mono.Time { return o.deadline }

// Advance does what is due.
func (o *Observer) Advance(now mono.Time) {
	o.deadline = mono.Never
	for _, f := range []*family{&o.ip4, &o.ip6} {
		if f.mapped.IsValid() && now >= f.mappedEnd {
			o.unmap(now, f)
		}
		if now >= f.hairpinAt {
			f.hairpin, f.hairpinAt = HairpinNo, mono.Never
		}
	}
	o.concludeRound(now)
	for _, f := range []*family{&o.ip4, &o.ip6} {
		if f.mapped.IsValid() {
			o.deadline = mono.Min(o.deadline, f.mappedEnd)
		}
		o.deadline = mono.Min(o.deadline, f.hairpinAt)
	}
	o.deadline = mono.Min(o.deadline, o.round.deadline(now))
}
