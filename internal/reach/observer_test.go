// SPDX-License-Identifier: MIT

package reach_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/reach"
)

const (
	eim  = reach.EndpointIndependent
	adm  = reach.AddressDependent
	apdm = reach.AddressPortDependent
)

// Each kind of NAT is known for what it is, after a few asks and one round of tests.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		name string
		box  box
		want reach.Standing // without the outside address
	}{
		{"public", box{mapping: eim, filter: eim}, reach.Standing{Verdict: reach.VerdictPublic, Mapping: eim, Filtering: eim, PortKept: true}},
		{"firewall", box{mapping: eim, filter: apdm}, reach.Standing{Verdict: reach.VerdictHidden, Mapping: eim, Filtering: apdm, PortKept: true}},
		{"full cone", box{outside: outsideAddr, mapping: eim, filter: eim},
			reach.Standing{Verdict: reach.VerdictPublic, Translated: true, Mapping: eim, Filtering: eim}},
		{"address-restricted", box{outside: outsideAddr, mapping: eim, filter: adm},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: eim, Filtering: adm}},
		{"port-restricted", box{outside: outsideAddr, mapping: eim, filter: apdm},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: eim, Filtering: apdm}},
		{"port-restricted, ports kept", box{outside: outsideAddr, mapping: eim, filter: apdm, preserve: true},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: eim, Filtering: apdm, PortKept: true}},
		{"symmetric, in order", box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 1},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: apdm, Step: 1}},
		{"symmetric, in order among others", box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 1, others: 4},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: apdm, Step: 1}},
		{"symmetric, every other port", box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 2},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: apdm, Step: 2}},
		{"symmetric, random", box{outside: outsideAddr, mapping: apdm, filter: apdm},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: apdm, Random: true}},
		{"symmetric, address-restricted", box{outside: outsideAddr, mapping: apdm, filter: adm},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: adm, Random: true}},
		{"address-dependent mapping", box{outside: outsideAddr, mapping: adm, filter: apdm},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: adm, Filtering: apdm, Random: true}},
		{"symmetric that lets all in", box{outside: outsideAddr, mapping: apdm, filter: eim},
			reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Filtering: eim, Random: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.box)
			if got := r.standing(); got != (reach.Standing{}) {
				t.Fatalf("at the start: %+v", got)
			}
			r.askMany(0, 6)
			for i := range 3 { // two nodes at one address
				r.ask(netip.AddrPortFrom(host(i).Addr(), 8470))
			}
			r.wait(15*time.Second, true)
			got := r.standing()
			if got.Outside4.Addr() != outsideAddr || got.Outside6.IsValid() {
				t.Errorf("outside %v, %v", got.Outside4, got.Outside6)
			}
			got.Outside4 = netip.AddrPort{}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// The next port is predicted, though other flows take some and one network lies.
func TestPredict(t *testing.T) {
	for _, c := range []struct {
		name   string
		step   int
		others int
		liar   bool
		near   int // how far off it may be
	}{
		{"alone", 1, 0, false, 0},
		{"by two", 2, 0, false, 0},
		{"among others", 1, 3, false, 3},
		{"with a liar", 1, 0, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: c.step, others: c.others})
			if _, _, ok := r.o.Predict(r.now); ok {
				t.Fatal("predicts what it does not know")
			}
			for i := range 6 {
				r.ask(host(i))
				if i%2 == 0 {
					r.o.Contacted(r.now, unmet(i)) // who never answers
					r.box.out(r.now, r.local, unmet(i))
				}
			}
			if c.liar {
				r.o.Contacted(r.now, host(50))
				r.box.out(r.now, r.local, host(50))
				r.o.Seen(r.now, host(50), netip.AddrPortFrom(outsideAddr, 3333))
			}
			base, step, ok := r.o.Predict(r.now)
			next := r.box.out(r.now, r.local, host(99)).Port()
			if off := int(next) - int(base); !ok || step != c.step || off < 0 || off > c.near*c.step {
				t.Errorf("base %d, step %d, %v; the next port was %d", base, step, ok, next)
			}
			r.wait(time.Minute, false)
			if _, _, ok := r.o.Predict(r.now); ok {
				t.Error("predicts from old samples")
			}
		})
	}
}

// A mapping that ended, to an address known for long, shows the order of ports too.
func TestPredictAgain(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 1, lifetime: 30 * time.Second})
	r.askMany(0, 6)
	r.wait(4*time.Minute, false)
	r.askMany(0, 6)
	base, step, ok := r.o.Predict(r.now)
	if next := r.box.out(r.now, r.local, host(99)).Port(); !ok || step != 1 || base != next {
		t.Errorf("base %d, step %d, %v; the next port was %d", base, step, ok, next)
	}
}

// Where something was sent there is a mapping: its port is known by its place in the order, before and after those that were seen.
func TestPredictFor(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 2})
	ports := map[netip.AddrPort]uint16{}
	send := func(to netip.AddrPort) {
		r.o.Contacted(r.now, to)
		ports[to] = r.box.out(r.now, r.local, to).Port()
	}
	r.askMany(0, 3)
	send(unmet(1))
	r.askMany(3, 3)
	send(unmet(2))
	send(unmet(3))
	for i := range 3 {
		if base, step, ok := r.o.PredictFor(r.now, unmet(1+i)); !ok || step != 2 || base != ports[unmet(1+i)] {
			t.Errorf("sent to before: %d, %d, %v; want %d", base, step, ok, ports[unmet(1+i)])
		}
	}
	base, step, ok := r.o.PredictFor(r.now, unmet(4))
	if next := r.box.out(r.now, r.local, unmet(4)).Port(); !ok || step != 2 || base != next {
		t.Errorf("not sent to: %d, %d, %v; want %d", base, step, ok, next)
	}
	r.wait(21*time.Second, false)
	r.o.Contacted(r.now, unmet(1))
	if base, _, ok := r.o.PredictFor(r.now, unmet(1)); ok {
		t.Errorf("predicts %d from old samples", base)
	}
}

// Old mappings say nothing about the order of new ones; the order ends at the last port; steps above 2 need more than a few.
func TestPredictEdges(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 1, lifetime: time.Hour})
	r.askMany(0, 6)
	r.wait(time.Minute, false)
	for i := range 6 {
		r.ask(host(5 - i))
	}
	r.askMany(6, 3)
	base, step, ok := r.o.Predict(r.now)
	if next := r.box.out(r.now, r.local, host(99)).Port(); !ok || step != 1 || base != next {
		t.Errorf("base %d, step %d, %v; the next port was %d", base, step, ok, next)
	}

	r = newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 1})
	r.box.port = 0xffff - 5
	r.askMany(0, 4)
	if base, step, ok := r.o.Predict(r.now); !ok || base != 0xffff || step != 1 {
		t.Errorf("the last port: %d, %d, %v", base, step, ok)
	}
	r.o.Contacted(r.now, unmet(1))
	if base, _, ok := r.o.Predict(r.now); ok {
		t.Errorf("after the last port: %d", base)
	}

	r = newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm, step: 3})
	r.askMany(0, 3)
	r.want("by three, seen twice", func(s reach.Standing) bool { return s.Step == 1 })
	r.askMany(3, 3)
	r.want("by three, seen often", func(s reach.Standing) bool { return s.Step == 3 })
}

// One network's word is a hint for where this node is, and nothing more.
func TestOneNetwork(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	for i := range 20 {
		r.ask(netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 0, 7, byte(i)}), 8466))
	}
	r.want("one network", func(s reach.Standing) bool { return s.Mapping == 0 && s.Outside4.Addr() == outsideAddr })
	r.ask(host(1))
	r.want("two networks", func(s reach.Standing) bool { return s.Mapping == eim })
}

// Liars move nothing, as long as more networks are honest.
func TestLiars(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("66.66.66.66:6666")
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: eim})
	r.askMany(0, 12)
	r.wait(10*time.Second, true)
	before := r.standing()
	if before.Verdict != reach.VerdictPublic {
		t.Fatalf("%+v", before)
	}
	lie := func(i int, you netip.AddrPort) {
		t.Helper()
		r.o.Contacted(r.now, unmet(200+i))
		r.o.Seen(r.now, unmet(200+i), you)
		if got := r.standing(); got != before {
			t.Fatalf("lie %d: %+v, was %+v", i, got, before)
		}
	}
	for i := range 4 {
		lie(i, elsewhere)
		lie(i, netip.AddrPortFrom(outsideAddr, uint16(7000+i)))
	}
	for range 100 { // one network is one vote, however many there are of it
		lie(3, elsewhere)
	}
	for _, you := range []string{"10.0.0.1:5", "127.0.0.1:5", "0.0.0.0:5", "255.255.255.255:1", "[2001:db9::1]:5", "[::ffff:93.184.216.34]:0"} {
		lie(1, netip.MustParseAddrPort(you))
	}
	r.o.Seen(r.now, netip.AddrPort{}, elsewhere)
	r.o.Seen(r.now, netip.MustParseAddrPort("10.1.1.1:5"), elsewhere)
	// Some that told the truth until now, with others between them.
	for i := range 5 {
		if i == 2 {
			r.o.Seen(r.now, host(11), before.Outside4)
		}
		r.o.Seen(r.now, host(i), elsewhere)
		if got := r.standing(); got != before {
			t.Fatalf("turned %d: %+v", i, got)
		}
	}
}

// What networks say, one after the other, and what follows from it.
func TestVotes(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	for _, c := range []struct {
		name    string
		says    []string
		mapping reach.Behaviour
		outside string
	}{
		{"nobody", nil, 0, "invalid AddrPort"},
		{"one", []string{"1.1.1.1:1"}, 0, "1.1.1.1:1"},
		{"two that agree", []string{"1.1.1.1:1", "1.1.1.1:1"}, eim, "1.1.1.1:1"},
		{"two that do not", []string{"1.1.1.1:1", "1.1.1.1:2"}, apdm, "1.1.1.1:1"},
		{"a liar first", []string{"6.6.6.6:6", "1.1.1.1:1", "1.1.1.1:1"}, eim, "1.1.1.1:1"},
		{"each another", []string{"1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:4"}, apdm, "1.1.1.1:1"},
		{"two agree by chance", []string{"1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:2", "1.1.1.1:4", "1.1.1.1:5"}, apdm, "1.1.1.1:1"},
		{"most agree no more", []string{"1.1.1.1:1", "1.1.1.1:1", "1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:4", "1.1.1.1:5"}, eim, "1.1.1.1:1"},
		{"few agree", []string{"1.1.1.1:1", "1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:4", "1.1.1.1:5"}, apdm, "1.1.1.1:1"},
		{"liars among others", []string{"6.6.6.6:6", "1.1.1.1:2", "6.6.6.6:6", "1.1.1.1:4", "1.1.1.1:5"}, apdm, "1.1.1.1:2"},
		{"many outside addresses", []string{"1.1.1.1:1", "1.1.1.2:2", "1.1.1.3:3", "1.1.1.4:4"}, apdm, "1.1.1.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := reach.NewObserver(0)
			for i, you := range c.says {
				o.Seen(mono.Time(i)*mono.Time(time.Second), host(i), at(you))
			}
			if s := o.Standing(mono.Time(time.Minute)); s.Mapping != c.mapping || s.Outside4.String() != c.outside {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A machine with the outside address may still be told of another port.
func TestOnlyPortTranslated(t *testing.T) {
	r := newRig(t, box{})
	for i := range 3 {
		r.o.Seen(r.now, host(i), netip.AddrPortFrom(outsideAddr, 7000))
	}
	r.want("another port", func(s reach.Standing) bool { return s.Translated && !s.PortKept })
}

// When all say something else, the node has moved: within a few words.
func TestOutsideChanges(t *testing.T) {
	for _, c := range []struct {
		name    string
		mapping reach.Behaviour
		addr    netip.Addr
		verdict reach.Verdict
	}{
		{"another address", eim, netip.MustParseAddr("81.2.69.142"), reach.VerdictUnknown},
		{"another port", eim, outsideAddr, reach.VerdictPublic}, // until it is tested
		{"symmetric, another address", apdm, netip.MustParseAddr("81.2.69.142"), reach.VerdictUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, box{outside: outsideAddr, mapping: c.mapping, filter: eim})
			r.askMany(0, 12)
			r.wait(10*time.Second, true)
			before := r.standing()
			r.box.mappings, r.box.permits, r.box.outside = nil, nil, c.addr
			for i := range 4 {
				r.o.Contacted(r.now, host(i))
				r.o.Seen(r.now, host(i), r.box.out(r.now, r.local, host(i)))
			}
			r.want("moved", func(s reach.Standing) bool {
				return s.Outside4 != before.Outside4 && s.Outside4.Addr() == c.addr && s.Verdict == c.verdict && s.Mapping == before.Mapping
			})
			r.wait(31*time.Second, false)
			if !r.o.WantsProbe(r.now) {
				t.Error("wants no test")
			}
		})
	}
}

// A node whose addresses change starts over; one that says the same again does not.
func TestLocalChanges(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: eim})
	r.askMany(0, 5)
	r.wait(10*time.Second, true)
	before := r.standing()
	again := []netip.Addr{netip.MustParseAddr("fe80::2"), netip.MustParseAddr("::1"), homeAddr.Addr(), homeAddr.Addr()}
	r.o.SetLocal(r.now, again, 8466)
	r.want("the same", func(s reach.Standing) bool { return s == before })
	r.o.SetLocal(r.now, []netip.Addr{netip.MustParseAddr("10.0.0.7")}, 8466)
	r.want("moved", func(s reach.Standing) bool { return s == reach.Standing{} })
	r.wait(1100*time.Millisecond, false)
	if !r.o.WantsProbe(r.now) {
		t.Error("wants no test")
	}
}

// What nobody says any more is not known after a while; votes go stale sooner.
func TestExpiry(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.askMany(0, 5)
	r.wait(29*time.Minute, false)
	r.want("half an hour less", func(s reach.Standing) bool { return s.Outside4.IsValid() && s.Mapping == eim })
	r.wait(2*time.Minute, false)
	r.want("half an hour more", func(s reach.Standing) bool { return !s.Outside4.IsValid() && s.Mapping == 0 })

	// Two that speak now outvote five that spoke long ago.
	r = newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.askMany(0, 5)
	r.wait(6*time.Minute, false)
	there := netip.MustParseAddrPort("81.2.69.142:99")
	r.o.Seen(r.now, unmet(1), there)
	r.want("one", func(s reach.Standing) bool { return s.Outside4.Addr() == outsideAddr })
	r.o.Seen(r.now, unmet(2), there)
	r.want("two", func(s reach.Standing) bool { return s.Outside4 == there })
}

// Whoever was contacted is no stranger, nor is who is near.
func TestStrangers(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: eim})
	r.o.SetLocal(r.now, []netip.Addr{homeAddr.Addr(), netip.MustParseAddr("2a00:1:2:3::1")}, 8466)
	r.askMany(0, 3)
	for _, from := range []string{
		"192.168.1.11:8466", "10.9.9.9:1", "172.16.0.1:1", "100.64.0.9:1", "127.0.0.1:5", "169.254.1.1:9", "224.0.0.1:5", "240.0.0.1:5",
		"0.0.0.0:5", "255.255.255.255:5", "93.184.216.34:50000", "[::1]:5", "[fe80::9%eth0]:5", "[fe80::9]:5", "[fd00::1]:5",
		"[2a00:1:2:3::99]:8466", "[::ffff:10.0.0.1]:6", "20.0.7.7:8466", "20.1.7.7:9", "[::ffff:20.0.7.7]:8466",
	} {
		if r.o.Arrived(r.now, netip.MustParseAddrPort(from)) {
			t.Errorf("%s passes for a stranger", from)
		}
	}
	r.o.Seen(r.now, host(2), netip.MustParseAddrPort("93.184.216.35:7"))
	if r.o.Arrived(r.now, netip.MustParseAddrPort("93.184.216.35:50000")) {
		t.Error("an address that may be another one of the same NAT passes for a stranger")
	}
	r.want("none of them", func(s reach.Standing) bool { return s.Verdict == 0 && s.Filtering == adm })
	if !r.o.Arrived(r.now, netip.MustParseAddrPort("20.0.7.8:8466")) {
		t.Error("a stranger is not known as one")
	}
	r.want("a stranger", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic && s.Filtering == eim })
	if r.o.Arrived(r.now, netip.MustParseAddrPort("20.0.7.8:9")) {
		t.Error("one who came before is a stranger again")
	}
	r.want("still", func(s reach.Standing) bool { return s.Filtering == eim })
	r.wait(11*time.Minute, false)
	r.o.Contacted(r.now, host(9)) // the filters take turns
	if r.o.Arrived(r.now, netip.MustParseAddrPort("20.0.7.8:8466")) || r.o.Arrived(r.now, host(0)) {
		t.Error("one who came 11 minutes ago is a stranger again")
	}
	if !r.o.Arrived(r.now, netip.MustParseAddrPort("[2a00:1:2:4::1]:8466")) {
		t.Error("a stranger of another LAN is not known as one")
	}
}

// What nobody saw is not known to be public: the stranger may stand behind the same NAT.
func TestStrangerBeforeOutside(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.o.Arrived(r.now, netip.AddrPortFrom(outsideAddr, 7000))
	r.want("unseen", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown })
	r.askMany(0, 3)
	r.want("a neighbour", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown && s.Filtering == 0 })
	// By now it is known whose address it is.
	r.o.Arrived(r.now, netip.AddrPortFrom(outsideAddr, 7001))
	r.want("hairpin", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown && s.Hairpin == reach.HairpinYes })
}

// However many addresses were contacted, none of the last 10 minutes passes for a stranger.
func TestContactsOverflow(t *testing.T) {
	for _, n := range []int{100, 2048, 4096, 50_000} {
		r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: eim})
		at := func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 16), byte(i >> 8), byte(i)}), 8466)
		}
		for i := range n {
			r.now += mono.Time(9 * time.Minute / time.Duration(n))
			r.o.Contacted(r.now, at(i))
		}
		for i := range n {
			if r.o.Arrived(r.now, at(i)) {
				t.Fatalf("%d contacts: %v passes for a stranger", n, at(i))
			}
		}
		known := 0
		for i := range 1000 {
			if r.o.Arrived(r.now, at(1<<20+i)) {
				known++
			}
		}
		t.Logf("%d contacts: %d strangers of 1,000 are known as such", n, known)
		if n <= 2048 && known < 950 {
			t.Errorf("%d contacts: only %d strangers of 1,000 are known as such", n, known)
		}
		r.wait(21*time.Minute, false)
		if !r.o.Arrived(r.now, at(0)) {
			t.Errorf("%d contacts: 21 minutes later still no stranger", n)
		}
	}
}

// A mapping by a router proves nothing; when strangers come in by it, others are told of it; it ends.
func TestMapped(t *testing.T) {
	mapped := netip.AddrPortFrom(outsideAddr, 8466)
	early := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm})
	early.o.SetMapped(early.now, mapped, time.Hour)
	if early.o.Arrived(early.now, netip.AddrPortFrom(outsideAddr, 9)) {
		t.Error("a neighbour passes for a stranger")
	}
	r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: apdm})
	r.askMany(0, 6)
	r.wait(15*time.Second, true)
	r.want("hidden", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden })
	r.o.SetMapped(r.now, mapped, 20*time.Minute)
	r.want("mapped", func(s reach.Standing) bool {
		return s.Verdict == reach.VerdictUnknown && s.Outside4 == mapped && !s.Carrier
	})
	r.o.Arrived(r.now, unmet(7))
	r.want("proven", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic && s.Outside4 == mapped })
	r.o.SetMapped(r.now, mapped, 20*time.Minute)
	r.want("renewed", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic })
	r.wait(21*time.Minute, false)
	r.want("expired", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown && s.Outside4 != mapped })

	r.o.SetMapped(r.now, netip.AddrPortFrom(outsideAddr, 9999), time.Hour)
	r.o.Arrived(r.now, unmet(8))
	r.want("proven again", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic })
	r.o.SetMapped(r.now, mapped, time.Hour)
	r.want("another port", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown })
	r.wait(35*time.Second, true)
	r.want("it does not work", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden && s.Outside4 != mapped })
	r.o.ClearMapped(r.now)
	r.want("cleared", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown })
}

func TestCarrier(t *testing.T) {
	for _, c := range []struct {
		name   string
		local  []string
		mapped string
		want   bool
	}{
		{"home", []string{"192.168.1.2"}, "", false},
		{"phone", []string{"100.72.1.2"}, "", true},
		{"a VPN beside", []string{"192.168.1.2", "100.72.1.2"}, "", false},
		{"router with a shared address", []string{"192.168.1.2"}, "100.72.1.2:8466", true},
		{"router behind another", []string{"192.168.1.2"}, "10.0.0.9:8466", true},
		{"router at another address than others see", []string{"192.168.1.2"}, "81.2.69.142:8466", true},
		{"router at the same", []string{"192.168.1.2"}, "93.184.216.34:8466", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
			var local []netip.Addr
			for _, a := range c.local {
				local = append(local, netip.MustParseAddr(a))
			}
			r.o.SetLocal(r.now, local, 8466)
			if c.mapped != "" {
				r.o.SetMapped(r.now, netip.MustParseAddrPort(c.mapped), time.Hour)
			}
			r.askMany(0, 3)
			r.want(c.name, func(s reach.Standing) bool { return s.Carrier == c.want })
		})
	}
}

// What comes of the tests of a round decides.
func TestOutcomes(t *testing.T) {
	tester, aside := host(0), netip.AddrPortFrom(host(0).Addr(), 40000)
	known, near := host(1), netip.AddrPortFrom(host(1).Addr(), 40001)
	for _, c := range []struct {
		name      string
		come      []netip.AddrPort
		verdict   reach.Verdict // of a node of which nothing was known
		filtering reach.Behaviour
		proven    reach.Verdict // of one that was public
	}{
		{"nothing", nil, reach.VerdictHidden, apdm, reach.VerdictHidden},
		{"the tester alone", []netip.AddrPort{tester}, reach.VerdictHidden, apdm, reach.VerdictHidden},
		{"its other port", []netip.AddrPort{aside}, reach.VerdictHidden, adm, reach.VerdictPublic},
		{"its other port twice", []netip.AddrPort{aside, aside}, reach.VerdictHidden, adm, reach.VerdictPublic},
		{"a known host alone", []netip.AddrPort{known}, reach.VerdictHidden, apdm, reach.VerdictHidden},
		{"its other port and a known host", []netip.AddrPort{aside, known}, reach.VerdictUnknown, adm, reach.VerdictPublic},
		{"a known host and its other port", []netip.AddrPort{known, aside}, reach.VerdictUnknown, adm, reach.VerdictPublic},
		{"its other port and a known host's", []netip.AddrPort{aside, near}, reach.VerdictUnknown, adm, reach.VerdictPublic},
		{"a stranger", []netip.AddrPort{aside, unmet(50)}, reach.VerdictPublic, eim, reach.VerdictPublic},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, proven := range []bool{false, true} {
				r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: eim})
				r.askMany(0, 4)
				if proven {
					r.come(unmet(60))
					r.wait(5*time.Minute, false)
					r.askMany(0, 4)
				}
				sent := 0
				for range 1800 {
					r.wait(100*time.Millisecond, false)
					if !r.o.WantsProbe(r.now) {
						continue
					}
					sent++
					r.o.ProbeSentTo(r.now, tester)
					for _, from := range c.come {
						r.o.Arrived(r.now, from)
						r.o.Probed(r.now, from)
						r.o.Arrived(r.now, known) // something else, which is no test's
					}
				}
				want, filtering := c.verdict, c.filtering
				if proven {
					want = c.proven
				}
				if want == reach.VerdictPublic {
					filtering = eim
				}
				if s := r.standing(); s.Verdict != want || s.Filtering != filtering || sent == 0 || sent > 8 {
					t.Errorf("proven %v: %d tests, %+v", proven, sent, s)
				}
			}
		})
	}
}

// Tests that may have shown nothing do not count, and a round ends.
func TestProbes(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	if r.o.WantsProbe(r.now) {
		t.Error("wants a test at once")
	}
	r.askMany(0, 3)
	r.wait(time.Second, false)
	r.o.ProbeSent(r.now)
	if r.o.WantsProbe(r.now) {
		t.Error("wants two tests at once")
	}
	r.wait(time.Hour, false)
	r.want("one test", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown })

	r.askMany(0, 3)
	sent := 0
	for range 600 { // all testers' peers are known: their datagrams come in, and show nothing
		r.wait(100*time.Millisecond, false)
		if r.o.WantsProbe(r.now) {
			sent++
			r.o.ProbeSent(r.now)
			r.o.Contacted(r.now, host(0))
			r.o.Arrived(r.now, host(0))
		}
	}
	if sent > 8 {
		t.Errorf("%d tests in a minute", sent)
	}
	r.want("tests that show nothing", func(s reach.Standing) bool { return s.Verdict == reach.VerdictUnknown })
	r.wait(10*time.Minute, true)
	r.want("tests that do", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden })

	r.askMany(0, 3)
	r.box.filter = eim // somebody set up the router
	r.come(unmet(77))
	r.want("a stranger", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic })
	r.box.filter = apdm
	r.wait(9*time.Minute, true)
	r.want("for 9 minutes", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic })
	r.askMany(3, 3)
	r.wait(2*time.Minute, true)
	r.want("tested again", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden })
}

// A proof of the first minutes is tested soon: it may be due to what the NAT remembers of an earlier run.
func TestYoungProof(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.box.out(r.now, r.local, unmet(1)) // the earlier run
	r.askMany(0, 3)
	if !r.come(unmet(1)) {
		t.Fatal("did not come in")
	}
	r.wait(4*time.Minute, true)
	r.want("believed", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic })
	r.wait(2*time.Minute, true)
	r.want("tested", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden })
}

func TestHairpin(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.askMany(0, 3)
	r.o.Contacted(r.now, r.standing().Outside4)
	r.wait(2*time.Second, false)
	r.want("wait", func(s reach.Standing) bool { return s.Hairpin == reach.HairpinUnknown })
	r.wait(2*time.Second, false)
	r.want("none", func(s reach.Standing) bool { return s.Hairpin == reach.HairpinNo })
	r.o.Arrived(r.now, r.standing().Outside4)
	r.want("after all", func(s reach.Standing) bool { return s.Hairpin == reach.HairpinYes })
}

// IPv4 and IPv6 are known apart; the verdict is the better one.
func TestFamilies(t *testing.T) {
	local6 := netip.MustParseAddrPort("[2a00:1:2:3::1]:8466")
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.o.SetLocal(r.now, []netip.Addr{homeAddr.Addr(), local6.Addr()}, 8466)
	r.askMany(0, 4)
	for i := range 4 {
		at := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, 0, byte(i)}), 8466)
		r.o.Contacted(r.now, at)
		r.o.Seen(r.now, at, local6)
	}
	r.wait(15*time.Second, true)
	r.want("both hidden", func(s reach.Standing) bool {
		return s.Verdict == reach.VerdictHidden && s.Translated && s.Outside6 == local6 && s.Outside4.Addr() == outsideAddr
	})
	if s := r.o.StandingOf(r.now, true); s.Verdict != reach.VerdictUnknown || s.Translated || s.Mapping != eim || s.Outside6 != local6 {
		t.Errorf("IPv6: %+v", s)
	}
	r.o.Arrived(r.now, netip.MustParseAddrPort("[2a07::1]:8466"))
	r.want("IPv6 open", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic && s.Filtering == apdm })
	if s := r.o.StandingOf(r.now, false); s.Verdict != reach.VerdictHidden {
		t.Errorf("IPv4: %+v", s)
	}

	// Tests of IPv6 are counted apart.
	r = newRig(t, box{})
	r.o.SetLocal(r.now, []netip.Addr{local6.Addr()}, 8466)
	for i := range 3 {
		r.wait(3*time.Second, false)
		at := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, 0, byte(i)}), 8466)
		r.o.Seen(r.now, at, local6)
		r.o.ProbeSentTo(r.now, at)
	}
	r.wait(4*time.Second, false)
	r.want("IPv6 alone", func(s reach.Standing) bool { return s.Verdict == reach.VerdictHidden && s.Mapping == eim })
}

// Addresses of laboratories are networks of their own, and no neighbours.
func TestLaboratory(t *testing.T) {
	r := newRig(t, box{})
	me := netip.MustParseAddrPort("203.0.113.9:8466")
	r.o.SetLocal(r.now, []netip.Addr{me.Addr()}, 8466)
	r.o.Seen(r.now, netip.MustParseAddrPort("203.0.113.1:8466"), me)
	r.o.Seen(r.now, netip.MustParseAddrPort("203.0.113.2:8466"), me)
	r.o.Arrived(r.now, netip.MustParseAddrPort("203.0.113.3:8466"))
	r.want("laboratory", func(s reach.Standing) bool { return s.Verdict == reach.VerdictPublic && s.Mapping == eim })
	r.o.Arrived(r.now, netip.MustParseAddrPort("198.19.255.1:8466"))
}

// Equal calls, equal results.
func TestDeterminism(t *testing.T) {
	run := func() (all []reach.Standing) {
		r := newRig(t, box{outside: outsideAddr, mapping: apdm, filter: adm, step: 1, others: 3})
		for i := range 60 {
			r.ask(host(i * 7 % 40))
			r.wait(time.Duration(i)*300*time.Millisecond, true)
			all = append(all, r.standing())
		}
		return all
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Error("two runs differ")
	}
}

// A test goes to the port that a router mapped, when that is another one than peers see.
func TestTestPort(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name   string
		mapped netip.AddrPort
		seen   []string // by three networks
		want   uint16
	}{
		{"nothing mapped", netip.AddrPort{}, []string{"20.9.0.1:1", "20.9.0.1:1", "20.9.0.1:1"}, 0},
		{"the same port", at("20.9.0.1:8466"), []string{"20.9.0.1:8466", "20.9.0.1:8466", "20.9.0.1:8466"}, 0},
		{"another port", at("20.9.0.1:8466"), []string{"20.9.0.1:1", "20.9.0.1:1", "20.9.0.1:1"}, 8466},
		{"a port for each peer", at("20.9.0.1:8466"), []string{"20.9.0.1:1", "20.9.0.1:2", "20.9.0.1:3"}, 8466},
		{"before anybody spoke", at("20.9.0.1:8466"), nil, 8466},
		{"another address", at("20.9.0.2:8466"), []string{"20.9.0.1:1", "20.9.0.1:1", "20.9.0.1:1"}, 0},
	} {
		now := mono.Time(time.Hour)
		o := reach.NewObserver(now)
		o.SetMapped(now, c.mapped, time.Hour)
		testers := []netip.AddrPort{at("20.1.0.1:8466"), at("20.2.0.1:8466"), at("20.3.0.1:8466")}
		for i, you := range c.seen {
			o.Seen(now, testers[i], at(you))
		}
		if got := o.TestPort(testers[0]); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		want := c.mapped
		if c.name == "another address" {
			want = netip.AddrPort{}
		}
		if got := o.Mapped(now, false); got != want {
			t.Errorf("%s: %v is told, want %v", c.name, got, want)
		}
		fixed := uint16(0)
		if c.name == "a port for each peer" {
			fixed = c.want
		}
		if got := o.FixedPort(now, testers[0]); got != fixed {
			t.Errorf("%s: the fixed port is %d, want %d", c.name, got, fixed)
		}
	}
}
