// SPDX-License-Identifier: MIT

package dht_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/dht"
	"streamer/internal/dht/swarm"
	"streamer/internal/identity"
)

const members = 20

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSwarm starts n members that run until the test ends.
func newSwarm(t *testing.T, n int) *swarm.Swarm {
	t.Helper()
	s, err := swarm.New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newUser makes a DHT that starts at one member.
func newUser(t *testing.T, start func(context.Context) []netip.AddrPort) *dht.DHT {
	t.Helper()
	d := dht.New(dht.Config{Start: start})
	t.Cleanup(d.Close)
	return d
}

// Two users that know different members, and nothing else in common, meet under the network's key and under a station's.
func TestTwoUsersMeet(t *testing.T) {
	s := newSwarm(t, members)
	a, b := newUser(t, s.Start(0)), newUser(t, s.Start(members-1))
	station := identity.NewStationKey([32]byte{1}).ID()
	ports := map[*dht.DHT]uint16{a: 40001, b: 40002}
	for _, key := range []dht.Key{dht.NetworkKey(), dht.StationKey(station)} {
		begun := time.Now()
		for _, d := range []*dht.DHT{a, b} {
			r, err := d.Announce(t.Context(), key, ports[d], nil)
			if err != nil || r.Stored == 0 {
				t.Fatalf("announce: %+v, %v", r, err)
			}
			t.Logf("announced: %+v", r)
		}
		for _, d := range []*dht.DHT{a, b} {
			found := map[netip.AddrPort]int{}
			r, err := d.Find(t.Context(), key, func(a netip.AddrPort) { found[a]++ })
			t.Logf("%+v after %v", r, time.Since(begun))
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range ports {
				if want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port); found[want] != 1 {
					t.Errorf("found %v, want %v once", found, want)
				}
			}
		}
	}
	stranger := newUser(t, s.Start(3))
	r, err := stranger.Find(t.Context(), dht.StationKey(identity.StationID{7}), func(netip.AddrPort) {})
	if err != nil || r.Found != 0 || r.Answered < 8 {
		t.Errorf("a key that nobody announced: %+v, %v", r, err)
	}
}

// Many rounds at once, each under its own key.
func TestManyRounds(t *testing.T) {
	s := newSwarm(t, members)
	d := newUser(t, s.Start(0))
	var rounds sync.WaitGroup
	for i := range 12 {
		rounds.Go(func() {
			r, err := d.Announce(t.Context(), dht.StationKey(identity.StationID{byte(i)}), uint16(5000+i), nil)
			if err != nil || r.Stored == 0 {
				t.Errorf("round %d: %+v, %v", i, r, err)
			}
		})
	}
	rounds.Wait()
	if nodes := d.Nodes(); len(nodes) < 8 || len(nodes) > members {
		t.Errorf("%d members to remember, want 8 to %d", len(nodes), members)
	}
}

// Rounds that begin together share the one port that they may have.
func TestOnePort(t *testing.T) {
	s := newSwarm(t, 3)
	free, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(free.LocalAddr().(*net.UDPAddr).Port)
	_ = free.Close()
	d := dht.New(dht.Config{Start: s.Start(0), Port: port})
	defer d.Close()
	var rounds sync.WaitGroup
	for range 4 {
		rounds.Go(func() {
			if r, err := d.Find(t.Context(), dht.NetworkKey(), nil); err != nil || r.Answered != 3 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	rounds.Wait()
}

// After a round that nobody answered, the next begins with what Start says then.
func TestSilence(t *testing.T) {
	nobody, asked := answerers(t, nil)
	at := nobody
	d := newUser(t, func(context.Context) []netip.AddrPort { return []netip.AddrPort{at} })
	for range 2 {
		if r, err := d.Find(t.Context(), dht.NetworkKey(), nil); !errors.Is(err, dht.ErrSilent) || r.Answered != 0 {
			t.Fatalf("nobody answers: %+v, %v", r, err)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("%d questions in two rounds", asked.Load())
	}
	s := newSwarm(t, 3)
	at = s.Addr(0)
	if r, err := d.Find(t.Context(), dht.NetworkKey(), nil); err != nil || r.Answered != 3 {
		t.Fatalf("a swarm of 3: %+v, %v", r, err)
	}
	// All that it knows die; it asks them in vain and begins again in the same round.
	other := newSwarm(t, 2)
	at = other.Addr(0)
	s.Close()
	if r, err := d.Find(t.Context(), dht.NetworkKey(), nil); err != nil || r.Answered != 2 {
		t.Errorf("a swarm of 2: %+v, %v", r, err)
	}
}

func TestNowhereToStart(t *testing.T) {
	d := newUser(t, func(context.Context) []netip.AddrPort { return nil })
	if r, err := d.Find(t.Context(), dht.NetworkKey(), nil); !errors.Is(err, dht.ErrNoStart) {
		t.Errorf("asked nobody: %+v, %v", r, err)
	}
}

// Close ends what is under way at once.
func TestClose(t *testing.T) {
	nobody, _ := answerers(t, nil)
	started := make(chan struct{}, 1)
	d := dht.New(dht.Config{Start: func(context.Context) []netip.AddrPort {
		select {
		case started <- struct{}{}:
		default:
		}
		return []netip.AddrPort{nobody}
	}})
	failed := make(chan error, 1)
	go func() {
		for {
			if _, err := d.Find(t.Context(), dht.NetworkKey(), nil); !errors.Is(err, dht.ErrSilent) {
				failed <- err
				return
			}
		}
	}()
	kept := make(chan struct{})
	go func() {
		d.KeepAnnounced(t.Context(), dht.NetworkKey(), func() uint16 { return 1 })
		close(kept)
	}()
	<-started
	begun := time.Now()
	d.Close()
	if err := <-failed; !errors.Is(err, dht.ErrClosed) {
		t.Errorf("closed under way: %v", err)
	}
	<-kept
	if took := time.Since(begun); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	if _, err := d.Announce(t.Context(), dht.NetworkKey(), 1, nil); !errors.Is(err, dht.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	d.Close()
}

// The end of the caller's context ends its round, and only that.
func TestContextEnds(t *testing.T) {
	nobody, asked := answerers(t, nil)
	d := newUser(t, func(context.Context) []netip.AddrPort { return []netip.AddrPort{nobody} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for asked.Load() == 0 {
			runtime.Gosched()
		}
		cancel()
	}()
	if _, err := d.Announce(ctx, dht.NetworkKey(), 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Who has nothing to announce asks nobody.
func TestNothingToAnnounce(t *testing.T) {
	started := false
	d := newUser(t, func(context.Context) []netip.AddrPort { started = true; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	d.KeepAnnounced(ctx, dht.NetworkKey(), func() uint16 { cancel(); return 0 })
	if started {
		t.Error("it began to ask")
	}
}

func TestKeys(t *testing.T) {
	station := identity.NewStationKey([32]byte{1}).ID()
	for _, c := range []struct {
		got  dht.Key
		want string
	}{
		{dht.NetworkKey(), "8c364efe5f945adc56c4352cf5b63b20efc88242"},
		{dht.StationKey(station), "633b9ab88afd9f298dffa2ca10bcd78277dcb864"},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("key %s, want %s", got, c.want)
		}
	}
}

func TestBelieves(t *testing.T) {
	for _, c := range []struct {
		addr            string
		public, private bool
	}{
		{"198.41.0.4:6881", true, true},
		{"[2a01:4f8::1]:6881", true, true},
		{"198.41.0.4:0", false, false},
		{"192.168.1.1:6881", false, true},
		{"100.64.0.1:6881", false, true},
		{"127.0.0.1:6881", false, true},
		{"[::1]:6881", false, true},
		{"[fd00::1]:6881", false, true},
		{"[fe80::1]:6881", false, false},
		{"[fe80::1%1]:6881", false, false},
		{"169.254.1.1:6881", false, false},
		{"0.0.0.0:6881", false, false},
		{"0.1.2.3:6881", false, false},
		{"[::]:6881", false, false},
		{"224.0.0.1:6881", false, false},
		{"[ff02::1]:6881", false, false},
		{"255.255.255.255:6881", false, false},
		{"240.0.0.1:6881", false, false},
		{"[::ffff:198.41.0.4]:6881", false, false},
	} {
		a := netip.MustParseAddrPort(c.addr)
		if got := dht.Believes(a, false); got != c.public {
			t.Errorf("%v among public members: %v", a, got)
		}
		if got := dht.Believes(a, true); got != c.private {
			t.Errorf("%v among private members: %v", a, got)
		}
	}
}

func TestPace(t *testing.T) {
	var p dht.Pace
	minutes := func(d time.Duration) float64 { return d.Minutes() }
	for i, step := range []struct {
		ok   bool
		want float64
	}{
		{true, 14}, {false, 0.5}, {false, 1}, {false, 2}, {false, 4}, {false, 8}, {false, 15}, {false, 15}, {true, 14}, {false, 0.5},
	} {
		if got := minutes(p.Next(step.ok, 0.5)); got != step.want {
			t.Errorf("step %d: %v min, want %v", i, got, step.want)
		}
	}
}
