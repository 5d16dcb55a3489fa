// SPDX-License-Identifier: MIT

package reach_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"streamer/internal/reach"
	"streamer/internal/wire"
)

// A blind pair cannot meet without guessing: hard has a mapping for each peer at random ports, easy one for all and a filter for each
// port. Both have links with a proxy; easy also with others, so that it knows its mapping.
func blindPair(t *testing.T, seed uint64) (w *town, hard, easy, proxy *party) {
	w = newTown(t)
	w.random = rand.New(rand.NewPCG(seed, 4))
	const apdm = reach.AddressPortDependent
	hard = w.add("hard", "192.168.1.10:8466", &box{outside: netip.MustParseAddr("21.1.1.1"), mapping: apdm, filter: apdm})
	easy = w.add("easy", "192.168.1.11:8466", &box{outside: netip.MustParseAddr("22.1.1.1"), mapping: reach.EndpointIndependent,
		filter: apdm, preserve: true})
	proxy = w.add("proxy", "23.1.1.1:8466", nil).open()
	for i, at := range []string{"24.1.1.1:8466", "25.1.1.1:8466", "26.1.1.1:8466"} {
		w.link(easy, w.add("other"+string(rune('0'+i)), at, nil).open())
	}
	w.link(hard, proxy)
	w.link(easy, proxy)
	w.run(40 * time.Second)
	if m := easy.Observer().Standing(w.now).Mapping; m != reach.EndpointIndependent {
		t.Fatalf("easy's mapping is %v", m)
	}
	return w, hard, easy, proxy
}

// TestGuess: whoever asks, they meet, mostly, within what is allowed; and the further port serves as long as the link lives.
func TestGuess(t *testing.T) {
	const runs = 25
	for _, hardAsks := range []bool{true, false} {
		met, kept, probes, took := 0, 0, 0, time.Duration(0)
		for seed := range uint64(runs) {
			w, hard, easy, proxy := blindPair(t, seed)
			asker, target := hard, easy
			if !hardAsks {
				asker, target = easy, hard
			}
			asker.SetNeed(true)
			asker.meet(proxy, target)
			begun, sent := w.now, len(easy.punches)
			for asker.tie(target) == nil && len(asker.failed) == 0 {
				w.run(10 * time.Millisecond)
				if w.now.Sub(begun) > 30*time.Second {
					t.Fatalf("seed %d: neither met nor failed", seed)
				}
			}
			n := len(easy.punches) - sent
			if n > 1024+32 || hard.ports != 256 {
				t.Errorf("seed %d: %d probes, %d ports", seed, n, hard.ports)
			}
			if asker.tie(target) == nil {
				if w.run(time.Second); len(hard.extra) != 0 {
					t.Errorf("seed %d: %d ports are open after nothing came of it", seed, len(hard.extra))
				}
				continue
			}
			met, probes, took = met+1, probes+n, took+w.now.Sub(begun)
			if w.run(5 * time.Second); len(hard.extra) == 1 {
				kept++
			} else if len(hard.extra) > 1 {
				t.Errorf("seed %d: %d further ports for one link", seed, len(hard.extra))
			}
			w.cut(hard, easy)
			if w.run(time.Second); len(hard.extra) != 0 {
				t.Errorf("seed %d: the port outlives the link", seed)
			}
		}
		t.Logf("hard asks %v: %d of %d met, after %v and %d probes in the mean", hardAsks, met, runs, took/time.Duration(max(met, 1)), probes/max(met, 1))
		if met < runs-3 || kept < met-3 { // now and then the node's own port is hit
			t.Errorf("hard asks %v: %d of %d met, %d at further ports", hardAsks, met, runs, kept)
		}
	}
}

// TestGuessRefused: nobody guesses who need not, whose limits are used up, or for an introducer that is hardly known.
func TestGuessRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		needs  bool
		change func(w *town, hard, easy, proxy *party)
	}{
		{"no need", false, func(*town, *party, *party, *party) {}},
		{"a new introducer", true, func(w *town, hard, easy, proxy *party) {
			easy.SetCarried(w.now, nil, &easy.out)
			w.cut(easy, proxy)
			easy.open() // so that it has no proxies
			w.run(time.Second)
			w.link(easy, proxy)
		}},
		{"neither knows its port", true, func(w *town, hard, easy, proxy *party) {
			easy.Observer().SetLocal(w.now, []netip.Addr{easy.home.Addr()}, 9000) // starts over
		}},
	} {
		w, hard, easy, proxy := blindPair(t, 1)
		hard.SetNeed(c.needs)
		c.change(w, hard, easy, proxy)
		sent := len(easy.punches)
		hard.meet(proxy, easy)
		w.wait(10*time.Second, c.name, func() bool { return len(hard.failed) > 0 })
		if n := len(easy.punches) - sent; n > 16 || hard.ports > 0 {
			t.Errorf("%s: %d probes, %d ports", c.name, n, hard.ports)
		}
	}
}

// TestGuessAimed: an introducer that lies has the target send no more than one guess's probes to an address, and a few guesses in
// an hour wherever it points.
func TestGuessAimed(t *testing.T) {
	w, _, easy, proxy := blindPair(t, 2)
	proxy.mute = true
	victim := netip.MustParseAddr("66.6.6.6")
	begun := len(easy.punches)
	to := map[netip.Addr]int{}
	for i := range 720 { // one hour
		m := wire.Introduced{Token: wire.PunchToken{byte(i >> 8), byte(i), 1}, Addr: netip.AddrPortFrom(victim, uint16(1024+i)),
			Ports: wire.GuessOpens.Ports()}
		if i%2 == 1 {
			m.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{67, byte(i >> 8), byte(i), 1}), 5000)
		}
		m.Asker[0], m.Asker[1], m.Asker[2] = 9, byte(i>>8), byte(i)
		w.send(letter{from: proxy, to: easy, typ: wire.TypeIntroduced, data: m.Append(nil)[1:]})
		w.run(5 * time.Second)
	}
	for _, p := range easy.punches[begun:] {
		to[p.To.Addr()]++
	}
	all := 0
	for a, n := range to {
		if all += n; n > 2*6*1024 {
			t.Errorf("%d probes to %v in an hour", n, a)
		}
	}
	t.Logf("in an hour %d probes, %d of them to one address", all, to[victim])
	if all > 13*1024 {
		t.Errorf("%d probes in an hour", all)
	}
	if all < 1024 {
		t.Errorf("%d probes: nothing was tried", all)
	}
}
