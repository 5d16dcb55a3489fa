// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// Who is near is a question of the link's address and of where this machine is; the daemon may say that it is elsewhere now.
func TestNear(t *testing.T) {
	home := node.LocalCommand{
		Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:1::7")},
		Prefixes: []netip.Prefix{
			netip.MustParsePrefix("192.168.1.7/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::7/64"),
			netip.MustParsePrefix("2001:db8:2::/48"), netip.MustParsePrefix("fe80::/64"), netip.MustParsePrefix("fd00::/8"), {},
		},
	}
	for _, c := range []struct {
		addr  string
		where node.LocalCommand
		near  bool
	}{
		{"192.168.1.200", home, true},
		{"192.168.2.1", home, false},     // another LAN
		{"10.0.0.9", home, false},        // a provider's
		{"198.51.100.8", home, false},    // a neighbour in a data centre
		{"198.51.100.7", home, true},     // this machine
		{"127.0.0.1", home, true},        // this machine
		{"2001:db8:1::8", home, true},    // a LAN of its own
		{"2001:db8:2:3::8", home, false}, // too large for one LAN
		{"fd12::1", home, true},
		{"fe80::1%2", home, true},
		{"203.0.113.9", home, false},
		{"192.168.1.200", node.LocalCommand{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, false},
	} {
		w := newNet(t, 2, node.UploadAuto)
		w.nodes[1].addr = netip.AddrPortFrom(netip.MustParseAddr(c.addr), 8466)
		key := identity.NewStationKey([32]byte{9})
		src := w.nodes[0]
		w.command(src, node.LocalCommand{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}})
		w.command(src, node.BeginCommand{Key: key, Epoch: 100, BitrateBPS: 128_000})
		w.command(src, node.PublishCommand{Station: key.ID(), Kind: 1, Data: []byte("header")})
		w.command(w.nodes[1], node.TuneCommand{Station: key.ID(), Role: node.RoleListener, Peers: []netip.AddrPort{src.addr}})
		w.broadcast(src, key.ID(), 0, 2*time.Second)
		for _, at := range []node.LocalCommand{c.where, {}, c.where} { // away and back
			w.command(src, at)
			children := src.Status(w.now).Tuned[0].Children
			want := c.near && len(at.Prefixes) > 0
			if len(children) != 1 || children[0].LAN != want && !children[0].Addr.Addr().Unmap().IsLoopback() {
				t.Errorf("%s: %+v, want near: %v", c.addr, children, want)
			}
		}
	}
}

// A link to a host on the LAN by the router's outside address is near when the LAN brought that node, and not otherwise.
func TestNearByHairpin(t *testing.T) {
	w := newNet(t, 3, node.UploadAuto)
	src, near, far := w.nodes[0], w.nodes[1], w.nodes[2]
	src.addr, near.addr, far.addr = netip.MustParseAddrPort("20.99.0.1:8466"), netip.MustParseAddrPort("20.99.0.1:9000"),
		netip.MustParseAddrPort("20.50.0.1:8466")
	key := identity.NewStationKey([32]byte{9})
	w.command(src, node.LocalCommand{Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.7")}, Port: 8466,
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}})
	w.command(src, node.BeginCommand{Key: key, Epoch: 100, BitrateBPS: 128_000})
	w.command(src, node.PublishCommand{Station: key.ID(), Kind: 1, Data: []byte("header")})
	for _, l := range []*wireNode{near, far} {
		w.command(l, node.TuneCommand{Station: key.ID(), Role: node.RoleListener, Peers: []netip.AddrPort{src.addr}})
	}
	w.broadcast(src, key.ID(), 0, 2*time.Second)
	check := func(what string, want bool) {
		t.Helper()
		children := src.Status(w.now).Tuned[0].Children
		for _, c := range children {
			if c.LAN != (want && c.Addr == near.addr) {
				t.Errorf("%s: %v is near: %v", what, c.Addr, c.LAN)
			}
		}
		if len(children) != 2 {
			t.Errorf("%s: %d children", what, len(children))
		}
	}
	check("the same outside address", false)
	met := func(l *wireNode, at string) {
		w.command(src, node.MeetCommand{Hosts: []wire.Host{{Addr: netip.MustParseAddrPort(at), Node: l.Status(w.now).NodeID}}})
	}
	met(far, "192.168.1.9:8466") // whoever says so: others see it elsewhere
	met(near, "192.168.2.8:8466")
	check("hosts of elsewhere", false)
	met(near, "192.168.1.8:8466")
	check("on the LAN", true)
}
