// SPDX-License-Identifier: MIT

package reach_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// A town is the Reaches of a few nodes, some behind boxes, with links between them. Time, loss and order are the test's.
type town struct {
	t      testing.TB
	now    mono.Time
	random *rand.Rand
	folk   []*party
	post   []letter
	log    []letter // all that was sent
	lose   func(l *letter) bool
	late   func(l *letter) time.Duration // beside hop

	strangers int
}

// hop is one way, between any two.
const hop = 20 * time.Millisecond

// A letter is a message of a link, or a datagram outside of links: a PUNCH, or a HELLO for somebody.
type letter struct {
	at       mono.Time
	seq      int
	from, to *party
	typ      byte // of a message; punchLetter, helloLetter
	data     []byte
	src, dst netip.AddrPort
	hello    identity.NodeID
}

const (
	punchLetter = 0xf0
	helloLetter = 0xf1
)

// A party is one node.
type party struct {
	*reach.Reach
	town  *town
	name  string
	node  identity.NodeID
	home  netip.AddrPort // its own
	addr  netip.AddrPort // where others see it, if that is the same for all
	box   *box
	aside *box // what the box is for the second port; nil: what arrives there is dropped
	ties  []tie
	last  reach.PeerID
	mute  bool // it says nothing by itself
	extra []extra
	ports uint16 // further ones, so far
	calls []call
	out   reach.Output

	dials   []reach.Dial
	failed  []identity.NodeID
	idle    []reach.PeerID
	links   []wire.Host
	carry   []reach.Request
	punches []reach.Punch
	hosts   int // times that hosts were wanted
	changes int
	met     map[identity.NodeID]mono.Time
}

// An extra is a further port: tried, or kept.
type extra struct {
	port  uint16
	to    netip.AddrPort
	token wire.PunchToken
	kept  bool
}

// A tie is one side of a link.
type tie struct {
	id reach.PeerID
	to *party
	at netip.AddrPort
}

// A call is a dial under way: HELLOs that make a link when one arrives.
type call struct {
	reach.Dial
	tries int
	next  mono.Time
}

func newTown(t testing.TB) *town {
	return &town{t: t, now: mono.Time(time.Hour), random: rand.New(rand.NewPCG(3, 4))}
}

// add brings a node; with a box it is behind that.
func (w *town) add(name, addr string, b *box) *party {
	return w.addAt(name, netip.MustParseAddrPort(addr), b, func(*reach.Config) {})
}

func (w *town) addAt(name string, at netip.AddrPort, b *box, change func(*reach.Config)) *party {
	p := &party{town: w, name: name, home: at, addr: at, box: b, met: map[identity.NodeID]mono.Time{}}
	copy(p.node[:], name)
	p.node[31] = 1
	cfg := reach.Config{Self: p.node, Rand: rand.New(rand.NewPCG(uint64(len(w.folk)), 5)), Carries: true}
	change(&cfg)
	p.Reach = reach.New(w.now, cfg)
	if b != nil {
		b.random, b.port, b.lifetime = w.random, 20000, 2*time.Minute
		if b.outside.IsValid() {
			p.addr = netip.AddrPortFrom(b.outside, at.Port())
		}
	}
	p.Observer().SetLocal(w.now, []netip.Addr{at.Addr()}, at.Port())
	w.folk = append(w.folk, p)
	return p
}

// hide brings a node with a firewall: nobody comes in to whom it has sent nothing.
func (w *town) hide(name, addr string) *party {
	return w.add(name, addr, &box{filter: reach.AddressPortDependent})
}

// open has a stranger come in, so that the node knows that it is public.
func (p *party) open() *party {
	w := p.town
	w.strangers++
	p.Observer().Arrived(w.now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{7, 7, byte(w.strangers >> 8), byte(w.strangers)}), 7))
	return p
}

// link makes a link, at the addresses that others see.
func (w *town) link(a, b *party) {
	seenA, seenB := a.addr, b.addr
	if a.box != nil {
		seenA = a.box.out(w.now, a.home, seenB)
	}
	if b.box != nil {
		seenB = b.box.out(w.now, b.home, seenA)
	}
	w.linkAt(a, b, seenA, seenB)
}

func (w *town) linkAt(a, b *party, seenA, seenB netip.AddrPort) {
	if a.tie(b) != nil {
		return
	}
	a.up(b, seenB)
	b.up(a, seenA)
	a.collect()
	b.collect()
}

func (p *party) up(other *party, at netip.AddrPort) {
	p.last++
	p.ties = append(p.ties, tie{p.last, other, at})
	p.calls = slices.DeleteFunc(p.calls, func(c call) bool { return c.Node == other.node })
	p.met[other.node] = p.town.now
	p.PeerUp(p.town.now, p.last, other.node, at, &p.out)
}

// cut ends a link; what is under way is lost.
func (w *town) cut(a, b *party) {
	for _, p := range []struct{ p, other *party }{{a, b}, {b, a}} {
		if t := p.p.tie(p.other); t != nil {
			p.p.PeerDown(t.id)
			p.p.ties = slices.DeleteFunc(p.p.ties, func(o tie) bool { return o.to == p.other })
		}
	}
}

func (p *party) tie(to *party) *tie {
	for i := range p.ties {
		if p.ties[i].to == to {
			return &p.ties[i]
		}
	}
	return nil
}

// id is the party's number for a peer.
func (p *party) id(of *party) reach.PeerID {
	if t := p.tie(of); t != nil {
		return t.id
	}
	return 0
}

// collect takes what a call wants done, and spoils the memory.
func (p *party) collect() {
	w := p.town
	if p.mute {
		p.out.Reset()
		return
	}
	for _, m := range p.out.Messages {
		b := bytes.Clone(p.out.Bytes(m))
		if i := slices.IndexFunc(p.ties, func(t tie) bool { return t.id == m.To }); i >= 0 {
			w.send(letter{from: p, to: p.ties[i].to, typ: b[0], data: b[1:]})
		} else {
			w.t.Errorf("%s: a message for link %d, which is not there", p.name, m.To)
		}
		clear(p.out.Bytes(m))
	}
	for _, x := range p.out.Extras {
		p.extras(x)
	}
	for _, d := range p.out.Punches {
		p.punches = append(p.punches, d)
		src := p.from(d.To)
		if d.Aside {
			src = netip.AddrPortFrom(src.Addr(), src.Port()+1)
		} else if !p.Guesses(d.To.Addr()) {
			p.Observer().Contacted(w.now, d.To)
		}
		p.throw(letter{typ: punchLetter, src: src, dst: d.To, data: d.Token[:]})
	}
	for _, d := range p.out.Dials {
		p.dials = append(p.dials, d)
		p.calls = slices.DeleteFunc(p.calls, func(c call) bool { return c.Dial == d })
		p.calls = append(p.calls, call{Dial: d, next: w.now})
	}
	p.failed = append(p.failed, p.out.Failed...)
	p.idle = append(p.idle, p.out.Idle...)
	p.links = append(p.links, p.out.Links...)
	p.carry = append(p.carry, p.out.Carry...)
	if p.out.Hosts[reach.FamilyAny]+p.out.Hosts[reach.FamilyIPv4]+p.out.Hosts[reach.FamilyIPv6] > 0 {
		p.hosts++
	}
	if p.out.Changed {
		p.changes++
	}
	p.out.Reset()
	p.call()
}

// call sends the HELLOs that are due.
func (p *party) call() {
	for i := range p.calls {
		if c := &p.calls[i]; p.town.now >= c.next {
			c.next = p.town.now.Add(250 * time.Millisecond << c.tries)
			if c.tries++; c.tries > 5 {
				c.next = mono.Never
			}
			if !p.Guesses(c.Addr.Addr()) {
				p.Observer().Contacted(p.town.now, c.Addr)
			}
			p.throw(letter{typ: helloLetter, src: p.from(c.Addr), dst: c.Addr, hello: c.Node})
		}
	}
}

// extras opens and closes further ports.
func (p *party) extras(x reach.Extra) {
	if x.Ports == 0 {
		p.extra = slices.DeleteFunc(p.extra, func(o extra) bool { return o.to == x.To && !(x.Keep && o.kept) })
	}
	for range x.Ports {
		p.ports++
		o := extra{port: 30000 + p.ports, to: x.To, token: x.Token}
		p.extra = append(p.extra, o)
		p.throw(letter{typ: punchLetter, src: netip.AddrPortFrom(p.home.Addr(), o.port), dst: x.To, data: x.Token[:]})
	}
}

// from is where the party sends from to an address.
func (p *party) from(to netip.AddrPort) netip.AddrPort {
	for _, o := range p.extra {
		if o.kept && o.to == to {
			return netip.AddrPortFrom(p.home.Addr(), o.port)
		}
	}
	return p.home
}

// takes reports whether the port to which a datagram comes takes it.
func (p *party) takes(port uint16, l *letter) bool {
	if port <= 30000 {
		return true
	}
	i := slices.IndexFunc(p.extra, func(o extra) bool { return o.port == port && o.to == l.src })
	if i < 0 || !p.extra[i].kept && (l.typ != punchLetter || !bytes.Equal(l.data, p.extra[i].token[:])) {
		return false
	}
	p.extra[i].kept = true
	p.extra = slices.DeleteFunc(p.extra, func(o extra) bool { return o.to == l.src && !o.kept })
	return true
}

// throw sends a datagram through the party's box.
func (p *party) throw(l letter) {
	l.from = p
	switch {
	case p.aside != nil && l.src.Port() == p.home.Port()+1:
		l.src = p.aside.out(p.town.now, l.src, l.dst)
	case p.box != nil:
		l.src = p.box.out(p.town.now, l.src, l.dst)
	}
	p.town.send(l)
}

func (w *town) send(l letter) {
	l.seq, l.at = len(w.log), w.now.Add(hop)
	w.log = append(w.log, l)
	w.log[l.seq].data = bytes.Clone(l.data)
	if w.lose != nil && w.lose(&l) {
		return
	}
	if w.late != nil {
		l.at = l.at.Add(w.late(&l))
	}
	w.post = append(w.post, l)
}

// run lets time pass.
func (w *town) run(d time.Duration) {
	end := w.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 2_000_000 {
			w.t.Fatal("the town does not come to rest")
		}
		next := end
		for _, p := range w.folk {
			next = min(next, p.deadline())
		}
		if len(w.post) > 0 {
			if i := w.first(); w.post[i].at <= next {
				l := w.post[i]
				w.post = slices.Delete(w.post, i, i+1)
				w.now = max(w.now, l.at)
				w.deliver(l)
				continue
			}
		}
		w.now = max(w.now, next)
		if next >= end {
			return
		}
		for _, p := range w.folk {
			if p.deadline() <= w.now {
				p.Advance(w.now, &p.out)
				p.collect()
				if d := p.deadline(); d <= w.now {
					w.t.Fatalf("%s: deadline %d is not after %d", p.name, d, w.now)
				}
			}
		}
	}
}

func (p *party) deadline() mono.Time {
	d := p.Deadline()
	for i := range p.calls {
		d = min(d, p.calls[i].next)
	}
	return d
}

func (w *town) first() int {
	first := 0
	for i := range w.post {
		if cmp.Or(cmp.Compare(w.post[i].at, w.post[first].at), w.post[i].seq-w.post[first].seq) < 0 {
			first = i
		}
	}
	return first
}

func (w *town) deliver(l letter) {
	if l.typ < punchLetter {
		t := l.to.tie(l.from)
		if t == nil {
			return // the link is gone
		}
		if rest, err := l.to.HandleMessage(w.now, t.id, l.typ, l.data, &l.to.out); err != nil || len(rest) > 0 {
			w.t.Errorf("%s cannot read %x from %s: %v, %d bytes left", l.to.name, l.data, l.from.name, err, len(rest))
		}
		clear(l.data)
		l.to.collect()
		return
	}
	for _, p := range w.folk {
		if p.aside != nil && l.typ == punchLetter && p.aside.arrives(w.now, l.src, l.dst) {
			p.HandleAside(w.now, l.src, wire.PunchToken(l.data))
			p.collect()
			return
		}
		if port, ok := p.receives(l.src, l.dst); !ok || !p.takes(port, &l) {
			continue
		}
		if !p.Guesses(l.src.Addr()) {
			p.Observer().Arrived(w.now, l.src)
		}
		if l.typ == punchLetter {
			p.HandlePunch(w.now, l.src, wire.Punch{Token: wire.PunchToken(l.data)}, &p.out)
			p.collect()
		} else if l.hello == p.node {
			w.linkAt(l.from, p, l.src, l.dst)
		}
		return
	}
}

// receives reports whether a datagram arrives, and at which of the party's ports.
func (p *party) receives(src, dst netip.AddrPort) (port uint16, ok bool) {
	if p.box == nil {
		return 0, dst == p.addr
	}
	if !p.box.outside.IsValid() {
		return 0, dst == p.addr && p.box.admits(p.town.now, src)
	}
	return p.box.receives(p.town.now, src, dst)
}

// receives reports whether a datagram passes inwards, and to which port.
func (b *box) receives(now mono.Time, src, dst netip.AddrPort) (port uint16, ok bool) {
	if dst.Addr() != b.outside {
		return 0, false
	}
	for _, m := range b.mappings {
		if m.port == dst.Port() && now.Sub(m.used) < b.lifetime &&
			(b.mapping == reach.EndpointIndependent && b.admits(now, src) ||
				b.mapping != reach.EndpointIndependent && covers(b.filter, m.to, src)) {
			return m.local, true
		}
	}
	return 0, false
}

func (b *box) arrives(now mono.Time, src, dst netip.AddrPort) bool {
	_, ok := b.receives(now, src, dst)
	return ok
}

// count is how many letters of a type were sent since the log had so many entries; to nil: to anybody.
func (w *town) count(since int, typ byte, from, to *party) int {
	n := 0
	for i := range w.log[since:] {
		if l := &w.log[since+i]; l.typ == typ && (from == nil || l.from == from) && (to == nil || l.to == to) {
			n++
		}
	}
	return n
}

// wait lets time pass until something holds.
func (w *town) wait(most time.Duration, what string, holds func() bool) time.Duration {
	w.t.Helper()
	for begun := w.now; ; w.run(10 * time.Millisecond) {
		if holds() {
			return w.now.Sub(begun)
		}
		if w.now.Sub(begun) > most {
			w.t.Fatalf("%s: not after %v", what, most)
		}
	}
}

// hosts of different networks, and of the same one.
func inNetwork(network, i int) string {
	return fmt.Sprintf("20.%d.%d.%d:8466", network, i/200, 1+i%200)
}

func standing(m wire.Standing) []byte { return m.Append(nil)[1:] }

// parseStanding reads a STANDING that was sent.
func (l *letter) standing(t testing.TB) wire.Standing {
	m, _, err := wire.ParseStanding(l.data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tag(i int) (t wire.StationTag) {
	return wire.StationTag(binary.BigEndian.Uint64([]byte{9, 9, 9, 9, 9, 9, byte(i >> 8), byte(i)}))
}
