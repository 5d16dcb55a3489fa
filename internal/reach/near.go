// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Nodes behind one router have links at addresses that mean nothing elsewhere. They tell each other where others see them, so that the
// one that owns the router's port can introduce those from outside to the rest. What they say is believed of the router that
// both share only: nobody can have a datagram sent to anybody else by it.

// outsideFor is what a peer on the same LAN is told.
func (r *Reach) outsideFor(p *peer) netip.AddrPort {
	if at := r.ways[familyOf(p.addr)].outside; scope(plain(p.addr).Addr()) == scopePrivate && global(at) {
		return at
	}
	return netip.AddrPort{}
}

// handleOutside takes it.
func (r *Reach) handleOutside(now mono.Time, p *peer, m wire.Outside, out *Output) {
	at := plain(m.Addr)
	if scope(plain(p.addr).Addr()) != scopePrivate || !global(at) || familyOf(at) != familyOf(p.addr) || at == p.outside {
		return
	}
	p.outside = at
	r.changed = r.changed || p.proxy
	r.considerProxy(now, p, out)
}

// near reports whether a peer is behind the same router: it is at a private address, and others see both at one.
func (r *Reach) near(p *peer) bool {
	own := r.ways[familyOf(p.addr)].outside
	return p.outside.IsValid() && own.IsValid() && p.outside.Addr() == own.Addr() && scope(plain(p.addr).Addr()) == scopePrivate
}

// shownTo is the address of a peer that means something to another one; zero: there is none.
func (r *Reach) shownTo(p, to *peer) netip.AddrPort {
	switch {
	case !wire.ValidAddr(p.addr) || !wire.ValidAddr(to.addr):
	case sameSide(p.addr.Addr(), to.addr.Addr()):
		return p.addr
	case p.client && r.near(p) && sameSide(p.outside.Addr(), to.addr.Addr()):
		return p.outside
	}
	return netip.AddrPort{}
}

// understands reports whether an address that a peer tells of means something here.
func (r *Reach) understands(p *peer, a netip.AddrPort) bool {
	return sameSide(a.Addr(), p.addr.Addr()) || p.proxy && r.near(p) && sameSide(a.Addr(), p.outside.Addr())
}

// hasNear reports whether a peer behind the same router is, or has been asked to be, a proxy.
func (r *Reach) hasNear() bool {
	for _, p := range r.peers {
		if p.keep() && r.near(p) {
			return true
		}
	}
	return false
}
