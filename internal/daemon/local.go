// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/lan"
	"streamer/internal/node"
)

// localEvery is how often the machine's addresses are looked at: a laptop that changes networks plays on from the buffer, and whoever
// it feeds finds it again.
const localEvery = time.Second

// runLocal tells the node where this machine is, whenever that changes, until ctx ends.
func (d *discovery) runLocal(ctx context.Context) {
	look := time.NewTicker(localEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			d.tellLocal(ctx)
		}
	}
}

// tellLocal tells the node the machine's addresses and networks, if they are others than last time.
func (d *discovery) tellLocal(ctx context.Context) {
	addrs, networks, err := lan.Addresses()
	if err != nil {
		return // what was known stands
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	slices.SortFunc(networks, netip.Prefix.Compare)
	networks = slices.Compact(networks)
	addrs, networks = addrs[:min(len(addrs), node.LocalMax)], networks[:min(len(networks), node.LocalMax)]
	if slices.Equal(addrs, d.local.Addrs) && slices.Equal(networks, d.local.Prefixes) {
		return
	}
	d.local = node.LocalCommand{Addrs: addrs, Prefixes: networks, Port: d.port}
	d.command(ctx, d.local)
}

// local writes addresses and networks as counts and addresses; a network's length is in the place of a port.
func (r *Recorder) local(c node.LocalCommand) {
	r.uvarint(uint64(c.Port))
	r.uvarint(uint64(len(c.Addrs)))
	for _, a := range c.Addrs {
		r.addr(netip.AddrPortFrom(a, 0))
	}
	r.uvarint(uint64(len(c.Prefixes)))
	for _, p := range c.Prefixes {
		r.addr(netip.AddrPortFrom(p.Addr(), uint16(p.Bits())))
	}
}

func (f *fields) local() (c node.LocalCommand) {
	c.Port = uint16(f.uvarint())
	for range min(f.uvarint(), peersMax) {
		c.Addrs = append(c.Addrs, f.addr().Addr())
	}
	for range min(f.uvarint(), peersMax) {
		a := f.addr()
		c.Prefixes = append(c.Prefixes, netip.PrefixFrom(a.Addr(), int(a.Port())))
	}
	return c
}
