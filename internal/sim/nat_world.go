// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// A Home is what stands between hosts and the internet. The zero value is nothing: a host with addresses of its own.
type Home struct {
	NAT       []NAT // for IPv4, from the LAN outwards: the router's, then perhaps the carrier's
	IPv6      bool  // the router has a firewall for IPv6, too; without NAT the hosts have no IPv4
	Hosts     int   // on one LAN and one line, of those that come one after the other; 0: 1
	Customers int   // homes behind one box of the carrier; 0: 1
}

func (h *Home) hidden() bool { return len(h.NAT) > 0 || h.IPv6 }

// homes reports whether anybody in the scenario stands behind anything.
func (s *Scenario) homes() bool {
	hidden := s.Source.Home.hidden()
	for i := range s.Groups {
		hidden = hidden || s.Groups[i].Home.hidden()
	}
	return hidden
}

// lanDelay is what a packet takes from one host of a LAN to another.
const lanDelay = 300 * time.Microsecond

// A builder puts hosts into homes.
type builder struct {
	w     *World
	built map[*Group]*building
	boxes int32
	homes int32
}

// A building is a group's home that has room, and its carrier.
type building struct {
	realm, line, hosts int32
	carrier, customers int32
}

// build gives each host of a scenario with homes its realm and addresses there.
func (w *World) build() {
	w.nat = newNATNet()
	w.pairs, w.punches = map[[2]int32]*pair{}, map[punchKey]mono.Time{}
	b := builder{w: w, built: map[*Group]*building{}}
	for i := range w.hosts {
		b.house(&w.hosts[i])
	}
	w.nat.moved = b.boxes
}

// publicAddr returns an address of the internet that is not a host's.
func (w *World) publicAddr(i int32) netip.Addr { return addrOf(int32(len(w.hosts)) + i).Addr() }

// addr6 returns an IPv6 address, each home in a /32 of its own.
func addr6(home int32, host byte) netip.AddrPort {
	i := uint32(home+1) * spread & hostsBelow
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 1: byte(i >> 16), 2: byte(i >> 8), 3: byte(i), 15: host}), udpPort)
}

// house puts a host into its group's home, or into the internet.
func (b *builder) house(h *host) {
	nat, home := b.w.nat, &h.group.Home
	if !home.hidden() {
		h.line = h.index
		h.addr6 = addr6(b.homes, 1)
		b.homes++
		nat.attach(public, h.addr.Addr(), place(h.index))
		nat.attach(public, h.addr6.Addr(), place(h.index))
		return
	}
	g := b.built[h.group]
	if g == nil {
		g = &building{}
		b.built[h.group] = g
	}
	if g.hosts == 0 {
		b.open(g, home, h.index)
	}
	g.hosts++
	h.realm, h.line = g.realm, g.line
	number := byte(9 + g.hosts)
	h.addr = netip.AddrPort{}
	if len(home.NAT) > 0 {
		h.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, number}), udpPort)
		nat.attach(h.realm, h.addr.Addr(), place(h.index))
	}
	if home.IPv6 {
		h.addr6 = addr6(b.homes-1, number)
		nat.attach(h.realm, h.addr6.Addr(), place(h.index))
	}
	if int(g.hosts) >= max(1, home.Hosts) {
		g.hosts = 0
	}
}

// open builds a home whose line is that of the host of the given number.
func (b *builder) open(g *building, home *Home, line int32) {
	nat := b.w.nat
	outer, wan := int32(public), netip.Addr{}
	if len(home.NAT) > 1 {
		if g.customers == 0 {
			g.carrier = nat.addRealm()
			nat.addBox(b.box(home.NAT[1]), g.carrier, public)
		}
		g.customers++
		outer, wan = g.carrier, netip.AddrFrom4([4]byte{100, 64, byte(g.customers >> 8), byte(g.customers)})
		if int(g.customers) >= max(1, home.Customers) {
			g.customers = 0
		}
	}
	g.realm, g.line = nat.addRealm(), line
	nat.realms[g.realm].home = line
	b.homes++
	if len(home.NAT) > 0 {
		router := b.box(home.NAT[0])
		if wan.IsValid() {
			router.outside = wan
		}
		nat.addBox(router, g.realm, outer)
	}
	if home.IPv6 {
		nat.addBox(newBox(shortLived("ipv6-firewall"), netip.Addr{}, nil), g.realm, public)
	}
}

// box makes a box with an address of the internet.
func (b *builder) box(n NAT) box {
	b.boxes++
	return newBox(n, b.w.publicAddr(b.boxes), rand.New(newSource(b.w.seed, streamNAT, uint64(b.boxes))))
}

// transmitNAT is transmit where boxes stand between hosts. The way out is gone at once, the way in when the packet gets there:
// what a box lets in depends on what went out before.
func (w *World) transmitNAT(from *host, port uint16, to netip.AddrPort, i int32) {
	p := &w.net.packets[i]
	p.sender = from.index
	self := from.addr
	if to.Addr().Is6() {
		self = from.addr6
	}
	var r route
	ok := self.IsValid() && len(p.data) <= packetBytesMax
	if ok {
		r, ok = w.nat.climb(w.now, from.realm, netip.AddrPortFrom(self.Addr(), port), to)
	}
	if ok && w.nat.realms[r.realm].home >= 0 {
		w.onward(i, r, w.now.Add(lanDelay))
		return
	}
	line := &w.hosts[from.line]
	sent, queued := line.up.admit(w.now, ipBytes(to, p.data))
	if !ok || !queued {
		w.count.dropped++
		w.net.drop(i)
		return
	}
	w.pairSent(from, r, p.data)
	w.onward(i, r, sent.Add(line.delay+w.net.path.delay(w.random)))
}

// onward sends a packet to whoever is next on its route, where it sets out at a time.
func (w *World) onward(i int32, r route, at mono.Time) {
	p := &w.net.packets[i]
	p.from, p.to, p.next = r.from, r.to, r.next
	if w.nat.realms[r.realm].home >= 0 {
		w.events.push(event{at: at, kind: eventDeliver, arg: i})
		return
	}
	line, ok := w.nat.lineTo(r.next)
	if !ok { // a carrier's box: beside the middle of the internet
		w.events.push(event{at: at, kind: eventArrive, arg: i})
		return
	}
	h := &w.hosts[line]
	if w.net.path.lost(w.now, &h.loss, w.random) {
		w.count.lost++
		w.net.drop(i)
		return
	}
	w.events.push(event{at: at.Add(h.delay), kind: eventArrive, host: line, arg: i})
}

// lineTo returns the host whose line leads to a place; ok false: a carrier's box is there.
func (n *natNet) lineTo(p place) (int32, bool) {
	if i, isBox := p.box(); isBox {
		line := n.realms[n.inner[i]].home
		return line, line >= 0
	}
	return int32(p), true
}

// carried takes a packet that has come to a carrier's box on to a customer; false: it has come to somebody's line.
func (w *World) carried(i int32) bool {
	p := &w.net.packets[i]
	if _, line := w.nat.lineTo(p.next); line {
		return false
	}
	b, _ := p.next.box()
	if r, ok := w.nat.descend(w.now, b, p.from, p.to); ok {
		w.onward(i, r, w.now)
	} else {
		w.count.dropped++
		w.net.drop(i)
	}
	return true
}

// indoors takes a packet that has passed a line to its host; nil: it is dropped.
func (w *World) indoors(i int32) *host {
	p := &w.net.packets[i]
	r, ok := route{next: p.next, from: p.from, to: p.to}, true
	for b, isBox := r.next.box(); ok && isBox; b, isBox = r.next.box() {
		r, ok = w.nat.descend(w.now, b, r.from, r.to)
	}
	if !ok || r.to.Port() != udpPort && !w.hosts[r.next].extras.receives(r.to.Port(), r.from, p.data) {
		w.count.dropped++
		w.net.drop(i)
		return nil
	}
	h := &w.hosts[r.next]
	if w.hosts[p.sender].island != h.island {
		w.count.lost++
		w.net.drop(i)
		return nil
	}
	p.from, p.to, p.next = r.from, r.to, r.next
	w.pairDelivered(p.sender, h, p.data)
	return h
}

// meet tells a host of the seeds, and its LAN's hosts of it and it of them, as package lan does.
func (w *World) meet(h *host) {
	var seeds []netip.AddrPort
	for i := w.scenario.Nodes + 1; i < len(w.hosts); i++ {
		if s := &w.hosts[i]; s != h && s.isUp() {
			seeds = append(seeds, s.addr)
			if h.addr6.IsValid() {
				seeds = append(seeds, s.addr6)
			}
		}
	}
	w.command(h, node.MeetCommand{Seeds: seeds})
	if w.nat == nil || h.realm == public {
		return
	}
	for i := range w.hosts {
		if o := &w.hosts[i]; o != h && o.isUp() && o.realm == h.realm {
			w.command(h, node.MeetCommand{Hosts: []wire.Host{{Addr: o.address(), Node: o.id}}})
			w.command(o, node.MeetCommand{Hosts: []wire.Host{{Addr: h.address(), Node: h.id}}})
		}
	}
}

// locate tells a host's node its addresses, its LAN and what its router has mapped.
func (w *World) locate(h *host) {
	var c node.LocalCommand
	for _, a := range []netip.Addr{h.addr.Addr(), h.addr6.Addr()} {
		if !a.IsValid() {
			continue
		}
		c.Addrs = append(c.Addrs, a)
		if h.realm != public {
			bits := 24
			if a.Is6() {
				bits = 64
			}
			c.Prefixes = append(c.Prefixes, netip.PrefixFrom(a, bits).Masked())
		}
	}
	w.command(h, c)
	if gate := w.nat.realms[h.realm].gates[0]; gate >= 0 && w.nat.boxes[gate].Mapped {
		b := &w.nat.boxes[gate]
		b.hold(w.now, h.addr)
		w.command(h, node.MappedCommand{Outside: netip.AddrPortFrom(b.outside, b.heldPort(h.addr)), Lifetime: 2 * time.Hour})
	}
}

// gossips configures a node that finds others by itself.
func (w *World) gossips(life uint64) *node.GossipConfig {
	if !w.scenario.Gossip {
		return nil
	}
	return &node.GossipConfig{Secret: seed32(newSource(w.seed, streamGossip, life))}
}

// announce says what the station is, so that gossip has a record of it.
func (w *World) announce(h *host) {
	if w.scenario.Gossip {
		w.command(h, node.DescribeCommand{Key: w.station, Name: "Simulated", Genre: "various", Codec: 1,
			KBPS: uint16(w.scenario.BitrateBPS / kbit)})
	}
}

// restartBoxes is what a restart of routers does, or other addresses from the provider.
func (w *World) restartBoxes(victims []*host, moved bool) {
	if w.nat == nil {
		return
	}
	done := map[int32]bool{}
	for _, h := range victims {
		i := w.nat.realms[h.realm].gates[0]
		if i < 0 || done[i] {
			continue
		}
		done[i] = true
		if !moved || w.nat.outer[i] != public {
			w.nat.boxes[i].flush(true)
			continue
		}
		w.nat.moved++
		w.nat.move(int(i), w.publicAddr(w.nat.moved))
	}
}
