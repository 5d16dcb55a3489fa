// SPDX-License-Identifier: MIT

package reach_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// kinds are the boxes that RFC 4787 tells apart, nil for a node with nothing before it.
var kinds = []struct {
	name string
	box  *box
}{
	{"open", nil},
	{"firewall", &box{filter: reach.AddressPortDependent}},
	{"full cone", &box{outside: outsideAddr, mapping: reach.EndpointIndependent, filter: reach.EndpointIndependent}},
	{"restricted", &box{outside: outsideAddr, mapping: reach.EndpointIndependent, filter: reach.AddressDependent}},
	{"port-restricted", &box{outside: outsideAddr, mapping: reach.EndpointIndependent, filter: reach.AddressPortDependent}},
	{"in order", &box{outside: outsideAddr, mapping: reach.AddressPortDependent, filter: reach.AddressPortDependent, step: 1}},
	{"in twos", &box{outside: outsideAddr, mapping: reach.AddressPortDependent, filter: reach.AddressPortDependent, step: 2, others: 1}},
	{"random", &box{outside: outsideAddr, mapping: reach.AddressPortDependent, filter: reach.AddressPortDependent}},
}

// dwell brings a node behind a box of a kind, in a network of its own.
func (w *town) dwell(name string, network, kind int) *party {
	k := kinds[kind].box
	if k == nil || !k.outside.IsValid() {
		p := w.add(name, inNetwork(network, 0), nil)
		if k != nil {
			p = w.hide(name+"'", inNetwork(network, 1))
		}
		return p
	}
	b := *k
	b.outside = netip.MustParseAddrPort(inNetwork(network, 0)).Addr()
	return w.addAt(name, netip.MustParseAddrPort(fmt.Sprintf("192.168.%d.2:8466", network)), &b, func(*reach.Config) {})
}

// learn has a node ask hosts at other addresses, which say where they see it.
func (p *party) learn(n int) {
	for range n {
		p.town.strangers++
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{40, byte(p.town.strangers), 7, 7}), 8466)
		p.Observer().Contacted(p.town.now, to)
		you := p.home
		if p.box != nil {
			you = p.box.out(p.town.now, p.home, to)
		}
		p.Observer().Seen(p.town.now, to, you)
		p.town.run(200 * time.Millisecond)
	}
}

// meet asks via for an introduction.
func (p *party) meet(via, target *party) {
	p.Meet(p.town.now, p.id(via), target.node, target.addr, &p.out)
	p.collect()
}

// trio is an introducer with links to an asker and a target of some kinds.
func trio(t *testing.T, asker, target int) (w *town, i, a, b *party) {
	w = newTown(t)
	w.lose = func(l *letter) bool { return l.typ == wire.TypeProbe } // they are to be strangers
	i = w.add("introducer", inNetwork(1, 0), nil).open()
	a, b = w.dwell("asker", 2, asker), w.dwell("target", 3, target)
	w.link(a, i)
	w.link(b, i)
	w.run(5 * time.Second)
	for _, p := range []*party{a, b} {
		p.learn(6)
		p.addr = i.tie(p).at
	}
	return w, i, a, b
}

// Who can meet does, in one and a half round trips where nothing has to be guessed.
func TestIntroductions(t *testing.T) {
	const seven = 7 // random
	for i, asker := range kinds {
		for j, target := range kinds {
			t.Run(asker.name+" asks for "+target.name, func(t *testing.T) {
				w, via, a, b := trio(t, i, j)
				begun, since := w.now, len(w.log)
				a.meet(via, b)
				w.run(8 * time.Second)
				met, ok := a.met[b.node]
				hard := func(k, o int) bool { // k has another port for everybody, o lets nobody in but from where it sent to
					return k >= 5 && o >= 4
				}
				could := !hard(i, j) && !hard(j, i) ||
					i < 5 && (j == 5 || j == 6) || j < 5 && (i == 5 || i == 6) // predicted
				if firewall := 1; i == firewall && j == seven || j == firewall && i == seven {
					could = false // it has a filter for each port, too
				}
				if ok != could {
					t.Fatalf("met: %v, want %v\n%s", ok, could, w.story(since))
				}
				easy := i < 5 && j < 5
				if took := met.Sub(begun); ok && (took > 300*time.Millisecond || easy && took > 3*hop) {
					t.Errorf("they met after %v", took)
				}
				if a.Meets(b.node) || len(a.failed) > 0 == ok {
					t.Errorf("afterwards: %v, failed %v", a.Meets(b.node), a.failed)
				}
				if i >= 5 && j >= 5 && i < seven && j < seven && a.counted()+b.counted() > 2*8 {
					t.Errorf("%d and %d PUNCHes where guessing is no use", a.counted(), b.counted())
				}
				if n := len(a.punches) + len(b.punches); easy && n > 8+2*6 { // and tests of the filter
					t.Errorf("%d PUNCHes", n)
				}
			})
		}
	}
}

// story is the log in words.
func (w *town) story(since int) (s string) {
	for i := range w.log[since:] {
		l := &w.log[since+i]
		to := l.dst.String()
		if l.to != nil {
			to = l.to.name
		}
		s += fmt.Sprintf("%7v %s (%v) to %s: %x %x\n", l.at.Sub(w.log[since].at), l.from.name, l.src, to, l.typ, l.data)
	}
	return s
}

// Each letter of an introduction is lost in turn, and they meet nevertheless.
func TestIntroductionLoses(t *testing.T) {
	for lost := range 16 {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			w, i, a, b := trio(t, 4, 4)
			n := 0
			w.lose = func(l *letter) bool {
				if l.typ == wire.TypeStanding || l.typ == wire.TypeProbeMe || l.typ == wire.TypeProbe {
					return false
				}
				n++
				return n-1 == lost
			}
			begun := w.now
			a.meet(i, b)
			w.run(4 * time.Second)
			if met := a.met[b.node]; met == 0 || met.Sub(begun) > 350*time.Millisecond || len(a.failed) > 0 {
				t.Errorf("met after %v, failed %v", met.Sub(begun), a.failed)
			}
		})
	}
}

// Both ask for each other at the same moment, through one introducer or two, and have one link.
func TestBothAsk(t *testing.T) {
	for _, two := range []bool{false, true} {
		w, i, a, b := trio(t, 4, 4)
		via := i
		if two {
			via = w.add("another", inNetwork(4, 0), nil)
			w.link(a, via)
			w.link(b, via)
		}
		w.run(time.Second)
		a.meet(i, b)
		b.meet(via, a)
		a.meet(via, b) // the same again, or through the other
		if w.run(200 * time.Millisecond); a.met[b.node] == 0 || a.Meets(b.node) || b.Meets(a.node) {
			t.Errorf("met at %d", a.met[b.node])
		}
		sinceA, sinceB := len(a.punches), len(b.punches)
		w.run(8 * time.Second)
		if len(a.failed)+len(b.failed) > 0 || len(a.ties) != len(b.ties) {
			t.Errorf("failed: %v, %v", a.failed, b.failed)
		}
		for _, p := range append(slices.Clone(a.punches[sinceA:]), b.punches[sinceB:]...) {
			if !p.Aside {
				t.Errorf("a PUNCH to %v after they met", p.To)
			}
		}
	}
}

// An introduction that comes to nothing is told once, in time, whatever the reason.
func TestIntroductionFails(t *testing.T) {
	stranger := identity.NodeID{1, 2, 3}
	for _, c := range []struct {
		name string
		do   func(w *town, i, a, b *party)
		most time.Duration
		want identity.NodeID // zero: the target
	}{
		{"unknown target", func(w *town, i, a, _ *party) {
			a.Meet(w.now, a.id(i), stranger, netip.AddrPort{}, &a.out)
		}, 2 * hop, stranger},
		{"target is gone", func(w *town, i, a, b *party) {
			w.cut(i, b)
			a.meet(i, b)
		}, 2 * hop, identity.NodeID{}},
		{"target goes in the middle", func(w *town, i, a, b *party) {
			a.meet(i, b)
			w.run(hop + time.Millisecond)
			w.cut(i, b)
		}, 4100 * time.Millisecond, identity.NodeID{}},
		{"introducer is gone", func(w *town, i, a, b *party) {
			w.cut(i, a)
			a.Meet(w.now, 1, b.node, b.addr, &a.out)
		}, time.Millisecond, identity.NodeID{}},
		{"introducer goes in the middle", func(w *town, i, a, b *party) {
			a.meet(i, b)
			w.cut(i, a)
		}, 260 * time.Millisecond, identity.NodeID{}},
		{"introducer is silent", func(w *town, i, a, b *party) {
			w.lose = func(l *letter) bool { return l.from == i }
			a.meet(i, b)
		}, 4 * time.Second, identity.NodeID{}},
		{"the node itself", func(w *town, i, a, _ *party) {
			a.Meet(w.now, a.id(i), a.node, netip.AddrPort{}, &a.out)
		}, time.Millisecond, identity.NodeID{'a', 's', 'k', 'e', 'r', 31: 1}},
		{"the introducer", func(w *town, i, a, _ *party) {
			a.Meet(w.now, a.id(i), identity.NodeID{}, netip.AddrPort{}, &a.out)
			a.failed = append(a.failed[:0], a.out.Failed...)
			a.out.Reset()
		}, time.Millisecond, identity.NodeID{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, i, a, b := trio(t, 7, 7)
			begun := w.now
			c.do(w, i, a, b)
			a.collect()
			want := c.want
			if want.IsZero() && c.name != "the introducer" {
				want = b.node
			}
			w.wait(c.most, "it fails", func() bool { return len(a.failed) > 0 })
			t.Logf("after %v", w.now.Sub(begun))
			w.run(10 * time.Second)
			if !slices.Equal(a.failed, []identity.NodeID{want}) || a.Meets(want) {
				t.Errorf("failed: %v, meets %v", a.failed, a.Meets(want))
			}
		})
	}
}

// A node asks for 32 introductions at once; more fail at once, and afterwards there is room.
func TestMeetingsMax(t *testing.T) {
	w, i, a, _ := trio(t, 4, 4)
	w.lose = func(l *letter) bool { return l.from == i }
	for n := range 2 * reach.MeetingsMax {
		a.Meet(w.now, a.id(i), identity.NodeID{8, byte(n)}, netip.AddrPort{}, &a.out)
		a.collect()
	}
	if len(a.failed) != reach.MeetingsMax {
		t.Errorf("%d fail at once", len(a.failed))
	}
	w.run(5 * time.Second)
	if n := w.count(0, wire.TypeIntroduce, a, nil); n != 4*reach.MeetingsMax || len(a.failed) != 2*reach.MeetingsMax {
		t.Errorf("%d INTRODUCEs, %d failed", n, len(a.failed))
	}
	if size := a.Sizes()["meetings"][0]; size != 0 {
		t.Errorf("%d are under way", size)
	}
}

// What is said again since answers are lost is not another introduction; said without end it is.
func TestIntroduceAgain(t *testing.T) {
	w, i, a, _ := trio(t, 4, 4)
	w.lose = func(l *letter) bool { return l.from == i || l.typ == wire.TypeProbe }
	since := len(w.log)
	for n := range reach.AskerBurst {
		p := w.hide(fmt.Sprint("target", n), inNetwork(50+n, 0))
		w.link(p, i)
		a.meet(i, p)
	}
	w.run(5 * time.Second)
	if c := i.Counts(); c.Made != reach.AskerBurst || c.Refused != 0 || w.count(since, wire.TypeIntroduced, i, nil) != 4*reach.AskerBurst {
		t.Errorf("%+v, %d INTRODUCEDs", c, w.count(since, wire.TypeIntroduced, i, nil))
	}
	w.run(time.Minute)
	since = len(w.log)
	target := w.folk[len(w.folk)-1].node
	for range 1000 {
		m := wire.Introduce{Token: wire.PunchToken{1}, Target: target}
		i.HandleMessage(w.now, i.id(a), wire.TypeIntroduce, m.Append(nil)[1:], &i.out)
		i.collect()
	}
	if n := w.count(since, wire.TypeIntroduced, i, nil); n < 4 || n > 4+reach.AskerBurst {
		t.Errorf("%d INTRODUCEDs", n)
	}
}

// With several introducers asked, it has failed when the last has.
func TestSeveralIntroducers(t *testing.T) {
	w, i, a, b := trio(t, 7, 7)
	j, k := w.add("second", inNetwork(4, 0), nil).open(), w.add("third", inNetwork(5, 0), nil).open()
	w.link(a, j) // they know nobody
	w.link(a, k)
	w.run(2 * time.Second)
	a.MeetThroughOpen(w.now, b.node, b.addr, &a.out)
	a.collect()
	w.run(100 * time.Millisecond)
	if n := w.count(0, wire.TypeIntroduce, a, nil); n != 2 {
		t.Errorf("%d INTRODUCEs", n)
	}
	w.run(5 * time.Second)
	a.failed = nil
	a.meet(j, b) // at once unknown there
	a.meet(i, b)
	if w.run(100 * time.Millisecond); len(a.failed) > 0 || !a.Meets(b.node) {
		t.Errorf("failed %v", a.failed)
	}
	if w.run(5 * time.Second); !slices.Equal(a.failed, []identity.NodeID{b.node}) {
		t.Errorf("failed %v", a.failed)
	}
	for _, p := range []*party{i, j, k} {
		w.cut(a, p)
	}
	a.MeetThroughOpen(w.now, b.node, b.addr, &a.out)
	if len(a.out.Messages) > 0 || a.Meets(b.node) {
		t.Error("nobody is there to be asked")
	}
}

// Each is told an address of the other that means something where it is, or nothing.
func TestIntroductionAddresses(t *testing.T) {
	for _, c := range []struct {
		asker, target string
		made          bool
	}{
		{"20.2.0.1:1", "20.3.0.1:1", true},
		{"[2a00::1]:1", "[2a01::1]:1", true},
		{"192.168.1.2:1", "192.168.1.3:1", true},
		{"10.0.0.2:1", "192.168.1.3:1", true}, // one network may have both
		{"[fd00::2]:1", "[fd00::3]:1", true},
		{"[fe80::2]:1", "[fe80::3]:1", true},
		{"100.64.0.2:1", "100.64.9.3:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", true},
		{"20.2.0.1:1", "[2a01::1]:1", false},
		{"[2a00::1]:1", "20.3.0.1:1", false},
		{"20.2.0.1:1", "192.168.1.3:1", false},
		{"192.168.1.2:1", "20.3.0.1:1", false},
		{"[2a00::1]:1", "[fd00::3]:1", false},
		{"[fe80::2]:1", "[2a00::1]:1", false},
		{"[fe80::2]:1", "[fd00::1]:1", false},
		{"100.64.0.2:1", "20.3.0.1:1", false},
		{"20.2.0.1:1", "100.64.0.2:1", false},
		{"192.168.1.2:1", "100.64.0.2:1", false},
		{"127.0.0.1:1", "192.168.1.2:1", false},
		{"192.168.1.2:1", "127.0.0.1:1", false},
		{"[::1]:1", "[fd00::1]:1", false},
		{"[fe80::2%eth0]:1", "[fe80::3%eth0]:1", false},
		{"20.2.0.1:1", "[fe80::3%eth0]:1", false},
	} {
		t.Run(c.asker+" "+c.target, func(t *testing.T) {
			w := newTown(t)
			i := w.add("introducer", inNetwork(1, 0), nil)
			asker, target := netip.MustParseAddrPort(c.asker), netip.MustParseAddrPort(c.target)
			a, b := w.addAt("asker", asker, nil, func(*reach.Config) {}), w.addAt("target", target, nil, func(*reach.Config) {})
			near := func(of netip.AddrPort) netip.AddrPort { // an address of the introducer where such a node sees it
				return netip.AddrPortFrom(of.Addr(), 99)
			}
			w.linkAt(a, i, asker, near(asker))
			w.linkAt(b, i, target, near(target))
			since := len(w.log)
			a.meet(i, b)
			w.run(4 * time.Second)
			told := w.count(since, wire.TypeIntroduced, i, b)
			punched := slices.ContainsFunc(b.punches, func(p reach.Punch) bool { return !p.Aside })
			if made := a.met[b.node] != 0; made != c.made || told > 0 != c.made || punched && !c.made {
				t.Errorf("met: %v, %d INTRODUCEDs, PUNCHes: %v", made, told, punched)
			}
		})
	}
}

// What an introducer may not say is not believed: an address of another kind than its own, the asker's own, and a second one.
func TestIntroducersWord(t *testing.T) {
	token := wire.PunchToken{5}
	other := identity.NodeID{1, 2, 3}
	for _, c := range []struct {
		name string
		m    wire.Introduced
		want bool
	}{
		{"as it should be", wire.Introduced{Asker: other, Addr: netip.MustParseAddrPort("20.77.0.1:5")}, true},
		{"another family", wire.Introduced{Asker: other, Addr: netip.MustParseAddrPort("[2a00::1]:5")}, false},
		{"the LAN", wire.Introduced{Asker: other, Addr: netip.MustParseAddrPort("192.168.1.1:5")}, false},
		{"this machine", wire.Introduced{Asker: other, Addr: netip.MustParseAddrPort("127.0.0.1:5")}, false},
		{"the provider's network", wire.Introduced{Asker: other, Addr: netip.MustParseAddrPort("100.64.0.1:5")}, false},
		{"itself", wire.Introduced{Asker: identity.NodeID{'i', 31: 1}, Addr: netip.MustParseAddrPort("20.77.0.1:5")}, false},
		{"the target", wire.Introduced{Asker: identity.NodeID{'b', 31: 1}, Addr: netip.MustParseAddrPort("20.77.0.1:5")}, false},
		{"a peer", wire.Introduced{Asker: identity.NodeID{'p', 31: 1}, Addr: netip.MustParseAddrPort(inNetwork(9, 0))}, false},
		{"a peer that moved", wire.Introduced{Asker: identity.NodeID{'p', 31: 1}, Addr: netip.MustParseAddrPort(inNetwork(10, 0))}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t)
			i, b, p := w.hide("i", inNetwork(1, 0)), w.hide("b", inNetwork(2, 0)), w.hide("p", inNetwork(9, 0))
			w.link(i, b)
			w.link(p, b)
			w.run(10 * time.Second)
			c.m.Token = token
			for range 3 {
				b.HandleMessage(w.now, b.id(i), wire.TypeIntroduced, c.m.Append(nil)[1:], &b.out)
				b.collect()
				w.run(5 * time.Second / 4)
			}
			w.run(5 * time.Second)
			if n := b.punched(token); n != 0 && !c.want || n != 8 && c.want {
				t.Errorf("%d PUNCHes", n)
			}
		})
	}
}

// An introducer that says that the target is in a network of its own, or has none of the address's family, is not believed.
func TestIntroducedElsewhere(t *testing.T) {
	for _, at := range []string{"192.168.1.1:5", "127.0.0.1:631", "[2a00::1]:5", "100.64.0.1:5"} {
		w, i, a, b := trio(t, 4, 4)
		w.lose = func(l *letter) bool { return l.from == i || l.typ == wire.TypeProbe }
		a.meet(i, b)
		m := wire.Introduction{Addr: netip.MustParseAddrPort(at), Ports: wire.Ports{Base: 9, Step: 1}}
		copy(m.Token[:], w.log[len(w.log)-1].data)
		a.HandleMessage(w.now, a.id(i), wire.TypeIntroduction, m.Append(nil)[1:], &a.out)
		a.collect()
		if len(a.dials) > 0 || a.punched(m.Token) > 0 || len(a.failed) != 1 {
			t.Errorf("%s: dials %v, failed %v", at, a.dials, a.failed)
		}
	}
}

// Once a PUNCH has come the target is told, and is not told again.
func TestPunchEndsAsking(t *testing.T) {
	for _, punches := range []bool{true, false} {
		w, i, a, b := trio(t, 4, 4)
		since := len(w.log)
		w.lose = func(l *letter) bool {
			return l.typ == helloLetter || !punches && l.typ == punchLetter || l.typ == wire.TypeProbe
		}
		a.meet(i, b)
		w.run(5 * time.Second)
		if n := w.count(since, wire.TypeIntroduce, a, nil); n > 1 == punches {
			t.Errorf("PUNCHes arrive: %v, %d INTRODUCEs", punches, n)
		}
	}
}

// Nobody but the introducer and the target can say anything in an introduction, and they can say it four times.
func TestIntroductionForged(t *testing.T) {
	w, i, a, b := trio(t, 4, 4)
	x := w.add("x", inNetwork(66, 0), nil)
	for _, p := range []*party{i, a, b} {
		w.link(x, p)
	}
	w.run(time.Second)
	w.lose = func(l *letter) bool { return l.typ >= punchLetter || l.typ == wire.TypeIntroduced }
	a.meet(i, b)
	var token wire.PunchToken
	copy(token[:], w.log[len(w.log)-1].data)
	early := wire.Introduction{Token: token, Addr: netip.MustParseAddrPort("20.200.0.1:53")}.Append(nil)
	a.HandleMessage(w.now, a.id(x), early[0], early[1:], &a.out)
	a.collect()
	w.run(3 * hop)
	if len(a.dials) != 1 || a.dials[0].Addr != b.addr {
		t.Fatalf("dials %v", a.dials)
	}
	victim := netip.MustParseAddrPort("20.200.0.1:53")
	say := func(p *party, from *party, m func([]byte) []byte) {
		b := m(nil)
		p.HandleMessage(w.now, p.id(from), b[0], b[1:], &p.out)
		p.collect()
	}
	ports := wire.Ports{Base: 5000, Step: 1}
	wrong := token
	wrong[7] ^= 1
	before := a.punched(token)
	for _, m := range []wire.Introduction{
		{Token: token, Addr: victim, Ports: ports}, {Token: token, Status: wire.IntroductionRefused}, {Token: wrong, Addr: victim, Ports: ports},
	} {
		say(a, x, m.Append)
	}
	for _, from := range []netip.AddrPort{victim, x.addr} {
		a.HandlePunch(w.now, from, wire.Punch{Token: token}, &a.out)
		a.HandlePunch(w.now, b.addr, wire.Punch{Token: wrong}, &a.out)
	}
	a.collect()
	if len(a.dials) != 1 || !a.Meets(b.node) || a.punched(token) != before {
		t.Errorf("dials %v", a.dials)
	}
	other := netip.MustParseAddrPort("20.201.0.1:53")
	for range 20 { // the introducer itself lies: it is believed once that the target has moved
		say(a, i, wire.Introduction{Token: token, Addr: victim, Ports: ports}.Append)
		say(a, i, wire.Introduction{Token: token, Status: wire.IntroductionRefused}.Append)
		say(a, i, wire.Introduction{Token: token, Addr: other, Ports: ports}.Append)
		say(a, i, wire.Introduction{Token: token, Addr: b.addr, Ports: ports}.Append)
	}
	if slices.ContainsFunc(a.punches, func(p reach.Punch) bool { return p.To.Addr() == victim.Addr() }) {
		t.Error("PUNCHes go to a second address")
	}
	if n := a.punched(token) - before; len(a.dials) != 2 || a.dials[1].Addr != victim || n > 4*16 || !a.Meets(b.node) || len(a.failed) > 0 {
		t.Errorf("dials %v, %d PUNCHes", a.dials, n)
	}
	for n := range 40 { // the target shows up everywhere
		a.HandlePunch(w.now, netip.AddrPortFrom(b.addr.Addr(), uint16(1000+n)), wire.Punch{Token: token}, &a.out)
		a.collect()
	}
	if len(a.dials) > 18 {
		t.Errorf("%d dials", len(a.dials))
	}

	since := len(w.log)
	for range 20 {
		say(i, x, wire.Ready{Token: token, Ports: ports}.Append) // not the target
		say(i, b, wire.Ready{Token: wrong, Ports: ports}.Append)
	}
	if n := w.count(since, wire.TypeIntroduction, i, a); n != 0 {
		t.Errorf("%d forged READYs are passed on", n)
	}
	for range 20 {
		say(i, b, wire.Ready{Token: token, Ports: ports}.Append)
	}
	if n := w.count(since, wire.TypeIntroduction, i, a); n != 4 {
		t.Errorf("%d READYs are passed on", n)
	}
}

// The target's PUNCHes go to the asker's address, and to few others even if the asker shows up everywhere.
func TestOpening(t *testing.T) {
	w := newTown(t)
	i, b := w.hide("i", inNetwork(1, 0)), w.hide("b", inNetwork(2, 0))
	w.link(i, b)
	w.run(20 * time.Second)
	m := wire.Introduced{Token: wire.PunchToken{5}, Asker: identity.NodeID{1}, Addr: netip.MustParseAddrPort("20.77.0.1:1000"),
		Ports: wire.Ports{Base: 1010, Step: 2}}
	begun := w.now
	b.HandleMessage(w.now, b.id(i), wire.TypeIntroduced, m.Append(nil)[1:], &b.out)
	var times []time.Duration
	for n := 0; w.now.Sub(begun) < 3*time.Second; {
		b.collect()
		if got := b.punched(m.Token); got > n {
			n = got
			times = append(times, w.now.Sub(begun))
		}
		w.run(10 * time.Millisecond)
	}
	same := len(times) == 8
	for k, ms := range []int{0, 20, 60, 140, 300, 600, 1000, 1600} {
		late := time.Duration(0)
		if same {
			late = times[k] - time.Duration(ms)*time.Millisecond
		}
		same = same && late >= 0 && late <= 10*time.Millisecond
	}
	if !same || b.punched(m.Token) != 8+3*16 {
		t.Errorf("%d PUNCHes, at %v", b.punched(m.Token), times)
	}
	var ports []int
	for _, p := range b.punches {
		if p.Token == m.Token && p.To.Port() != 1000 && !slices.Contains(ports, int(p.To.Port())) {
			ports = append(ports, int(p.To.Port()))
		}
	}
	if len(ports) != 16 || ports[0] != 1010-2*3 || ports[15] != 1010+2*12 {
		t.Errorf("to the ports %v", ports)
	}
	for n := range 40 {
		b.HandlePunch(w.now, netip.AddrPortFrom(m.Addr.Addr(), uint16(2000+n)), wire.Punch{Token: m.Token}, &b.out)
		b.HandlePunch(w.now, netip.AddrPortFrom(i.addr.Addr(), uint16(2000+n)), wire.Punch{Token: m.Token}, &b.out)
		b.collect()
	}
	if slices.ContainsFunc(b.punches, func(p reach.Punch) bool { return p.Token == m.Token && p.To.Addr() != m.Addr.Addr() }) {
		t.Error("a PUNCH from elsewhere is answered")
	}
	if n := b.punched(m.Token); n != 8+3*16+4 {
		t.Errorf("%d PUNCHes", n)
	}
	w.run(2 * time.Second)
	if size := b.Sizes()["openings"][0]; size != 0 {
		t.Errorf("%d openings are left", size)
	}
	for _, p := range []wire.Ports{{Base: 2, Step: 1}, {Base: 65530, Step: 1}, {Base: 65530, Step: 127}, {Base: 1, Step: -128}, {Base: 5}} {
		m.Token[0]++
		m.Ports = p
		b.HandleMessage(w.now, b.id(i), wire.TypeIntroduced, m.Append(nil)[1:], &b.out)
		b.collect()
		w.run(2 * time.Second)
		if n := b.punched(m.Token); n < 8 || n > 8+3*16 || p.Step == 0 && n != 8 {
			t.Errorf("%v: %d PUNCHes", p, n)
		}
		for _, o := range b.punches {
			if port := int(o.To.Port()); o.Token == m.Token && port != 1000 && (port-int(p.Base))*int(p.Step) < -3*int(p.Step)*int(p.Step) {
				t.Errorf("%v: a PUNCH to port %d", p, port)
			}
		}
	}
	for _, p := range b.punches {
		if !wire.ValidAddr(p.To) {
			t.Errorf("a PUNCH to %v", p.To)
		}
	}
}

// However it went, in the end nothing is under way and nothing is due but the regular look.
func TestIntroductionsComeToRest(t *testing.T) {
	w := newTown(t)
	i := w.add("introducer", inNetwork(1, 0), nil).open()
	var folk []*party
	for n := range 24 {
		p := w.dwell(fmt.Sprint("p", n), 2+n, n%len(kinds))
		w.link(p, i)
		folk = append(folk, p)
	}
	w.run(3 * time.Second)
	w.lose = func(*letter) bool { return w.random.IntN(5) == 0 }
	for range 300 {
		a, b := folk[w.random.IntN(len(folk))], folk[w.random.IntN(len(folk))]
		a.meet(i, b)
		if w.random.IntN(10) == 0 {
			w.cut(a, i)
		} else if a.tie(i) == nil {
			w.link(a, i)
		}
		if w.random.IntN(20) == 0 {
			w.cut(a, b)
		}
		w.run(time.Duration(w.random.IntN(300)) * time.Millisecond)
	}
	w.run(5 * time.Second)
	met := 0
	for _, p := range append(folk, i) {
		met += len(p.met)
		for what, size := range p.Sizes() {
			if size[0] > size[1] || size[0] > 0 && (what == "meetings" || what == "openings") {
				t.Errorf("%s has %d %s", p.name, size[0], what)
			}
		}
		if d := p.Deadline(); d == mono.Never || d <= w.now || d.Sub(w.now) > 500*time.Millisecond {
			t.Errorf("%s: deadline in %v", p.name, d.Sub(w.now))
		}
	}
	if met < 100 {
		t.Errorf("%d met", met)
	}
}
