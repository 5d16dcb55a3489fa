// SPDX-License-Identifier: MIT

package reach

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// PeerID is the node's number for a link; 0 is none.
type PeerID uint32

// Config is what a Reach is made from.
type Config struct {
	Self    identity.NodeID
	Rand    *rand.Rand
	Carries bool // this node relays a station for those who reach nobody else that has it
	Aside   bool // the node hands over what arrives at its second port (HandleAside)
}

// Limits. docs/protocol/reach.md has the reasons.
const (
	clientsMax        = 64 // that this node introduces to others
	clientsPerNetwork = 16
	meetingsMax       = 32 // introductions that this node has asked for
	openingsMax       = 64 // that others have asked for, with this node as the target
	passedMax         = 64 // that this node has made and may get a READY for
	reviewEvery       = 500 * time.Millisecond
	holdFor           = 10 * time.Second // a link that may serve for an introduction soon
	sayAgain          = time.Second      // a STANDING that is not acknowledged; doubles
	sayingsMax        = 5
)

// Reach is what one node does so that it and others can meet: it says how it stands, keeps proxies, asks for introductions,
// makes them, and punches. It belongs to the node that made it and is called by one goroutine.
type Reach struct {
	cfg      Config
	observer *Observer

	peers  []*peer // by age
	byID   map[PeerID]*peer
	byNode map[identity.NodeID]*peer

	carried   []wire.StationTag
	carriedAt int // counts its versions
	meetings  []meeting
	openings  []opening
	passed    []passage // a ring
	passedAt  int
	wanted    wanted
	tested    wire.PunchToken // of the last test of the filter
	carries   []carry
	idle      measurement
	waits     []wait
	guessed   guesses
	all       limit // introductions that this node makes
	openAll   limit // and those in which it is the target
	openPorts limit // of which with predicted ports

	ways    [2]way // of IPv4, of IPv6
	full    bool   // no station more is relayed for others
	changed bool   // what Output.Changed is to say at the next
	review  mono.Time
	counts  Counts
}

// Counts count since the start.
type Counts struct {
	Asked, Made, Refused       uint64 // introductions: that this node asked for, made for others, did not make
	Opened                     uint64 // that it was the target of
	PunchesSent, PunchesCaught uint64
	Guesses, GuessesHit        uint64 // in which a port was to be guessed, and was
}

// A peer is a link that is up.
type peer struct {
	id   PeerID
	up   mono.Time
	node identity.NodeID
	addr netip.AddrPort
	open bool // it says that strangers reach it

	outside netip.AddrPort // of a peer at a local address: where it says others see it

	said    saying
	seq     uint8 // of said, 1 to 3; 0: nothing was said
	saidAt  mono.Time
	sayings int   // of said
	told    bool  // it has acknowledged said
	seen    uint8 // Seq of its last STANDING; 0 none

	asked   mono.Time // when this node asked it to be its proxy; 0 never
	proxy   bool      // it is
	refused bool
	client  bool      // this node is its proxy
	carries bool      // it would relay a station
	carryAt mono.Time // when it was asked to; 0 never
	carrier bool      // or said so before
	full    mono.Time // it refused to, lately: until when it is not asked
	carried []wire.StationTag
	hold    mono.Time // until when the link may serve
	limits  *limits   // nil: nothing was taken of them
}

// limits are of one peer.
type limits struct {
	introduce limit // introductions that it asks for
	opens     limit // that it makes with this node as the target
	probes    limit
	waits     limit
}

// limit returns the limits, and makes them when they are asked for first.
func (p *peer) limit() *limits {
	if p.limits == nil {
		p.limits = &limits{introduce: limit{left: askerBurst}, opens: limit{left: introducerBurst}, probes: limit{left: probesBurst},
			waits: limit{left: waitsBurst}}
	}
	return p.limits
}

// keep reports whether the peer is, or has been asked to be, a proxy of this node.
func (p *peer) keep() bool { return p.asked != 0 && !p.refused }

// New makes a Reach without links.
func New(now mono.Time, cfg Config) *Reach {
	return &Reach{cfg: cfg, observer: NewObserver(now), byID: map[PeerID]*peer{}, byNode: map[identity.NodeID]*peer{},
		all: limit{left: allBurst}, openAll: limit{left: allBurst}, openPorts: limit{left: portsBurst},
		idle: measurement{next: now.Add(measureSoon)}, review: now, guessed: guesses{left: limit{left: guessBurst}}}
}

// Observer knows where this node stands; the node tells it what it sees.
func (r *Reach) Observer() *Observer { return r.observer }

// Counts returns what was counted.
func (r *Reach) Counts() Counts { return r.counts }

// Open reports whether the peer says that strangers reach it.
func (r *Reach) Open(id PeerID) bool {
	p := r.byID[id]
	return p != nil && p.open
}

// Holds reports whether a link is to be kept although no station uses it.
func (r *Reach) Holds(now mono.Time, id PeerID) bool {
	p := r.byID[id]
	return p != nil && (p.client || p.keep() || now < p.hold)
}

// Hold keeps a link for a while: its peer has told of others whom it may introduce.
func (r *Reach) Hold(now mono.Time, id PeerID) {
	if p := r.byID[id]; p != nil {
		p.hold = now.Add(holdFor)
	}
}

// SetCarried says which stations this node carries: its proxies tell those who ask for them. The slice is copied.
func (r *Reach) SetCarried(now mono.Time, tags []wire.StationTag, out *Output) {
	tags = tags[:min(len(tags), wire.CarriedMax)]
	if slices.Equal(tags, r.carried) {
		return
	}
	r.carried = append(r.carried[:0], tags...)
	r.carriedAt++
	for _, p := range r.peers {
		if p.keep() {
			r.sayStanding(now, p, out)
		}
	}
}

// PeerUp is called when a link is up.
func (r *Reach) PeerUp(now mono.Time, id PeerID, node identity.NodeID, addr netip.AddrPort, out *Output) {
	if r.byID[id] != nil {
		return
	}
	p := &peer{id: id, up: now, node: node, addr: addr}
	r.peers = append(r.peers, p)
	r.byID[id], r.byNode[node] = p, p
	if r.wanted.met(p) {
		p.hold = now.Add(holdFor)
	}
	r.forgetMeetings(node)
	r.guessMet(now, p, out)
	r.sayStanding(now, p, out)
}

// PeerDown is called when a link is gone.
func (r *Reach) PeerDown(id PeerID) {
	p := r.byID[id]
	if p == nil {
		return
	}
	delete(r.byID, id)
	if r.byNode[p.node] == p {
		delete(r.byNode, p.node)
	}
	r.peers = slices.DeleteFunc(r.peers, func(o *peer) bool { return o == p })
	r.waits = slices.DeleteFunc(r.waits, func(w wait) bool { return w.by == id })
	if p.proxy {
		r.changed = true
		r.wanted.offers, r.wanted.next = 0, 0 // another one soon
	}
}

// PeerMoved is called when the address of a link has changed.
func (r *Reach) PeerMoved(now mono.Time, id PeerID, addr netip.AddrPort, out *Output) {
	if p := r.byID[id]; p != nil {
		p.addr = addr
		r.changed = r.changed || p.proxy
		r.sayStanding(now, p, out) // it may not know yet
	}
}

// sayStanding tells a peer how this node stands, and where it sees the peer.
func (r *Reach) sayStanding(now mono.Time, p *peer, out *Output) {
	if !wire.ValidAddr(p.addr) {
		return // of a link-local address with a zone others learn nothing
	}
	news := saying{open: r.open(p.addr), keep: p.keep(), kept: p.client, you: p.addr, outside: r.outsideFor(p)}
	news.carries = r.cfg.Carries && news.open && !r.full
	if news.keep {
		news.carried = r.carriedAt
	}
	if p.seq == 0 || news != p.said {
		p.said, p.seq, p.sayings, p.told = news, p.seq%3+1, 0, false
	}
	p.saidAt = now
	p.sayings++
	m := wire.Standing{Open: news.open, Keep: news.keep, Kept: news.kept, Carries: news.carries, Seq: p.seq, Ack: p.seen,
		You: p.addr}
	if m.Keep {
		m.Carried = r.carried
	}
	out.message(p.id, m.Append)
	if news.outside.IsValid() {
		at := wire.Outside{Addr: news.outside}
		out.message(p.id, at.Append)
	}
}

// A saying is what a peer was told in a STANDING.
type saying struct {
	open, keep, kept, carries bool
	you, outside              netip.AddrPort
	carried                   int // which version of the stations
}

// repeatStandings says again what peers have not acknowledged.
func (r *Reach) repeatStandings(now mono.Time, out *Output) {
	for _, p := range r.peers {
		if !p.told && p.sayings > 0 && p.sayings < sayingsMax && now.Sub(p.saidAt) >= sayAgain<<(p.sayings-1) {
			r.sayStanding(now, p, out)
		}
	}
}

// HandleMessage handles one message; b is what follows its type. It returns what follows the message.
func (r *Reach) HandleMessage(now mono.Time, id PeerID, typ byte, b []byte, out *Output) (rest []byte, err error) {
	p := r.byID[id]
	if p == nil {
		return nil, nil
	}
	switch typ {
	case wire.TypeStanding:
		var tags [wire.CarriedMax]wire.StationTag
		var m wire.Standing
		if m, rest, err = wire.ParseStanding(b, tags[:0]); err == nil {
			r.handleStanding(now, p, m, out)
		}
	case wire.TypeIntroduce:
		var m wire.Introduce
		if m, rest, err = wire.ParseIntroduce(b); err == nil {
			r.handleIntroduce(now, p, m, out)
		}
	case wire.TypeIntroduced:
		var m wire.Introduced
		if m, rest, err = wire.ParseIntroduced(b); err == nil {
			r.handleIntroduced(now, p, m, out)
		}
	case wire.TypeIntroduction:
		var m wire.Introduction
		if m, rest, err = wire.ParseIntroduction(b); err == nil {
			r.handleIntroduction(now, p, m, out)
		}
	case wire.TypeReady:
		var m wire.Ready
		if m, rest, err = wire.ParseReady(b); err == nil {
			r.handleReady(p, m, out)
		}
	case wire.TypeProbeMe:
		var m wire.ProbeMe
		if m, rest, err = wire.ParseProbeMe(b); err == nil {
			r.handleProbeMe(now, p, m, out)
		}
	case wire.TypeProbe:
		var m wire.Probe
		if m, rest, err = wire.ParseProbe(b); err == nil {
			r.handleProbe(now, p, m, out)
		}
	case wire.TypeCarry:
		var m wire.Carry
		if m, rest, err = wire.ParseCarry(b); err == nil {
			r.handleCarry(p, m, out)
		}
	case wire.TypeWait:
		var m wire.Wait
		if m, rest, err = wire.ParseWait(b); err == nil {
			r.handleWait(now, p, m)
		}
	case wire.TypeWaited:
		var m wire.Waited
		if m, rest, err = wire.ParseWaited(b); err == nil {
			r.handleWaited(now, p, m)
		}
	case wire.TypeOutside:
		var m wire.Outside
		if m, rest, err = wire.ParseOutside(b); err == nil {
			r.handleOutside(now, p, m, out)
		}
	default:
		return nil, wire.ErrType
	}
	return rest, err
}

func (r *Reach) handleStanding(now mono.Time, p *peer, m wire.Standing, out *Output) {
	r.observer.Seen(now, p.addr, m.You)
	answer := m.Seq != p.seen
	p.seen = m.Seq
	p.told = m.Ack == p.seq // not for ever: an earlier word may have come after the last one, and then holds
	if m.Open && !p.open && p.refused {
		p.asked, p.refused = 0, false // it may be a proxy now
	}
	p.open, p.carries, p.carrier = m.Open, m.Carries, p.carrier || m.Carries
	p.client = m.Keep && (p.client || r.mayKeep(p))
	p.carried = append(p.carried[:0], m.Carried...)
	if kept := m.Kept && p.keep(); kept != p.proxy {
		p.proxy, r.changed = kept, true
	}
	if !r.considerProxy(now, p, out) && answer {
		r.sayStanding(now, p, out)
	}
}

// Advance does what is due.
func (r *Reach) Advance(now mono.Time, out *Output) {
	r.observer.Advance(now)
	r.repeatMeetings(now, out)
	r.punchDue(now, out)
	r.guessDue(now, out)
	if now < r.review {
		return
	}
	r.review = now.Add(reviewEvery)
	r.lookAtStanding(now, out)
	r.repeatStandings(now, out)
	r.keepProxies(now, out)
	r.probe(now, out)
	r.measure(now, out)
	r.punchWaits(now, out)
	r.closeExtras(out)
	for _, p := range r.peers {
		if p.hold != 0 && now >= p.hold {
			p.hold = 0
			out.Idle = append(out.Idle, p.id)
		}
	}
	out.Changed, r.changed = out.Changed || r.changed, false
}

// Deadline is when Advance is to be called.
func (r *Reach) Deadline() mono.Time {
	t := mono.Min(mono.Min(r.review, r.observer.Deadline()), r.guessed.deadline())
	for i := range r.meetings {
		t = mono.Min(t, r.meetings[i].next)
	}
	for i := range r.openings {
		t = mono.Min(t, r.openings[i].next)
	}
	return t
}
