// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"

	"streamer/internal/mono"
)

// Standing returns what is known now.
func (o *Observer) Standing(now mono.Time) Standing {
	s := o.standing(now, o.main())
	s.Verdict = better(o.ip4.verdict(now), o.ip6.verdict(now))
	s.Outside4, s.Outside6 = o.ip4.reached(now), o.ip6.reached(now)
	return s
}

// StandingOf returns what is known of one family.
func (o *Observer) StandingOf(now mono.Time, ip6 bool) Standing {
	if ip6 {
		return o.standing(now, &o.ip6)
	}
	return o.standing(now, &o.ip4)
}

func (o *Observer) standing(now mono.Time, f *family) Standing {
	s := Standing{Verdict: f.verdict(now), Filtering: f.filtering, Hairpin: f.hairpin, Lifetime: f.lifetime, Expiry: f.lost,
		Carrier: f.carrier(now)}
	if f.known(now) {
		p := f.pattern(now)
		s.Mapping, s.Step, s.Random = f.mapping, p.step, p.random
		s.Translated = f.translated(o.port)
		s.PortKept = f.outside.Port() == o.port && !f.dependent()
	}
	if f == &o.ip4 {
		s.Outside4 = f.reached(now)
	} else {
		s.Outside6 = f.reached(now)
	}
	return s
}

// verdict is public only when a stranger's datagram arrived, and where others see this node is an address for all.
func (f *family) verdict(now mono.Time) Verdict {
	switch {
	case f.proven && f.dependent() && f.wide && !f.mappedWell():
		return VerdictHidden
	case f.proven && (f.known(now) || f.outdoors()):
		return VerdictPublic
	case f.tested:
		return VerdictHidden
	}
	return VerdictUnknown
}

// better of two verdicts: public, hidden, unknown.
func better(a, b Verdict) Verdict {
	if a == VerdictPublic || b == VerdictPublic {
		return VerdictPublic
	}
	return max(a, b)
}

// outdoors reports whether an own address is global.
func (f *family) outdoors() bool {
	for _, a := range f.local {
		if global(netip.AddrPortFrom(a, 1)) {
			return true
		}
	}
	return false
}

// mappedWell reports whether the router's mapping is at the address that others see, so that it may serve.
func (f *family) mappedWell() bool {
	return global(f.mapped) && (!f.outside.IsValid() || f.outside.Addr() == f.mapped.Addr())
}

// reached is the address to be told to others; zero when it is not known.
func (f *family) reached(now mono.Time) netip.AddrPort {
	if f.mappedWell() && f.verdict(now) != VerdictHidden {
		return f.mapped
	}
	if f.known(now) {
		return f.outside
	}
	return netip.AddrPort{}
}

// Mapped is the address that a router keeps for this node, zero when there is none that may be told to others.
func (o *Observer) Mapped(now mono.Time, ip6 bool) netip.AddrPort {
	f := &o.ip4
	if ip6 {
		f = &o.ip6
	}
	if !f.mappedWell() || f.verdict(now) == VerdictHidden {
		return netip.AddrPort{}
	}
	return f.mapped
}

// FixedPort is the port that a router keeps for this node where every peer sees another one, 0 when there is none.
func (o *Observer) FixedPort(now mono.Time, to netip.AddrPort) uint16 {
	at := o.Mapped(now, to.Addr().Is6())
	if !at.IsValid() || !o.family(plain(to).Addr()).dependent() {
		return 0
	}
	return at.Port()
}

// carrier reports whether there is a second translation behind the router's, or the machine has nothing but a shared address.
// (VPNs give machines shared addresses beside others.)
func (f *family) carrier(now mono.Time) bool {
	if f.mapped.Addr().Is4() && (!global(f.mapped) || f.known(now) && f.settled && f.outside.Addr() != f.mapped.Addr()) {
		return true
	}
	all := len(f.local) > 0
	for _, a := range f.local {
		all = all && shared(a)
	}
	return all
}
