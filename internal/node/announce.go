// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// How often a station's record is signed; docs/protocol/gossip.md has the reasons.
const (
	recordEvery   = 10 * time.Minute // at least, while it is on the air
	recordSoonest = 30 * time.Second
	entrySoonest  = 3 * time.Second // when it has entry points for the first time, or others
	titleSoonest  = 5 * time.Minute // when nothing but the title is new
	proxiesWait   = 2 * time.Second // for proxies, before a station is announced that perhaps nobody reaches
)

// An announcement is what a station of one's own says of itself, and what it said last.
type announcement struct {
	key  identity.StationKey
	next wire.StationRecord // all but Seq, OnAir and Entries
	said wire.StationRecord
	at   mono.Time // when it was signed; 0 never
	wait mono.Time // for proxies; 0: it is not on the air yet

	reentered bool // it was signed early for other entry points, since it was signed in time
}

// describe takes what a station of one's own is to say of itself.
func (n *Node) describe(c DescribeCommand) {
	d := &n.finder
	i := slices.IndexFunc(d.own, func(a announcement) bool { return a.key.ID() == c.Key.ID() })
	if i < 0 {
		if len(d.own) >= StationsMax {
			return
		}
		i = len(d.own)
		d.own = append(d.own, announcement{key: c.Key})
	}
	d.own[i].next = wire.StationRecord{Name: c.Name, Genre: c.Genre, Description: c.Description, URL: c.URL, Title: c.Title,
		Codec: c.Codec, KBPS: c.KBPS}
}

// announceDue signs the records that are due. A station is announced once its audio flows.
func (n *Node) announceDue(now mono.Time) {
	d := &n.finder
	wall, ok := n.WallClock(now)
	if !ok || d.gossip == nil {
		return
	}
	for i := range d.own {
		a := &d.own[i]
		st := n.find(a.key.ID())
		if st == nil || st.Role() != mesh.Source {
			continue
		}
		status := st.Status(now)
		rec := a.next
		rec.OnAir = status.OnAir && !status.Ended
		rec.Entries = n.ownAddresses(now)
		if !a.due(now, &rec) || a.at == 0 && n.awaitsProxies(now, a) {
			continue
		}
		rec.Seq = max(uint32(wall/1000), a.said.Seq+1)
		a.said, a.at = rec, now
		d.gossip.SetOwn(now, rec.Sign(nil, a.key))
	}
}

// due reports whether rec is to be signed now.
func (a *announcement) due(now mono.Time, rec *wire.StationRecord) bool {
	if a.at == 0 {
		return rec.OnAir
	}
	if rec.OnAir != a.said.OnAir {
		return true
	}
	if !rec.OnAir {
		return false
	}
	since := now.Sub(a.at)
	if since >= entrySoonest && !a.reentered && !slices.Equal(rec.Entries, a.said.Entries) {
		a.reentered = true // once: an address that flaps must not flood the network
		return true
	}
	if since >= recordEvery || since >= recordSoonest && !a.same(rec) || since >= titleSoonest && rec.Title != a.said.Title {
		a.reentered = false
		return true
	}
	return false
}

// awaitsProxies reports whether a station is better announced a little later, with proxies.
func (n *Node) awaitsProxies(now mono.Time, a *announcement) bool {
	if a.wait == 0 {
		a.wait = now.Add(proxiesWait)
	}
	r := n.meeting.reach
	var buf [1]netip.AddrPort
	return now < a.wait && r.Observer().Standing(now).Verdict != reach.VerdictPublic && len(r.Proxies(buf[:0])) == 0 &&
		n.finder.gossip.Counts(now).Hosts > 0
}

// same reports whether nothing but the title is new.
func (a *announcement) same(rec *wire.StationRecord) bool {
	s := &a.said
	return rec.Name == s.Name && rec.Genre == s.Genre && rec.Description == s.Description && rec.URL == s.URL &&
		rec.Codec == s.Codec && rec.KBPS == s.KBPS && slices.Equal(rec.Entries, s.Entries)
}

// EntryPoints are the addresses where others begin to reach this node, as far as that is known.
func (n *Node) EntryPoints(now mono.Time) []netip.AddrPort {
	if n.finder.gossip == nil {
		return nil
	}
	return n.ownAddresses(now)
}

// ownAddresses are where others begin to reach this node: its proxies, unless strangers reach it, and where a router lets
// everybody in or else others see it, if at least two networks agree or only one has said anything.
func (n *Node) ownAddresses(now mono.Time) []netip.AddrPort {
	list := n.meeting.reach.Proxies(nil)
	for _, ipv4 := range []bool{true, false} {
		if a := n.meeting.reach.Observer().Mapped(now, !ipv4); a.IsValid() {
			list = append(list, a)
		} else if a, votes := n.finder.gossip.OwnAddress(ipv4); votes > 0 {
			list = append(list, a)
		}
	}
	return list
}
