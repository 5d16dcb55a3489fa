// SPDX-License-Identifier: MIT

package gossip_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// How often a node asks: while much is missing, usually, while it carries audio, when nothing was new for long.
func TestRates(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	stations := 0
	var hosts []*node
	for k := range 60 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), func(_ netip.AddrPort, ask wire.Ask) *wire.Answer {
			a := &wire.Answer{}
			if ask.Slice.Modulus != 0 && stations > 0 {
				stations--
				a.Records = [][]byte{record(stations, r.unix()-300)}
			}
			return a
		}))
	}
	r.meet(n, hosts...)
	perSecond := func(d time.Duration) float64 {
		before := n.asks
		r.run(d)
		return float64(n.asks-before) / d.Seconds()
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.85 || got > want*1.15 {
			t.Errorf("%s: %.2f asks a second, want %.2f", what, got, want)
		}
	}
	near("warm", perSecond(time.Minute), 2)
	n.SetBusy(true)
	near("busy and quiet", perSecond(4*time.Minute), 0.2)
	stations = 1
	for limit := r.now.Add(time.Minute); stations > 0 && r.now < limit; {
		r.run(100 * time.Millisecond)
	}
	r.run(5 * time.Second) // the next ask is set already
	near("busy", perSecond(15*time.Second), 0.5)
	n.SetBusy(false)
	r.run(30 * time.Minute)
	near("idle", perSecond(time.Minute), 1)
	stations = 1
	r.run(5 * time.Second)
	near("after news", perSecond(time.Minute), 2)

	fresh := r.add(addr("1.2.1.1:1"))
	for _, h := range hosts {
		fresh.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
	}
	before := fresh.asks
	r.run(time.Second)
	near("cold", float64(fresh.asks-before), 8)
}

// At the original's rate, two asks a second, and asked as often, a node with nothing new sends at most 8 kbit/s.
func TestIdleTraffic(t *testing.T) {
	r := newRig(t)
	var nodes []*node
	for k := range 50 {
		nodes = append(nodes, r.add(addr("%d.1.1.1:1", 20+k)))
		nodes[k].AddSeed(r.now, nodes[0].addr)
	}
	for k := range 30 {
		nodes[k].SetOwn(r.now, record(k, r.unix()))
	}
	r.run(30 * time.Second)
	for k, n := range nodes {
		if c := n.Counts(r.now); c.Stations != 30 {
			t.Errorf("after 30 s node %d knows %d stations of 30", k, c.Stations)
		}
	}
	sum := 0
	for _, n := range nodes {
		sum -= n.bytes
	}
	r.run(80 * time.Second)
	for _, n := range nodes {
		sum += n.bytes
	}
	if got := sum / len(nodes) / 80; got > 1000 {
		t.Errorf("a node sends %d bytes a second", got)
	} else {
		t.Logf("a node sends %d bytes a second", got)
	}
	r.run(3 * time.Minute)
	sum, most := 0, 0
	for _, n := range nodes {
		n.bytes = 0
	}
	r.run(2 * time.Minute)
	for _, n := range nodes {
		sum, most = sum+n.bytes/120, max(most, n.bytes/120)
	}
	t.Logf("after 5 minutes %d, at most %d", sum/len(nodes), most)
	if sum/len(nodes) > 500 || most > 1000 {
		t.Errorf("without news and new hosts a node sends %d bytes a second, at most %d", sum/len(nodes), most)
	}
}

// Equal calls give equal asks.
func TestDeterminism(t *testing.T) {
	run := func() []gossip.Ask {
		r := newRig(t)
		var nodes []*node
		for k := range 12 {
			nodes = append(nodes, r.add(addr("%d.1.1.1:1", 20+k)))
			nodes[k].AddSeed(r.now, nodes[0].addr)
			nodes[k].SetOwn(r.now, record(k, r.unix()))
		}
		nodes[3].Find(r.now, stationKey(5).ID(), &gossip.Output{})
		r.run(30 * time.Second)
		return r.sent
	}
	a, b := run(), run()
	if len(a) < 200 || !slices.EqualFunc(a, b, func(x, y gossip.Ask) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
		t.Errorf("two equal runs of %d and %d asks differ", len(a), len(b))
	}
}

// A node that knows 1,000 stations and 240 hosts fits into 60 kB beside the records, which the simulator shares.
func TestFootprint(t *testing.T) {
	parsed := map[string]*gossip.Record{}
	var saved gossip.Saved
	for k := range 1000 {
		raw := record(k, unixStart-100)
		rec, err := gossip.ParseRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		parsed[string(raw)] = rec
		saved.Records = append(saved.Records, raw)
	}
	for k := range 2000 {
		saved.Hosts = append(saved.Hosts, gossip.SavedHost{Host: hostOf(addr("%d.%d.1.1:1", 20+k%100, k/100), k), Tried: k%2 == 0})
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 50
	var scratch gossip.Scratch
	list := make([]*gossip.Gossip, n)
	before := heap()
	for i := range list {
		list[i] = gossip.New(0, gossip.Config{
			Rand: rand.New(rand.NewPCG(uint64(i), 0)), HostsMax: 240, Scratch: &scratch,
			Parse: func(raw []byte) (*gossip.Record, error) { return parsed[string(raw)], nil },
		})
		list[i].SetWall(0, unixStart)
		list[i].Restore(0, saved)
		var out gossip.Output
		for now := mono.Time(0); now < mono.Time(time.Minute); now = list[i].Deadline() {
			list[i].Advance(now, &out)
			for _, a := range out.Asks {
				list[i].Failed(now, a.Token)
			}
			out.Reset()
		}
	}
	got := (heap() - before) / n
	if c := list[0].Counts(0); c.Stations != 1000 || c.Hosts < 200 {
		t.Fatalf("%+v", c)
	}
	t.Logf("%d bytes", got)
	if got > 60_000 {
		t.Errorf("a node takes %d bytes", got)
	}
	runtime.KeepAlive(list)
}

// Seeds are asked until somebody answers, and again when nobody does any more.
func TestSeeds(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	seed := r.play(addr("2.2.2.2:2"), silence)
	r.deaf[seed.addr] = true
	n.AddSeed(r.now, seed.addr)
	n.AddSeed(r.now, addr("0.0.0.0:2"))
	r.run(time.Minute)
	r.deaf[seed.addr] = false
	r.run(10 * time.Second)
	if n.Counts(r.now).Answering != 1 {
		t.Fatal("the seed does not answer")
	}
	if got := r.sent[0]; !got.Node.IsZero() {
		t.Error("the seed's key was known before it said so")
	}
	r.deaf[seed.addr] = true
	r.run(2 * time.Hour)
	r.deaf[seed.addr] = false
	r.run(time.Minute)
	if n.Counts(r.now).Answering != 1 {
		t.Error("a seed that was away for two hours is not asked again")
	}
}

// Nothing is sent to an address that did not answer yet but HELLO or a short ask.
func TestLongAsksGoToWhomIsKnown(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var hosts []*node
	for k := range 40 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), silence))
	}
	r.meet(n, hosts...)
	asked := map[netip.AddrPort]bool{}
	long := 0
	for _, a := range r.sent {
		if !asked[a.To] && !a.Node.IsZero() && max(len(a.Payload), a.AnswerBytes) > 110 {
			long++
		}
		asked[a.To] = true
	}
	if long > 0 || len(asked) != 40 {
		t.Errorf("of %d hosts %d were sent a long ask first", len(asked), long)
	}
}

// A node that says it has more and has nothing is not asked again for it.
func TestEmptyPromises(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var hosts []*node
	for k := range 40 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), func(netip.AddrPort, wire.Ask) *wire.Answer {
			return &wire.Answer{Stations: 0x8000 | 5000}
		}))
	}
	r.meet(n, hosts...)
	r.run(3 * time.Minute)
	before := n.asks
	r.run(time.Minute)
	if got := n.asks - before; got > 140 {
		t.Errorf("%d asks in a minute, want about 120", got)
	}
}

// A host that had no room once is believed again when it brings something.
func TestEmptyPromiseKept(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	left := 0
	h := r.play(addr("2.2.2.2:2"), func(_ netip.AddrPort, ask wire.Ask) *wire.Answer {
		a := &wire.Answer{}
		if left >= 0 {
			a.Stations = 0x8000 | 5000
		}
		if left > 0 && ask.Slice.Modulus != 0 {
			left--
			a.Records = [][]byte{record(left, r.unix()-300)}
		}
		return a
	})
	n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
	r.run(30 * time.Second)
	left = 40
	begun := n.asks
	r.run(12 * time.Second)
	if got := n.asks - begun; left > 5 || got < 36 {
		t.Errorf("in 12 s %d asks, %d of 40 records are missing", got, left)
	}
}

// A new node, too, asks less when it has met nobody for two minutes and nothing was new.
func TestIdleWhileYoung(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var hosts []*node
	for k := range 40 {
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), silence))
	}
	r.meet(n, hosts...)
	r.run(2 * time.Minute)
	before := n.asks
	r.run(time.Minute)
	if got := n.asks - before; got < 50 || got > 70 {
		t.Errorf("%d asks in a minute without news, want 60", got)
	}
}

func TestOwnAddress(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	if a, votes := n.OwnAddress(true); a.IsValid() || votes != 0 {
		t.Errorf("%v with %d votes", a, votes)
	}
	say := func(from string, you netip.AddrPort) {
		h := r.play(netip.MustParseAddrPort(from), nil)
		n.AddHost(r.now, wire.Host{Addr: h.addr, Node: h.id}, netip.Addr{})
		for range 40 { // until this one is asked
			var out gossip.Output
			r.now = n.Deadline()
			n.Advance(r.now, &out)
			for _, a := range out.Asks {
				answer := wire.Answer{You: you}
				if a.To == h.addr {
					n.HandleAnswer(r.now, a.Token, h.id, h.addr, answer.Append(nil), &gossip.Output{})
					return
				}
				n.Failed(r.now, a.Token)
			}
		}
		t.Fatalf("%v is not asked", from)
	}
	say("10.0.0.2:2", addr("10.0.0.1:1"))
	say("10.1.0.2:2", addr("10.0.0.1:1"))
	if a, votes := n.OwnAddress(true); a != addr("10.0.0.1:1") || votes != 2 {
		t.Errorf("near: %v with %d votes", a, votes)
	}
	say("66.6.1.1:1", addr("9.9.9.9:9"))
	say("66.6.1.2:1", addr("9.9.9.9:9"))
	say("66.6.1.3:1", addr("9.9.9.9:9"))
	say("20.1.1.1:1", addr("1.1.1.1:1"))
	say("30.1.1.1:1", addr("1.1.1.1:1"))
	if a, votes := n.OwnAddress(true); a != addr("1.1.1.1:1") || votes != 2 {
		t.Errorf("a network that lies three times: %v with %d votes", a, votes)
	}
	if a, _ := n.OwnAddress(false); a.IsValid() {
		t.Errorf("IPv6: %v", a)
	}
}

func TestSetTunedTellsFour(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	var ids []identity.StationID
	for k := range 6 {
		ids = append(ids, stationKey(k).ID())
	}
	n.SetTuned(ids)
	a := r.ask(n, addr("3.3.3.3:3"), wire.Ask{}, 200)
	if len(a.Tuned) != 4 || a.Tuned[0] != wire.TagOf(ids[0]) || a.You != addr("3.3.3.3:3") {
		t.Errorf("%+v", a)
	}
	if r.answer(n, addr("3.3.3.3:3"), (&wire.Ask{}).Append(nil), 20) != nil {
		t.Error("an answer where there is no room for one")
	}
	if r.answer(n, addr("3.3.3.3:3"), (&wire.Ask{Node: n.id}).Append(nil), 200) != nil {
		t.Error("a node answers itself")
	}
}
