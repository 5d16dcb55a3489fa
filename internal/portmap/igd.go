// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

const (
	descriptionBytesMax = 256 << 10 // some routers describe all that they are
	soapBytesMax        = 64 << 10
	headerBytesMax      = 16 << 10
	portsTried          = 4 // external ports, when others have the first
	mappingName         = "streamer"
)

// Errors of UPnP, from WANIPConnection:2 §2.5 and WANIPv6FirewallControl:1 §2.4.
const (
	igdNoSuchEntry   = 714
	igdConflict      = 718
	igdPermanentOnly = 725
)

// A faultError is a router's refusal by UPnP.
type faultError int

func (e faultError) Error() string { return fmt.Sprintf("the router says: UPnP error %d", int(e)) }

// A connection is what the three UPnP services that map ports have in common: WANIPConnection:1 and :2, WANPPPConnection:1.
type connection interface {
	AddPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string, internal uint16, client string,
		enabled bool, name string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, external uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, external uint16, protocol string) (internal uint16,
		client string, enabled bool, name string, seconds uint32, err error)
}

// A upnpMapper speaks UPnP IGD, for IPv4.
type upnpMapper struct {
	path      Path
	port      uint16
	client    http.Client
	service   connection
	permanent bool   // the router knows no leases
	asked     uint16 // the outside port of the last mapping that was asked for; 0: none
}

func newUPnPMapper(p Path, port uint16) *upnpMapper {
	return &upnpMapper{path: p, port: port, client: newClient(p)}
}

func (m *upnpMapper) protocol() Protocol { return UPnP }

func (m *upnpMapper) probe(ctx context.Context) error {
	return search(ctx, m.path, func(at *url.URL) bool { return m.describe(ctx, at) == nil })
}

// describe reads the description and chooses the service that is connected.
func (m *upnpMapper) describe(ctx context.Context, at *url.URL) error {
	root, err := fetch(ctx, &m.client, at, m.path.Gateway)
	if err != nil {
		return err
	}
	var services []connection
	two, _ := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, at)
	for _, c := range two {
		services = append(services, c)
		c.SOAPClient.HTTPClient = m.client
	}
	one, _ := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, at)
	for _, c := range one {
		services = append(services, c)
		c.SOAPClient.HTTPClient = m.client
	}
	ppp, _ := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, at)
	for _, c := range ppp {
		services = append(services, c)
		c.SOAPClient.HTTPClient = m.client
	}
	for _, s := range services[:min(len(services), locationsMax)] {
		if _, err := externalAddress(ctx, s); err == nil {
			m.service = s
			return nil
		}
	}
	return errNoService
}

func externalAddress(ctx context.Context, s connection) (netip.Addr, error) {
	text, err := s.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return netip.Addr{}, fault(err)
	}
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || !a.Is4() || a.IsUnspecified() {
		return netip.Addr{}, errNoAddress
	}
	return a, nil
}

func (m *upnpMapper) open(ctx context.Context, external netip.AddrPort, lifetime time.Duration) (lease, error) {
	port := external.Port()
	if port == 0 {
		port = m.port
	}
	for n := 1; ; n++ {
		err := m.add(ctx, port, lifetime)
		if err == nil {
			break
		}
		if !errors.Is(err, faultError(igdConflict)) || n == portsTried {
			return lease{}, err
		}
		port = 1024 + rand.N(uint16(64511)) // another node of this LAN, most likely
	}
	address, err := externalAddress(ctx, m.service)
	if err != nil {
		return lease{}, err
	}
	l := lease{external: netip.AddrPortFrom(address, port)}
	if !m.permanent {
		l.lifetime = lifetime
	}
	return l, nil
}

// add makes a mapping to this machine, without an end where the router knows none.
func (m *upnpMapper) add(ctx context.Context, port uint16, lifetime time.Duration) error {
	for {
		m.asked = port
		seconds := secondsOf(lifetime)
		if m.permanent {
			seconds = 0
		}
		err := fault(m.service.AddPortMappingCtx(ctx, "", port, "UDP", m.port, m.path.Local.String(), true, mappingName, seconds))
		if m.permanent || !errors.Is(err, faultError(igdPermanentOnly)) {
			return err
		}
		m.permanent = true
	}
}

func (m *upnpMapper) intact(ctx context.Context, l lease) (bool, error) {
	address, err := externalAddress(ctx, m.service)
	if err != nil || address != l.external.Addr() {
		return false, err
	}
	ok, err := m.ours(ctx, l.external.Port())
	if err != nil {
		// Some routers do not know the question, so only the right refusal counts.
		return !errors.Is(err, faultError(igdNoSuchEntry)), nil
	}
	return ok, nil
}

func (m *upnpMapper) close(ctx context.Context, l lease) error {
	port := l.external.Port()
	if port == 0 { // the answer never came, so perhaps the port is another's
		if ok, err := m.ours(ctx, m.asked); !ok {
			return err
		}
		port = m.asked
	}
	return fault(m.service.DeletePortMappingCtx(ctx, "", port, "UDP"))
}

// ours reports whether the router maps a port to this one.
func (m *upnpMapper) ours(ctx context.Context, port uint16) (bool, error) {
	internal, client, enabled, _, _, err := m.service.GetSpecificPortMappingEntryCtx(ctx, "", port, "UDP")
	return err == nil && enabled && internal == m.port && client == m.path.Local.String(), fault(err)
}

// fault turns the library's errors into short ones: those hold whatever the router wrote.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var f *soap.SOAPFaultError
	if errors.As(err, &f) {
		return faultError(f.Detail.UPnPError.Errorcode)
	}
	if text := err.Error(); len(text) > 200 {
		return errors.New(text[:200])
	}
	return err
}

// newClient returns an HTTP client that reaches the gateway and nobody else, follows nothing, and reads so much at most.
func newClient(p Path) http.Client {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.Local, 0))}
	return http.Client{
		Timeout:       askTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrElsewhere },
		Transport: limited{&http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				to, err := netip.ParseAddrPort(addr)
				if err != nil || to.Addr().Unmap().WithZone("") != p.Gateway.WithZone("") {
					return nil, ErrElsewhere
				}
				return dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(p.Gateway, to.Port()).String())
			},
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: headerBytesMax,
		}},
	}
}

// limited cuts the bodies of answers.
type limited struct{ under http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.under.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	most := int64(soapBytesMax)
	if r.Method == http.MethodGet {
		most = descriptionBytesMax
	}
	body := response.Body
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, most), body}
	return response, nil
}

// fetch reads a device description.
func fetch(ctx context.Context, client *http.Client, at *url.URL, gateway netip.Addr) (*goupnp.RootDevice, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the router's description: %s", response.Status)
	}
	return ParseDescription(response.Body, at, gateway)
}

// ParseDescription reads a UPnP device description, whose URLs are relative to where it was found unless it says otherwise.
func ParseDescription(from io.Reader, at *url.URL, gateway netip.Addr) (*goupnp.RootDevice, error) {
	decoder := xml.NewDecoder(from)
	decoder.DefaultSpace = goupnp.DeviceXMLNamespace
	root := new(goupnp.RootDevice)
	if err := decoder.Decode(root); err != nil {
		return nil, fmt.Errorf("read the router's description: %w", err)
	}
	base := at
	if root.URLBaseStr != "" {
		u, err := url.Parse(root.URLBaseStr)
		if err != nil {
			return nil, fmt.Errorf("read the router's description: %w", err)
		}
		base = u
	}
	if err := checkURL(base, gateway); err != nil {
		return nil, err
	}
	root.SetURLBase(base)
	return root, nil
}
