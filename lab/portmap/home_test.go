// SPDX-License-Identifier: MIT

//go:build lab && linux

// Package portmap_test asks a real router, Debian's miniupnpd, for ports: in a home of network namespaces with a stranger outside.
package portmap_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"streamer/internal/portmap"
)

// The world: a stranger, a router, and a machine behind it. miniupnpd opens no ports at a documentation address (RFC 5737), so
// IPv4 outside is from 44.128.0.0/16, which AMPRNet keeps for tests and nobody routes. IPv6 is RFC 3849.
const (
	stranger4 = "44.128.0.1"
	router4   = "44.128.0.7"
	inside4   = "192.168.1.1"
	machine4  = "192.168.1.20"
	stranger6 = "2001:db8:1::1"
	router6   = "2001:db8:1::7"
	inside6   = "2001:db8:7::1"
	machine6  = "2001:db8:7::20"

	nodePort = 8466

	saidBytes = 8 << 10 // of a router's log, when a test fails
)

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
	b.ip(t, "link set lo up")
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
	for line := range strings.Lines(script) {
		if fields := strings.Fields(line); len(fields) > 0 {
			b.command(t, "", append([]string{"ip"}, fields...)...)
		}
	}
}

// command runs a command in the box and returns what it wrote.
func (b *box) command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var out []byte
	err := b.do(func() (err error) {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sysctl sets a value of the box's own.
func (b *box) sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := b.do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644) }); err != nil {
		t.Fatal(err)
	}
}

// A home is a router with a machine behind it, and a stranger outside.
type home struct {
	stranger, router, machine *box
	dir                       string
	log                       record // of miniupnpd
}

// newHome builds it; the router forwards, translates and filters, and maps no ports yet.
func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{stranger: newBox(t), router: newBox(t), machine: newBox(t), dir: t.TempDir()}
	wire := func(a *box, deviceA string, b *box, deviceB string) {
		t.Helper()
		a.ip(t, fmt.Sprintf("link add %s type veth peer name %s netns %d", deviceA, deviceB, b.tid))
		for _, end := range []struct {
			at     *box
			device string
		}{{a, deviceA}, {b, deviceB}} {
			end.at.sysctl(t, "ipv6/conf/"+end.device+"/accept_dad", "0") // addresses are good at once
			end.at.sysctl(t, "ipv6/conf/"+end.device+"/accept_ra", "0")
			end.at.ip(t, "link set "+end.device+" up")
		}
	}
	wire(h.stranger, "eth0", h.router, "wan0")
	wire(h.router, "lan0", h.machine, "eth0")
	h.stranger.ip(t, `addr add `+stranger4+`/24 dev eth0
		addr add `+stranger6+`/64 dev eth0 nodad
		route add 2001:db8:7::/64 via `+router6)
	h.router.ip(t, `addr add `+router4+`/24 dev wan0
		addr add `+router6+`/64 dev wan0 nodad
		route add default via `+stranger4+`
		addr add `+inside4+`/24 dev lan0
		addr add `+inside6+`/64 dev lan0 nodad
		addr add fe80::1/64 dev lan0 nodad`)
	h.router.sysctl(t, "ipv4/ip_forward", "1")
	h.router.sysctl(t, "ipv6/conf/all/forwarding", "1")
	h.machine.ip(t, `addr add `+machine4+`/24 dev eth0
		addr add `+machine6+`/64 dev eth0 nodad
		route add default via `+inside4+`
		route add default via fe80::1 dev eth0`)
	h.router.command(t, ruleset, "nft", "-f", "-")
	return h
}

// ruleset is that of a home's router, with the chains that miniupnpd fills.
const ruleset = `
table inet filter {
	chain input {
		type filter hook input priority filter;
		iifname wan0 meta l4proto icmpv6 accept
		iifname wan0 ct state new drop
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname lan0 accept
		meta l4proto icmpv6 accept
		jump miniupnpd
	}
	chain miniupnpd { }
	chain prerouting {
		type nat hook prerouting priority dstnat;
		jump prerouting_miniupnpd
	}
	chain prerouting_miniupnpd { }
	chain postrouting {
		type nat hook postrouting priority srcnat;
		jump postrouting_miniupnpd
		meta nfproto ipv4 oifname wan0 masquerade
	}
	chain postrouting_miniupnpd { }
}`

// serve starts miniupnpd on the router with more lines for its configuration, and returns what ends it.
func (h *home) serve(t *testing.T, lines ...string) (stop func()) {
	t.Helper()
	config := filepath.Join(h.dir, "miniupnpd.conf")
	text := strings.Join(append([]string{
		"ext_ifname=wan0", "listening_ip=lan0", "uuid=11111111-2222-3333-4444-555555555555", "system_uptime=no",
		"allow 1024-65535 192.168.1.0/24 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535",
	}, lines...), "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.router.start(t, &h.log, nil, "miniupnpd", "-d", "-f", config, "-P", filepath.Join(h.dir, "miniupnpd.pid"))
	stop = sync.OnceFunc(func() {
		p.stop(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("miniupnpd said:\n%s", h.said()[max(0, len(h.said())-saidBytes):])
		}
	})
	t.Cleanup(stop)
	var doors []string
	if strings.Contains(text, "enable_natpmp=yes") {
		doors = append(doors, "Listening for NAT-PMP/PCP traffic")
	}
	if !strings.Contains(text, "enable_upnp=no") {
		doors = append(doors, "HTTP listening on port")
	}
	for _, said := range doors {
		for end := time.Now().Add(10 * time.Second); !strings.Contains(h.said(), said); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("miniupnpd does not start; it said:\n%s", h.said())
			}
		}
	}
	return stop
}

// said is what the router's miniupnpd wrote so far.
func (h *home) said() string { return h.log.String() }

// A record is a buffer that can be read while a process writes it.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// maps4 reports whether rules let strangers in by IPv4.
func (h *home) maps4(rules string) bool {
	return strings.Contains(rules, "dnat") || strings.Contains(rules, machine4)
}

// rules returns what miniupnpd put into the router.
func (h *home) rules(t *testing.T) string {
	t.Helper()
	return h.router.command(t, "", "nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd") +
		h.router.command(t, "", "nft", "list", "chain", "inet", "filter", "miniupnpd")
}

// A process runs in a box.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (b *box) start(t *testing.T, output io.Writer, env []string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // of the box's thread
	if err := b.do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }()
	return p
}

// stop ends the process and waits.
func (p *process) stop(t *testing.T, s syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("%s did not end", p.cmd.Args[0])
	}
}

// An event is what the process on the machine tells.
type event struct {
	At       time.Time
	Report   *report // of portmap
	Datagram string  // received at the node's port
}

// A report is a portmap.Report as text.
type report struct{ IPv4, IPv6 state }

type state struct {
	Mapping portmap.Mapping
	Err     string
}

func (s state) String() string {
	if s.Mapping.Protocol == "" {
		return fmt.Sprintf("none (%s)", s.Err)
	}
	return fmt.Sprintf("%s %v for %v", s.Mapping.Protocol, s.Mapping.External, s.Mapping.Lifetime)
}

const helperEnv = "PORTMAP_LAB"

// TestMain is also the program on the machine: everything of it has to be in its namespace.
func TestMain(m *testing.M) {
	if text := os.Getenv(helperEnv); text != "" {
		var o portmap.Options
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		live(o)
		return
	}
	os.Exit(m.Run())
}

// live maps a port until standard input ends, and writes events as JSON.
func live(o portmap.Options) {
	events := make(chan event)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(o.Port)})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(b[:n], from)
			events <- event{Datagram: string(b[:n])}
		}
	}()
	o.OnChange = func(r portmap.Report) {
		text := func(s portmap.State) state {
			if s.Err != nil {
				return state{s.Mapping, s.Err.Error()}
			}
			return state{s.Mapping, ""}
		}
		events <- event{Report: &report{text(r.IPv4), text(r.IPv6)}}
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	go func() {
		portmap.Run(ctx, o)
		close(events)
	}()
	out := json.NewEncoder(os.Stdout)
	for e := range events {
		e.At = time.Now()
		_ = out.Encode(e)
	}
}

// A tenant is the program on the machine, seen from the test.
type tenant struct {
	*process
	stdin  io.Closer
	events chan event
}

// run starts portmap.Run on the machine.
func (h *home) run(t *testing.T, o portmap.Options) *tenant {
	t.Helper()
	o.Port = nodePort
	text, err := json.Marshal(map[string]any{"Port": o.Port, "Protocols": o.Protocols, "Lifetime": o.Lifetime})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), helperEnv+"="+string(text))
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.machine.do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	n := &tenant{process: &process{cmd: cmd, done: make(chan struct{})}, stdin: stdin, events: make(chan event, 1000)}
	go func() { _ = cmd.Wait(); _ = write.Close(); close(n.done) }()
	go func() {
		defer close(n.events)
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				n.events <- e
			}
		}
	}()
	t.Cleanup(func() { n.leave(t) })
	return n
}

// leave ends the program politely.
func (n *tenant) leave(t *testing.T) {
	t.Helper()
	_ = n.stdin.Close()
	select {
	case <-n.done:
	case <-time.After(5 * time.Second):
		_ = n.cmd.Process.Kill()
		t.Error("the program does not end")
	}
}

// await returns the first event that is right.
func (n *tenant) await(t *testing.T, what string, within time.Duration, right func(event) bool) event {
	t.Helper()
	late := time.After(within)
	for {
		select {
		case e, ok := <-n.events:
			if !ok {
				t.Fatalf("no %s: the program ended", what)
			}
			if e.Report != nil {
				t.Logf("%v: IPv4 %v, IPv6 %v", e.At.Format("05.000"), e.Report.IPv4, e.Report.IPv6)
			}
			if right(e) {
				return e
			}
		case <-late:
			t.Fatalf("no %s within %v", what, within)
		}
	}
}

// mapped waits for a mapping in a family and returns it.
func (n *tenant) mapped(t *testing.T, v6 bool, within time.Duration) portmap.Mapping {
	t.Helper()
	var m portmap.Mapping
	n.await(t, "mapping", within, func(e event) bool {
		if e.Report == nil {
			return false
		}
		m = e.Report.IPv4.Mapping
		if v6 {
			m = e.Report.IPv6.Mapping
		}
		return m.Protocol != ""
	})
	return m
}

// says sends a datagram from the stranger, from a port that was never used, and reports whether an answer comes back.
func (h *home) says(t *testing.T, to netip.AddrPort, within time.Duration) bool {
	t.Helper()
	answered := false
	err := h.stranger.do(func() error {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(within))
		b := make([]byte, 100)
		n, err := conn.Read(b)
		answered = err == nil && string(b[:n]) == "hello"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return answered
}
