// SPDX-License-Identifier: MIT

//go:build lab && linux

package portmap_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/internal/portmap"
)

// A port is mapped by each protocol alone and by all, a stranger's datagram arrives, and the end of the program closes the port.
func TestMapping(t *testing.T) {
	for _, c := range []struct {
		name      string
		router    []string
		protocols []portmap.Protocol
		want      portmap.Protocol // "": PCP or NAT-PMP, whose first answers a busy machine may reorder
	}{
		{"PCP", []string{"enable_natpmp=yes", "enable_upnp=no"}, []portmap.Protocol{portmap.PCP}, portmap.PCP},
		{"NAT-PMP", []string{"enable_natpmp=yes", "enable_upnp=no"}, []portmap.Protocol{portmap.NATPMP}, portmap.NATPMP},
		{"UPnP", []string{"enable_natpmp=no", "enable_upnp=yes"}, []portmap.Protocol{portmap.UPnP}, portmap.UPnP},
		{"UPnP only router, raced", []string{"enable_natpmp=no", "enable_upnp=yes"}, nil, portmap.UPnP},
		{"raced", []string{"enable_natpmp=yes", "enable_upnp=yes"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.serve(t, c.router...)
			outside := netip.AddrPortFrom(netip.MustParseAddr(router4), nodePort)
			begun := time.Now()
			n := h.run(t, portmap.Options{Protocols: c.protocols})
			m := n.mapped(t, false, 20*time.Second)
			t.Logf("mapped after %v: %+v", time.Since(begun).Round(time.Millisecond), m)
			good := m.Protocol == c.want || c.want == "" && m.Protocol != portmap.UPnP
			if !good || m.External != outside {
				t.Errorf("%s maps %v, want %s and %v", m.Protocol, m.External, c.want, outside)
			}
			if !h.says(t, m.External, 2*time.Second) {
				t.Errorf("a stranger gets no answer; the router has\n%s", h.rules(t))
			}
			n.leave(t)
			if rules := h.rules(t); h.maps4(rules) {
				t.Errorf("the mapping is still there:\n%s", rules)
			}
			if h.says(t, m.External, 250*time.Millisecond) {
				t.Error("the port is still open")
			}
		})
	}
}

// The router's firewall keeps an IPv6 stranger out until PCP lets him in. A hole that miniupnpd 2.3.1 was asked for twice, as when
// its answer is late, it forgets whose it is, and leaves it open until its time is over.
func TestPinhole(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	at := netip.AddrPortFrom(netip.MustParseAddr(machine6), nodePort)
	before := h.run(t, portmap.Options{Protocols: []portmap.Protocol{}})
	if h.says(t, at, 250*time.Millisecond) {
		t.Fatal("the firewall lets everybody in")
	}
	before.leave(t)
	h.serve(t, "enable_natpmp=yes")
	n := h.run(t, portmap.Options{})
	if m := n.mapped(t, true, 20*time.Second); m.External != at {
		t.Errorf("the hole is at %v, want %v", m.External, at)
	}
	if !h.says(t, at, 2*time.Second) {
		t.Errorf("a stranger gets no answer; the router has\n%s", h.rules(t))
	}
	n.leave(t)
	if rules := h.rules(t); strings.Contains(rules, machine6) && !strings.Contains(h.said(), "updating pinhole") {
		t.Errorf("the hole is still there:\n%s", rules)
	}
}

// Leases of a few seconds are renewed for longer than that.
func TestRenewal(t *testing.T) {
	for _, c := range []struct {
		protocol portmap.Protocol
		router   string
	}{{portmap.PCP, "enable_natpmp=yes"}, {portmap.NATPMP, "enable_natpmp=yes"}, {portmap.UPnP, "enable_upnp=yes"}} {
		t.Run(string(c.protocol), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.serve(t, c.router, "min_lifetime=2")
			n := h.run(t, portmap.Options{Protocols: []portmap.Protocol{c.protocol}, Lifetime: 4 * time.Second})
			first := n.mapped(t, false, 20*time.Second)
			if first.Lifetime != 4*time.Second {
				t.Fatalf("granted %v", first.Lifetime)
			}
			for begun := time.Now(); time.Since(begun) < 9*time.Second; {
				if m := n.mapped(t, false, 10*time.Second); m.External != first.External {
					t.Errorf("renewed as %v, was %v", m.External, first.External)
				}
			}
			if !h.says(t, first.External, 2*time.Second) {
				t.Errorf("after 9 s a lease of 4 s is over; the router has\n%s", h.rules(t))
			}
			// Nobody renews when the program dies, and the router closes the port by itself.
			_ = n.cmd.Process.Signal(syscall.SIGKILL)
			<-n.done
			for end := time.Now().Add(15 * time.Second); h.maps4(h.rules(t)); time.Sleep(100 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the lease has no end")
				}
			}
		})
	}
}

// The router restarts and has lost everything: the mapping is back as soon as it announces itself, or the next look finds out.
func TestRouterRestarts(t *testing.T) {
	for _, protocol := range []portmap.Protocol{portmap.PCP, portmap.NATPMP} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			stop := h.serve(t, "enable_natpmp=yes", "enable_upnp=no")
			n := h.run(t, portmap.Options{Protocols: []portmap.Protocol{protocol}})
			m := n.mapped(t, false, 20*time.Second)
			time.Sleep(3 * time.Second) // real time on the router's clock, which counts seconds
			stop()
			h.router.command(t, "", "nft", "flush", "ruleset")
			h.router.command(t, ruleset, "nft", "-f", "-")
			if h.says(t, m.External, 250*time.Millisecond) {
				t.Fatal("the port is still open")
			}
			begun := time.Now()
			h.serve(t, "enable_natpmp=yes", "enable_upnp=no")
			for !h.says(t, m.External, 250*time.Millisecond) {
				if time.Since(begun) > 75*time.Second {
					t.Fatalf("the mapping is not back; the router has\n%s", h.rules(t))
				}
			}
			t.Logf("the port is open again %v after the router's start", time.Since(begun).Round(10*time.Millisecond))
		})
	}
}

// The whole program: it says what it got, a stranger reaches its port, and it gives the port back.
func TestStreamer(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	streamer := filepath.Join(h.dir, "streamer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	h.serve(t, "enable_natpmp=yes")
	var said bytes.Buffer
	ready := filepath.Join(h.dir, "ready.json")
	p := h.machine.start(t, &said, nil, streamer, "run", "--no-lan", "--no-dht", "--no-open", "--http", "127.0.0.1:8467",
		"--data-dir", filepath.Join(h.dir, "data"), "--ready-file", ready)
	type status struct {
		Portmap map[string]struct{ State, Protocol, External, Words string }
	}
	var s status
	for end := time.Now().Add(20 * time.Second); s.Portmap["ipv4"].State != "mapped" || s.Portmap["ipv6"].State != "mapped"; {
		if time.Now().After(end) {
			p.stop(t, syscall.SIGTERM)
			t.Fatalf("got %+v\n%s", s, said.String())
		}
		if _, err := os.Stat(ready); err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		text := h.machine.command(t, "", "curl", "-s", "http://127.0.0.1:8467/api/v1/status")
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("status: %+v", s)
	if got, want := s.Portmap["ipv4"].External, fmt.Sprintf("%s:%d", router4, nodePort); got != want {
		t.Errorf("mapped %s, want %s", got, want)
	}
	begun := time.Now()
	p.stop(t, syscall.SIGTERM)
	t.Logf("it ends within %v", time.Since(begun).Round(time.Millisecond))
	if rules := h.rules(t); h.maps4(rules) {
		t.Errorf("the mapping is still there:\n%s", rules)
	}
}
