// SPDX-License-Identifier: MIT

package reach_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/reach"
	"streamer/internal/wire"
)

func TestHeldAndLost(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.askMany(0, 3)
	const s = time.Second
	for _, c := range []struct {
		from                 string
		idle                 time.Duration
		lost                 bool
		lifetime, expiryWant time.Duration
	}{
		{"20.0.7.7:8466", 20 * s, false, 20 * s, 0},
		{"20.0.7.7:8466", 10 * s, false, 20 * s, 0},
		{"192.168.1.4:8466", 60 * s, false, 20 * s, 0},
		{"192.168.1.4:8466", 10 * s, true, 20 * s, 0},
		{"20.0.7.7:8466", 90 * s, true, 20 * s, 90 * s},
		{"20.0.7.7:8466", 95 * s, true, 20 * s, 90 * s},
		{"20.0.7.7:8466", 40 * s, false, 40 * s, 90 * s},
		{"20.0.7.7:8466", 30 * s, true, 0, 30 * s}, // the worse word is believed
		{"20.0.7.7:8466", 31 * s, false, 31 * s, 0},
	} {
		if from := netip.MustParseAddrPort(c.from); c.lost {
			r.o.Lost(from, c.idle)
		} else {
			r.o.Held(from, c.idle)
		}
		r.want("lifetime", func(s reach.Standing) bool { return s.Lifetime == c.lifetime && s.Expiry == c.expiryWant })
	}
}

// measuring brings a node behind a NAT that forgets after some time, with four open peers that it is linked with.
func (w *town) measuring(lifetime time.Duration, kind reach.Behaviour) (*party, []*party) {
	hosts := w.openHosts([]int{1, 2, 3, 4}, 1)
	home := func() *box {
		return &box{outside: netip.MustParseAddr("20.99.0.1"), mapping: kind, filter: reach.AddressPortDependent, step: 1}
	}
	a := w.addAt("a", netip.MustParseAddrPort("192.168.1.2:8466"), home(), func(c *reach.Config) { c.Aside = true })
	a.aside = home()
	a.aside.random, a.aside.port = w.random, 40000
	a.box.lifetime, a.aside.lifetime = lifetime, lifetime
	for _, h := range hosts {
		w.link(a, h)
	}
	return a, hosts
}

// The lifetime of mappings is found within a step, for few datagrams, whatever the NAT does with ports.
func TestMeasureLifetime(t *testing.T) {
	for _, c := range []struct {
		nat, held, lost, keepalive time.Duration // seconds
	}{
		{5, 0, 8, 4}, {10, 8, 13, 5}, {15, 13, 18, 8}, {20, 18, 28, 12}, {30, 28, 40, 18}, {60, 55, 110, 25}, {120, 110, 170, 25},
		{180, 170, 290, 25}, {300, 290, 0, 25}, {1800, 290, 0, 25},
	} {
		for _, kind := range []reach.Behaviour{eim, adm, apdm} {
			w := newTown(t)
			a, hosts := w.measuring(c.nat*time.Second, kind)
			since := len(w.log)
			w.run(30 * time.Minute)
			s := a.Observer().Standing(w.now)
			if s.Verdict != reach.VerdictHidden || s.Lifetime != c.held*time.Second || s.Expiry != c.lost*time.Second {
				t.Errorf("%v, NAT of %d s: %v, held %v, lost %v", kind, c.nat, s.Verdict, s.Lifetime, s.Expiry)
			}
			sent, waits := 0, w.count(since, wire.TypeWait, a, nil)
			tokens := map[string]bool{}
			for i := range w.log[since:] {
				if l := &w.log[since+i]; l.typ == wire.TypeWait {
					tokens[string(l.data[:8])] = true
				} else if l.typ == punchLetter && tokens[string(l.data)] {
					sent++
				}
			}
			if waits > 24 || sent > 60 {
				t.Errorf("%v, NAT of %d s: %d requests, %d datagrams", kind, c.nat, waits, sent)
			}
			for _, p := range a.proxies() {
				if got := a.Keepalive(w.now, a.id(p)); got/time.Second != c.keepalive {
					t.Errorf("NAT of %d s: keepalives each %v", c.nat, got)
				}
				if got := p.Keepalive(w.now, p.id(a)); got != reach.KeepaliveMax {
					t.Errorf("a proxy's own keepalives: each %v", got)
				}
			}
			if len(a.proxies()) == 0 || len(hosts[0].Sizes()) == 0 || hosts[0].Sizes()["waits"][0] != 0 {
				t.Errorf("proxies %v, waits %v", a.proxies(), hosts[0].Sizes()["waits"])
			}
		}
	}
}

// A PUNCH that is lost, now and then, is not taken for a NAT that forgot; peers that say nothing show nothing.
func TestMeasureLifetimeWithLoss(t *testing.T) {
	w := newTown(t)
	w.lose = func(l *letter) bool { return l.typ == punchLetter && w.random.IntN(5) == 0 }
	a, _ := w.measuring(100*time.Second, eim)
	w.run(time.Hour)
	if s := a.Observer().Standing(w.now); s.Lifetime != 55*time.Second || s.Expiry != 110*time.Second {
		t.Errorf("held %v, lost %v", s.Lifetime, s.Expiry)
	}

	w = newTown(t)
	w.lose = func(l *letter) bool { return l.typ == wire.TypeWaited || l.typ == punchLetter }
	a, _ = w.measuring(100*time.Second, eim)
	since := len(w.log)
	w.run(4 * time.Hour)
	if s := a.Observer().Standing(w.now); s.Lifetime != 0 || s.Expiry != 0 {
		t.Errorf("nobody answers: held %v, lost %v", s.Lifetime, s.Expiry)
	}
	if n := w.count(since, wire.TypeWait, a, nil); n > 60 {
		t.Errorf("nobody answers: %d requests in 4 hours", n)
	}
}

// Who waits for others sends to the asker's host only, no more than came, and for few at once.
func TestWaitsAreBounded(t *testing.T) {
	w := newTown(t)
	h := w.openHosts([]int{1}, 1)[0]
	var askers []*party
	for i := range 40 {
		a := w.add("asker", inNetwork(2+i, 0), nil)
		a.node[1] = byte(i)
		w.link(a, h)
		askers = append(askers, a)
	}
	w.run(time.Second)
	for i, a := range askers {
		for j := range 20 {
			m := wire.Wait{Token: wire.PunchToken{byte(i), byte(j)}, Seconds: 8}
			h.HandleMessage(w.now, h.id(a), wire.TypeWait, m.Append(nil)[1:], &h.out)
		}
	}
	if got := h.Sizes()["waits"]; got[0] > got[1] {
		t.Fatalf("%d waits", got[0])
	}
	h.punches = nil
	victim := netip.MustParseAddrPort("9.9.9.9:53")
	own := netip.AddrPortFrom(askers[0].addr.Addr(), 777)
	for range 100 {
		for j := range 20 {
			token := wire.PunchToken{0, byte(j)}
			h.HandlePunch(w.now, victim, wire.Punch{Token: token}, &h.out)
			h.HandlePunch(w.now, own, wire.Punch{Token: token}, &h.out)
		}
	}
	h.collect()
	w.run(time.Minute)
	h.punches = slices.DeleteFunc(h.punches, func(p reach.Punch) bool { return p.Aside })
	if len(h.punches) == 0 || len(h.punches) > 8+3 {
		t.Errorf("%d PUNCHes", len(h.punches))
	}
	for _, p := range h.punches {
		if p.To != own {
			t.Errorf("a PUNCH to %v", p.To)
		}
	}
	if n := h.Sizes()["waits"][0]; n != 0 {
		t.Errorf("%d waits stay", n)
	}
}

// What a tester asks of the second port ends a measurement: it may keep the mapping.
func TestMeasurementDisturbed(t *testing.T) {
	w := newTown(t)
	a, hosts := w.measuring(30*time.Second, eim)
	w.wait(time.Minute, "measures", func() bool { return w.count(0, wire.TypeWait, a, nil) > 0 })
	w.run(10 * time.Second)
	at := w.now
	for w.now.Sub(at) < 70*time.Second {
		m := wire.ProbeMe{Token: wire.PunchToken{9}}
		a.HandleMessage(w.now, a.id(hosts[0]), wire.TypeProbeMe, m.Append(nil)[1:], &a.out)
		a.collect()
		w.run(20 * time.Second)
	}
	if s := a.Observer().Standing(w.now); s.Lifetime != 0 || s.Expiry != 0 {
		t.Errorf("disturbed: held %v, lost %v", s.Lifetime, s.Expiry)
	}
	w.run(20 * time.Minute)
	if s := a.Observer().Standing(w.now); s.Lifetime != 28*time.Second || s.Expiry != 40*time.Second {
		t.Errorf("held %v, lost %v", s.Lifetime, s.Expiry)
	}
}
