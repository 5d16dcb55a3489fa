// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// network is a small deterministic internet: it delays, loses, repeats and reorders datagrams, and drives tables as a real
// driver does, except that it overwrites every buffer as soon as the contract allows.
type network struct {
	t     testing.TB
	now   mono.Time
	rng   *rand.Rand
	hosts []*host
	queue []flight
	sent  int

	delay  time.Duration                                // one way
	jitter time.Duration                                // up to this much more: reorders
	lossPM int                                          // lost, per mille
	dupPM  int                                          // delivered twice, per mille
	filter func(from, to netip.AddrPort, b []byte) bool // nil, or whether a datagram may pass
	taps   []func(from, to netip.AddrPort, b []byte)
}

type flight struct {
	at       mono.Time
	seq      int
	from, to netip.AddrPort
	data     []byte
}

// host is one table with its driver.
type host struct {
	net      *network
	name     string
	addr     netip.AddrPort
	key      identity.NodeKey
	table    *link.Table
	out      link.Output
	events   []link.Event
	messages []string // that the node would get, with the link
	answer   func(e link.ExchangeEvent) []byte
	heard    []string // what exchanges told
	reports  []link.Report
	gone     bool
}

func newNetwork(t testing.TB, seed uint64) *network {
	return &network{t: t, rng: rand.New(rand.NewPCG(seed, 0)), delay: 20 * time.Millisecond, now: 1}
}

// keyOf makes the key of a host from its name.
func keyOf(name string) identity.NodeKey {
	var seed [32]byte
	copy(seed[1:], name) // X25519 ignores some bits of the first byte
	return identity.NewNodeKey(seed)
}

// add starts a host; change alters its configuration.
func (n *network) add(name, addr string, change ...func(*link.Config)) *host {
	h := &host{net: n, name: name, addr: netip.MustParseAddrPort(addr), key: keyOf(name)}
	h.start(uint64(len(n.hosts)), change...)
	n.hosts = append(n.hosts, h)
	return h
}

// start makes a new table, as a restart does.
func (h *host) start(seed uint64, change ...func(*link.Config)) {
	var chacha [32]byte
	copy(chacha[:], h.name)
	binary.BigEndian.PutUint64(chacha[16:], seed)
	binary.BigEndian.PutUint64(chacha[24:], h.net.rng.Uint64())
	cfg := link.Config{Key: h.key, Rand: rand.New(rand.NewPCG(seed, h.net.rng.Uint64())), Secrets: rand.NewChaCha8(chacha)}
	for _, c := range change {
		c(&cfg)
	}
	h.table = link.NewTable(h.net.now, cfg)
}

// flush takes what a call wants done and spoils the memory.
func (h *host) flush() {
	h.events = append(h.events, h.out.Events...)
	h.reports = append(h.reports, h.out.Reports...)
	for _, e := range h.out.Exchanges {
		h.exchange(e)
	}
	for _, d := range h.out.Datagrams {
		h.net.transmit(h.addr, d.To, d.Data)
		for i := range d.Data {
			d.Data[i] = 0xa5
		}
	}
	h.out.Reset()
}

// transmit puts a datagram on its way.
func (n *network) transmit(from, to netip.AddrPort, b []byte) {
	if len(b) > wire.DatagramBytesMax {
		n.t.Fatalf("datagram of %d bytes", len(b))
	}
	for _, tap := range n.taps {
		tap(from, to, b)
	}
	copies := 1
	if n.rng.IntN(1000) < n.dupPM {
		copies = 2
	}
	for range copies {
		if n.rng.IntN(1000) < n.lossPM || n.filter != nil && !n.filter(from, to, b) {
			continue
		}
		n.inject(from, to, b)
	}
}

// inject is transmit without losses: attackers use it too.
func (n *network) inject(from, to netip.AddrPort, b []byte) {
	at := n.now.Add(n.delay)
	if n.jitter > 0 {
		at = at.Add(time.Duration(n.rng.Int64N(int64(n.jitter))))
	}
	n.sent++
	n.queue = append(n.queue, flight{at: at, seq: n.sent, from: from, to: to, data: bytes.Clone(b)})
}

// run lets time pass.
func (n *network) run(d time.Duration) {
	end := n.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 1_000_000 {
			n.t.Fatal("the network does not come to rest")
		}
		at := mono.Never
		if len(n.queue) > 0 {
			slices.SortFunc(n.queue, func(a, b flight) int { return cmp.Or(cmp.Compare(a.at, b.at), a.seq-b.seq) })
			at = n.queue[0].at
		}
		var due *host
		for _, h := range n.hosts {
			if deadline := h.table.Deadline(); !h.gone && deadline < at {
				at, due = max(deadline, n.now), h
			}
		}
		if at > end {
			n.now = end
			return
		}
		n.now = at
		if due != nil {
			due.table.Advance(n.now, &due.out)
			if due.table.Deadline() <= n.now {
				n.t.Fatalf("%s: deadline %d is not after %d", due.name, due.table.Deadline(), n.now)
			}
			due.flush()
			continue
		}
		f := n.queue[0]
		n.queue = n.queue[1:]
		for _, h := range n.hosts {
			if h.addr == f.to && !h.gone {
				h.receive(f.from, f.data)
			}
		}
	}
}

// receive does what a node does with a datagram.
func (h *host) receive(from netip.AddrPort, b []byte) {
	id, payload := h.table.HandleDatagram(h.net.now, from, b, &h.out)
	for i := range b {
		b[i] = 0x5a
	}
	for len(payload) > 0 {
		if payload[0] < wire.TypeLinkEnd {
			rest, err := h.table.HandleMessage(h.net.now, id, payload, &h.out)
			if err != nil {
				h.net.t.Errorf("%s: HandleMessage: %v", h.name, err)
			}
			payload = rest
			continue
		}
		h.messages = append(h.messages, fmt.Sprintf("%d:%s", id, payload[1:]))
		payload = nil
	}
	h.flush()
}

func (h *host) dial(to *host, expect ...*host) link.ID {
	var id identity.NodeID
	if len(expect) > 0 {
		id = expect[0].key.Public()
	}
	linkID := h.table.Dial(h.net.now, to.addr, id, &h.out)
	h.flush()
	return linkID
}

// say sends a message of the node, here a byte and text.
func (h *host) say(id link.ID, text string) bool {
	payload := append([]byte{wire.TypeLinkEnd}, text...)
	ok := h.table.Seal(h.net.now, id, payload, &h.out)
	for i := range payload {
		payload[i] = 0xa5
	}
	h.flush()
	return ok
}

func (h *host) close(id link.ID, code wire.CloseCode) {
	h.table.Close(h.net.now, id, code, &h.out)
	h.flush()
}

// take returns the events so far as text, and forgets them.
func (h *host) take() []string {
	var list []string
	for _, e := range h.events {
		list = append(list, h.net.describe(e))
	}
	h.events = nil
	return list
}

func (n *network) describe(e link.Event) string {
	who := "?"
	for _, h := range n.hosts {
		if h.key.Public() == e.NodeID {
			who = h.name
		}
	}
	s := fmt.Sprintf("%v %d %s", e.Kind, e.ID, who)
	switch {
	case e.Kind == link.EventAddrChanged, e.Kind == link.EventReferred:
		s += " " + e.Addr.String()
	case e.Reason == link.DownRemoteClose:
		s += fmt.Sprintf(" %v %v", e.Reason, e.Code)
	case e.Kind == link.EventDown:
		s += " " + e.Reason.String()
	}
	return s
}

// only returns the single link of a host that is up.
func (h *host) only() link.ID {
	h.net.t.Helper()
	var ids []link.ID
	for id, info := range h.table.All() {
		if info.Up {
			ids = append(ids, id)
		}
	}
	if len(ids) != 1 {
		h.net.t.Fatalf("%s has %d links, want 1", h.name, len(ids))
	}
	return ids[0]
}

func (h *host) drops(r link.DropReason) uint64 { return h.table.Counters().Drops[r] }

func wantEvents(t testing.TB, h *host, want ...string) {
	t.Helper()
	if got := h.take(); !slices.Equal(got, want) {
		t.Errorf("events of %s: %q, want %q", h.name, got, want)
	}
}

func wantMessages(t testing.TB, h *host, want ...string) {
	t.Helper()
	if !slices.Equal(h.messages, want) {
		t.Errorf("messages of %s: %q, want %q", h.name, h.messages, want)
	}
	h.messages = nil
}

// dialOne lets a new node at an address of its own dial the hub, without a network between them.
func dialOne(n *network, hub *host, number uint32) {
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}), 1+uint16(number>>24))
	a := &host{net: n, name: fmt.Sprint(number), addr: addr, key: keyOf(fmt.Sprint(number))}
	a.start(uint64(number))
	a.table.Dial(n.now, hub.addr, identity.NodeID{}, &a.out)
	for range 3 {
		for _, d := range a.out.Datagrams {
			hub.table.HandleDatagram(n.now, addr, d.Data, &hub.out)
		}
		a.out.Reset()
		for _, d := range hub.out.Datagrams {
			a.table.HandleDatagram(n.now, hub.addr, d.Data, &a.out)
		}
		hub.out.Reset()
	}
}
