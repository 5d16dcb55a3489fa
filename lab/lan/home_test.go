// SPDX-License-Identifier: MIT

//go:build lab && linux

package lan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// How TestOneFetches goes.
const (
	homeRate     = 128_000          // of the audio, bit/s
	homeQuiet    = 20 * time.Second // without a host that is new to it, and a node asks rarely for more
	homeSettles  = 40 * time.Second // at most, after the last listener came, or after a death, until all are quiet
	goal         = 1.1              // times what one listener takes
	homeRefilled = 3 * time.Second  // at most, until all have parents for everything again, beside the time in which the machine stood still
)

// A home is a LAN behind a router with NAT and a firewall, and a street with a broadcaster and relays.
type home struct {
	street, router *bridge
	streamer       string // the program
	dir            string
	stalls         *netlab.Stalls
}

// newHome has nobody in the house yet.
func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{dir: t.TempDir(), stalls: netlab.WatchStalls(t), street: &bridge{box: newBox(t)}, router: newBridge(t)}
	h.streamer = filepath.Join(h.dir, "streamer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", h.streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	h.connect(t, h.router.box, "198.51.100.1")
	h.router.ip(t, "link set lo up\naddr add 192.168.1.1/24 dev br0")
	for _, at := range []*box{h.street.box, h.router.box} {
		at.sysctl(t, "ipv4/ip_forward", "1")
	}
	_ = h.router.do(func() error { // bridged packets are not the router's; the switch is there only with the module
		return os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o600)
	})
	err := h.router.do(func() error {
		cmd := exec.CommandContext(t.Context(), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(`table ip home {
			chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
			chain in { type filter hook input priority filter; iifname "wan0" ct state new drop; }
			chain forward { type filter hook forward priority filter; policy drop;
				iifname "br0" accept; ct state established,related accept; }
		}`)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// connect gives a box a line to the street: a device wan0 with an address of its own and nobody beside it.
func (h *home) connect(t *testing.T, at *box, addr string) {
	t.Helper()
	h.street.ports++
	port := fmt.Sprintf("s%d", h.street.ports)
	h.street.ip(t, fmt.Sprintf(`link add %[1]s type veth peer name wan0 netns %[2]d
		addr add 192.0.2.1/32 dev %[1]s
		link set %[1]s up gso_max_segs 1`, port, at.tid))
	at.ip(t, fmt.Sprintf("addr add %s/32 dev wan0\nlink set wan0 up gso_max_segs 1\nroute add 192.0.2.1 dev wan0\nroute add default via 192.0.2.1", addr))
	h.street.ip(t, fmt.Sprintf("route add %s/32 dev %s", addr, port))
}

// public is a new machine on the street.
func (h *home) public(t *testing.T, addr string) *box {
	t.Helper()
	b := newBox(t)
	b.ip(t, "link set lo up")
	h.connect(t, b, addr)
	return b
}

// inside is a new machine in the house.
func (h *home) inside(t *testing.T, number int) *box {
	t.Helper()
	b := newBox(t)
	b.ip(t, "link set lo up")
	h.router.plug(t, b, "eth0", fmt.Sprintf("192.168.1.%d/24", number))
	b.ip(t, "link set eth0 gso_max_segs 1")
	up(t, b, "eth0")
	b.ip(t, "route add default via 192.168.1.1")
	return b
}

// crossed is how many bytes of IP packets have passed the router, both ways together.
func (h *home) crossed(t *testing.T) (total int) {
	t.Helper()
	var devices []struct {
		Stats map[string]struct{ Bytes, Packets int } `json:"stats64"`
	}
	err := h.router.do(func() error {
		out, err := exec.CommandContext(t.Context(), "ip", "-j", "-s", "link", "show", "dev", "wan0").Output()
		if err != nil {
			return err
		}
		return json.Unmarshal(out, &devices)
	})
	if err != nil || len(devices) != 1 {
		t.Fatalf("count what crosses the router: %v", err)
	}
	const ethernet = 14
	for _, way := range devices[0].Stats {
		total += way.Bytes - ethernet*way.Packets
	}
	return total
}

// A streamerNode is a running node.
type streamerNode struct {
	name string
	at   *box
	cmd  *exec.Cmd
	said *bytes.Buffer
	dead bool
	http http.Client
	base string
	link string // of its station

	excused uint64 // chunks that it missed while the machine stood still
}

// start runs a node and waits until it serves.
func (h *home) start(t *testing.T, at *box, name string, args ...string) *streamerNode {
	t.Helper()
	n := &streamerNode{name: name, at: at, said: &bytes.Buffer{}}
	n.http.Timeout = 5 * time.Second
	n.http.Transport = &http.Transport{DialContext: at.dial, DisableKeepAlives: true}
	readyFile := filepath.Join(h.dir, name+".json")
	args = append(args, "--data-dir", filepath.Join(h.dir, name), "--http", "127.0.0.1:0", "--ready-file", readyFile, "--no-dht", "--no-open")
	n.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), h.streamer, args...)
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	if err := at.do(n.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.kill(); n.report(t) })
	for range 500 {
		var ready struct{ HTTP, Link string }
		if b, err := os.ReadFile(readyFile); err == nil && json.Unmarshal(b, &ready) == nil {
			n.base, n.link = strings.TrimSuffix(ready.HTTP, "/"), ready.Link
			return n
		}
		time.Sleep(20 * time.Millisecond) // a real program starts in real time
	}
	t.Fatalf("%s does not serve", name)
	return nil
}

func (n *streamerNode) report(t *testing.T) {
	if t.Failed() {
		t.Logf("%s said:\n%s", n.name, n.said)
	}
}

// kill ends the node without a word, as a power cut would.
func (n *streamerNode) kill() {
	if n.dead {
		return
	}
	n.dead = true
	_ = n.cmd.Process.Signal(syscall.SIGKILL)
	_ = n.cmd.Wait() // it was killed: that is the error
}

// dial connects inside the box.
func (b *box) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = b.do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// A tuned is a station in a node's status, and how many hosts the node knows.
type tuned struct {
	known int

	Chunks struct{ Received, Repaired, Missing, Duplicate uint64 }
	Buffer float64 `json:"buffer_ms"`
	Hops   int

	Parents []struct {
		Addr    netip.AddrPort
		Classes []int
		LAN     bool
	}
}

// status asks the node for its station.
func (n *streamerNode) status(t *testing.T) tuned {
	t.Helper()
	resp, err := n.http.Get(n.base + "/api/v1/status")
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var s struct {
		Tuned []tuned
		Hosts struct{ Known int }
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || len(s.Tuned) != 1 {
		t.Fatalf("%s: %d stations, %v", n.name, len(s.Tuned), err)
	}
	s.Tuned[0].known = s.Hosts.Known
	return s.Tuned[0]
}

// outside is how many classes the node gets from beyond the router, of how many it gets.
func (s *tuned) outside() (outside, all int) {
	for _, p := range s.Parents {
		all += len(p.Classes)
		if !p.LAN {
			outside += len(p.Classes)
		}
	}
	return outside, all
}

// noise makes music of the rate of homeRate, long enough for a test.
func noise(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "noise.mp3")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "anoisesrc=r=44100:a=0.3:seed=7:d=1200",
		"-b:a", fmt.Sprint(homeRate), path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

// TestOneFetches: five listeners on a LAN behind one router, the broadcaster and two relays outside. The stream comes into the
// house once; when the one that fetches it is killed, another does, and nobody misses anything. With LAB_LONG=1 it goes on until
// one is left.
func TestOneFetches(t *testing.T) {
	watched, left := 20*time.Second, 4
	if os.Getenv("LAB_LONG") != "" {
		watched, left = time.Minute, 1
	} else {
		t.Parallel() // it mostly waits
	}
	h := newHome(t)
	music := noise(t, h.dir)
	studio := h.start(t, h.public(t, "203.0.113.1"), "studio", "broadcast", music, "--name", "Village Radio", "--announce", "203.0.113.1:8466", "--no-lan")
	for i := range 2 {
		h.start(t, h.public(t, fmt.Sprintf("203.0.113.%d", 2+i)), fmt.Sprintf("relay%d", i), "relay", studio.link, "--no-lan")
	}
	var house []*streamerNode
	join := func(n int) {
		for range n {
			name := fmt.Sprintf("listener%d", len(house))
			house = append(house, h.start(t, h.inside(t, 10+len(house)), name, "listen", studio.link, "--output", filepath.Join(h.dir, name+".mp3")))
		}
	}
	join(1)
	h.settle(t, house)
	alone, _ := h.watch(t, house, watched, 0)
	t.Logf("1 listener: %.3f streams of audio cross the router", alone)

	joined := h.count(t)
	join(4)
	h.settle(t, house)
	t.Logf("the first %.0f s of 5 listeners: %.3f streams", joined.seconds(), joined.streams(t))
	for {
		streams, fetcher := h.watch(t, house, watched, goal*alone)
		t.Logf("%d listeners: %.3f streams of audio cross the router, %.3f times what one takes", len(house), streams, streams/alone)
		if len(house) <= left {
			break
		}
		house = slices.DeleteFunc(house, func(n *streamerNode) bool { return n == fetcher })
		killed := h.count(t)
		fetcher.kill()
		h.refilled(t, house, fetcher, killed.begun)
		h.settle(t, house)
		t.Logf("the first %.0f s: %.3f streams", killed.seconds(), killed.streams(t))
	}
	for _, n := range house {
		h.compare(t, n, music)
	}
}

// settle waits until nobody has met new hosts for homeQuiet and the stream crosses the router once, at most for homeSettles.
func (h *home) settle(t *testing.T, house []*streamerNode) {
	t.Helper()
	began, quiet, last := time.Now(), time.Now(), -1
	for time.Since(began)-h.stalls.Since(began) < homeSettles {
		known := 0
		for _, n := range house {
			s := n.status(t)
			known += s.known
		}
		if known != last {
			quiet, last = time.Now(), known
		}
		if _, faults := h.look(t, house); time.Since(quiet) > homeQuiet && len(faults) == 0 {
			break
		}
		time.Sleep(500 * time.Millisecond) // the programs' time is real
	}
	t.Logf("settled after %.1f s", time.Since(began).Seconds())
}

// watch tells how many streams cross the router for a while, and looks at everybody at its end. It returns who fetches. Programs
// that stand still ask again for what is late, and take other parents until they are fed as before: where the machine did not
// serve them, it watches again, and what they have missed by then is the machine's.
func (h *home) watch(t *testing.T, house []*streamerNode, span time.Duration, limit float64) (streams float64, fetcher *streamerNode) {
	t.Helper()
	first := true
	h.stalls.Fairly(t, func() (faults []string) {
		if !first {
			h.excuse(t, house)
		}
		first = false
		c := h.count(t)
		time.Sleep(span) // the programs' time is real
		streams = c.streams(t)
		fetcher, faults = h.look(t, house)
		if limit > 0 && streams > limit {
			faults = append(faults, fmt.Sprintf("%d listeners take %.3f streams, want at most %.3f", len(house), streams, limit))
		}
		for _, n := range house {
			s := n.status(t)
			outside, all := s.outside()
			t.Logf("%s: %d of %d classes from outside, hops %d, buffer %.0f ms, %+v", n.name, outside, all, s.Hops, s.Buffer, s.Chunks)
		}
		return faults
	})
	return streams, fetcher
}

// excuse forgives what everybody has missed until now.
func (h *home) excuse(t *testing.T, house []*streamerNode) {
	t.Helper()
	for _, n := range house {
		n.excused = n.status(t).Chunks.Missing
	}
}

// A count is what has crossed the router since a moment.
type count struct {
	home  *home
	begun time.Time
	bytes int
}

func (h *home) count(t *testing.T) count {
	t.Helper()
	bytes := h.crossed(t)
	return count{h, time.Now(), bytes}
}

func (c count) seconds() float64 { return time.Since(c.begun).Seconds() }

// streams is how many times the audio's bytes have crossed the router.
func (c count) streams(t *testing.T) float64 {
	t.Helper()
	return float64(c.home.crossed(t)-c.bytes) / (homeRate / 8 * c.seconds())
}

// compare looks whether what a listener wrote is a piece of the music, without a gap but where the machine stood still.
func (h *home) compare(t *testing.T, n *streamerNode, music string) {
	t.Helper()
	want, err := os.ReadFile(music)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(h.dir, n.name+".mp3"))
	if err != nil {
		t.Fatal(err)
	}
	if n.excused > 0 {
		t.Logf("%s missed %d chunks while the machine stood still", n.name, n.excused)
		return
	}
	if len(got) < homeRate/8*30 || !bytes.Contains(want, got) {
		t.Errorf("the %d bytes that %s heard are not a piece of the music", len(got), n.name)
	}
	t.Logf("%s heard %d bytes without a gap", n.name, len(got))
}

// look looks at everybody, and returns the one that fetches and what is not as it should be.
func (h *home) look(t *testing.T, house []*streamerNode) (fetcher *streamerNode, faults []string) {
	t.Helper()
	crossing := 0
	for _, n := range house {
		s := n.status(t)
		outside, all := s.outside()
		if crossing += outside; outside > 0 {
			fetcher = n
		}
		if all != 16 || s.Chunks.Missing > n.excused {
			faults = append(faults, fmt.Sprintf("%s: %+v", n.name, s))
		}
	}
	if crossing != 16 {
		faults = append(faults, fmt.Sprintf("%d classes cross the router", crossing))
	}
	return fetcher, faults
}

// refilled waits until all have everything again after somebody's death.
func (h *home) refilled(t *testing.T, house []*streamerNode, dead *streamerNode, since time.Time) {
	t.Helper()
	gone := netip.MustParseAddrPort(dead.address(t))
	for _, n := range house {
		for {
			s := n.status(t)
			got := 0
			for _, p := range s.Parents {
				if p.Addr != gone {
					got += len(p.Classes)
				}
			}
			took := time.Since(since)
			stood := h.stalls.Since(since)
			if got == 16 {
				t.Logf("%s is fed again after at most %v", n.name, took.Round(time.Millisecond))
				break
			}
			if took-stood > homeRefilled {
				t.Fatalf("%s after %v, in which the machine stood still for %v: %+v", n.name, took, stood, s)
			}
			time.Sleep(20 * time.Millisecond) // the program's time is real
		}
	}
}

// address is where the others know the node.
func (n *streamerNode) address(t *testing.T) string {
	t.Helper()
	var addr string
	err := n.at.do(func() error {
		addrs, err := net.InterfaceAddrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsPrivate() {
				addr = netip.AddrPortFrom(p.Addr(), 8466).String()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
