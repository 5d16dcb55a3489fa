// SPDX-License-Identifier: MIT

package gossip

import (
	"math/rand/v2"
	"net/netip"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// Hidden hosts are behind a NAT or a firewall: strangers cannot ask them, so they are in no table, and nobody is told of them
// but who looks for a station that they are tuned to, together with the proxies that introduce others to them. What is known of them
// comes from their own asks, whose senders can be forged: so each network reaches few places, as with strangers in the tables.
const (
	hiddenPlaces = 4  // in a bucket
	hiddenShare  = 16 // one group's hidden hosts reach one in so many buckets, and those of one address one bucket
	hiddenOfMax  = 4  // one place for so many of Config.HostsMax
	hiddenMax    = 256
)

// A hiddenHost is one place, 168 bytes.
type hiddenHost struct {
	tuned   [wire.TunedMax]wire.StationTag // as it last said
	node    identity.NodeID
	addr    [16]byte // where its last ask came from; IPv4 as IPv6
	port    uint16   // 0: the place is free
	seen    uint32   // second of its last ask
	proven  uint32   // second when it answered, tuned as it says; 0 never
	proxies [wire.ProxiesMax]proxy
}

// A proxy is an address; port 0 is none.
type proxy struct {
	addr [16]byte
	port uint16
}

func (p proxy) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(p.addr).Unmap(), p.port)
}

func (h *hiddenHost) addrPort() netip.AddrPort { return proxy{h.addr, h.port}.addrPort() }

func (h *hiddenHost) isTuned(tag wire.StationTag) bool {
	for _, t := range h.tuned {
		if t == tag {
			return true
		}
	}
	return false
}

// heard reports whether this node itself heard what the host is tuned to.
func (h *hiddenHost) heard(sec uint32) bool {
	return h.port != 0 && h.proven != 0 && sec-h.proven <= heardSeconds
}

// found is the host as it is told to somebody: proxies that mean something to him only. ok is false when there are none.
func (h *hiddenHost) found(near bool) (f wire.FoundHost, ok bool) {
	f.Host = wire.Host{Addr: h.addrPort(), Node: h.node}
	if isPrivate(f.Addr.Addr()) && !near {
		return f, false
	}
	for _, p := range h.proxies {
		if a := p.addrPort(); p.port != 0 && (near || !isPrivate(a.Addr())) {
			f.Proxies.Add(a)
		}
	}
	return f, len(f.Proxies.List()) > 0
}

// hiddenHosts are buckets of places; none while nobody hidden is known.
type hiddenHosts struct {
	key    sipKey
	most   int
	places []hiddenHost
}

func newHiddenHosts(key sipKey, hostsMax int) hiddenHosts {
	return hiddenHosts{key: key, most: max(1, min(hiddenMax, hostsMax/hiddenOfMax)/hiddenPlaces) * hiddenPlaces}
}

// bucket returns the index of the first place of the bucket in which hosts at an address are.
func (t *hiddenHosts) bucket(a netip.AddrPort) int {
	hi, lo, port := words(a)
	share := uint64(hiddenShare)
	if isPrivate(a.Addr()) {
		share = privateShare
	} else {
		port = 0
	}
	buckets := uint64(t.most / hiddenPlaces)
	one := t.key.words(8, hi, lo, port) % max(1, buckets/share)
	return int(t.key.words(9, uint64(groupOf(a.Addr())), one)%buckets) * hiddenPlaces
}

// note takes what an ask says of a hidden asker that is tuned to something; of others nothing is kept. A newcomer to a full
// bucket pushes out any host there: so what is kept is a random choice.
func (t *hiddenHosts) note(r *rand.Rand, sec uint32, from netip.AddrPort, ask *wire.Ask) {
	if len(ask.Tuned) == 0 {
		t.forget(from, ask.Node)
		return
	}
	if t.places == nil {
		t.places = make([]hiddenHost, t.most)
	}
	bucket := t.bucket(from)
	at, free := -1, -1
	for i := bucket; i < bucket+hiddenPlaces; i++ {
		switch h := &t.places[i]; {
		case h.port != 0 && h.node == ask.Node && h.addrPort() == from:
			at = i
		case h.port == 0 || sec-h.seen > heardSeconds:
			free = i
		}
	}
	if at < 0 {
		if at = free; at < 0 {
			at = bucket + r.IntN(hiddenPlaces)
		}
	}
	h := &t.places[at]
	old := *h
	*h = hiddenHost{node: ask.Node, addr: from.Addr().As16(), port: from.Port(), seen: sec}
	copy(h.tuned[:], ask.Tuned)
	if old.port == h.port && old.addr == h.addr && old.node == h.node && old.tuned == h.tuned {
		h.proven = old.proven
	}
	n := 0
	for _, a := range ask.Proxies {
		if a = unmap(a); !proxyAddr(a, from) || a == from {
			continue
		}
		h.proxies[n] = proxy{a.Addr().As16(), a.Port()}
		n++
	}
}

// proxyAddr reports whether an address may be that of a proxy of a host: one that means something to everybody, or, for a host
// that is private itself, something near.
func proxyAddr(a, of netip.AddrPort) bool {
	return hostAddr(a) && (!isPrivate(a.Addr()) || isPrivate(of.Addr()))
}

// forget forgets a host that is hidden no more, or tuned to nothing.
func (t *hiddenHosts) forget(from netip.AddrPort, node identity.NodeID) {
	if t.places == nil {
		return
	}
	bucket := t.bucket(from)
	for i := bucket; i < bucket+hiddenPlaces; i++ {
		if h := &t.places[i]; h.port != 0 && h.node == node && h.addrPort() == from {
			*h = hiddenHost{}
		}
	}
}

// prove notes the answer of a host: what it says now is what counts.
func (t *hiddenHosts) prove(sec uint32, by wire.Host, tuned []wire.StationTag) {
	if t.places == nil {
		return
	}
	bucket := t.bucket(by.Addr)
	for i := bucket; i < bucket+hiddenPlaces; i++ {
		h := &t.places[i]
		if h.node != by.Node || h.addrPort() != by.Addr {
			continue
		}
		h.proven, h.tuned = sec, [wire.TunedMax]wire.StationTag{}
		if copy(h.tuned[:], tuned) == 0 {
			*h = hiddenHost{}
		}
	}
}

// tuned calls do with the hosts that are tuned to a station, from a random place on, until it returns false.
func (t *hiddenHosts) tuned(r *rand.Rand, sec uint32, tag wire.StationTag, do func(h *hiddenHost) bool) {
	if t.places == nil {
		return
	}
	start := r.IntN(len(t.places))
	for k := range t.places {
		h := &t.places[(start+k)%len(t.places)]
		if h.port != 0 && sec-h.seen <= heardSeconds && h.isTuned(tag) && !do(h) {
			return
		}
	}
}
