// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// A witness is a socket on the internet that tells where packets come from.
type witness struct {
	conn *net.UDPConn
	at   netip.AddrPort
}

func newWitness(t *testing.T, h *netlab.Host, at netip.Addr) witness {
	t.Helper()
	conn, err := h.ListenUDP(netip.AddrPortFrom(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return witness{conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// sees sends from a socket to the witness and returns where that came from; the zero AddrPort: it did not come.
func (w witness) sees(t *testing.T, c *net.UDPConn, within time.Duration) netip.AddrPort {
	t.Helper()
	says := rand.Text()
	_, _ = c.WriteToUDPAddrPort([]byte(says), w.at) // an error: the network is down, and nothing comes
	_ = w.conn.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 100)
	for {
		n, from, err := w.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return netip.AddrPort{}
		}
		if string(b[:n]) == says { // another one is old, and waited somewhere
			return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		}
	}
}

const (
	comes = 2 * time.Second
	never = 300 * time.Millisecond
)

func socket(t *testing.T, h *netlab.Host, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := h.ListenUDP(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var anyPort = netip.MustParseAddrPort("[::]:0")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReboot(t *testing.T) {
	n := netlab.New(t, 1)
	w := newWitness(t, n.Host(t, "outside", netlab.Line{}, netlab.Line{}), netip.MustParseAddr("203.0.113.1"))
	for _, k := range netlab.Kinds() {
		if !k.HasIPv4() || k == netlab.Public {
			continue
		}
		home := n.Home(t, k.String(), netlab.HomeConfig{Kind: k})
		c := socket(t, home.Host(t, k.String()+" host"), anyPort)
		before := w.sees(t, c, comes)
		if before != w.sees(t, c, comes) || before.Addr() != home.Router.IPv4() {
			t.Errorf("%v: seen at %v, and elsewhere a moment later", k, before)
		}
		must(t, home.PowerOff())
		if at := w.sees(t, c, never); at.IsValid() {
			t.Errorf("%v: seen at %v while the router is off", k, at)
		}
		must(t, home.PowerOn(true))
		if after := w.sees(t, c, comes); !after.IsValid() || after.Port() == before.Port() || after.Addr() != before.Addr() {
			t.Errorf("%v: seen at %v before the router started again with other ports, at %v after", k, before, after)
		}
	}
}

// TestRenumber changes outside addresses, also behind a carrier.
func TestRenumber(t *testing.T) {
	n := netlab.New(t, 1)
	outside := n.Host(t, "outside", netlab.Line{}, netlab.Line{})
	v4, v6 := newWitness(t, outside, outside.IPv4()), newWitness(t, outside, outside.IPv6())
	carrier := n.Carrier(t, "carrier", netlab.HomeConfig{Kind: netlab.FullCone})
	for _, c := range []netlab.HomeConfig{
		{Kind: netlab.Public},
		{Kind: netlab.FullCone, Hairpin: true},
		{Kind: netlab.DualStack},
		{Kind: netlab.IPv6Stateful},
		{Kind: netlab.PortRestricted, Carrier: carrier},
	} {
		name := c.Kind.String()
		home := n.Home(t, name, c)
		host := home.Host(t, name+" host")
		s := socket(t, host, anyPort)
		for _, w := range []witness{v4, v6} {
			if w.at.Addr().Is4() && !c.Kind.HasIPv4() || w.at.Addr().Is6() && (!c.Kind.HasIPv6() || c.Carrier != nil) {
				continue
			}
			before := w.sees(t, s, comes)
			must(t, home.Renumber())
			after := w.sees(t, s, comes)
			if c.Carrier != nil {
				if !after.IsValid() || after.Addr() != carrier.Router.IPv4() {
					t.Errorf("%s behind a carrier: seen at %v before, %v after its change", name, before, after)
				}
				continue
			}
			if !before.IsValid() || !after.IsValid() || before.Addr() == after.Addr() {
				t.Errorf("%s: seen at %v before, %v after the change", name, before, after)
			}
			if c.Kind == netlab.Public && after.Addr() != host.IPv4() && after.Addr() != host.IPv6() {
				t.Errorf("%s: seen at %v, the host has %v and %v", name, after, host.IPv4(), host.IPv6())
			}
		}
	}
}

// TestTakeAndUnplug is a telephone that leaves its home's Wi-Fi for the provider's network, and a cable that is pulled.
func TestTakeAndUnplug(t *testing.T) {
	n := netlab.New(t, 1)
	outside := n.Host(t, "outside", netlab.Line{}, netlab.Line{})
	w := newWitness(t, outside, outside.IPv4())
	home := n.Home(t, "home", netlab.HomeConfig{Kind: netlab.PortRestricted})
	carrier := n.Carrier(t, "carrier", netlab.HomeConfig{Kind: netlab.SymmetricRandom})
	phone := home.Host(t, "phone")
	c := socket(t, phone, anyPort)
	if at := w.sees(t, c, comes); at.Addr() != home.Router.IPv4() {
		t.Errorf("at home seen at %v, want %v", at, home.Router.IPv4())
	}
	must(t, carrier.Take(phone))
	if at := w.sees(t, c, comes); at.Addr() != carrier.Router.IPv4() || phone.Home() != carrier {
		t.Errorf("on the road seen at %v, want %v", at, carrier.Router.IPv4())
	}
	must(t, home.Take(phone))
	if at := w.sees(t, c, comes); at.Addr() != home.Router.IPv4() {
		t.Errorf("at home again seen at %v, want %v", at, home.Router.IPv4())
	}
	must(t, home.Unplug(phone, true))
	if at := w.sees(t, c, never); at.IsValid() {
		t.Errorf("seen at %v without a cable", at)
	}
	must(t, home.Unplug(phone, false))
	if at := w.sees(t, c, comes); !at.IsValid() {
		t.Error("not seen with the cable back")
	}
	home.Router.Cut(true)
	if at := w.sees(t, c, never); at.IsValid() {
		t.Errorf("seen at %v while the home's line is down", at)
	}
	if err := phone.Move(); err == nil {
		t.Error("a host in a home moved as if it were on the internet")
	}
}

// TestLAN shows that multicast reaches the LAN and nobody else, and that neighbors with equal addresses do not meet.
func TestLAN(t *testing.T) {
	n := netlab.New(t, 1)
	here, there := n.Home(t, "here", netlab.HomeConfig{Kind: netlab.DualStack}), n.Home(t, "there", netlab.HomeConfig{Kind: netlab.DualStack})
	a, b, c := here.Host(t, "a"), here.Host(t, "b"), there.Host(t, "c")
	if a.IPv4() != c.IPv4() {
		t.Errorf("private addresses %v and %v differ", a.IPv4(), c.IPv4())
	}
	for _, group := range []netip.AddrPort{netip.MustParseAddrPort("224.0.0.251:5353"), netip.MustParseAddrPort("[ff02::fb]:5353")} {
		var conns []*net.UDPConn
		for _, h := range []*netlab.Host{b, c} {
			err := h.Do(func() error {
				device, err := net.InterfaceByName("net0")
				if err != nil {
					return err
				}
				conn, err := net.ListenMulticastUDP("udp", device, net.UDPAddrFromAddrPort(group))
				conns = append(conns, conn)
				return err
			})
			must(t, err)
		}
		from := netip.AddrPortFrom(a.IPv4(), 0)
		to := group
		if group.Addr().Is6() {
			from, to = netip.AddrPortFrom(a.IPv6(), 0), netip.AddrPortFrom(group.Addr().WithZone("net0"), group.Port())
		}
		s := socket(t, a, from)
		must(t, a.Do(func() error {
			_, err := s.WriteToUDPAddrPort([]byte("anybody?"), to)
			return err
		}))
		for i, want := range []bool{true, false} {
			wait := comes
			if !want {
				wait = never
			}
			_ = conns[i].SetReadDeadline(time.Now().Add(wait))
			if _, _, err := conns[i].ReadFromUDPAddrPort(make([]byte, 100)); (err == nil) != want {
				t.Errorf("%v reached host %d: %v, want %v", group, i, err == nil, want)
			}
			_ = conns[i].Close()
		}
	}
	echo(t, b)
	if got := len(pings(t, a, b.IPv4(), 20, 100, time.Millisecond)); got != 20 || here.Router.Sent().Packets != 0 {
		t.Errorf("%d of 20 answers on the LAN, %d packets left it", got, here.Router.Sent().Packets)
	}
}
