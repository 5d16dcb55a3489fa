// SPDX-License-Identifier: MIT

package reach_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// Figures of docs/results/introductions-hostile.md: go test ./internal/reach -run TestHostile -v

// onTheLine are the bytes of an IPv4 packet around a PUNCH.
const onTheLine = wire.PunchBytes + 28

var victim = netip.MustParseAddrPort("20.200.0.1:53")

// mob brings peers of a node that obey nobody, each in a network of its own; the test speaks for them.
func (w *town) mob(of *party, n int, name string) (list []*party) {
	for i := range n {
		p := w.hide(fmt.Sprint(name, " ", i), inNetwork(100+i%100, i/100))
		w.folk = w.folk[:len(w.folk)-1]
		p.mute = true
		w.linkAt(p, of, p.addr, of.addr)
		list = append(list, p)
	}
	return list
}

// say has a peer say something to a node, at once.
func (p *party) say(to *party, m func([]byte) []byte) int {
	b := m(nil)
	w := p.town
	if rest, err := to.HandleMessage(w.now, to.id(p), b[0], b[1:], &to.out); err != nil || len(rest) > 0 {
		w.t.Fatalf("%x: %v", b, err)
	}
	to.collect()
	return len(b)
}

func numbered(i int) (t wire.PunchToken) {
	return wire.PunchToken{0xfe, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
}

// Introducers name a victim's address as the asker's, as fast as they like, for a minute: what one node sends there.
func TestHostileIntroducers(t *testing.T) {
	t.Log("| introducers | of these proxies | ports predicted | addresses | lies | PUNCHes in a minute | in any second | bytes/s | factor |")
	for _, c := range []struct {
		introducers, proxies int
		ports                bool
		victims              int // of one /24
		second, minute       int // PUNCHes at most
	}{
		{1, 0, false, 1, 100, 1300},
		{1, 0, true, 1, 500, 3000},
		{10, 0, false, 1, 130, 1300},
		{10, 0, true, 1, 500, 3000},
		{10, 0, true, 250, 1200, 8000},
		{1, 1, false, 250, 260, 1300},
		{30, 0, true, 1, 500, 3000},
		{30, 3, true, 1, 500, 3000},
		{30, 3, true, 250, 1500, 11000},
	} {
		w := newTown(t)
		b := w.hide("target", inNetwork(1, 0))
		liars := w.mob(b, c.introducers, "liar")
		w.run(10 * time.Second)
		for i := range c.proxies {
			liars[i].say(b, wire.Standing{Open: true, Seq: 1, You: b.addr}.Append)
			liars[i].say(b, wire.Standing{Open: true, Kept: true, Seq: 2, You: b.addr}.Append)
		}
		lies, told, most, before := 0, 0, 0, len(b.punches)
		var perSecond [80]int
		begun := w.now
		for w.now.Sub(begun) < time.Minute {
			for i, l := range liars {
				m := wire.Introduced{Token: numbered(lies), Asker: identity.NodeID{1, byte(lies), byte(lies >> 8)}, Addr: victim}
				if c.ports {
					m.Ports = wire.Ports{Base: 30000, Step: 1}
				}
				if c.victims > 1 {
					m.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 200, 0, byte(lies % c.victims)}), 53)
				}
				lies++
				told += l.say(b, m.Append)
				_ = i
			}
			now := len(b.punches)
			w.run(20 * time.Millisecond)
			perSecond[w.now.Sub(begun)/time.Second] += len(b.punches) - now
		}
		w.run(5 * time.Second)
		if n := len(b.Proxies(nil)); n != c.proxies {
			t.Fatalf("%d proxies", n)
		}
		punches := 0
		for _, p := range b.punches[before:] {
			if !p.Aside {
				punches++
			}
		}
		for _, n := range perSecond {
			most = max(most, n)
		}
		t.Logf("| %d | %d | %v | %d | %d | %d | %d | %d | %.2f |", c.introducers, c.proxies, c.ports, c.victims, lies, punches, most,
			punches*onTheLine/60, float64(punches*onTheLine)/float64(told))
		if punches > c.minute || most > c.second || punches == 0 {
			t.Errorf("%d PUNCHes, %d in a second", punches, most)
		}
	}
}

// A cautious liar says no more than what is heeded: what one introduction makes a node send, against what it costs to say.
func TestHostileFactor(t *testing.T) {
	for _, c := range []struct {
		ports bool
		pause time.Duration // between lies
		want  float64       // at most, without any bytes around the lie
	}{{false, time.Second, 6}, {true, 2 * time.Second, 45}} {
		w := newTown(t)
		b := w.hide("target", inNetwork(1, 0))
		liar := w.mob(b, 1, "liar")[0]
		w.run(10 * time.Second)
		before, told := b.counted(), 0
		for i := range 60 {
			m := wire.Introduced{Token: numbered(i), Asker: identity.NodeID{1, byte(i)}, Addr: victim}
			if c.ports {
				m.Ports = wire.Ports{Base: 30000, Step: 1}
			}
			told += liar.say(b, m.Append)
			w.run(c.pause)
		}
		sent := b.counted() - before
		factor := float64(sent*onTheLine) / float64(told)
		t.Logf("ports %v: %d PUNCHes, %d bytes for each of 60 lies of %d bytes; factor %.1f, %.1f with a packet around each", c.ports, sent/60,
			sent*onTheLine/60, told/60, factor, float64(sent*onTheLine)/float64(told+60*(28+wire.DataBytesMin)))
		if factor > c.want {
			t.Errorf("factor %.1f", factor)
		}
	}
}

// counted is how many PUNCHes went out that no test of the filter asked for.
func (p *party) counted() (n int) {
	for i := range p.punches {
		if !p.punches[i].Aside {
			n++
		}
	}
	return n
}

// While liars flood a hidden node with introductions, those by its proxies are made all the same.
func TestHostileIntroducersAndProxies(t *testing.T) {
	for _, c := range []struct{ liars, turns int }{{0, 1}, {1, 1}, {5, 1}, {30, 1}, {100, 1}, {100, 20}, {400, 20}} {
		liars := c.liars
		w := newTown(t)
		b := w.hide("target", inNetwork(1, 0))
		proxy := w.add("proxy", inNetwork(2, 0), nil).open()
		other := w.hide("another", inNetwork(3, 0))
		w.lose = func(l *letter) bool { return l.typ == wire.TypeProbe } // else that opens the way
		w.run(time.Second)
		w.link(b, proxy)
		w.link(b, other)
		w.run(2 * time.Second)
		mob := w.mob(b, liars, "liar")
		var met, asked [2]int
		lies, turn := 0, 0
		flood := func(d time.Duration) {
			for end := w.now.Add(d); w.now < end; w.run(50 * time.Millisecond) {
				turn++
				for i, l := range mob {
					if (turn+i)%c.turns != 0 {
						continue
					}
					lies++
					m := wire.Introduced{Token: numbered(lies), Asker: identity.NodeID{1, byte(lies), byte(lies >> 8)},
						Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 201, byte(lies >> 8), byte(lies)}), 53)}
					l.say(b, m.Append)
				}
			}
		}
		flood(15 * time.Second)
		for i := range 20 {
			for k, via := range []*party{proxy, other} {
				a := w.hide(fmt.Sprint("asker ", i, k), inNetwork(10+i, k))
				w.link(a, via)
				flood(100 * time.Millisecond)
				a.meet(via, b)
				asked[k]++
				flood(time.Second)
				if a.met[b.node] != 0 {
					met[k]++
				}
				w.cut(a, b)
				w.cut(a, via)
			}
		}
		t.Logf("| %d liars | %d a second each | %d of %d met through a proxy | %d of %d through others |", liars, 20/c.turns, met[0], asked[0], met[1], asked[1])
		if met[0] < asked[0] {
			t.Errorf("%d liars: %d of %d met through a proxy", liars, met[0], asked[0])
		}
	}
}

// While clients of a proxy flood it, it introduces the others.
func TestHostileAskers(t *testing.T) {
	t.Log("| flooding peers | each, a second | others' introductions made | refused | INTRODUCEDs a second |")
	for _, c := range []struct{ mob, rate int }{{0, 0}, {1, 100}, {10, 100}, {50, 20}, {300, 5}, {1000, 1}} {
		w := newTown(t)
		proxy := w.add("proxy", inNetwork(1, 0), nil).open()
		w.run(time.Second)
		mob := w.mob(proxy, c.mob, "flood")
		w.lose = func(l *letter) bool { return l.typ == wire.TypeProbe }
		target := w.hide("target", inNetwork(2, 0))
		w.link(target, proxy)
		var askers []*party
		for i := range 40 {
			askers = append(askers, w.hide(fmt.Sprint("asker", i), inNetwork(10+i, 0)))
			w.link(askers[i], proxy)
		}
		w.run(2 * time.Second)
		asks, since := 0, len(w.log)
		begun := w.now
		made := 0
		for round := range 600 { // of 100 ms
			for i, p := range mob {
				if c.rate >= 10 || (round+i)%(10/c.rate) == 0 {
					for range max(1, c.rate/10) {
						asks++
						p.say(proxy, wire.Introduce{Token: numbered(asks), Target: target.node}.Append)
					}
				}
			}
			if round%15 == 0 {
				a := askers[round/15%len(askers)]
				a.meet(proxy, target)
			}
			w.run(100 * time.Millisecond)
		}
		w.run(5 * time.Second)
		for _, a := range askers {
			if a.met[target.node] != 0 {
				made++
			}
		}
		told := w.count(since, wire.TypeIntroduced, proxy, nil)
		t.Logf("| %d | %d | %d of %d | %d | %.1f |", c.mob, c.rate, made, len(askers), proxy.Counts().Refused,
			float64(told)/w.now.Sub(begun).Seconds())
		if c.mob <= 10 && made < len(askers) {
			t.Errorf("%d flooding: %d of %d met", c.mob, made, len(askers))
		}
	}
}

// What else peers may have a node send to a victim.
func TestHostileProbes(t *testing.T) {
	for _, peers := range []int{1, 10, 100} {
		w := newTown(t)
		b := w.hide("node", inNetwork(1, 0))
		mob := w.mob(b, peers, "liar")
		w.run(10 * time.Second)
		before := b.counted()
		for i := range 600 {
			for _, l := range mob {
				l.say(b, wire.Probe{Token: numbered(i), Addr: victim}.Append)
			}
			w.run(100 * time.Millisecond)
		}
		n := b.counted() - before
		t.Logf("| PROBE | %d peers | %d PUNCHes in a minute |", peers, n)
		if n > 6*peers || n > 700 {
			t.Errorf("%d PUNCHes", n)
		}
	}
}

// A peer that talks without end about how it stands gets an answer to each word, and costs nobody else anything.
func TestHostileStandings(t *testing.T) {
	w := newTown(t)
	b := w.add("node", inNetwork(1, 0), nil).open()
	w.run(time.Second)
	mob := w.mob(b, 1, "babbler")
	other := w.hide("other", inNetwork(2, 0))
	w.link(other, b)
	w.run(10 * time.Second)
	since := len(w.log)
	said := 0
	for i := range 600 {
		for k := range 10 {
			said += mob[0].say(b, wire.Standing{Open: k%2 == 0, Keep: k%3 == 0, Kept: true, Carries: true, Seq: uint8(i+k) % 4, Ack: uint8(k) % 4,
				You: victim, Carried: []wire.StationTag{tag(k), tag(i)}}.Append)
		}
		w.run(100 * time.Millisecond)
	}
	answered := 0
	for i := range w.log[since:] {
		if l := &w.log[since+i]; l.from == b && l.to == mob[0] {
			answered += 1 + len(l.data)
		}
	}
	t.Logf("%d bytes are answered with %d", said, answered)
	if n := w.count(since, wire.TypeStanding, b, other); answered > said || n > 0 || other.proxies()[0] != b {
		t.Errorf("%d bytes for %d; %d STANDINGs to another", answered, said, n)
	}
	if s := b.Observer().Standing(w.now); s.Verdict != reach.VerdictPublic || s.Outside4.Addr() == victim.Addr() && s.Mapping != reach.BehaviourUnknown {
		t.Errorf("%+v", s)
	}
}
