// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"

	"streamer/internal/mono"
)

// A way is how this node is reached in one family, as it was at the last review, and as peers were told.
type way struct {
	verdict Verdict
	outside netip.AddrPort
}

func (w way) open() bool { return w.verdict == VerdictPublic }

// open reports whether strangers reach this node in the family of an address.
func (r *Reach) open(a netip.AddrPort) bool { return r.ways[familyOf(a)].open() }

// Outside is where others see this node, in the family of an address, as far as it is known.
func (r *Reach) Outside(like netip.Addr) netip.AddrPort {
	return r.ways[familyOf(netip.AddrPortFrom(like, 0))].outside
}

// familyOf is 0 for IPv4, 1 for IPv6.
func familyOf(a netip.AddrPort) int {
	if a.Addr().Unmap().Is4() {
		return 0
	}
	return 1
}

// lookAtStanding tells peers when strangers reach this node now, or do not any more. Proxies hear from it when others see it
// elsewhere: they are to know where it is before somebody asks for it.
func (r *Reach) lookAtStanding(now mono.Time, out *Output) {
	for f := range r.ways {
		was := r.ways[f]
		s := r.observer.StandingOf(now, f == 1)
		is := way{s.Verdict, s.Outside4}
		if f == 1 {
			is.outside = s.Outside6
		}
		if is == was {
			continue
		}
		r.ways[f], r.changed = is, true
		for _, p := range r.peers {
			if familyOf(p.addr) != f {
				continue
			}
			if is.open() && p.asked != 0 {
				p.asked, p.refused, p.proxy = 0, false, false // no introductions are needed any more
				p.hold = max(p.hold, now.Add(holdFor))
			}
			if is.open() != was.open() || p.keep() || local(p.addr.Addr()) {
				r.sayStanding(now, p, out)
			}
		}
	}
}

// Hidden reports whether others are to be told that strangers do not reach this node, with IPv4 and with IPv6. Where that is not
// known yet, it is so when there are proxies for that: behind a NAT, which is likely then, nothing else works. Where it is
// reached in neither family, a family that is not in use is as the other.
func (r *Reach) Hidden() (hidden [2]bool) {
	for f, w := range r.ways {
		hidden[f] = w.verdict == VerdictHidden || w.verdict == VerdictUnknown && slices.ContainsFunc(r.peers, func(p *peer) bool {
			return p.proxy && familyOf(p.addr) == f
		})
	}
	if hidden[0] != hidden[1] && !r.ways[0].open() && !r.ways[1].open() {
		return [2]bool{true, true}
	}
	return hidden
}

// seeks reports in which families proxies are needed: where strangers do not reach this node, but others see it. While nobody has
// said anything of either, and while it is reached in neither, that is both.
func (r *Reach) seeks() (ip4, ip6 bool) {
	ip4, ip6 = !r.ways[0].open(), !r.ways[1].open()
	if ip4 != ip6 {
		ip4, ip6 = ip4 && r.ways[0].outside.IsValid(), ip6 && r.ways[1].outside.IsValid()
	}
	return ip4, ip6
}
