// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"streamer/internal/mono"
)

// One socket is many addresses: what one child sends to another arrives at that one, from the first.
func TestSocketAddresses(t *testing.T) {
	s, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(name.(*unix.SockaddrInet4).Port)
	type datagram struct {
		from netip.AddrPort
		to   netip.Addr
		text string
	}
	const n = 3 * batchSize / 2 // more than one batch
	want := map[datagram]bool{}
	for i := range n {
		from, to := addrOf(i), addrOf(i+256)
		text := fmt.Sprintf("datagram %d", i)
		s.send(from, netip.AddrPortFrom(to, port), []byte(text))
		want[datagram{netip.AddrPortFrom(from, port), to, text}] = true
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(want) > 0 && time.Now().Before(deadline); {
		err := s.receive(100*time.Millisecond, func(from netip.AddrPort, to netip.Addr, b []byte) {
			d := datagram{from, to, string(b)}
			if !want[d] {
				t.Errorf("got %v, which nobody sent", d)
			}
			delete(want, d)
			if i := indexOf(to); i < 256 || i >= 256+n {
				t.Errorf("%v belongs to child %d", to, i)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d of %d datagrams did not arrive", len(want), n)
	}
}

func TestTimersOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q timers
	for i := range 1000 {
		q.push(timer{at: mono.Time(r.IntN(100)), child: i})
	}
	last := mono.Time(0)
	for range 1000 {
		if q.next() < last {
			t.Fatalf("%d after %d", q.next(), last)
		}
		last = q.pop().at
	}
	if q.next() != mono.Never {
		t.Error("timers are left")
	}
}

func TestSampleOwnProcess(t *testing.T) {
	u, err := sample(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.rss < 1<<20 || u.rss > 1<<34 || u.user < 0 || u.user+u.system > time.Hour {
		t.Errorf("this process: %+v", u)
	}
	if _, err := sample(1 << 30); err == nil {
		t.Error("a process that does not exist was sampled")
	}
}
