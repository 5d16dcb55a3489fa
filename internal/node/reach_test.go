// SPDX-License-Identifier: MIT

package node_test

import (
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
	"streamer/internal/node"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// A region is nodes on the internet, some behind firewalls that let nobody in to whom they have sent nothing, with gossip.
type region struct {
	*wireNet
	hidden map[netip.AddrPort]bool
	sent   map[[2]netip.AddrPort]bool // from, to
	apart  map[[2]netip.AddrPort]bool // who never reach each other
	key    identity.StationKey
	mob    []*prankster
}

func newRegion(t *testing.T) *region {
	r := &region{wireNet: newNet(t, 0, 0), hidden: map[netip.AddrPort]bool{}, sent: map[[2]netip.AddrPort]bool{},
		apart: map[[2]netip.AddrPort]bool{}, key: identity.NewStationKey([32]byte{9})}
	r.tap = func(from, to netip.AddrPort, _ int) time.Duration {
		r.sent[[2]netip.AddrPort{from, to}] = true
		return r.delay
	}
	r.admit = func(p packet) bool {
		if i := slices.IndexFunc(r.mob, func(m *prankster) bool { return m.addr == p.to }); i >= 0 {
			r.mob[i].receive(p)
			return false
		}
		return !r.apart[[2]netip.AddrPort{p.from, p.to}] && (!r.hidden[p.to] || r.sent[[2]netip.AddrPort{p.to, p.from}])
	}
	return r
}

// add brings a node, in a network of its own.
func (r *region) add(hidden bool, change ...func(*node.Config)) *wireNode {
	r.t.Helper()
	i := len(r.nodes)
	var seed [32]byte
	binary.BigEndian.PutUint32(seed[:], uint32(i+1))
	cfg := node.Config{Key: identity.NewNodeKey(seed), Rand: rand.NewPCG(uint64(i), 7), Secrets: rand.NewChaCha8(seed),
		UploadBPS: node.UploadAuto, HandshakesPerPrefix: -1, Reach: node.ReachConfig{Carries: true},
		Gossip: &node.GossipConfig{Secret: seed, AskEvery: time.Second}}
	for _, c := range change {
		c(&cfg)
	}
	n := &wireNode{Node: node.New(r.now, cfg), addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i), 0, 1}), 8466)}
	r.nodes = append(r.nodes, n)
	r.hidden[n.addr] = hidden
	r.command(n, node.WallClockCommand{UnixMilli: 1_800_000_000_000 + int64(r.now)/1e6})
	r.command(n, node.LocalCommand{Addrs: []netip.Addr{n.addr.Addr()}, Port: n.addr.Port()})
	if i > 0 {
		r.command(n, node.MeetCommand{Seeds: []netip.AddrPort{r.nodes[0].addr}})
	}
	return n
}

// sever keeps two nodes from reaching each other, as NATs that give each connection another port do.
func (r *region) sever(a, b *wireNode) {
	r.apart[[2]netip.AddrPort{a.addr, b.addr}], r.apart[[2]netip.AddrPort{b.addr, a.addr}] = true, true
}

// begin puts the station on the air.
func (r *region) begin(n *wireNode) {
	r.command(n, node.BeginCommand{Key: r.key, Epoch: 100, BitrateBPS: 128_000})
	r.command(n, node.DescribeCommand{Key: r.key, Name: "Low Tide"})
	r.command(n, node.PublishCommand{Station: r.key.ID(), Kind: 1, Data: []byte("header")})
}

func (r *region) play(n *wireNode, seq *int, d time.Duration) {
	*seq += len(r.broadcast(n, r.key.ID(), *seq, d))
}

func (r *region) tune(n *wireNode, peers ...netip.AddrPort) {
	r.command(n, node.TuneCommand{Station: r.key.ID(), Role: node.RoleListener, Peers: peers})
}

func chunks(n *wireNode) (c int) {
	for i := range n.notices {
		if n.notices[i].Kind == node.NoticeChunk && n.notices[i].Chunk == 0 {
			c++
		}
	}
	return c
}

func (r *region) tuned(n *wireNode, id identity.StationID) *node.StationStatus {
	tuned := n.Status(r.now).Tuned
	if i := slices.IndexFunc(tuned, func(s node.StationStatus) bool { return s.ID == id }); i >= 0 {
		return &tuned[i]
	}
	return nil
}

// open brings nodes that others reach, and lets them find that out. Some of few may not: nobody is a stranger then.
func (r *region) open(n int) (list []*wireNode) {
	r.t.Helper()
	for range n {
		list = append(list, r.add(false))
	}
	r.run(r.now.Add(20 * time.Second))
	public := 0
	for _, n := range r.nodes {
		if n.Status(r.now).Reach.Verdict == reach.VerdictPublic {
			public++
		}
	}
	if public < 3 {
		r.t.Fatalf("%d of %d know that they are public", public, len(r.nodes))
	}
	return list
}

// A hidden source and hidden listeners meet by introductions: the record names the proxies first, a proxy that is asked for the
// station names its clients, and the audio does not cross the proxy.
func TestHiddenNodesPlay(t *testing.T) {
	r := newRegion(t)
	open := r.open(4)
	src := r.add(true)
	seq := 0
	r.run(r.now.Add(25 * time.Second))
	if s := src.Status(r.now).Reach; s.Verdict != reach.VerdictHidden || len(s.Proxies) != 3 {
		t.Fatalf("the source is %v, with the proxies %v", s.Verdict, s.Proxies)
	}
	r.begin(src)
	r.play(src, &seq, 5*time.Second)
	proxies := src.Status(r.now).Reach.Proxies
	info, ok := open[0].Station(r.now, r.key.ID())
	want := append(slices.Clone(proxies), src.addr)
	if !ok || !slices.Equal(info.Record.Entries, want) || !slices.Equal(src.EntryPoints(r.now), want) {
		t.Fatalf("entry points: %v, %v, want %v", info.Record.Entries, src.EntryPoints(r.now), want)
	}

	for _, way := range []string{"by a proxy's address", "by gossip"} {
		l := r.add(true)
		r.play(src, &seq, 5*time.Second)
		if way == "by gossip" {
			r.tune(l)
		} else {
			r.tune(l, proxies[0])
		}
		begun := r.now
		for chunks(l) == 0 && r.now.Sub(begun) < 20*time.Second {
			r.play(src, &seq, 70*time.Millisecond)
		}
		t.Logf("%s: first audio after %v", way, r.now.Sub(begun))
		r.play(src, &seq, 10*time.Second)
		st := r.tuned(l, r.key.ID())
		if chunks(l) < 100 || st.Chunks.Missing > 0 || len(st.Parents) == 0 || slices.Contains(proxies, st.Parents[0].Addr) {
			t.Errorf("%s: %d chunks, %+v", way, chunks(l), st)
		}
	}
	r.play(src, &seq, 20*time.Second)
	known := 0
	for _, n := range open {
		known += n.Status(r.now).Gossip.Hidden
		if st := r.tuned(n, r.key.ID()); st != nil {
			t.Errorf("a proxy carries the station: %+v", st)
		}
	}
	if known == 0 {
		t.Error("gossip knows no hidden host")
	}
}

// When the proxies of a source on the air change, its record is signed again soon, once, and others hear of it.
func TestEntryPointsChange(t *testing.T) {
	r := newRegion(t)
	open := r.open(6)
	src := r.add(true)
	seq := 0
	r.run(r.now.Add(25 * time.Second))
	r.begin(src)
	r.play(src, &seq, 4*time.Second)
	record := func() wire.StationRecord {
		info, _ := src.Station(r.now, r.key.ID())
		return info.Record
	}
	var signed []mono.Time
	watch := func(d time.Duration) {
		last := record().Seq
		for end := r.now.Add(d); r.now < end; {
			if r.play(src, &seq, 70*time.Millisecond); record().Seq != last {
				last = record().Seq
				signed = append(signed, r.now)
			}
		}
	}
	kill := func(not netip.AddrPort) (gone netip.AddrPort) {
		for _, a := range record().Entries {
			if a != src.addr && a != not && a != open[0].addr {
				gone = a
			}
		}
		r.nodes = slices.DeleteFunc(r.nodes, func(n *wireNode) bool { return n.addr == gone })
		return gone
	}
	begun := r.now
	one := kill(src.addr)
	watch(8 * time.Second)
	two := kill(one)
	watch(56 * time.Second)
	rec := record()
	if slices.Contains(rec.Entries, one) || slices.Contains(rec.Entries, two) || len(rec.Entries) < 3 {
		t.Errorf("entry points %v; %v and %v are gone", rec.Entries, one, two)
	}
	// The dead link to a proxy is noticed after 25 s.
	if len(signed) != 2 || signed[0].Sub(begun) > 30*time.Second || signed[1].Sub(signed[0]) < 30*time.Second-70*time.Millisecond ||
		signed[1].Sub(signed[0]) > 32*time.Second {
		t.Errorf("begun at %v, signed at %v", time.Duration(begun), signed)
	}
	r.play(src, &seq, 20*time.Second)
	if info, _ := open[0].Station(r.now, r.key.ID()); !slices.Equal(info.Record.Entries, record().Entries) {
		t.Errorf("others know %v, want %v", info.Record.Entries, record().Entries)
	}
}

// The port that a router mapped is the one that others are told, until tests show that nobody comes in there.
func TestMappedEntryPoint(t *testing.T) {
	r := newRegion(t)
	r.open(6)
	src := r.add(true)
	mapped := netip.AddrPortFrom(src.addr.Addr(), src.addr.Port()+1)
	r.run(r.now.Add(3 * time.Second))
	told := func() bool { return slices.Contains(src.EntryPoints(r.now), mapped) }
	if told() {
		t.Fatalf("entry points: %v", src.EntryPoints(r.now))
	}
	r.command(src, node.MappedCommand{Outside: mapped, Lifetime: time.Hour})
	if !told() || slices.Contains(src.EntryPoints(r.now), src.addr) {
		t.Errorf("entry points: %v, want %v", src.EntryPoints(r.now), mapped)
	}
	r.run(r.now.Add(30 * time.Second)) // nobody comes in: the firewall knows of no mapping
	if told() || src.Status(r.now).Reach.Verdict != reach.VerdictHidden {
		t.Errorf("%v, entry points: %v", src.Status(r.now).Reach.Verdict, src.EntryPoints(r.now))
	}
}

// All peers hear a node whose machine has got other addresses, at once.
func TestMovedTellsPeers(t *testing.T) {
	r := newRegion(t)
	r.open(8)
	a := r.add(true)
	r.run(r.now.Add(40 * time.Second))
	for i, want := range []int{a.Status(r.now).Peers, 0} {
		clear(r.sent)
		r.command(a, node.LocalCommand{Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.7")}, Port: a.addr.Port()})
		if len(r.sent) != want {
			t.Errorf("%d: %d peers of %d hear it", i, len(r.sent), want)
		}
	}
}

// Links that nobody needs are let go: those that were dialled for a station that is left, and those of hosts that were tried as
// proxies. What remains are the proxies'.
func TestLinksAreReleased(t *testing.T) {
	r := newRegion(t)
	open := r.open(8)
	a := r.add(true)
	r.run(r.now.Add(40 * time.Second))
	count := func() int { return a.Status(r.now).Peers }
	if count() != 3 {
		t.Errorf("%d links of a node that carries nothing", count())
	}
	var all []netip.AddrPort
	for _, n := range open {
		all = append(all, n.addr)
	}
	for _, wait := range []time.Duration{5 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, time.Second} {
		r.tune(a, all...)
		r.run(r.now.Add(wait))
		r.command(a, node.UntuneCommand{Station: r.key.ID()})
		r.run(r.now.Add(12 * time.Second))
		if count() != 3 {
			t.Errorf("left after %v: %d links stay", wait, count())
		}
	}
	for _, n := range open { // they link among each other only while they are not known to be open
		if p, c := n.Status(r.now).Peers, n.Status(r.now).Reach.Clients; p != c {
			t.Errorf("%v has %d links, %d clients", n.addr, p, c)
		}
	}
}

// Who reaches nobody that has a station asks an open node to relay it; that one leaves 30 s after its last child.
func TestCarry(t *testing.T) {
	r := newRegion(t)
	open := r.open(5)
	src := r.add(true)
	l := r.add(true)
	r.sever(src, l)
	seq := 0
	r.run(r.now.Add(25 * time.Second))
	r.begin(src)
	r.play(src, &seq, 5*time.Second)
	r.tune(l)
	begun := r.now
	for chunks(l) == 0 && r.now.Sub(begun) < 30*time.Second {
		r.play(src, &seq, 70*time.Millisecond)
	}
	took := r.now.Sub(begun)
	t.Logf("first audio after %v", took)
	r.play(src, &seq, 40*time.Second)
	carriers := func() (list []*wireNode) {
		for _, n := range open {
			if r.tuned(n, r.key.ID()) != nil {
				list = append(list, n)
			}
		}
		return list
	}
	got := carriers()
	if chunks(l) < 500 || took > 12*time.Second || len(got) == 0 {
		t.Fatalf("%d chunks; %d nodes carry the station: %+v", chunks(l), len(got), r.tuned(l, r.key.ID()))
	}
	heard := got[0]
	r.command(heard, node.TuneCommand{Station: r.key.ID(), Role: node.RoleListener}) // now somebody listens there
	r.command(l, node.UntuneCommand{Station: r.key.ID()})
	left := r.now
	for len(carriers()) > 1 && r.now.Sub(left) < time.Minute {
		r.play(src, &seq, 70*time.Millisecond)
	}
	r.play(src, &seq, 35*time.Second)
	if got := carriers(); len(got) != 1 || got[0] != heard || chunks(heard) == 0 {
		t.Errorf("%d nodes carry the station; %d chunks are heard where somebody listens", len(got), chunks(heard))
	}
	r.command(heard, node.UntuneCommand{Station: r.key.ID()})
	r.tune(l)
	r.play(src, &seq, 15*time.Second)
	if len(carriers()) == 0 {
		t.Fatal("nobody carries it again")
	}
	r.command(l, node.UntuneCommand{Station: r.key.ID()})
	left = r.now
	for len(carriers()) > 0 && r.now.Sub(left) < time.Minute {
		r.play(src, &seq, 70*time.Millisecond)
	}
	if took := r.now.Sub(left); took < 29*time.Second || took > 33*time.Second {
		t.Errorf("left after %v", took)
	}
}

// A prankster is a peer that speaks by hand.
type prankster struct {
	r     *region
	addr  netip.AddrPort
	table *link.Table
	out   link.Output
	node  *wireNode
	id    link.ID
	types []byte // of the messages that came
}

// join makes a link to a node.
func (r *region) join(n *wireNode) *prankster {
	var seed [32]byte
	i := len(r.mob)
	copy(seed[:], fmt.Sprint("prankster ", i))
	p := &prankster{r: r, node: n, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i), 0, 1}), 8466)}
	p.table = link.NewTable(r.now, link.Config{Key: identity.NewNodeKey(seed), Rand: rand.New(rand.NewPCG(uint64(i), 3)),
		Secrets: rand.NewChaCha8(seed)})
	r.mob = append(r.mob, p)
	p.dial()
	return p
}

func (p *prankster) dial() {
	p.id = p.table.Dial(p.r.now, p.node.addr, identity.NodeID{}, &p.out)
	p.flush()
	p.r.run(p.r.now.Add(100 * time.Millisecond))
}

func (p *prankster) receive(d packet) {
	_, payload := p.table.HandleDatagram(p.r.now, d.from, d.data, &p.out)
	for len(payload) > 0 {
		if payload[0] >= wire.TypeLinkEnd {
			p.types = append(p.types, payload[0])
			break
		}
		payload, _ = p.table.HandleMessage(p.r.now, p.id, payload, &p.out)
	}
	p.flush()
}

func (p *prankster) flush() {
	for _, d := range p.out.Datagrams {
		p.r.seq++
		p.r.queue = append(p.r.queue, packet{p.r.now.Add(p.r.delay), p.r.seq, p.addr, d.To, slices.Clone(d.Data)})
	}
	p.out.Reset()
}

// say sends messages, over a new link if the node has closed the old one.
func (p *prankster) say(messages ...func([]byte) []byte) {
	var payload []byte
	for _, m := range messages {
		payload = m(payload)
	}
	if !p.table.Seal(p.r.now, p.id, payload, &p.out) {
		if p.dial(); !p.table.Seal(p.r.now, p.id, payload, &p.out) {
			p.r.t.Fatal("no link")
		}
	}
	p.flush()
}

// alive lets time pass and keeps the links of pranksters.
func (r *region) alive(d time.Duration) {
	for end := r.now.Add(d); r.now < end; {
		r.run(min(end, r.now.Add(time.Second)))
		for _, p := range r.mob {
			p.table.Advance(r.now, &p.out)
			p.flush()
		}
	}
}

// However many CARRYs come, a node relays at most 4 stations for others, 2 for one peer, none without upload or when it does not
// carry, and leaves those that come to nothing.
func TestCarryFlood(t *testing.T) {
	for _, c := range []struct {
		name   string
		peers  int
		change func(*node.Config)
		want   int
	}{
		{"one", 1, func(*node.Config) {}, 2},
		{"many", 20, func(*node.Config) {}, 4},
		{"no upload", 20, func(cfg *node.Config) { cfg.UploadBPS = 0 }, 0},
		{"carries nothing", 20, func(cfg *node.Config) { cfg.Reach.Carries = false }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegion(t)
			n := r.add(false, c.change)
			r.open(3)
			if v := n.Status(r.now).Reach.Verdict; v != reach.VerdictPublic {
				t.Fatal(v)
			}
			for range c.peers {
				r.join(n)
			}
			most, number := 0, 0
			for range 70 { // seconds
				for _, p := range r.mob {
					for range 3 {
						number++
						p.say(wire.Carry{Station: identity.StationID{1, byte(number), byte(number >> 8)}}.Append)
					}
				}
				most = max(most, len(n.Status(r.now).Tuned))
				r.alive(time.Second)
			}
			if most != c.want {
				t.Errorf("%d stations", most)
			}
			told := slices.ContainsFunc(r.mob, func(p *prankster) bool { return slices.Contains(p.types, wire.TypeGone) })
			if carries := c.name != "carries nothing"; told != carries {
				t.Errorf("those who are refused are told so: %v", told)
			}
			r.alive(35 * time.Second)
			if left := len(n.Status(r.now).Tuned); left != 0 {
				t.Errorf("%d stations are never left", left)
			}
		})
	}
}

// A station of this node's own is not carried for others, whatever they ask; nor is the zero station.
func TestCarryOfOwnStation(t *testing.T) {
	r := newRegion(t)
	n := r.add(false)
	r.open(3)
	r.begin(n)
	p := r.join(n)
	p.say(wire.Carry{Station: r.key.ID()}.Append, wire.Carry{}.Append)
	r.alive(40 * time.Second)
	tuned := n.Status(r.now).Tuned
	if len(tuned) != 1 || tuned[0].Role != node.RoleSource {
		t.Errorf("%+v", tuned)
	}
	if !slices.Contains(p.types, wire.TypeOpen) {
		t.Error("who asks for it is not told of it")
	}
}

// Dials that wait for introductions end, however those do: nothing is left waiting when nobody is there, and the node tries again.
func TestIntroductionsInVain(t *testing.T) {
	r := newRegion(t)
	open := r.open(5)
	l := r.add(true)
	r.run(r.now.Add(20 * time.Second))
	p := r.join(open[0])
	tag := wire.TagOf(r.key.ID())
	p.say(wire.Standing{Keep: true, Seq: 1, You: open[0].addr, Carried: []wire.StationTag{tag}}.Append)
	r.alive(time.Second)
	if n := open[0].Status(r.now).Reach.Clients; n < 1 {
		t.Fatalf("%d clients", n)
	}
	asked := r.asked(l)
	r.tune(l, open[0].addr)
	for range 60 {
		r.alive(time.Second) // it says that it has the station, and answers nobody
	}
	got := r.asked(l) - asked
	if got < 3 || got > 60 {
		t.Errorf("%d introductions in a minute", got)
	}
	t.Logf("%d introductions in a minute in vain", got)
	r.command(l, node.UntuneCommand{Station: r.key.ID()})
	r.alive(15 * time.Second)
	if d := l.Deadline(); d == mono.Never || d < r.now {
		t.Errorf("deadline %d at %d", d, r.now)
	}
	if got := l.Status(r.now).Peers; got > 3 {
		t.Errorf("%d links", got)
	}
}

func (r *region) asked(n *wireNode) int { return int(n.Status(r.now).Reach.Counts.Asked) }

// A proxy that is gone does not keep others from the station: two of those that are named are asked at once.
func TestDeadProxy(t *testing.T) {
	r := newRegion(t)
	open := r.open(5)
	src := r.add(true)
	seq := 0
	r.run(r.now.Add(25 * time.Second))
	r.begin(src)
	r.play(src, &seq, 5*time.Second)
	proxies := src.Status(r.now).Reach.Proxies
	l := r.add(true)
	r.play(src, &seq, 20*time.Second)
	dead := proxies[0]
	if dead == open[0].addr {
		dead = proxies[1]
	}
	r.nodes = slices.DeleteFunc(r.nodes, func(n *wireNode) bool { return n.addr == dead })
	r.tune(l)
	begun := r.now
	for chunks(l) == 0 && r.now.Sub(begun) < 20*time.Second {
		r.play(src, &seq, 70*time.Millisecond)
	}
	if took := r.now.Sub(begun); took > 4*time.Second {
		t.Errorf("first audio after %v", took)
	} else {
		t.Logf("first audio after %v", took)
	}
}
