// SPDX-License-Identifier: MIT

//go:build lab && linux

// Package lan_test runs LAN discovery on real links: bridges and virtual Ethernet between network namespaces.
package lan_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"streamer/internal/identity"
	"streamer/internal/lan"
	"streamer/lab/netlab"
)

// late is how much more than it should a step may take on a busy machine, beside the time in which that stands still.
const late = 250 * time.Millisecond

// A box is a network namespace that lives as long as its thread.
type box struct {
	calls chan func()
	tid   int
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{calls: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		b.tid = unix.Gettid()
		err := unix.Unshare(unix.CLONE_NEWNET)
		made <- err
		if err != nil {
			return
		}
		for call := range b.calls {
			call()
		}
	}()
	if err := <-made; err != nil {
		t.Fatalf("make a network namespace, which needs root: %v", err)
	}
	t.Cleanup(func() { close(b.calls) })
	return b
}

// do runs f on the box's thread and waits.
func (b *box) do(f func() error) error {
	failed := make(chan error)
	b.calls <- func() { failed <- f() }
	return <-failed
}

// ip runs commands of ip(8) in the box, one a line.
func (b *box) ip(t *testing.T, script string) {
	t.Helper()
	err := b.do(func() error {
		for line := range strings.Lines(script) {
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			if out, err := exec.CommandContext(t.Context(), "ip", fields...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %s: %w: %s", strings.TrimSpace(line), err, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sysctl sets a value of the box's own.
func (b *box) sysctl(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/net/" + name
	if err := b.do(func() error { return os.WriteFile(path, []byte(value), 0o644) }); err != nil {
		t.Fatal(err)
	}
}

// A bridge is a LAN.
type bridge struct {
	*box
	ports int
}

func newBridge(t *testing.T) *bridge {
	t.Helper()
	b := &bridge{box: newBox(t)}
	b.ip(t, "link add br0 type bridge\nlink set br0 up")
	return b
}

// plug connects a box to the LAN by a device of that name with the addresses, which is left down. Its IPv6 addresses are good
// at once: nobody else is asked whether they are his, which takes a second.
func (b *bridge) plug(t *testing.T, at *box, device string, addrs ...string) {
	t.Helper()
	b.ports++
	port := fmt.Sprintf("p%d", b.ports)
	b.ip(t, fmt.Sprintf("link add %s type veth peer name %s netns %d\nlink set %s master br0 up", port, device, at.tid, port))
	if !slices.ContainsFunc(addrs, func(a string) bool { return strings.Contains(a, ":") }) {
		at.sysctl(t, "ipv6/conf/"+device+"/disable_ipv6", "1")
	}
	at.sysctl(t, "ipv6/conf/"+device+"/accept_dad", "0")
	for _, a := range addrs {
		if a != linkLocal {
			at.ip(t, "addr add "+a+" dev "+device)
		}
	}
}

// linkLocal asks plug for no IPv6 address but the one that each device gets by itself.
const linkLocal = "fe80::"

// up switches a device on and waits for its carrier.
func up(t *testing.T, at *box, device string) {
	t.Helper()
	at.ip(t, "link set "+device+" up")
	err := at.do(func() error {
		for range 500 {
			if out, _ := exec.CommandContext(t.Context(), "ip", "-br", "link", "show", device).Output(); strings.Contains(string(out), " UP ") {
				return nil
			}
		}
		return fmt.Errorf("%s does not come up", device)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A node runs in a box and collects whom it finds.
type node struct {
	id   identity.NodeID
	port uint16
	stop func()

	mu    sync.Mutex
	found map[identity.NodeID]netip.AddrPort
	at    map[identity.NodeID]time.Time
	news  chan struct{}
}

// start runs a node; its thread is one of the box's namespace.
func start(t *testing.T, at *box, number byte) *node {
	t.Helper()
	n := &node{
		id: identity.NewNodeKey([32]byte{1: number}).Public(), port: 7000 + uint16(number),
		found: map[identity.NodeID]netip.AddrPort{}, at: map[identity.NodeID]time.Time{}, news: make(chan struct{}, 100),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done, entered := make(chan struct{}), make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := enter(at.tid)
		entered <- err
		if err == nil {
			_ = lan.Run(ctx, lan.Config{Self: n.id, Port: n.port}, n.hear)
		}
	}()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	n.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(n.stop)
	return n
}

// enter moves the thread into the namespace of another.
func enter(tid int) error {
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", tid))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

func (n *node) hear(addr netip.AddrPort, id identity.NodeID) {
	n.mu.Lock()
	n.found[id] = addr
	n.at[id] = time.Now()
	n.mu.Unlock()
	n.news <- struct{}{}
}

// finds waits until the node knows other, and returns where and when it was found.
func (n *node) finds(t *testing.T, other *node, within time.Duration) (netip.AddrPort, time.Time) {
	t.Helper()
	end := time.After(within)
	for {
		n.mu.Lock()
		addr, ok := n.found[other.id]
		at := n.at[other.id]
		n.mu.Unlock()
		if ok {
			if addr.Port() != other.port {
				t.Errorf("found at port %d, want %d", addr.Port(), other.port)
			}
			return addr, at
		}
		select {
		case <-n.news:
		case <-end:
			t.Fatalf("node %s does not know %s after %v", n.id.Short(), other.id.Short(), within)
		}
	}
}

// lonely checks that the node found nobody.
func (n *node) lonely(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.found) != 0 {
		t.Errorf("found %v", n.found)
	}
}

// Two machines on one LAN. The second comes when the first has long said all that it says at its start, and each knows the
// other at once.
func TestTwoMachines(t *testing.T) {
	t.Parallel()
	stalls := netlab.WatchStalls(t)
	for _, c := range []struct{ name, a, b, wantA, wantB string }{
		{"IPv4 only", "192.168.77.1/24", "192.168.77.2/24", "192.168.77.1", "192.168.77.2"},
		{"IPv6 only", "fd77::1/64", "fd77::2/64", "fd77::1", "fd77::2"},
		{"IPv6 without a router", linkLocal, linkLocal, "fe80::", "fe80::"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBridge(t)
			one, two := newBox(t), newBox(t)
			b.plug(t, one, "eth0", c.a)
			b.plug(t, two, "eth0", c.b)
			up(t, one, "eth0")
			up(t, two, "eth0")
			first := start(t, one, 1)
			time.Sleep(3 * time.Second) // real time on a real link
			begun := time.Now()
			second := start(t, two, 2)
			for _, step := range []struct {
				who, other *node
				want       string
			}{{first, second, c.wantB}, {second, first, c.wantA}} {
				addr, at := step.who.finds(t, step.other, 10*time.Second)
				stood := stalls.Since(begun)
				if !strings.HasPrefix(addr.Addr().String(), step.want) {
					t.Errorf("found at %v, want %s", addr, step.want)
				}
				if took := at.Sub(begun); took-stood > 100*time.Millisecond+late {
					t.Errorf("found after %v, in which the machine stood still for %v", took, stood)
				} else {
					t.Logf("%v found after %v", addr, took)
				}
			}
		})
	}
}

// Both families are there: each node is known at its IPv4 address in the end, and reported at most once for each address.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	one, two := newBox(t), newBox(t)
	b.plug(t, one, "eth0", "192.168.77.1/24", "fd77::1/64")
	b.plug(t, two, "eth0", "192.168.77.2/24", "fd77::2/64")
	up(t, one, "eth0")
	up(t, two, "eth0")
	first, second := start(t, one, 1), start(t, two, 2)
	first.finds(t, second, 10*time.Second)
	second.finds(t, first, 10*time.Second)
	time.Sleep(3 * time.Second) // all beacons of the start are through
	for _, n := range []*node{first, second} {
		n.mu.Lock()
		for id, addr := range n.found {
			if !addr.Addr().Is4() {
				t.Errorf("%s knows %s at %v", n.id.Short(), id.Short(), addr)
			}
		}
		n.mu.Unlock()
		if reports := len(n.news); reports > 3 { // fd77::, 192.168., and what finds did not take
			t.Errorf("%d reports about one node", reports)
		}
	}
}

// Several nodes on one machine share the port, and the one on another hears all.
func TestNodesOnOneMachine(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	one, two := newBox(t), newBox(t)
	b.plug(t, one, "eth0", "192.168.77.1/24", linkLocal)
	b.plug(t, two, "eth0", "192.168.77.2/24", linkLocal)
	up(t, one, "eth0")
	up(t, two, "eth0")
	var all []*node
	for i, at := range []*box{one, one, one, two} {
		all = append(all, start(t, at, byte(i+1)))
	}
	for _, n := range all {
		for _, other := range all {
			if n != other {
				n.finds(t, other, 10*time.Second)
			}
		}
	}
}

// An interface that comes later is used, one that is gone and comes back too; a machine without any is no error.
func TestInterfaceComesLater(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	one, two := newBox(t), newBox(t)
	b.plug(t, one, "eth0", "192.168.77.1/24")
	up(t, one, "eth0")
	first, second := start(t, one, 1), start(t, two, 2)
	time.Sleep(3 * time.Second) // it has nothing but loopback
	b.plug(t, two, "eth0", "192.168.77.2/24")
	up(t, two, "eth0")
	first.finds(t, second, 7*time.Second) // it looks every 5 s
	second.finds(t, first, time.Second)
	two.ip(t, "link del eth0")
	b.plug(t, two, "eth0", "192.168.77.3/24")
	up(t, two, "eth0")
	third := start(t, one, 3)
	third.finds(t, second, 7*time.Second)
}

// Two LANs do not hear each other, though one machine is on both.
func TestTwoLANs(t *testing.T) {
	t.Parallel()
	left, right := newBridge(t), newBridge(t)
	one, both, two := newBox(t), newBox(t), newBox(t)
	left.plug(t, one, "eth0", "192.168.77.1/24", "fd77::1/64")
	left.plug(t, both, "eth0", "192.168.77.2/24", "fd77::2/64")
	right.plug(t, both, "eth1", "192.168.78.2/24", "fd78::2/64")
	right.plug(t, two, "eth0", "192.168.78.1/24", "fd78::1/64")
	up(t, one, "eth0")
	up(t, two, "eth0")
	up(t, both, "eth0")
	up(t, both, "eth1")
	a, m, z := start(t, one, 1), start(t, both, 2), start(t, two, 3)
	a.finds(t, m, 10*time.Second)
	z.finds(t, m, 10*time.Second)
	m.finds(t, a, 10*time.Second)
	m.finds(t, z, 10*time.Second)
	for _, n := range []*node{a, z} {
		n.mu.Lock()
		if len(n.found) != 1 {
			t.Errorf("found %v, want the one in between", n.found)
		}
		n.mu.Unlock()
	}
}

// A machine with an address of another network on the same wire hears beacons that it does not believe.
func TestForeignAddress(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	one, two := newBox(t), newBox(t)
	b.plug(t, one, "eth0", "192.168.77.1/24")
	b.plug(t, two, "eth0", "10.1.2.3/24")
	up(t, one, "eth0")
	up(t, two, "eth0")
	first, second := start(t, one, 1), start(t, two, 2)
	time.Sleep(3 * time.Second)
	first.lonely(t)
	second.lonely(t)
}

// The machines ask whether their IPv6 addresses are taken (RFC 4862), and cannot send for a second or two.
func TestAddressBeingChecked(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	one, two := newBox(t), newBox(t)
	for _, at := range []*box{one, two} {
		b.plug(t, at, "eth0", linkLocal)
		at.sysctl(t, "ipv6/conf/eth0/accept_dad", "1")
		up(t, at, "eth0")
	}
	begun := time.Now()
	first, second := start(t, one, 1), start(t, two, 2)
	first.finds(t, second, 10*time.Second)
	second.finds(t, first, 10*time.Second)
	t.Logf("found after %v", time.Since(begun))
}
