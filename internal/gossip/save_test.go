// SPDX-License-Identifier: MIT

package gossip_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/wire"
)

// What is saved comes back: hosts in their tables, stations, and the last that answered are asked first.
func TestSaveAndRestore(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var hosts []*node
	for k := range 30 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), silence))
	}
	r.meet(n, hosts...)
	for k := range 5 {
		r.push(n, record(k, r.unix()-int64(k)))
	}
	n.SetOwn(r.now, record(9, r.unix()))
	saved := n.Save()
	if len(saved.Hosts) != 30 || len(saved.Anchors) != 2 || len(saved.Records) != 5 || saved.Anchors[0] == saved.Anchors[1] {
		t.Fatalf("saved %d hosts, anchors %v, %d records", len(saved.Hosts), saved.Anchors, len(saved.Records))
	}
	tried := 0
	for _, h := range saved.Hosts {
		if h.Tried {
			tried++
		}
	}
	saved.Records = append(saved.Records, record(7, r.unix()-3*60*60), []byte("nothing"))
	saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: hostOf(addr("0.0.0.0:1"), 1)}, gossip.SavedHost{Host: hostOf(netip.AddrPort{}, 1)})
	m := r.add(addr("1.1.1.1:1"))
	m.Restore(r.now, saved)
	if got := r.ask(m, addr("8.8.8.8:8"), wire.Ask{WantHosts: 20}, 1000).Hosts; len(got) != 0 {
		t.Errorf("others are told of %d hosts that did not answer since", len(got))
	}
	c := m.Counts(r.now)
	if c.Hosts < 28 || c.Tried < tried-2 || c.Stations != 5 || c.Answering != 0 {
		t.Errorf("%+v, saved were %d hosts, %d of them tried", c, len(saved.Hosts)-2, tried)
	}
	n.Gossip, r.sent = nil, nil
	r.run(time.Second)
	if len(r.sent) < 2 || !slices.Contains(saved.Anchors, r.sent[0].To) || !slices.Contains(saved.Anchors, r.sent[1].To) {
		t.Errorf("the first asks are not for the anchors %v", saved.Anchors)
	}
	// Anchors are of different networks where there are some.
	one := r.add(addr("1.1.1.2:1"))
	r.meet(one, r.play(addr("66.6.1.1:1"), silence), r.play(addr("66.6.2.1:1"), silence), hosts[0])
	if got := one.Save().Anchors; len(got) != 2 || got[0].Addr().As4()[0] == got[1].Addr().As4()[0] {
		t.Errorf("anchors are %v", got)
	}
}

// Hosts that were kept from an earlier run lose their places to nobody, as long as they answer.
func TestKeptHostsStay(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var saved gossip.Saved
	for k := range 200 {
		h := r.play(addr("%d.%d.1.1:1", 20+k%100, k/100), silence)
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: wire.Host{Addr: h.addr, Node: h.id}, Tried: true})
	}
	n.Restore(r.now, saved)
	before := map[netip.AddrPort]bool{}
	for _, h := range n.Save().Hosts {
		before[h.Addr] = h.Tried
	}
	for k := range 600 {
		h := r.play(addr("%d.%d.2.2:2", 20+k%100, 100+k/100), silence)
		n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.AddrFrom4([4]byte{byte(20 + k%90), byte(k), 1, 1}))
		r.run(2 * time.Second)
	}
	lost := 0
	after := map[netip.AddrPort]bool{}
	for _, h := range n.Save().Hosts {
		after[h.Addr] = h.Tried
	}
	for a, tried := range before {
		if tried && !after[a] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d kept hosts have lost their places to newcomers", lost, len(before))
	}
}
