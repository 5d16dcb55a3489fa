// SPDX-License-Identifier: MIT

package reach_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/mono"
	"streamer/internal/reach"
)

// Whatever a node is told and whatever arrives, in any order: an Observer goes on, says nothing that cannot be, wants few tests,
// and never says public without a stranger's datagram.
func FuzzObserver(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 3, 2, 0, 3, 1, 1, 4, 2, 1, 4, 3, 9, 9, 8, 0, 9})
	f.Add([]byte{0, 1, 2, 4, 1, 2, 6, 5, 0, 7, 0, 0, 7, 0, 0, 9, 200, 1, 3, 4, 4, 10, 0, 0})
	f.Fuzz(func(t *testing.T, calls []byte) {
		now := mono.Time(0)
		o := reach.NewObserver(now)
		var met [256 * 8]mono.Time // when an IPv4 address was contacted, + 1
		stranger := [2]bool{}
		probes := 0
		addr := func(a, b byte) netip.AddrPort {
			port := 8466 + uint16(b&3)
			switch a & 0xf0 {
			case 0xf0:
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, a}), port)
			case 0xe0:
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, 0, a}), port)
			case 0xd0:
				return netip.AddrPort{}
			case 0xc0, 0xb0:
				return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, a, 0, b >> 4, 0, 0, 0, 1, 15: 1}), port)
			}
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, a, b >> 5, 1}), port)
		}
		number := func(a, b byte) int { return int(a)<<3 | int(b>>5) }
		for ; len(calls) >= 3; calls = calls[3:] {
			a, b := calls[1], calls[2]
			here := addr(a, b)
			switch calls[0] % 12 {
			case 0:
				o.SetLocal(now, []netip.Addr{here.Addr(), addr(b, a).Addr()}, uint16(b))
			case 1, 2:
				o.Contacted(now, here)
				met[number(a, b)] = now + 1
			case 3, 4:
				o.Seen(now, here, addr(b, a))
			case 5, 6:
				if o.Arrived(now, here) {
					if last := met[number(a, b)]; last != 0 && now.Sub(last-1) < 10*time.Minute && here.Addr().Is4() {
						t.Fatalf("%v was contacted", here)
					}
					stranger[boolIndex(here.Addr().Is6())] = true
				}
			case 7:
				o.SetMapped(now, here, time.Duration(b)*time.Minute)
			case 8:
				o.ClearMapped(now)
			case 9:
				now = now.Add(time.Duration(a)*time.Second + time.Duration(b)*time.Millisecond)
			case 10:
				if o.WantsProbe(now) {
					o.ProbeSent(now)
					probes++
				}
			case 11:
				o.ProbeSentTo(now, here)
				o.Held(here, time.Duration(a)*time.Second)
				o.Probed(now, addr(b, a))
			}
			o.Advance(now)
			if d := o.Deadline(); d <= now {
				t.Fatalf("deadline %d at %d", d, now)
			}
			for i, s := range []reach.Standing{o.StandingOf(now, false), o.StandingOf(now, true)} {
				check(t, s)
				if s.Verdict == reach.VerdictPublic && !stranger[i] {
					t.Fatalf("public without a stranger: %+v", s)
				}
			}
			check(t, o.Standing(now))
			if base, step, ok := o.Predict(now); ok && (base == 0 || step < 1 || step > 16) {
				t.Fatalf("predicts %d and %d", base, step)
			}
		}
		if most := 8 + int(now/mono.Time(2*time.Second)); probes > most {
			t.Fatalf("%d tests in %v", probes, time.Duration(now))
		}
	})
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// check fails when a standing contradicts itself.
func check(t *testing.T, s reach.Standing) {
	t.Helper()
	summary, advice := s.Words()
	dependent := s.Mapping == reach.AddressDependent || s.Mapping == reach.AddressPortDependent
	switch {
	case summary == "" || advice == "":
	case (s.Step != 0 || s.Random) && !dependent, s.Step != 0 && s.Random, s.Step < 0, s.Step > 16:
	case s.Outside4.IsValid() && !s.Outside4.Addr().Is4(), s.Outside6.IsValid() && !s.Outside6.Addr().Is6():
	case s.Lifetime < 0 || s.Lifetime > 24*time.Hour:
	default:
		return
	}
	t.Fatalf("%+v", s)
}

func benchmarkObserver(b *testing.B) (o *reach.Observer, now mono.Time) {
	now = mono.Time(time.Hour)
	o = reach.NewObserver(now)
	o.SetLocal(now, []netip.Addr{homeAddr.Addr()}, 8466)
	for i := range 16 {
		o.Contacted(now, host(i))
		o.Seen(now, host(i), netip.AddrPortFrom(outsideAddr, 8466))
	}
	now = now.Add(11 * time.Minute)
	o.Contacted(now, host(0)) // both filters are there
	b.ReportAllocs()
	b.ResetTimer()
	return o, now
}

func BenchmarkContacted(b *testing.B) {
	o, now := benchmarkObserver(b)
	for i := range b.N {
		now = now.Add(time.Millisecond)
		o.Contacted(now, host(i&0xfff))
	}
}

func BenchmarkArrived(b *testing.B) {
	o, now := benchmarkObserver(b)
	for i := range b.N {
		now = now.Add(time.Millisecond)
		o.Arrived(now, host(i&0xfff))
	}
}

func BenchmarkSeen(b *testing.B) {
	o, now := benchmarkObserver(b)
	you := netip.AddrPortFrom(outsideAddr, 8466)
	for i := range b.N {
		now = now.Add(time.Millisecond)
		o.Seen(now, host(i&0xfff), you)
	}
}

// In steady state what happens for each datagram allocates nothing.
func TestAllocations(t *testing.T) {
	r := newRig(t, box{outside: outsideAddr, mapping: eim, filter: apdm})
	r.askMany(0, 40)
	r.wait(11*time.Minute, false)
	r.ask(host(0))
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		i++
		r.now = r.now.Add(time.Second)
		r.o.Contacted(r.now, host(i))
		r.o.Arrived(r.now, host(500+i))
		r.o.Seen(r.now, host(i), netip.AddrPortFrom(outsideAddr, 8466))
		r.o.Standing(r.now)
		r.o.Predict(r.now)
		r.o.Advance(r.now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
