// SPDX-License-Identifier: MIT

package portmap_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"streamer/internal/portmap"
)

// Each protocol gets a mapping, and gives it back at the end; the better one is used where there are several.
func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		pcp, pmp, upnp bool
		want           portmap.Protocol
	}{
		{"PCP", true, false, false, portmap.PCP},
		{"NAT-PMP", false, true, false, portmap.NATPMP},
		{"UPnP", false, false, true, portmap.UPnP},
		{"PCP and NAT-PMP", true, true, false, portmap.PCP},
		{"NAT-PMP and UPnP", false, true, true, portmap.NATPMP},
		{"all", true, true, true, portmap.PCP},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			r.set(func(r *router) { r.pcp, r.pmp = c.pcp, c.pmp })
			var g *igd
			if c.upnp {
				g = newIGD(t, r)
			}
			begun := time.Now()
			n := r.start(t, portmap.Options{})
			m := n.until(t, "a mapping", isMapped).Mapping
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it takes %v: those that do not answer are waited for", took)
			}
			want := portmap.Mapping{
				Protocol: c.want, External: netip.AddrPortFrom(outside, nodePort), Internal: netip.AddrPortFrom(machine, nodePort),
				Lifetime: portmap.Lifetime, Gateway: r.addr,
			}
			if m != want || !m.Public() {
				t.Errorf("got %+v, want %+v", m, want)
			}
			made := 0
			if r.mapped() == nodePort {
				made++
			}
			if c.upnp && g.mapped()["8466"] == "127.0.0.1:8466" {
				made++
			}
			if made != 1 {
				t.Errorf("%d mappings were made, want one", made)
			}
			n.stop()
			if r.mapped() != 0 || c.upnp && len(g.mapped()) != 0 {
				t.Error("the mapping was not given back")
			}
		})
	}
}

// A lease is renewed at half of its time, again and again, and keeps its port.
func TestRenewal(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.pcp, r.grants, r.external = true, 2, 9999 })
	n := r.start(t, portmap.Options{})
	for i := range 4 {
		if m := n.until(t, "a mapping", isMapped).Mapping; m.Lifetime != 2*time.Second || m.External.Port() != 9999 {
			t.Fatalf("mapping %d: %+v", i, m)
		}
	}
	n.stop()
	maps := 0
	for len(r.seen) > 0 {
		switch <-r.seen {
		case "PCP map":
			maps++
		case "expired":
			t.Error("a lease was over before it was renewed")
		}
	}
	if maps > 5 {
		t.Errorf("asked %d times for four mappings", maps)
	}
}

// Answers with another nonce are not ours.
func TestForgedAnswer(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.pcp, r.forges = true, true })
	if m := r.start(t, portmap.Options{}).until(t, "a mapping", isMapped).Mapping; m.External.Addr() != outside {
		t.Errorf("mapped at %v", m.External)
	}
}

// A router that loses its mappings while nobody looks refuses or forgets; one that is silent keeps its mapping to the end of it.
func TestLoss(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		r.set(func(r *router) { r.pcp, r.grants = true, 3 })
		n := r.start(t, portmap.Options{Protocols: []portmap.Protocol{portmap.PCP}})
		n.until(t, "a mapping", isMapped)
		begun := time.Now()
		r.set(func(r *router) { r.silent = true })
		s := n.until(t, "the loss", isNone)
		if took := time.Since(begun); took < 2*time.Second || isMapped(s) {
			t.Errorf("lost after %v of 3 s: %+v", took, s)
		}
		r.set(func(r *router) { r.silent = false })
		n.until(t, "the router's return", isMapped)
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		r.set(func(r *router) { r.pcp, r.pmp, r.grants = true, true, 8 })
		n := r.start(t, portmap.Options{})
		n.until(t, "a mapping", isMapped)
		begun := time.Now()
		r.set(func(r *router) { r.refuses = 8 })
		if s := n.until(t, "the loss", isNone); !errors.Is(s.Err, portmap.PCPResult(8)) {
			t.Errorf("lost for %v", s.Err)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("it takes %v to see a refusal at half of 8 s", took)
		}
		if m := n.until(t, "a mapping by other means", isMapped).Mapping; m.Protocol != portmap.NATPMP {
			t.Errorf("then by %s", m.Protocol)
		}
	})
	t.Run("another address", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		r.set(func(r *router) { r.pmp, r.grants = true, 2 })
		n := r.start(t, portmap.Options{})
		n.until(t, "a mapping", isMapped)
		other := netip.MustParseAddr("100.64.3.4")
		r.set(func(r *router) { r.outside = other })
		m := n.until(t, "another address", func(s portmap.State) bool { return s.Mapping.External.Addr() == other }).Mapping
		if m.Public() {
			t.Error("the provider's NAT counts as public")
		}
	})
}

// After a crash the same secret gets the mapping again, another does not.
func TestSecret(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.pcp = true })
	o := portmap.Options{Secret: []byte("secret"), Protocols: []portmap.Protocol{portmap.PCP}}
	n := r.start(t, o)
	n.until(t, "a mapping", isMapped)
	r.set(func(r *router) { r.silent = true }) // the end does not get through
	n.stop()
	r.set(func(r *router) { r.silent = false })
	if r.mapped() == 0 {
		t.Fatal("the mapping is gone")
	}
	n = r.start(t, portmap.Options{Secret: []byte("other"), Protocols: o.Protocols})
	if s := n.until(t, "a refusal", isNone); !errors.Is(s.Err, portmap.PCPResult(2)) {
		t.Errorf("got %v", s.Err)
	}
	n.stop()
	r.start(t, o).until(t, "the old mapping", isMapped)
}

// No router, no answer, an answer that is none: that is told, and Run ends at once when it is asked to.
func TestNobody(t *testing.T) {
	t.Parallel()
	r := newRouter(t) // speaks nothing
	n := r.start(t, portmap.Options{})
	if s := n.until(t, "nobody", isNone); isMapped(s) || s.Gateway != r.addr {
		t.Errorf("got %+v", s)
	}
	begun := time.Now()
	n.stop()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it takes %v to end", took)
	}
}

// The machine moves to another network: the mapping there is made, and the one here given back.
func TestMove(t *testing.T) {
	t.Parallel()
	one, two := newRouter(t), newRouter(t)
	for _, r := range []*router{one, two} {
		r.set(func(r *router) { r.pcp = true })
	}
	var moved atomic.Bool
	n := one.start(t, portmap.Options{Paths: func() ([]portmap.Path, error) {
		if moved.Load() {
			return []portmap.Path{{Gateway: two.addr, Local: machine}}, nil
		}
		return []portmap.Path{{Gateway: one.addr, Local: machine}}, nil
	}})
	n.until(t, "a mapping", isMapped)
	moved.Store(true)
	n.until(t, "a mapping elsewhere", func(s portmap.State) bool { return isMapped(s) && s.Gateway == two.addr })
	one.asked(t, "PCP delete")
}

// Run ends in the middle of everything, in time, and what was made then is given back.
func TestEndAtAnyTime(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.pcp, r.pmp = true, true })
	newIGD(t, r)
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*500*time.Microsecond)
		begun := time.Now()
		portmap.Run(ctx, portmap.Options{Port: nodePort, Paths: func() ([]portmap.Path, error) {
			return []portmap.Path{{Gateway: r.addr, Local: machine}}, nil
		}})
		cancel()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it takes %v", took)
		}
		if r.mapped() != 0 {
			t.Fatal("a mapping is left")
		}
	}
}

// UPnP's peculiarities: a router without leases, a port that another machine has.
func TestUPnPOddities(t *testing.T) {
	t.Parallel()
	t.Run("no leases", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		g := newIGD(t, r)
		g.set(func(g *igd) { g.permanent = true })
		n := r.start(t, portmap.Options{})
		n.until(t, "a mapping", isMapped)
		n.stop()
		if left := g.mapped(); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	})
	t.Run("conflict", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		g := newIGD(t, r)
		g.set(func(g *igd) { g.conflicts = 2 })
		n := r.start(t, portmap.Options{})
		m := n.until(t, "a mapping", isMapped).Mapping
		want := map[string]string{netip.AddrPortFrom(outside, m.External.Port()).String()[len("44.128.0.7:"):]: "127.0.0.1:8466"}
		if got := g.mapped(); m.External.Port() == nodePort || !maps.Equal(got, want) {
			t.Errorf("mapped %v, entries %v", m.External, got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t)
		g := newIGD(t, r)
		g.set(func(g *igd) { g.faults["AddPortMapping"] = 606 })
		s := r.start(t, portmap.Options{}).until(t, "a refusal", isNone)
		if s.Err.Error() != "the router says: UPnP error 606" {
			t.Errorf("got %v", s.Err)
		}
	})
}

// Whatever a UPnP answer leads to, nobody but the router is asked.
func TestUPnPElsewhere(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(victim.Close)
	for name, set := range map[string]func(*igd){
		"location": func(g *igd) { g.location = victim.URL + "/x" },
		"base": func(g *igd) {
			g.description = strings.Replace(description, "<device>", "<URLBase>"+victim.URL+"</URLBase><device>", 1)
		},
		"control URL": func(g *igd) { g.description = strings.Replace(description, "/ctl", victim.URL+"/ctl", 1) },
		"name": func(g *igd) {
			g.description = strings.Replace(description, "/ctl", strings.Replace(victim.URL, "127.0.0.1", "localhost", 1)+"/ctl", 1)
		},
		"endless": func(g *igd) {
			g.description = strings.Replace(description, "</device>", strings.Repeat("<a>b</a>", 1<<16)+"</device>", 1)
		},
		"deep": func(g *igd) { g.description = strings.Repeat("<device>", 30_000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			newIGD(t, r).set(set)
			s := r.start(t, portmap.Options{Protocols: []portmap.Protocol{portmap.UPnP}}).until(t, "an end", func(s portmap.State) bool {
				return isNone(s) || isMapped(s)
			})
			if isMapped(s) || asked.Load() != 0 {
				t.Errorf("mapped %v, the victim was asked %d times", isMapped(s), asked.Load())
			}
		})
	}
}
