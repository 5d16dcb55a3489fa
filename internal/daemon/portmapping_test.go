// SPDX-License-Identifier: MIT

package daemon_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/portmap"
)

// A pcpRouter grants every PCP request (RFC 6887), for 2 s, until it is switched off.
type pcpRouter struct {
	addr    netip.Addr
	off     atomic.Bool
	deleted atomic.Bool
}

func newPCPRouter(t *testing.T, addr, outside string) *pcpRouter {
	t.Helper()
	r := &pcpRouter{addr: netip.MustParseAddr(addr)}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.addr, 5351)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1100)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if r.off.Load() || b[0] != 2 {
				continue
			}
			b[1] |= 0x80
			clear(b[12:24]) // reserved
			if n == 60 {
				r.deleted.Store(b[7] == 0)
				b[7] = min(b[7], 2) // seconds
				b[6], b[4], b[5] = 0, 0, 0
				copy(b[56:60], netip.MustParseAddr(outside).AsSlice())
			}
			_, _ = conn.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return r
}

// The node hears of a mapping that the internet can reach, and of its end; the status says it in words; the end gives it back.
func TestPortMapping(t *testing.T) {
	for _, c := range []struct {
		name, router, outside, state string
		told                         bool
	}{
		{"public", "127.89.0.1", "44.128.0.7", "mapped", true},
		{"behind the provider's NAT", "127.89.0.2", "100.64.0.7", "inside", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newPCPRouter(t, c.router, c.outside)
			dir := t.TempDir()
			d, err := daemon.New(daemon.Options{DataDir: dir, HTTP: "127.0.0.1:0", Portmap: true})
			if err != nil {
				t.Fatal(err)
			}
			d.AskRouter(portmap.Path{Gateway: r.addr, Local: netip.MustParseAddr("127.0.0.1")})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- d.Run(ctx) }()

			s := awaitPortmap(t, d, c.state)
			if s.Protocol == nil || *s.Protocol != "PCP" || s.External == nil || !strings.HasPrefix(*s.External, c.outside) {
				t.Errorf("got %+v", s)
			}
			if mapped, err := d.Mapped(ctx); err != nil || mapped != c.told {
				t.Errorf("the node was told: %v, %v", mapped, err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "portmap.key")); err != nil || len(b) != 33 {
				t.Errorf("the key is %q, %v", b, err)
			}
			r.off.Store(true)
			if s = awaitPortmap(t, d, "none"); !strings.Contains(s.Words, "UDP port") || s.Protocol != nil {
				t.Errorf("got %+v", s)
			}
			if mapped, err := d.Mapped(ctx); err != nil || mapped {
				t.Errorf("the node was not told of the end: %v, %v", mapped, err)
			}
			r.off.Store(false)
			awaitPortmap(t, d, c.state)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if !r.deleted.Load() {
				t.Error("the mapping was not given back")
			}
		})
	}
}

// awaitPortmap waits until the status says so of IPv4.
func awaitPortmap(t *testing.T, d *daemon.Daemon, state string) daemon.PortmapStatus {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * patience)
	var s daemon.Status
	for {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.Ready().HTTP+"api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(q)
		if err == nil {
			err = json.NewDecoder(a.Body).Decode(&s)
			_ = a.Body.Close()
		}
		if err == nil && s.Portmap.IPv4.State == state {
			return s.Portmap.IPv4
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the status is %+v, %v, want %s", s.Portmap, err, state)
		}
	}
}

// Without the option nobody is asked, and the status says so.
func TestNoPortMapping(t *testing.T) {
	r := newPCPRouter(t, "127.89.0.3", "44.128.0.7")
	d, err := daemon.New(daemon.Options{DataDir: t.TempDir(), HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	d.AskRouter(portmap.Path{Gateway: r.addr, Local: netip.MustParseAddr("127.0.0.1")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	awaitPortmap(t, d, "off")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
