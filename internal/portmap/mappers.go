// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A mapper speaks one protocol with one router about one port. One goroutine owns it at a time.
type mapper interface {
	protocol() Protocol
	// probe returns nil when the router speaks the protocol. It makes no mapping.
	probe(ctx context.Context) error
	// open makes the mapping, or renews it. external is what it was or should be, the zero value leaves it to the router.
	open(ctx context.Context, external netip.AddrPort, lifetime time.Duration) (lease, error)
	// intact asks whether the router lost the mapping or has another address. An error says that it does not answer.
	intact(ctx context.Context, l lease) (bool, error)
	// close gives the mapping back.
	close(ctx context.Context, l lease) error
}

// A lease is what a router granted.
type lease struct {
	external netip.AddrPort
	lifetime time.Duration // 0: until it is given back
}

// lifetimeOf bounds what a router says: RFC 6887 §15 has clients believe in at most 24 hours.
func lifetimeOf(seconds uint32) time.Duration {
	return min(max(time.Duration(seconds)*time.Second, lifetimeMin), lifetimeMax)
}

func secondsOf(d time.Duration) uint32 { return uint32(max(d/time.Second, 1)) }

var (
	errNoAddress = errors.New("the router has no external address")
	errOtherPort = errors.New("the router answers about another port")
)

// A pcpMapper speaks PCP, for IPv4 and IPv6. With IPv6 a mapping translates nothing: it lets others in (RFC 6887 §11.1).
type pcpMapper struct {
	path  Path
	port  uint16
	nonce PCPNonce
	epoch Epoch
}

func newPCPMapper(p Path, port uint16, secret []byte) *pcpMapper {
	return &pcpMapper{path: p, port: port, nonce: nonceOf(p, port, secret)}
}

// nonceOf makes a mapping's nonce. The same secret finds again what an earlier run made and could not give back: to others the
// router does not give it before its time is over (RFC 6887 §11.3).
func nonceOf(p Path, port uint16, secret []byte) (n PCPNonce) {
	if len(secret) == 0 {
		_, _ = rand.Read(n[:]) // never fails
		return n
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "streamer portmap %v %v %d ", p.Gateway, p.Local, port)
	h.Write(secret)
	copy(n[:], h.Sum(nil))
	return n
}

func (m *pcpMapper) protocol() Protocol { return PCP }

func (m *pcpMapper) probe(ctx context.Context) error {
	_, err := m.announce(ctx)
	return err
}

// announce returns whether the router lost its mappings since it was last heard.
func (m *pcpMapper) announce(ctx context.Context) (lost bool, err error) {
	r, err := m.ask(ctx, AppendPCPAnnounce(nil, m.path.Local), false)
	if err != nil {
		return false, err
	}
	return m.epoch.Lost(time.Now(), r.Epoch), nil
}

func (m *pcpMapper) open(ctx context.Context, external netip.AddrPort, lifetime time.Duration) (lease, error) {
	own := netip.AddrPortFrom(m.path.Local, m.port)
	switch {
	case m.path.Local.Is6():
		external = own
	case !external.IsValid():
		external = netip.AddrPortFrom(netip.IPv4Unspecified(), m.port)
	}
	r, err := m.ask(ctx, m.request(external, secondsOf(lifetime)), true)
	if err != nil {
		return lease{}, err
	}
	m.epoch.Lost(time.Now(), r.Epoch) // what was made before is made again now
	if m.path.Local.Is6() && (r.External.Port() == 0 || r.External.Addr().IsUnspecified()) {
		r.External = own // miniupnpd 2.3.1 says so when it is asked again
	}
	if r.External.Addr().IsUnspecified() || r.External.Port() == 0 {
		return lease{}, errNoAddress
	}
	return lease{external: r.External, lifetime: lifetimeOf(r.Lifetime)}, nil
}

func (m *pcpMapper) request(external netip.AddrPort, seconds uint32) []byte {
	return AppendPCPMap(nil, PCPMap{
		Client: m.path.Local, Lifetime: seconds, Nonce: m.nonce, Internal: m.port, External: external,
	})
}

func (m *pcpMapper) intact(ctx context.Context, _ lease) (bool, error) {
	lost, err := m.announce(ctx)
	return !lost, err
}

func (m *pcpMapper) close(ctx context.Context, _ lease) error {
	_, err := m.ask(ctx, m.request(netip.AddrPort{}, 0), true)
	return err
}

// ask sends a request and returns the answer to it, or the router's verdict.
func (m *pcpMapper) ask(ctx context.Context, request []byte, mapping bool) (r PCPResponse, err error) {
	var verdict error
	err = exchange(ctx, m.path, request, func(b []byte) bool {
		var err error
		r, err = ParsePCPResponse(b)
		switch {
		case errors.Is(err, ErrVersion):
			verdict = err // it speaks NAT-PMP only
		case err != nil || r.Map != mapping || r.Map && (r.Nonce != m.nonce || r.Internal != m.port): // §11.4
			return false
		case r.Result != 0:
			verdict = r.Result
		}
		return true
	})
	return r, errors.Join(err, verdict)
}

// A pmpMapper speaks NAT-PMP, which knows IPv4 only.
type pmpMapper struct {
	path    Path
	port    uint16
	epoch   Epoch
	address netip.Addr // external
}

func (m *pmpMapper) protocol() Protocol { return NATPMP }

func (m *pmpMapper) probe(ctx context.Context) error {
	_, err := m.external(ctx)
	return err
}

// external asks for the router's address, and returns whether the mappings are lost since it was last heard.
func (m *pmpMapper) external(ctx context.Context) (lost bool, err error) {
	r, err := m.ask(ctx, AppendPMPExternal(nil), false)
	if err != nil {
		return false, err
	}
	if r.Address.IsUnspecified() {
		return false, errNoAddress
	}
	m.address = r.Address
	return m.epoch.Lost(time.Now(), r.Epoch), nil
}

func (m *pmpMapper) open(ctx context.Context, external netip.AddrPort, lifetime time.Duration) (lease, error) {
	wish := external.Port()
	if wish == 0 {
		wish = m.port
	}
	r, err := m.ask(ctx, AppendPMPMap(nil, m.port, wish, secondsOf(lifetime)), true)
	if err != nil {
		return lease{}, err
	}
	m.epoch.Lost(time.Now(), r.Epoch)
	if r.External == 0 || r.Lifetime == 0 {
		return lease{}, errOtherPort
	}
	if _, err := m.external(ctx); err != nil { // the address may be another than when the router was probed
		return lease{}, err
	}
	return lease{external: netip.AddrPortFrom(m.address, r.External), lifetime: lifetimeOf(r.Lifetime)}, nil
}

func (m *pmpMapper) intact(ctx context.Context, l lease) (bool, error) {
	lost, err := m.external(ctx)
	return !lost && (err != nil || m.address == l.external.Addr()), err
}

func (m *pmpMapper) close(ctx context.Context, _ lease) error {
	_, err := m.ask(ctx, AppendPMPMap(nil, m.port, 0, 0), true)
	return err
}

func (m *pmpMapper) ask(ctx context.Context, request []byte, mapping bool) (r PMPResponse, err error) {
	var verdict error
	err = exchange(ctx, m.path, request, func(b []byte) bool {
		var err error
		r, err = ParsePMPResponse(b)
		switch {
		case errors.Is(err, ErrVersion):
			verdict = err // it speaks PCP only
		case err != nil || r.Map != mapping || r.Map && r.Result == 0 && r.Internal != m.port:
			return false
		case r.Result != 0:
			verdict = r.Result
		}
		return true
	})
	return r, errors.Join(err, verdict)
}
