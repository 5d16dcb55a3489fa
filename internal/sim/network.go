// SPDX-License-Identifier: MIT

package sim

import (
	"net/netip"

	"streamer/internal/mono"
)

// Every host's port, and its second one, from which it sends and where nothing listens.
const (
	udpPort   = 8466
	asidePort = 8467
)

// packetBytesMax is the longest datagram that the network carries (design.md section 4, decision 6).
const packetBytesMax = 1200

// A packet is a datagram on its way.
type packet struct {
	from   netip.AddrPort
	data   []byte
	to     netip.AddrPort // this and the rest only where boxes stand between hosts
	next   place
	sender int32
}

// A network carries datagrams between hosts. It owns their bytes until they are delivered.
type network struct {
	packets []packet
	unused  [packetSizes][]int32 // by the room that their data has
	taken   uint64               // packets since the run began
	path    Path
}

// packetSizes is how many sizes of packets there are: most are control, and few bytes are enough for them.
const packetSizes = 2

// packetRooms are the bytes that packets of each size have room for.
var packetRooms = [packetSizes]int{192, packetBytesMax}

func sizeOf(bytes int) int {
	if bytes <= packetRooms[0] {
		return 0
	}
	return 1
}

// take returns an empty packet whose data has room for so many bytes.
func (n *network) take(bytes int) int32 {
	n.taken++
	size := sizeOf(bytes)
	if k := len(n.unused[size]); k > 0 {
		i := n.unused[size][k-1]
		n.unused[size] = n.unused[size][:k-1]
		n.packets[i].data = n.packets[i].data[:0]
		return i
	}
	n.packets = append(n.packets, packet{data: make([]byte, 0, packetRooms[size])})
	return int32(len(n.packets) - 1)
}

func (n *network) drop(i int32) {
	size := sizeOf(cap(n.packets[i].data))
	n.unused[size] = append(n.unused[size], i)
}

// flying is how many packets are on their way.
func (n *network) flying() uint64 {
	return uint64(len(n.packets) - len(n.unused[0]) - len(n.unused[1]))
}

// spoil overwrites a delivered datagram: whoever kept a reference reads nonsense (contract of node.HandleDatagram).
func (n *network) spoil(i int32) {
	for j := range n.packets[i].data {
		n.packets[i].data[j] = 0xdb
	}
}

// Hosts are strewn over 11.0.0.0/8, so that neighbours in number are not neighbours in address: a host's last 24 bits are its
// number + 1 times spread, modulo 2^24, and gather is the inverse of spread. The next life of a host has the number that is
// higher by the number of hosts.
const (
	hostNet    = 11
	hostBits   = 24
	spread     = 0x3779b1
	gather     = 0x8b2f51
	hostsBelow = 1<<hostBits - 1
)

// addrOf returns the address of a host. Where boxes stand between hosts, natNet says who has which address.
func addrOf(host int32) netip.AddrPort {
	i := uint32(host+1) * spread & hostsBelow
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{hostNet, byte(i >> 16), byte(i >> 8), byte(i)}), udpPort)
}

// owner returns the host that has an address.
func (w *World) owner(a netip.AddrPort) (int32, bool) {
	if !a.Addr().Is4() || a.Port() != udpPort {
		return 0, false
	}
	b := a.Addr().As4()
	i := (uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) * gather & hostsBelow
	if b[0] != hostNet || i < 1 {
		return 0, false
	}
	host := int(i-1) % len(w.hosts)
	return int32(host), w.hosts[host].addr == a
}

// transmit puts packet i, whose data is complete, on the sender's line. Its port is udpPort or asidePort.
func (w *World) transmit(from *host, port uint16, to netip.AddrPort, i int32) {
	p := &w.net.packets[i]
	p.from = netip.AddrPortFrom(from.addr.Addr(), port)
	size := ipBytes(to, p.data)
	w.meterSent(from, to, p.data)
	if w.nat != nil {
		w.transmitNAT(from, port, to, i)
		return
	}
	target, known := w.owner(to)
	sent, queued := from.up.admit(w.now, size)
	if !known || !queued || len(p.data) > packetBytesMax {
		w.count.dropped++
		w.net.drop(i)
		return
	}
	receiver := &w.hosts[target]
	if receiver.island != from.island || w.net.path.lost(w.now, &receiver.loss, w.random) {
		w.count.lost++
		w.net.drop(i)
		return
	}
	at := sent.Add(from.delay + receiver.delay + w.net.path.delay(w.random))
	w.events.push(event{at: at, kind: eventArrive, host: target, arg: i})
}

// arrive brings a packet to the receiver's line.
func (w *World) arrive(h *host, i int32) {
	if w.nat != nil && w.carried(i) {
		return
	}
	at, queued := h.down.admit(w.now, ipBytes(w.net.packets[i].from, w.net.packets[i].data))
	switch {
	case !queued:
		w.count.dropped++
		w.net.drop(i)
	case at == w.now:
		w.deliver(h, i)
	default:
		w.events.push(event{at: at, kind: eventDeliver, host: h.index, arg: i})
	}
}

// A meter adds up what a host sends over a while, in twenty parts.
type meter struct {
	part  [meterParts]uint32
	index int64 // of the current part since the run began
	sum   uint64
}

// meterParts are the parts of a meter. Meters are of a second and of ten.
const (
	meterParts = 20
	meterPart  = mono.Time(1e9 / meterParts)
)

// add counts bytes and returns those of the last second, the current part included.
func (m *meter) add(now mono.Time, bytes int) uint64 { return m.addTo(int64(now/meterPart), bytes) }

// addLong likewise, of the last ten.
func (m *meter) addLong(now mono.Time, bytes int) uint64 {
	return m.addTo(int64(now/(10*meterPart)), bytes)
}

func (m *meter) addTo(index int64, bytes int) uint64 {
	for n := min(index-m.index, meterParts); n > 0; n-- {
		p := &m.part[(index-n+1)%meterParts]
		m.sum -= uint64(*p)
		*p = 0
	}
	m.index = index
	m.part[index%meterParts] += uint32(bytes)
	m.sum += uint64(bytes)
	return m.sum
}
