// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/node"
)

// How often the entry points in the link of one's own station are looked at, and how long they must stay before people are told.
const (
	entriesEvery = time.Second
	entriesStay  = 2 * time.Second
)

// runEntries keeps the entry points in the link of one's own station right, and tells OnLink, until ctx ends.
func (d *Daemon) runEntries(ctx context.Context) {
	look := time.NewTicker(entriesEvery)
	defer look.Stop()
	var last []netip.AddrPort
	var since time.Time
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			var list []netip.AddrPort
			if d.loop.ask(ctx, func(n *node.Node, now mono.Time) { list = n.EntryPoints(now) }) != nil {
				return
			}
			if list = slices.DeleteFunc(list, notGlobal); !slices.Equal(list, last) {
				last, since = list, now
			}
			if len(list) == 0 || now.Sub(since) < entriesStay {
				continue
			}
			d.entries.Store(&list)
			if link := d.ownLink().String(); link != told && d.opts.OnLink != nil {
				told = link
				d.opts.OnLink(link)
			}
		}
	}
}

// notGlobal reports whether an address means nothing elsewhere.
func notGlobal(a netip.AddrPort) bool {
	return !a.Addr().IsGlobalUnicast() || a.Addr().IsPrivate()
}

// linkPeers are the entry points in the link of one's own station: where people elsewhere begin, as far as that is known, then
// this machine's own addresses, at most announcedMax in all.
func (d *Daemon) linkPeers() []string {
	own := ownPeers(d.conn.Port())
	known := d.entries.Load()
	if known == nil {
		return own
	}
	var peers []string
	for _, a := range (*known)[:min(len(*known), announcedMax-1)] {
		peers = append(peers, a.String())
	}
	for _, p := range own {
		if len(peers) < announcedMax && !slices.Contains(peers, p) {
			peers = append(peers, p)
		}
	}
	return peers
}
