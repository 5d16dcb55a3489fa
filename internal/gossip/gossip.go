// SPDX-License-Identifier: MIT

// Package gossip knows who exists: hosts and stations. It asks a random host now and then, answers others, and so every
// node soon knows every station, without a directory. It keeps invented hosts from pushing out the honest ones (hosts.go),
// exchanges only the records that the other lacks (slice.go), finds hosts on one station (find.go), and counts listeners,
// those it heard of itself and all that there may be (census.go).
//
// It does no I/O and no cryptography but the signatures of records: sealed asks and answers are link's business. It
// decides nothing about who feeds whom. Nothing that others say is believed but what a key signed; what others say of hosts
// is a hint until the host itself answered. A Gossip is owned by one goroutine; everything in it is bounded.
//
// docs/protocol/gossip.md is the specification; constants here have its names.
package gossip

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Numbers of the protocol's behaviour that others rely on.
const (
	onlineSeconds  = 12 * 60     // a record younger than this shows a station on the air
	lingerSeconds  = 30 * 60     // as long as listeners are heard, this old
	goneSeconds    = 2 * 60 * 60 // after it was last alive a station is forgotten
	heardSeconds   = 10 * 60     // how long an answer counts
	voteSeconds    = 20 * 60     // and how long it is a vote
	tellSeconds    = 15 * 60     // a host that answered within this time is told to others
	freshSeconds   = 60          // a record signed within this time can be a rumour
	skewSeconds    = 120         // records from further in the future are no part of the newest
	rumourPushes   = 6           // how often a rumour is passed on
	answersUntilUp = 8           // full answers in a row without anything new end the cold start
)

// Rates and sizes of asks.
const (
	AskEveryDefault = 500 * time.Millisecond
	coldEvery       = 125 * time.Millisecond
	hungryEvery     = 50 * time.Millisecond // while answers are full of news
	followEvery     = 50 * time.Millisecond
	findEvery       = 250 * time.Millisecond
	findLaterEvery  = time.Second
	findEager       = 15 * time.Second
	idleAfter       = 2 * time.Minute // without news, of new nodes also without new hosts; then asks are half as frequent
	busyTimes       = 4               // less frequent while the node carries audio, whose line it is
	quietTimes      = 10              // and then after quietAfter without news and new hosts
	quietAfter      = 20 * time.Second
	sweepEvery      = 10 * time.Second

	warmAnswerBytes   = 110 // two IPv4 hosts, two tags
	followAnswerBytes = 640 // two records
	printsLeast       = 12  // in a usual ask; one for each 32 stations when these are many
	printsShare       = 32
	warmHosts         = 2
	coldHosts         = 16
	fewHosts          = 32               // with fewer that answer a node wants more at once
	lonelyFor         = 20 * time.Second // after it last heard of another host
	lonelyBusy        = 5 * time.Second  // the same while it carries audio
)

// Limits of this implementation.
const (
	HostsMaxDefault = 1000
	StationsMax     = 4096
	pendingMax      = 64
	seedsMax        = 16
	rumoursMax      = 32
	findsMax        = 4
	verifyPerSecond = 100 // records in asks of strangers
)

// Config is what a Gossip is made from.
type Config struct {
	Secret   [32]byte        // of the tables of hosts: who does not know it cannot choose places in them
	Self     identity.NodeID // this node, if others may be told of it; zero: it is no host
	Rand     *rand.Rand
	HostsMax int           // default HostsMaxDefault; a multiple of 16 serves best
	AskEvery time.Duration // default AskEveryDefault
	// Parse reads and verifies a record; raw belongs to the caller. Nil: ParseRecord. The simulator shares records.
	Parse   func(raw []byte) (*Record, error)
	Scratch *Scratch // memory for one call at a time, may be shared; nil: own
}

// A Record is a station's record and the bytes that its key signed. It is never altered and may be shared.
type Record struct {
	wire.StationRecord
	Raw []byte
}

// ParseRecord verifies raw and copies it.
func ParseRecord(raw []byte) (*Record, error) {
	r, err := wire.ParseStationRecord(raw)
	if err != nil {
		return nil, err
	}
	return &Record{r, bytes.Clone(raw)}, nil
}

// Scratch is memory that a call needs only while it runs.
type Scratch struct {
	ask    wire.Ask
	answer wire.Answer
	out    wire.Answer
	buf    []byte
	seqs   [wire.PrintsMax + 1]uint32
}

// Output is what a call wants done. The caller owns it.
type Output struct {
	Asks    []Ask
	Found   []Found
	Seen    []Seen // at most one for each call
	Changed bool   // the list of stations may look different now

	bytes   []byte
	proxies []netip.AddrPort
}

// An Ask asks link to send one. Payload is valid until Reset.
type Ask struct {
	To          netip.AddrPort
	Node        identity.NodeID // zero: learn it from the address
	Token       uint64          // for HandleAnswer and Failed
	Payload     []byte
	AnswerBytes int // room that the answer shall have
}

// Found says that a host may carry a station that was to be found. Node is zero for the entry points of a record. A hidden host
// has proxies, which introduce others to it; they are valid until Reset.
type Found struct {
	Station identity.StationID
	Host    wire.Host
	Proxies []netip.AddrPort // at most wire.ProxiesMax; none: the host is reached directly
}

// Seen is what an answerer says: at which address he sees this node.
type Seen struct {
	By, You netip.AddrPort
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	clear(o.Asks)
	clear(o.Found)
	o.Asks, o.Found, o.Seen, o.Changed = o.Asks[:0], o.Found[:0], o.Seen[:0], false
	o.bytes, o.proxies = o.bytes[:0], o.proxies[:0]
}

// find adds a host that was found.
func (o *Output) find(id identity.StationID, f wire.FoundHost) {
	at := len(o.proxies)
	o.proxies = append(o.proxies, f.Proxies.List()...)
	o.Found = append(o.Found, Found{id, f.Host, o.proxies[at:len(o.proxies):len(o.proxies)]})
}

// A pending ask.
type pending struct {
	token uint64
	to    netip.AddrPort
	at    mono.Time
	flags pendingFlags
	want  uint8           // hosts
	find  wire.StationTag // that hosts were wanted of
}

type pendingFlags uint8

const (
	pendingFull   pendingFlags = 1 << iota // a slice of all records, and room for many
	pendingRecent                          // the newest records
	pendingSought                          // chosen because it is tuned to what is looked for: no random sample
	pendingAsker                           // chosen since it asked this node
)

// A Gossip is what one node knows of others.
type Gossip struct {
	cfg    Config
	origin mono.Time
	hosts  hosts
	hidden hiddenHosts
	askers askers
	reach  standing
	tokens uint64

	pending []pending
	first   []netip.AddrPort // asked before all others: anchors, tests before evictions
	seeds   []netip.AddrPort

	wall      int64 // unix seconds at wallAt; 0 unknown
	wallAt    mono.Time
	nextAsk   mono.Time
	nextSweep mono.Time
	news      mono.Time // when an answer last brought anything
	met       mono.Time // when another host was last heard of
	answered  mono.Time // when anybody last answered
	follow    followUp
	busy      bool   // the node carries audio
	behind    uint16 // how many clean answers until the cold start is over
	walk      walk
	restored  bool // from an earlier run
	hungry    bool // the last full answer had news, and more
	turn      uint8
	verifies  uint16 // records of strangers verified since the last sweep

	stations []station // by tag, then id
	rumours  []rumour
	tuned    []wire.StationTag
	finds    []find

	census census
	votes  addressVotes
	counts Counts
}

// A followUp is an ask that goes to the same host at once, since it has more.
type followUp struct {
	at    mono.Time
	to    netip.AddrPort
	flags pendingFlags
	bytes int
	left  uint8
}

// New makes a Gossip that knows nobody.
func New(now mono.Time, cfg Config) *Gossip {
	if cfg.HostsMax <= 0 {
		cfg.HostsMax = HostsMaxDefault
	}
	if cfg.AskEvery <= 0 {
		cfg.AskEvery = AskEveryDefault
	}
	if cfg.Parse == nil {
		cfg.Parse = ParseRecord
	}
	if cfg.Scratch == nil {
		cfg.Scratch = &Scratch{}
	}
	tables := newHosts(cfg.Secret, cfg.HostsMax)
	return &Gossip{
		cfg: cfg, origin: now, hosts: tables, hidden: newHiddenHosts(tables.key, cfg.HostsMax),
		askers:  askers{key: tables.key, hostsMax: cfg.HostsMax},
		nextAsk: now, nextSweep: now.Add(sweepEvery), news: now, met: now, answered: now.Add(-time.Hour), behind: answersUntilUp,
		follow: followUp{at: mono.Never},
	}
}

// SetWall says what time people have: seconds since 1970 at now. Until it is known no station is forgotten.
func (g *Gossip) SetWall(now mono.Time, unix int64) { g.wall, g.wallAt = unix, now }

// unix returns the seconds since 1970, 0 when they are not known.
func (g *Gossip) unix(now mono.Time) int64 {
	if g.wall == 0 {
		return 0
	}
	return g.wall + int64(now.Sub(g.wallAt)/time.Second)
}

// second returns the seconds since the Gossip was made, from 1 on.
func (g *Gossip) second(now mono.Time) uint32 { return uint32(now.Sub(g.origin)/time.Second) + 1 }

// AddSeed adds a host to start from. Seeds are asked like any other host, and again when nobody answers.
func (g *Gossip) AddSeed(now mono.Time, a netip.AddrPort) {
	a = unmap(a)
	if !hostAddr(a) || len(g.seeds) >= seedsMax {
		return
	}
	g.seeds = append(g.seeds, a)
	g.hosts.add(g.second(now), wire.Host{Addr: a}, telling{group: seedGroup, private: true})
	g.first = append(g.first, a)
	g.nextAsk = now
}

// AddHost adds a host that from told of, or whom the LAN or a DHT brought (from is the zero Addr).
func (g *Gossip) AddHost(now mono.Time, h wire.Host, from netip.Addr) {
	t := telling{group: seedGroup, private: true}
	if from.IsValid() {
		t = told(netip.AddrPortFrom(from.Unmap(), 1))
	}
	h.Addr = unmap(h.Addr)
	if !g.isSelf(h) && g.hosts.add(g.second(now), h, t) >= 0 && g.hosts.fresh < fewHosts {
		g.nextAsk = mono.Min(g.nextAsk, now.Add(coldEvery))
	}
}

func (g *Gossip) isSelf(h wire.Host) bool { return !h.Node.IsZero() && h.Node == g.cfg.Self }

// SetTuned says which stations this node is tuned to; the first four are told to others.
func (g *Gossip) SetTuned(ids []identity.StationID) {
	g.tuned = g.tuned[:0]
	for _, id := range ids[:min(len(ids), wire.TunedMax)] {
		g.tuned = append(g.tuned, wire.TagOf(id))
	}
}

// SetBusy says whether the node carries audio.
func (g *Gossip) SetBusy(busy bool) { g.busy = busy }

// Deadline returns when to call Advance.
func (g *Gossip) Deadline() mono.Time {
	return min(g.nextAsk, g.nextSweep, g.follow.at)
}

// Advance does what is due.
func (g *Gossip) Advance(now mono.Time, out *Output) {
	if now >= g.nextSweep {
		g.sweep(now, out)
		g.nextSweep = now.Add(sweepEvery)
	}
	if now >= g.follow.at {
		g.askAgain(now, out)
	}
	if now >= g.nextAsk {
		g.askSomebody(now, out)
		g.nextAsk = now.Add(g.jitter(g.interval(now)))
	}
}

// jitter varies d by an eighth.
func (g *Gossip) jitter(d time.Duration) time.Duration {
	return d - d/8 + time.Duration(g.cfg.Rand.Int64N(int64(d/4)))
}

// interval is the time between two asks to random hosts.
func (g *Gossip) interval(now mono.Time) time.Duration {
	d := g.cfg.AskEvery
	switch {
	case g.hungry:
		d = min(d, hungryEvery)
	case g.busy && g.cold(now): // small asks, as often as usual, until one finds that there is more
	case g.cold(now):
		d = min(d, coldEvery)
	case len(g.rumours) > 0: // they are few, and soon over
	case g.busy && now.Sub(g.news) > quietAfter && now.Sub(g.met) > quietAfter:
		d *= quietTimes
	case g.busy:
		d *= busyTimes
	case now.Sub(g.news) > idleAfter && (!g.young(g.second(now)) || now.Sub(g.met) > idleAfter):
		d *= 2
	}
	if len(g.finds) > 0 {
		d = min(d, g.findInterval(now))
	}
	return d
}

// young reports whether the node began from nothing not long ago: then it looks around more, and its tables are not settled.
func (g *Gossip) young(sec uint32) bool { return sec < youngSeconds && !g.restored }

// cold reports whether much is missing: stations that others have, or hosts that answer.
func (g *Gossip) cold(now mono.Time) bool {
	return g.behind > 0 || g.lonely(now) && g.hosts.unproven > 0
}

// lonely reports whether few hosts answer although there are more: in a small network nobody is.
func (g *Gossip) lonely(now mono.Time) bool {
	wait := lonelyFor
	if g.busy {
		wait = lonelyBusy
	}
	return g.hosts.fresh < fewHosts && now.Sub(g.met) < wait
}

// sweep forgets what is old.
func (g *Gossip) sweep(now mono.Time, out *Output) {
	g.verifies, g.hungry = 0, false
	sec := g.second(now)
	keep := g.pending[:0]
	for _, p := range g.pending {
		if now.Sub(p.at) < sweepEvery {
			keep = append(keep, p)
		} else if i := g.hosts.find(p.to); i >= 0 {
			g.hosts.slots[i].flags &^= hostAsked
		}
	}
	g.pending = keep
	g.hosts.count(sec)
	g.sweepStations(now, out)
	g.census.age(g.hosts.marked)
	if g.hosts.fresh == 0 { // nobody answers: begin anew
		for _, a := range g.seeds {
			g.hosts.add(sec, wire.Host{Addr: a}, telling{group: seedGroup, private: true})
		}
	}
}
