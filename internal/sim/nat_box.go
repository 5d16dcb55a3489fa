// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"

	"streamer/internal/mono"
)

// A box is one NAT or firewall at work: what it has mapped and whom it lets in.
type box struct {
	NAT
	outside  netip.Addr // zero: a firewall
	random   *rand.Rand
	mappings []mapping
	unused   []int32 // indices of mappings
	inside   map[mappingKey]int32
	port     map[uint16]int32 // outside port; of a firewall: nothing
	dealt    []netip.Addr     // inside addresses that have a block of ports, in order
	last     uint16           // PortsSequential
	shift    uint16           // PortsPreserved: what a restart made of ports
	entries  int
	count    natCounts
}

// natCounts are what a box did with packets.
type natCounts struct{ out, in, refused, full uint64 }

// A mappingKey is an inside endpoint and the part of the remote one on which the mapping depends.
type mappingKey struct{ inside, remote netip.AddrPort }

// A mapping stands for one outside port.
type mapping struct {
	key     mappingKey
	port    uint16
	open    bool // for good, and for everybody
	expires mono.Time
	permits []permit // in order of making
}

// A permit lets a remote end come in: an address with port 0 stands for all its ports.
type permit struct {
	remote  netip.AddrPort
	expires mono.Time
}

// newBox makes a box that has mapped nothing. A firewall has no outside address.
func newBox(n NAT, outside netip.Addr, random *rand.Rand) box {
	b := box{NAT: n, outside: outside, random: random}
	b.flush(false)
	return b
}

// part returns the part of an endpoint on which something depends.
func (d Dependence) part(remote netip.AddrPort) netip.AddrPort {
	switch d {
	case AddressDependent:
		return netip.AddrPortFrom(remote.Addr(), 0)
	case AddressPortDependent:
		return remote
	}
	return netip.AddrPort{}
}

// leave translates the sender of a packet that goes out; ok false: the box is full, the packet is dropped.
func (b *box) leave(now mono.Time, from, to netip.AddrPort) (outside netip.AddrPort, ok bool) {
	i, ok := b.mapping(now, mappingKey{from, b.Mapping.part(to)})
	if !ok || !b.permit(now, i, to) {
		b.count.full++
		return netip.AddrPort{}, false
	}
	m := &b.mappings[i]
	m.expires = now.Add(b.lifetime())
	b.count.out++
	if b.Firewall {
		return from, true
	}
	return netip.AddrPortFrom(b.outside, m.port), true
}

// enter translates the receiver of a packet that comes in; ok false: it is dropped.
func (b *box) enter(now mono.Time, from, to netip.AddrPort) (inside netip.AddrPort, ok bool) {
	i, known := b.mapped(to)
	if !known || !b.alive(now, i) {
		b.count.refused++
		return netip.AddrPort{}, false
	}
	m := &b.mappings[i]
	if !m.open && b.Filter != EndpointIndependent {
		p := m.find(now, b.Filter.part(from))
		if p < 0 {
			b.count.refused++
			return netip.AddrPort{}, false
		}
		if b.Inbound {
			m.permits[p].expires = now.Add(b.lifetime())
		}
	}
	if b.Inbound {
		m.expires = now.Add(b.lifetime())
	}
	b.count.in++
	return m.key.inside, true
}

// hold maps an inside endpoint for good, as PCP or UPnP do, and lets everybody in.
func (b *box) hold(now mono.Time, inside netip.AddrPort) {
	if i, ok := b.mapping(now, mappingKey{inside: inside}); ok {
		b.mappings[i].open = true
	}
}

// heldPort returns the outside port of an inside endpoint that hold mapped.
func (b *box) heldPort(inside netip.AddrPort) uint16 {
	return b.mappings[b.inside[mappingKey{inside: inside}]].port
}

// mapped returns the mapping of an outside endpoint.
func (b *box) mapped(to netip.AddrPort) (int32, bool) {
	if b.Firewall {
		i, ok := b.inside[mappingKey{inside: to}]
		return i, ok
	}
	i, ok := b.port[to.Port()]
	return i, ok && to.Addr() == b.outside
}

// alive reports whether a mapping is in force; one that has expired goes.
func (b *box) alive(now mono.Time, i int32) bool {
	if m := &b.mappings[i]; m.open || now < m.expires {
		return true
	}
	b.end(i)
	return false
}

// mapping returns the mapping of a key, a new one when there is none.
func (b *box) mapping(now mono.Time, key mappingKey) (int32, bool) {
	if i, ok := b.inside[key]; ok && b.alive(now, i) {
		return i, true
	}
	if !b.room(now) {
		return 0, false
	}
	var port uint16
	if !b.Firewall {
		var ok bool
		if port, ok = b.allot(now, key.inside); !ok {
			return 0, false
		}
	}
	var i int32
	if n := len(b.unused); n > 0 {
		i = b.unused[n-1]
		b.unused = b.unused[:n-1]
	} else {
		i = int32(len(b.mappings))
		b.mappings = append(b.mappings, mapping{})
	}
	b.mappings[i] = mapping{key: key, port: port, expires: now.Add(b.lifetime()), permits: b.mappings[i].permits[:0]}
	b.inside[key] = i
	if !b.Firewall {
		b.port[port] = i
	}
	b.entries++
	return i, true
}

// end forgets a mapping and whom it lets in.
func (b *box) end(i int32) {
	m := &b.mappings[i]
	delete(b.inside, m.key)
	if !b.Firewall {
		delete(b.port, m.port)
	}
	b.entries -= 1 + len(m.permits)
	m.key, m.permits = mappingKey{}, m.permits[:0]
	b.unused = append(b.unused, i)
}

// permit lets a remote end come in through a mapping.
func (b *box) permit(now mono.Time, i int32, to netip.AddrPort) bool {
	if b.Filter == EndpointIndependent {
		return true
	}
	m := &b.mappings[i]
	remote, until := b.Filter.part(to), now.Add(b.lifetime())
	for p := range m.permits {
		if m.permits[p].remote == remote {
			m.permits[p].expires = until
			return true
		}
	}
	m.expires = until // a full box must not end it now
	if !b.room(now) {
		return false
	}
	m.permits = append(m.permits, permit{remote, until})
	b.entries++
	return true
}

// find returns the index of a permit in force, or -1.
func (m *mapping) find(now mono.Time, remote netip.AddrPort) int {
	return slices.IndexFunc(m.permits, func(p permit) bool { return p.remote == remote && now < p.expires })
}

// room reports whether one more entry fits. A full box first ends what has expired.
func (b *box) room(now mono.Time) bool {
	if b.entries < natEntriesMax {
		return true
	}
	for i := range b.mappings {
		m := &b.mappings[i]
		if m.key.inside.IsValid() && b.alive(now, int32(i)) {
			b.entries -= len(m.permits)
			m.permits = slices.DeleteFunc(m.permits, func(p permit) bool { return now >= p.expires })
			b.entries += len(m.permits)
		}
	}
	return b.entries < natEntriesMax
}

// allot chooses the outside port of a new mapping.
func (b *box) allot(now mono.Time, inside netip.AddrPort) (uint16, bool) {
	low, n := natPortLow, natPorts
	if b.Block > 0 {
		k := slices.Index(b.dealt, inside.Addr())
		if k < 0 {
			if (len(b.dealt)+1)*b.Block > natPorts {
				return 0, false
			}
			k = len(b.dealt)
			b.dealt = append(b.dealt, inside.Addr())
		}
		low, n = natPortLow+k*b.Block, b.Block
	}
	var first int
	switch b.Ports {
	case PortsPreserved:
		first = int(inside.Port()+b.shift) - low
	case PortsSequential:
		first = int(b.last) + int(max(1, b.Step)) - low
	case PortsRandom:
		first = b.random.IntN(n)
	}
	for k := range n {
		port := uint16(low + ((first+k)%n+n)%n)
		if i, taken := b.port[port]; !taken || !b.alive(now, i) {
			b.last = port
			return port, true
		}
	}
	return 0, false
}

// flush forgets everything that is not for good, as a restart does; with otherPorts, what is mapped next gets ports that
// nobody could foresee.
func (b *box) flush(otherPorts bool) {
	var held []mapping
	for i := range b.mappings {
		if m := &b.mappings[i]; m.open && m.key.inside.IsValid() {
			m.permits = nil
			held = append(held, *m)
		}
	}
	b.mappings, b.unused, b.dealt, b.entries = nil, nil, nil, 0
	b.inside, b.port = map[mappingKey]int32{}, map[uint16]int32{}
	if b.Ports == PortsSequential && (b.last == 0 || otherPorts) {
		b.last = uint16(natPortLow + b.random.IntN(natPorts))
	}
	if otherPorts {
		b.shift += uint16(1 + b.random.IntN(1000))
	}
	for _, m := range held {
		i := int32(len(b.mappings))
		b.mappings = append(b.mappings, m)
		b.inside[m.key] = i
		if !b.Firewall {
			b.port[m.port] = i
		}
		b.entries++
	}
}

// move gives the box another outside address: nothing that was mapped stays.
func (b *box) move(outside netip.Addr) {
	b.outside = outside
	b.flush(false)
}
