// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
)

// hostsMax is what one range of addresses holds.
const hostsMax = 254

// An addressRange is where addresses come from. miniupnpd opens no ports at a documentation address (RFC 5737), so homes whose
// routers map ports are in 44.128.0.0/16, which AMPRNet keeps for tests and nobody routes.
type addressRange uint8

const (
	rangeFirst  addressRange = iota // what hosts begin with
	rangeMoved                      // after Host.Move and Home.Renumber
	rangeMapped                     // homes whose routers map ports
	rangeMappedMoved
	ranges
)

// networks are the first three bytes of a range's IPv4 addresses; its IPv6 addresses are 2001:db8:RANGE::/48.
var networks = [ranges][3]byte{{203, 0, 113}, {198, 51, 100}, {44, 128, 0}, {44, 128, 1}}

// A Network is an internet and its hosts.
type Network struct {
	Dir string // for the logs of programs and whatever the test likes to keep; removed when the test passed

	seed   uint64
	router *router

	mu    sync.Mutex
	hosts []*Host
	given [ranges]int // addresses of each range
}

// New makes an internet with no hosts, which ends with the test. Equal seeds make equal losses.
//
// When the test failed, or LAB_KEEP is set, the directory stays and its path is in the test's output.
func New(tb testing.TB, seed uint64) *Network {
	tb.Helper()
	if err := Check(); err != nil {
		tb.Fatal(err)
	}
	dir, err := newDirectory()
	if err != nil {
		tb.Fatal(err)
	}
	r, err := newRouter()
	if err != nil {
		tb.Fatal(err)
	}
	n := &Network{Dir: dir, seed: seed, router: r}
	tb.Cleanup(func() {
		n.close()
		if tb.Failed() || os.Getenv("LAB_KEEP") != "" {
			keepDirectory(dir)
			tb.Logf("lab: seed %d, logs in %s", seed, dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return n
}

// Check tells what this machine or process lacks for a lab.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab makes network namespaces and needs root: run `make test` as root, " +
			"or leave the build tag `lab` out")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the lab needs ip(8): install the Debian package iproute2")
	}
	for _, tool := range []struct{ name, debian string }{{"nft", "nftables"}, {"conntrack", "conntrack"}, {"miniupnpd", "miniupnpd"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			return fmt.Errorf("the lab needs %s(8): install the Debian package %s", tool.name, tool.debian)
		}
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the lab needs TUN devices (`modprobe tun`, in a container `--device /dev/net/tun`): %w", err)
	}
	return f.Close()
}

// Host adds a host. Names are part of the seed: equal names get equal losses.
func (n *Network) Host(tb testing.TB, name string, up, down Line) *Host {
	tb.Helper()
	addrs, err := n.addresses(rangeFirst)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := newHost(n, hostPlan{name: name, device: hostDevice, addrs: addrs, up: up, down: down})
	if err != nil {
		tb.Fatal(err)
	}
	n.add(h)
	n.router.route(h, nil, addrs)
	return h
}

// add makes a host end with the network. Those that were added last end first.
func (n *Network) add(h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = append(n.hosts, h)
}

// addresses are a range's next ones.
func (n *Network) addresses(from addressRange) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given[from]++
	i, net4 := n.given[from], networks[from]
	if i > hostsMax {
		return nil, fmt.Errorf("more than %d hosts", hostsMax)
	}
	v6 := netip.MustParseAddr("2001:db8::1").As16()
	v6[5], v6[7] = byte(from), byte(i) // 2001:db8:from:i::1, a /64 for each
	return []netip.Addr{netip.AddrFrom4([4]byte{net4[0], net4[1], net4[2], byte(i)}), netip.AddrFrom16(v6)}, nil
}

// close ends all hosts, then the router.
func (n *Network) close() {
	n.mu.Lock()
	hosts := slices.Clone(n.hosts)
	n.mu.Unlock()
	n.router.forget()
	for _, h := range slices.Backward(hosts) {
		h.close()
	}
	n.router.close()
}

// route makes the router carry packets to a host's addresses, and to old ones no longer.
func (r *router) route(h *Host, old, addrs []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range old {
		delete(r.routes, a)
	}
	for _, a := range addrs {
		if a.IsValid() {
			r.routes[a] = h
		}
	}
	if !slices.Contains(r.hosts, h) {
		r.hosts = append(r.hosts, h)
	}
	r.kick()
}

// forget makes the router leave all hosts' devices alone.
func (r *router) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts = nil
	clear(r.routes)
	r.due.packets = nil
	r.kick()
}
