// SPDX-License-Identifier: MIT

package portmap_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/portmap"
)

const routes4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	FE01A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
tun0	00000000	00000000	0001	0	0	50	00000000	0	0	0
tun0	00000000	0101A8C0	0003	0	0	0	00000080	0	0	0
eth0	0001A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
down0	00000000	0101A8C0	0002	0	0	0	00000000	0	0	0
`

const routes6 = `fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000300 00000002 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`

// Tables in the form of Linux's, on a little-endian machine.
func TestRoutes(t *testing.T) {
	if got, want := portmap.ParseRoutes4([]byte(routes4)), []portmap.Route{
		{Gateway: netip.MustParseAddr("192.168.1.254"), Device: "wlan0", Metric: 600},
		{Gateway: netip.MustParseAddr("192.168.1.1"), Device: "eth0", Metric: 100},
	}; !slices.Equal(got, want) {
		t.Errorf("IPv4: got %v, want %v", got, want)
	}
	if got, want := portmap.ParseRoutes6([]byte(routes6)), []portmap.Route{
		{Gateway: netip.MustParseAddr("fe80::1%eth0"), Device: "eth0", Metric: 0x400},
		{Gateway: netip.MustParseAddr("2001:db8::1"), Device: "eth1", Metric: 0x300},
	}; !slices.Equal(got, want) {
		t.Errorf("IPv6: got %v, want %v", got, want)
	}
	if got := portmap.ParseRoutes4([]byte(strings.Repeat("e 00000000 0101A8C0 0003 0 0 1 00000000\n", 1000))); len(got) != 64 {
		t.Errorf("%d routes of a long table", len(got))
	}
}

func FuzzParseRoutes(f *testing.F) {
	f.Add([]byte(routes4))
	f.Add([]byte(routes6))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range portmap.ParseRoutes4(b) {
			if !r.Gateway.Is4() {
				t.Errorf("%v", r)
			}
		}
		for _, r := range portmap.ParseRoutes6(b) {
			if !r.Gateway.Is6() || r.Gateway.IsUnspecified() {
				t.Errorf("%v", r)
			}
		}
	})
}

// Whatever this machine is connected to, its paths are whole. Nothing is sent.
func TestPaths(t *testing.T) {
	paths, err := portmap.Paths()
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) > 2 {
		t.Errorf("%d paths", len(paths))
	}
	for _, p := range paths {
		if !p.Local.IsValid() || !p.Gateway.IsValid() || p.Local.Is4() != p.Gateway.Is4() || p.Index == 0 {
			t.Errorf("path %+v", p)
		}
	}
}

// The cases of RFC 6887 §8.5: the router's clock against ours.
func TestEpoch(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name           string
		before, after  uint32
		elapsed        time.Duration
		lost, lostThen bool // lostThen: a second look a second later, from the new value
	}{
		{"as it should be", 1000, 1060, time.Minute, false, false},
		{"a datagram overtook another", 1000, 999, 0, false, false},
		{"begun anew", 1000, 3, time.Minute, true, false},
		{"begun anew, as far as before", 1000, 1000, 10 * time.Minute, true, false},
		{"slow by a twentieth", 1000, 1950, 1000 * time.Second, false, false},
		{"slow by a tenth", 1000, 1900, 1000 * time.Second, true, false},
		{"fast by a tenth", 1000, 2100, 1000 * time.Second, true, false},
		{"this machine slept", 1000, 2000, time.Second, true, false},
	} {
		var e portmap.Epoch
		if e.Lost(at, c.before) {
			t.Errorf("%s: lost at once", c.name)
		}
		if got := e.Lost(at.Add(c.elapsed), c.after); got != c.lost {
			t.Errorf("%s: lost is %v, want %v", c.name, got, c.lost)
		}
		if got := e.Lost(at.Add(c.elapsed+time.Second), c.after+1); got != c.lostThen {
			t.Errorf("%s: then lost is %v, want %v", c.name, got, c.lostThen)
		}
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"44.128.0.7:1": true, "203.0.113.7:1": true, "[2001:db8::1]:1": true, "10.0.0.1:1": false, "172.31.0.1:1": false,
		"192.168.0.1:1": false, "100.64.0.1:1": false, "100.127.255.255:1": false, "100.128.0.1:1": true, "192.0.0.2:1": false,
		"0.1.2.3:1": false, "127.0.0.1:1": false, "169.254.1.1:1": false, "[fd00::1]:1": false, "[fe80::1]:1": false,
	} {
		if got := (portmap.Mapping{External: netip.MustParseAddrPort(text)}).Public(); got != want {
			t.Errorf("%s: public is %v", text, got)
		}
	}
	if (portmap.Mapping{}).Public() {
		t.Error("no mapping is public")
	}
}
