// SPDX-License-Identifier: MIT

package lan_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/identity"
	"streamer/internal/lan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func nodeID(n int) (id identity.NodeID) {
	binary.BigEndian.PutUint32(id[:], uint32(n)+1)
	return id
}

func TestHosts(t *testing.T) {
	const v4, v4port, other, v6, local = "192.168.1.2:80", "192.168.1.2:81", "192.168.1.3:80", "[fd00::2]:80", "[fe80::2%1]:80"
	gone := lan.GoneAfter.Seconds()
	again := lan.ReportAgain.Seconds()
	type beacon struct {
		at     float64 // seconds
		addr   string
		report bool
	}
	for _, c := range []struct {
		name    string
		beacons []beacon
	}{
		{"once", []beacon{{0, v4, true}, {1, v4, false}, {60, v4, false}}},
		{"again when it stays", []beacon{{0, v4, true}, {120, v4, false}, {240, v4, false}, {360, v4, false}, {480, v4, false}, {again - 1, v4, false}, {again, v4, true}, {again + 60, v4, false}}},
		{"another port", []beacon{{0, v4, true}, {1, v4port, true}, {2, v4port, false}}},
		{"better and better", []beacon{{0, local, true}, {1, v6, true}, {2, v4, true}, {3, local, false}, {4, v6, false}}},
		{"somebody else claims to be the node", []beacon{{0, v4, true}, {1, other, false}, {2, v4, false}}},
		{"it moved", []beacon{{0, v4, true}, {gone - 1, other, false}, {gone, other, true}, {gone + 1, v4, false}}},
		{"worse is better than nothing", []beacon{{0, v4, true}, {gone, local, true}, {gone + 1, v4, true}}},
		{"it was away", []beacon{{0, v4, true}, {gone, v4, true}}},
	} {
		var h lan.Hosts
		for i, b := range c.beacons {
			now := start.Add(time.Duration(b.at * float64(time.Second)))
			if got := h.Hear(now, nodeID(1), netip.MustParseAddrPort(b.addr)); got != b.report {
				t.Errorf("%s: beacon %d reported: %v", c.name, i, got)
			}
		}
	}
}

func TestHostsAtMost(t *testing.T) {
	at := func(ip, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(ip >> 8), byte(ip)}), uint16(port))
	}
	var one lan.Hosts
	for i := range 100 {
		if got, want := one.Hear(start, nodeID(i), at(1, 1+i)), i < lan.AddressHostsMax; got != want {
			t.Errorf("node %d at one address reported: %v", i, got)
		}
	}
	var many lan.Hosts
	now := start
	for i := range lan.HostsMax + 10 {
		now = now.Add(time.Second)
		if !many.Hear(now, nodeID(i), at(i, 1)) {
			t.Fatalf("node %d was not reported", i)
		}
	}
	if many.Known() != lan.HostsMax {
		t.Errorf("%d nodes are remembered, want %d", many.Known(), lan.HostsMax)
	}
	if !many.Hear(now, nodeID(0), at(0, 1)) || many.Hear(now, nodeID(lan.HostsMax), at(lan.HostsMax, 1)) {
		t.Error("not the one that was silent longest made room")
	}
}

// A rig is an Ear on one interface and a stranger's socket.
type rig struct {
	*lan.Ear
	self     identity.NodeID
	stranger *net.UDPConn
	from     netip.AddrPort
	found    []netip.AddrPort
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{self: nodeID(0xFFFF)}
	var err error
	if r.stranger, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.stranger.Close() })
	r.from = r.stranger.LocalAddr().(*net.UDPAddr).AddrPort()
	link := lan.Interface{
		Device: net.Interface{Index: 7, Name: "eth0"},
		Prefixes: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.9/8"), netip.MustParsePrefix("192.168.1.9/24"), netip.MustParsePrefix("fd00::9/64"),
		},
	}
	r.Ear = lan.NewEar(t, lan.Config{Self: r.self, Port: 1234}, []lan.Interface{link}, func(a netip.AddrPort, _ identity.NodeID) {
		r.found = append(r.found, a)
	})
	return r
}

// answers reads what came back so far.
func (r *rig) answers(t *testing.T) (list []lan.Beacon) {
	t.Helper()
	buf := make([]byte, 100)
	for {
		_ = r.stranger.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := r.stranger.Read(buf)
		if err != nil {
			return list
		}
		b, err := lan.ParseBeacon(buf[:n])
		if err != nil {
			t.Fatalf("answer %x", buf[:n])
		}
		list = append(list, b)
	}
}

func TestNewcomerIsAnswered(t *testing.T) {
	r := newRig(t)
	for _, newcomer := range []bool{true, false} {
		r.Receive(start, r.from, 7, lan.Beacon{Newcomer: newcomer, Port: 99, Node: nodeID(1)}.Append(nil))
	}
	if want := netip.AddrPortFrom(r.from.Addr(), 99); len(r.found) != 1 || r.found[0] != want {
		t.Errorf("found %v, want %v", r.found, want)
	}
	if got, want := r.answers(t), (lan.Beacon{Port: 1234, Node: r.self}); len(got) != 1 || got[0] != want {
		t.Errorf("answers %+v, want %+v", got, want)
	}
}

func TestFlood(t *testing.T) {
	r := newRig(t)
	for i := range 4 * lan.HeardAtOnce {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, byte(i >> 8), byte(i)}), 9)
		if i%2 == 0 {
			from = r.from
		}
		r.Receive(start, from, 7, lan.Beacon{Newcomer: true, Port: 9, Node: nodeID(i)}.Append(nil))
	}
	if len(r.found) > lan.HeardAtOnce {
		t.Errorf("%d were found at once", len(r.found))
	}
	if got := len(r.answers(t)); got == 0 || got > lan.AnswersAtOnce {
		t.Errorf("%d answers at once, want at most %d", got, lan.AnswersAtOnce)
	}
	r.found = nil
	r.Receive(start.Add(time.Second), r.from, 7, lan.Beacon{Newcomer: true, Port: 9, Node: nodeID(9999)}.Append(nil))
	if len(r.answers(t)) != 1 {
		t.Error("no answer after the flood")
	}
}

func TestWhoIsBelieved(t *testing.T) {
	valid := lan.Beacon{Newcomer: true, Port: 99, Node: nodeID(1)}.Append(nil)
	for _, c := range []struct {
		name, from string
		index      int
		datagram   []byte
		want       string // empty: nobody is found
	}{
		{"on the link", "192.168.1.2:5", 7, valid, "192.168.1.2:99"},
		{"the system does not say where", "192.168.1.2:5", 0, valid, "192.168.1.2:99"},
		{"IPv6", "[fd00::2]:5", 7, valid, "[fd00::2]:99"},
		{"on another link", "192.168.1.2:5", 8, valid, ""},
		{"not on the link", "192.168.2.2:5", 7, valid, ""},
		{"from afar", "8.8.8.8:5", 0, valid, ""},
		{"IPv6 from afar", "[fd00:1::2]:5", 7, valid, ""},
		{"no beacon", "192.168.1.2:5", 7, valid[:39], ""},
		{"its own", "192.168.1.2:5", 7, lan.Beacon{Port: 1234, Node: nodeID(0xFFFF)}.Append(nil), ""},
	} {
		r := newRig(t)
		r.Receive(start, netip.MustParseAddrPort(c.from), c.index, c.datagram)
		switch {
		case c.want == "" && len(r.found) == 0:
		case c.want != "" && len(r.found) == 1 && r.found[0].String() == c.want:
		default:
			t.Errorf("%s: found %v, want %q", c.name, r.found, c.want)
		}
	}
}

// Without an interface, or with a system that lists none, Run waits for better times.
func TestNoMulticast(t *testing.T) {
	for name, interfaces := range map[string]func() ([]lan.Interface, error){
		"none":   func() ([]lan.Interface, error) { return nil, nil },
		"refuse": func() ([]lan.Interface, error) { return nil, errors.New("refused") },
		"gone": func() ([]lan.Interface, error) {
			gone := net.Interface{Index: 1 << 20, Name: "gone0"}
			return []lan.Interface{{Device: gone, Prefixes: []netip.Prefix{
				netip.MustParsePrefix("192.168.1.9/24"), netip.MustParsePrefix("fe80::9/64"),
			}}}, nil
		},
	} {
		looked := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cfg := lan.Config{Self: nodeID(1), Port: 1, Interfaces: func() ([]lan.Interface, error) {
			looked <- struct{}{}
			return interfaces()
		}}
		done := make(chan error)
		go func() { done <- lan.Run(ctx, cfg, nil) }()
		<-looked
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInterfaces(t *testing.T) {
	list, err := lan.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Device.Flags&net.FlagLoopback != 0 || i.Device.Flags&net.FlagMulticast == 0 {
			t.Errorf("%s: %v", i.Device.Name, i.Device.Flags)
		}
	}
}
