// SPDX-License-Identifier: MIT

package portmap_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"streamer/internal/portmap"
)

const (
	nodePort = 8466
	late     = 10 * time.Second // for anything, on a busy machine
)

var (
	lastRouter atomic.Uint32
	machine    = netip.MustParseAddr("127.0.0.1")
	outside    = netip.MustParseAddr("44.128.0.7")
)

// A router answers PCP and NAT-PMP as RFC 6887 and RFC 6886 have servers do, on an address of its own within 127.0.0.0/8.
type router struct {
	addr netip.Addr
	udp  *net.UDPConn
	seen chan string // what was asked: "PCP announce", "PCP map", "PCP delete", "NAT-PMP map", ...

	mu       sync.Mutex
	pcp, pmp bool       // what it speaks
	silent   bool       // it does not
	refuses  byte       // the result of each PCP MAP; 0 grants
	grants   uint32     // seconds
	begun    time.Time  // its epoch
	outside  netip.Addr // its address
	nonce    [12]byte   // of the mapping
	forges   bool       // an answer about another mapping comes before each
	ends     time.Time  // of the mapping
	port     uint16     // that is mapped; 0: none
	external uint16     // what it is mapped to
}

// newRouter starts one that speaks nothing yet.
func newRouter(t *testing.T) *router {
	t.Helper()
	n := lastRouter.Add(1)
	r := &router{
		addr: netip.AddrFrom4([4]byte{127, 88, byte(n >> 8), byte(n)}), seen: make(chan string, 10_000), grants: 7200,
		begun: time.Now().Add(-time.Hour), outside: outside,
	}
	var err error
	if r.udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.addr, 5351))); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := r.udp.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			answer := r.answer(b[:n], from)
			if r.forging() && len(answer) == 60 {
				forged := bytes.Clone(answer)
				forged[30] ^= 1                       // of the nonce
				copy(forged[56:], []byte{6, 6, 6, 6}) // outside
				_, _ = r.udp.WriteToUDPAddrPort(forged, from)
			}
			if answer != nil {
				_, _ = r.udp.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = r.udp.Close(); <-done })
	return r
}

// set changes the router.
func (r *router) set(change func(*router)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

func (r *router) forging() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.forges
}

// expire forgets a mapping whose time is over.
func (r *router) expire() {
	if r.port != 0 && time.Now().After(r.ends) {
		r.seen <- "expired"
		r.port, r.external = 0, 0
	}
}

// mapped is what the router has mapped the node's port to; 0 is nothing.
func (r *router) mapped() uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.port != nodePort {
		return 0
	}
	return r.external
}

func (r *router) epoch() uint32 { return uint32(time.Since(r.begun) / time.Second) }

func (r *router) answer(b []byte, from netip.AddrPort) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent || len(b) < 2 {
		return nil
	}
	r.expire()
	if b[0] == 0 {
		return r.answerPMP(b)
	}
	return r.answerPCP(b, from)
}

// answerPMP follows RFC 6886 §3.2 to §3.5.
func (r *router) answerPMP(b []byte) []byte {
	if !r.pmp {
		if r.pcp {
			return binary.BigEndian.AppendUint32([]byte{2, 0x80 | b[1], 0, 1, 0, 0, 0, 0}, 0) // RFC 6887 §9
		}
		return nil
	}
	a := binary.BigEndian.AppendUint32([]byte{0, 0x80 | b[1], 0, 0}, r.epoch())
	if b[1] == 0 {
		r.seen <- "NAT-PMP address"
		return append(a, r.outside.AsSlice()...)
	}
	r.port, r.external = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	seconds := min(binary.BigEndian.Uint32(b[8:]), r.grants)
	if seconds == 0 {
		r.seen <- "NAT-PMP delete"
		r.port, r.external = 0, 0
	} else {
		r.seen <- "NAT-PMP map"
		r.ends = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	a = append(a, b[4:6]...)
	a = binary.BigEndian.AppendUint16(a, r.external)
	return binary.BigEndian.AppendUint32(a, seconds)
}

// answerPCP follows RFC 6887 §8.2, §11.3 and §14.1.
func (r *router) answerPCP(b []byte, from netip.AddrPort) []byte {
	if !r.pcp {
		if r.pmp {
			return binary.BigEndian.AppendUint32([]byte{0, 0x80 | b[1], 0, 1}, r.epoch()) // RFC 6886 §3.5
		}
		return nil
	}
	a := append([]byte(nil), b...)
	a[1] |= 0x80
	a[2], a[3] = 0, 0
	binary.BigEndian.PutUint32(a[8:], r.epoch())
	clear(a[12:24])
	if netip.AddrFrom16([16]byte(b[8:24])).Unmap() != from.Addr() {
		a[3] = 12 // ADDRESS_MISMATCH
		return a
	}
	if b[1] == 0 {
		r.seen <- "PCP announce"
		return a
	}
	seconds := min(binary.BigEndian.Uint32(b[4:]), r.grants)
	switch {
	case r.refuses != 0:
		r.seen <- "PCP refused"
		a[3] = r.refuses
		return a
	case r.port != 0 && r.nonce != [12]byte(b[24:36]):
		r.seen <- "PCP stranger"
		a[3] = 2 // NOT_AUTHORIZED
		return a
	case seconds == 0:
		r.seen <- "PCP delete"
		r.port, r.external = 0, 0
	default:
		r.seen <- "PCP map"
		r.ends = time.Now().Add(time.Duration(seconds) * time.Second)
		r.nonce, r.port = [12]byte(b[24:36]), binary.BigEndian.Uint16(b[40:])
		if r.external == 0 {
			if r.external = binary.BigEndian.Uint16(b[42:]); r.external == 0 {
				r.external = r.port
			}
		}
	}
	binary.BigEndian.PutUint32(a[4:], seconds)
	binary.BigEndian.PutUint16(a[42:], r.external)
	sixteen := r.outside.As16()
	copy(a[44:60], sixteen[:])
	return a
}

// asked waits until the router was asked for something.
func (r *router) asked(t *testing.T, what string) {
	t.Helper()
	end := time.After(late)
	for {
		select {
		case s := <-r.seen:
			if s == what {
				return
			}
		case <-end:
			t.Fatalf("the router is not asked for %s", what)
		}
	}
}

// An igd answers UPnP beside a router: SSDP on its address, descriptions and SOAP on a port of it.
type igd struct {
	mu          sync.Mutex
	location    string // in SSDP answers; the right one unless a test says otherwise
	description string
	faults      map[string]int // error codes, by action
	permanent   bool           // it knows no leases
	conflicts   int            // so often another has the port
	entries     map[string]string
}

const soapHead = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ` +
	`s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>`

func newIGD(t *testing.T, r *router) *igd {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", netip.AddrPortFrom(r.addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	g := &igd{
		location: "http://" + l.Addr().String() + "/rootDesc.xml", description: description, faults: map[string]int{},
		entries: map[string]string{},
	}
	server := &http.Server{Handler: g, ReadHeaderTimeout: late}
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.addr, 1900)))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { _ = server.Serve(l) })
	all.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
			if err == nil && q.Method == "M-SEARCH" && q.Header.Get("ST") == "urn:schemas-upnp-org:device:InternetGatewayDevice:1" {
				g.mu.Lock()
				answer := ssdp(g.location)
				g.mu.Unlock()
				_, _ = udp.WriteToUDPAddrPort([]byte(answer), from)
			}
		}
	})
	t.Cleanup(func() { _ = server.Close(); _ = udp.Close(); all.Wait() })
	return g
}

func (g *igd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, g.description)
		return
	}
	body, _ := io.ReadAll(r.Body)
	_, action, _ := strings.Cut(strings.Trim(r.Header.Get("SOAPAction"), `"`), "#")
	argument := func(name string) string {
		_, rest, _ := strings.Cut(string(body), "<"+name+">")
		value, _, _ := strings.Cut(rest, "</"+name+">")
		return value
	}
	code, out := g.faults[action], ""
	port := argument("NewExternalPort")
	switch {
	case code != 0:
	case action == "GetExternalIPAddress":
		out = "<NewExternalIPAddress>" + outside.String() + "</NewExternalIPAddress>"
	case action == "AddPortMapping" && g.permanent && argument("NewLeaseDuration") != "0":
		code = 725
	case action == "AddPortMapping" && g.conflicts > 0:
		g.conflicts--
		code = 718
	case action == "AddPortMapping":
		g.entries[port] = argument("NewInternalClient") + ":" + argument("NewInternalPort")
	case action == "DeletePortMapping":
		delete(g.entries, port)
	case action == "GetSpecificPortMappingEntry":
		client, inside, ok := strings.Cut(g.entries[port], ":")
		if !ok {
			code = 714
		}
		out = "<NewInternalPort>" + inside + "</NewInternalPort><NewInternalClient>" + client + "</NewInternalClient>" +
			"<NewEnabled>1</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription><NewLeaseDuration>9</NewLeaseDuration>"
	default:
		code = 401
	}
	if code != 0 {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, `%s<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>`+
			`<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`,
			soapHead, code)
		return
	}
	_, _ = fmt.Fprintf(w, `%s<u:%sResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">%s</u:%sResponse></s:Body></s:Envelope>`,
		soapHead, action, out, action)
}

// set changes the device.
func (g *igd) set(change func(*igd)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

// mapped is what the entries are, by outside port.
func (g *igd) mapped() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.entries)
}

// A run is one portmap.Run.
type run struct {
	reports chan portmap.Report
	stop    func()
}

// start runs with these options on a path to the router.
func (r *router) start(t *testing.T, o portmap.Options) *run {
	t.Helper()
	n := &run{reports: make(chan portmap.Report, 10_000)}
	o.Port = nodePort
	o.OnChange = func(p portmap.Report) { n.reports <- p }
	if o.Paths == nil {
		o.Paths = func() ([]portmap.Path, error) { return []portmap.Path{{Gateway: r.addr, Local: machine}}, nil }
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		portmap.Run(ctx, o)
	}()
	n.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(late):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(n.stop)
	return n
}

// until waits for a report about IPv4 that is right.
func (n *run) until(t *testing.T, what string, right func(portmap.State) bool) portmap.State {
	t.Helper()
	end := time.After(late)
	for {
		select {
		case r := <-n.reports:
			if right(r.IPv4) {
				return r.IPv4
			}
		case <-end:
			t.Fatalf("no report of %s", what)
		}
	}
}

func isMapped(s portmap.State) bool { return s.Mapping.Protocol != "" }
func isNone(s portmap.State) bool   { return s.Err != nil }
