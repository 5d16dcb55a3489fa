// SPDX-License-Identifier: MIT

package reach_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/reach"
)

const rtt = 30 * time.Millisecond

// A box translates, for one node behind it. It forgets after lifetime.
type box struct {
	outside           netip.Addr // zero: nothing is translated
	mapping, filter   reach.Behaviour
	preserve          bool
	step              int // 0: random, unless ports are preserved
	others            int // ports that other flows take, at most, between two mappings
	lifetime          time.Duration
	port              int
	random            *rand.Rand
	mappings, permits []entry
}

type entry struct {
	to   netip.AddrPort
	port uint16
	used mono.Time

	local uint16 // port of a mapping; of permits 0
}

// covers reports whether an entry for one remote end holds for another.
func covers(b reach.Behaviour, of, a netip.AddrPort) bool {
	switch b {
	case reach.EndpointIndependent:
		return true
	case reach.AddressDependent:
		return of.Addr() == a.Addr()
	default:
		return of == a
	}
}

// out sends something, and returns where it comes from.
func (b *box) out(now mono.Time, local, to netip.AddrPort) netip.AddrPort {
	b.permits = append(b.permits, entry{to: to, used: now})
	if !b.outside.IsValid() {
		return local
	}
	for i := range b.mappings {
		if e := &b.mappings[i]; e.local == local.Port() && covers(b.mapping, e.to, to) && now.Sub(e.used) < b.lifetime {
			e.used = now
			return netip.AddrPortFrom(b.outside, e.port)
		}
	}
	port := local.Port()
	switch {
	case b.preserve:
	case b.step > 0:
		b.port += b.step
		if b.others > 0 {
			b.port += b.step * b.random.IntN(b.others+1)
		}
		port = uint16(b.port)
	default:
		port = uint16(1024 + b.random.IntN(60000))
	}
	b.mappings = append(b.mappings, entry{to, port, now, local.Port()})
	return netip.AddrPortFrom(b.outside, port)
}

// admits reports whether something from an address comes in.
func (b *box) admits(now mono.Time, from netip.AddrPort) bool {
	for _, e := range b.permits {
		if covers(b.filter, e.to, from) && now.Sub(e.used) < b.lifetime {
			return true
		}
	}
	return false
}

// A rig is an Observer behind a box, among hosts of different networks.
type rig struct {
	t     *testing.T
	o     *reach.Observer
	now   mono.Time
	box   *box
	local netip.AddrPort
	hosts int // met so far
}

// The world's hosts: each its own /16; testers have peers that the node never contacts.
func host(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20 + byte(i>>8), byte(i), 7, 7}), 8466)
}

func unmet(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{150 + byte(i>>8), byte(i), 9, 9}), 8466)
}

var (
	homeAddr    = netip.MustParseAddrPort("192.168.1.10:8466")
	outsideAddr = netip.MustParseAddr("93.184.216.34")
)

func newRig(t *testing.T, b box) *rig {
	r := &rig{t: t, box: &b, now: mono.Time(time.Hour), local: homeAddr}
	b.random = rand.New(rand.NewPCG(1, 2))
	r.box = &b
	if b.lifetime == 0 {
		b.lifetime = 2 * time.Minute
	}
	b.port = 20000
	if !b.outside.IsValid() {
		r.local = netip.AddrPortFrom(outsideAddr, 8466)
	}
	r.o = reach.NewObserver(r.now)
	r.o.SetLocal(r.now, []netip.Addr{r.local.Addr(), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fe80::1")}, r.local.Port())
	return r
}

// wait lets time pass, and does what is due; tests of the filter are granted when tested.
func (r *rig) wait(d time.Duration, tested bool) {
	end := r.now.Add(d)
	for step := 100 * time.Millisecond; r.now < end; {
		r.now = min(r.now.Add(step), end)
		if r.now >= r.o.Deadline() {
			r.o.Advance(r.now)
		}
		if tested && r.o.WantsProbe(r.now) {
			r.test(host(r.hosts%3), unmet(r.hosts))
			r.hosts++
		}
	}
}

// ask sends something to a host, whose answer says where it came from.
func (r *rig) ask(to netip.AddrPort) {
	r.o.Contacted(r.now, to)
	you := r.box.out(r.now, r.local, to)
	r.wait(rtt, false)
	r.o.Seen(r.now, to, you)
}

// askMany asks hosts, some a second.
func (r *rig) askMany(first, n int) {
	for i := range n {
		r.ask(host(first + i))
		r.wait(200*time.Millisecond, false)
	}
}

// come is a datagram from somewhere, when the box lets it in.
func (r *rig) come(from netip.AddrPort) (stranger bool) {
	return r.box.admits(r.now, from) && r.o.Arrived(r.now, from)
}

// test is a test of the filter, by a tester and a peer of its.
func (r *rig) test(tester, other netip.AddrPort) {
	r.o.ProbeSentTo(r.now, tester)
	r.o.Contacted(r.now, tester)
	r.box.out(r.now, r.local, tester)
	for _, from := range []netip.AddrPort{other, netip.AddrPortFrom(tester.Addr(), 40000)} {
		if r.box.admits(r.now, from) {
			r.o.Arrived(r.now, from)
			r.o.Probed(r.now, from)
		}
	}
}

func (r *rig) standing() reach.Standing { return r.o.Standing(r.now) }

func (r *rig) want(what string, ok func(reach.Standing) bool) {
	r.t.Helper()
	if s := r.standing(); !ok(s) {
		r.t.Fatalf("%s: %+v", what, s)
	}
}
