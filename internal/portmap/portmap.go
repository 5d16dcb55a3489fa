// SPDX-License-Identifier: MIT

// Package portmap asks the router at home for a port, so that others reach this node without being introduced: by PCP
// (RFC 6887), NAT-PMP (RFC 6886) and UPnP IGD, whichever the router speaks. With IPv6, where nothing is translated, it asks the
// firewall to let others in. docs/decisions/0010-port-mapping.md has the reasons.
//
// It talks to the default router alone, believes only datagrams from its address, and follows no address that an answer
// names elsewhere. What a router says is a claim: that the port is open shows when a stranger's packet arrives.
package portmap

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// Lifetime is what a router is asked for; half of it passes before the mapping is renewed.
	Lifetime = 2 * time.Hour

	lookEvery = 5 * time.Second // for networks that came or went
	pathsMax  = 2               // one in each family
)

const (
	keyError    = "error"
	keyProtocol = "protocol"
)

// A Protocol is how a router was asked.
type Protocol string

// Protocols, the best first.
const (
	PCP    Protocol = "PCP"
	NATPMP Protocol = "NAT-PMP"
	UPnP   Protocol = "UPnP"
)

// A Mapping is a port that a router keeps open for this node. The zero value is none.
type Mapping struct {
	Protocol Protocol
	External netip.AddrPort // as the router says it is seen from outside; with IPv6 the same as Internal
	Internal netip.AddrPort
	Lifetime time.Duration // it is renewed before
	Gateway  netip.Addr
}

// Public reports whether the outside address is one that the internet can reach. If not, the router is itself behind a NAT, its
// provider's (RFC 6598) or another router's, and the mapping opens only half of the way.
func (m Mapping) Public() bool {
	a := m.External.Addr()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Behind the provider's NAT.
var notPublic = []netip.Prefix{
	netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10),   // carrier-grade NAT, RFC 6598
	netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0}), 24), // DS-Lite, RFC 6333
	netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8),           // no address yet
}

// A State is how things are in one family.
type State struct {
	Gateway netip.Addr // the zero value: there is no router
	Mapping Mapping
	Err     error // why there is no mapping; nil: there is one, or it is being asked for
}

// A Report is how things are.
type Report struct{ IPv4, IPv6 State }

// Options say what Run does. Port is necessary.
type Options struct {
	Port      uint16                 // the node's UDP port
	Secret    []byte                 // the same at each start, so that a router knows its client again; nil: random
	Protocols []Protocol             // nil: all
	Lifetime  time.Duration          // 0: Lifetime; at least 1 s
	OnChange  func(Report)           // called by Run's goroutine, also when a mapping is renewed; nil: nobody is told
	Log       *slog.Logger           // nil: none
	Paths     func() ([]Path, error) // nil: Paths
}

// Run keeps a mapping on each path to the internet until ctx ends, then gives them back, which takes a second at most. It never
// gives up: a router that is silent now may be another tomorrow.
func Run(ctx context.Context, o Options) {
	if o.Lifetime == 0 {
		o.Lifetime = Lifetime
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Paths == nil {
		o.Paths = Paths
	}
	if o.OnChange == nil {
		o.OnChange = func(Report) {}
	}
	if o.Protocols == nil {
		o.Protocols = []Protocol{PCP, NATPMP, UPnP}
	}
	r := &runner{o: o, states: make(chan change)}
	defer r.all.Wait()
	r.run(ctx)
}

// A runner is one Run.
type runner struct {
	o      Options
	states chan change
	kept   []*kept // pathsMax at most
	all    sync.WaitGroup
	report Report
}

// A kept path has a keeper, which its own goroutine owns.
type kept struct {
	path Path
	wake chan struct{}
	end  context.CancelFunc
}

// A change is what a keeper reports.
type change struct {
	of    *kept
	state State
}

func (r *runner) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look := time.NewTimer(0)
	defer look.Stop()
	looked := time.Now().Round(0) // the wall's clock: it goes on while the machine sleeps
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			r.look(ctx)
			now := time.Now().Round(0)
			if slept := now.Sub(looked); slept > 2*lookEvery || slept < 0 {
				for _, k := range r.kept {
					k.nudge()
				}
			}
			looked = now
			look.Reset(lookEvery)
		case c := <-r.states:
			if slices.Contains(r.kept, c.of) {
				r.tell(c.of.path, c.state)
			}
		}
	}
}

// look starts a keeper on each new path, and ends those of paths that are gone.
func (r *runner) look(ctx context.Context) {
	paths, err := r.o.Paths()
	if err != nil {
		r.o.Log.Debug("no port mapping", keyError, err)
	}
	paths = paths[:min(len(paths), pathsMax)]
	r.kept = slices.DeleteFunc(r.kept, func(k *kept) bool {
		if slices.Contains(paths, k.path) {
			return false
		}
		k.end()
		r.tell(k.path, State{})
		return true
	})
	for _, p := range paths {
		if !slices.ContainsFunc(r.kept, func(k *kept) bool { return k.path == p }) {
			r.keep(ctx, p)
		}
	}
}

func (r *runner) keep(ctx context.Context, p Path) {
	ctx, cancel := context.WithCancel(ctx)
	me := &kept{path: p, wake: make(chan struct{}, 1), end: cancel}
	k := &keeper{
		path: p, port: r.o.Port, lifetime: r.o.Lifetime, mappers: r.mappers(p), wake: me.wake, log: r.o.Log,
		report: func(s State) {
			select {
			case r.states <- change{me, s}:
			case <-ctx.Done():
			}
		},
	}
	r.kept = append(r.kept, me)
	r.tell(p, State{Gateway: p.Gateway})
	r.all.Go(func() {
		defer cancel()
		k.run(ctx)
	})
	r.all.Go(func() { listen(ctx, p, me.nudge) })
}

// mappers are the protocols to try on a path.
func (r *runner) mappers(p Path) (list []mapper) {
	for _, protocol := range []Protocol{PCP, NATPMP, UPnP} {
		if !slices.Contains(r.o.Protocols, protocol) {
			continue
		}
		switch protocol {
		case PCP:
			list = append(list, newPCPMapper(p, r.o.Port, r.o.Secret))
		case NATPMP:
			if p.Gateway.Is4() {
				list = append(list, &pmpMapper{path: p, port: r.o.Port})
			}
		case UPnP:
			if p.Gateway.Is4() {
				list = append(list, newUPnPMapper(p, r.o.Port))
			}
		}
	}
	return list
}

func (r *runner) tell(p Path, s State) {
	of := &r.report.IPv6
	if p.Gateway.Is4() {
		of = &r.report.IPv4
	}
	*of = s
	r.o.OnChange(r.report)
}

// nudge makes the keeper look whether its mapping is still there. Any goroutine may call it.
func (k *kept) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
