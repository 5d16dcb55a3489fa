// SPDX-License-Identifier: MIT

// Package mesh carries one station: who feeds whom, what is there, what is missing. It moves opaque chunks, verifies each
// against its station's signed manifests before it is delivered or forwarded, and asks for what it lacks. It does no I/O,
// reads no clock, knows neither links nor codecs; a Station belongs to the node that made it and is called by one goroutine.
//
// The rules and their reasons are in docs/protocol/stations.md.
package mesh

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// PeerID is the node's number for a link; 0 is none.
type PeerID uint32

// Role is why a node carries a station.
type Role uint8

// The roles.
const (
	Listener Role = iota + 1
	Relay
	Source
)

// Host is what a station needs from its node.
type Host interface {
	// RoundTrip returns the smoothed round-trip time of a link and its deviation; zero when not measured.
	RoundTrip(PeerID) (rtt, deviation time.Duration)
	// FreeUpload is the upload in bit/s that no subscription has taken yet, of all stations together, and the whole.
	FreeUpload() (free, whole int64)
	// SpareUpload is the upload in bit/s that is left for bursts beside all subscriptions.
	SpareUpload() int64
	// MayBurst reports whether the upload carries more than what is being pushed right now.
	MayBurst(now mono.Time) bool
	// Indebted reports whether the upload carries nothing now that can wait.
	Indebted(now mono.Time) bool
	// Saturated reports whether live audio waits for upload.
	Saturated() bool
	// TakeUpload takes bps (gives back when negative) from FreeUpload.
	TakeUpload(bps int64)
	// Open reports whether strangers reach the node at the other end of a link.
	Open(PeerID) bool
	// Near reports whether a link leads to a node on the same LAN, or on this machine.
	Near(PeerID) bool
	// Gives reports whether this node sends audio at all.
	Gives() bool
	// WallClock returns milliseconds since 1970, false when nobody has told the node.
	WallClock(now mono.Time) (int64, bool)
}

// Config is what a Station is made from.
type Config struct {
	Station identity.StationID
	Key     identity.StationKey // Role Source only
	Role    Role
	Channel uint8 // in messages that this node sends
	Self    identity.NodeID
	Rand    *rand.Rand
	Host    Host
	Hints   []netip.AddrPort // where to ask first
	Shelf   *Shelf           // nil: the node is alone in its process
	Without Mechanisms       // left out; none in a program that ships
}

// Limits and timing. The reasons are in docs/protocol/stations.md.
const (
	windowSpan        = 60 * time.Second // of stream kept for others
	windowSlotsMax    = 8192
	windowBytesMax    = 8 << 20
	peersMax          = 4096
	candidatesKept    = 64
	partnersWanted    = 6
	partnersMax       = 16 // neither parents nor children
	partnersFirst     = 4  // of one that has no parents yet
	partnersMoreEvery = 400 * time.Millisecond
	backlogSpan       = 3 * time.Second
	backlogTime       = time.Second     // in which a newcomer should have its backlog
	resumeSpan        = 8 * time.Second // likewise for a node that plays, and was cut off
	resumeTime        = 2 * time.Second
	backlogSpeed      = 4 // times the rate of the stream
	playDelay         = 3 * time.Second
	haveToParents     = 2 * time.Second
	haveToPartners    = 6 * time.Second
	childDoubt        = haveToParents + 500*time.Millisecond // then it is probed
	childQuiet        = 700 * time.Millisecond               // or sooner, when an orphan asks
	childProbed       = 200 * time.Millisecond               // two or three probes
	reviewEvery       = 250 * time.Millisecond
	sourceClasses     = 2 * wire.Classes // before a source sends newcomers to its listeners
	hopsMax           = 24
	quarter           = uint16(0x1111)
	overheadPercent   = 105 // bytes on the wire for 100 bytes of audio
	manifestPercent   = 7   // of them for the manifests
	defaultRateBPS    = 128_000
	reservePercent    = 5 // of the upload, kept for orphans
	peersAskEvery     = 20 * time.Second
	manifestsOverdue  = 1200 * time.Millisecond
)

// A Station is one station as this node carries it.
type Station struct {
	cfg  Config
	rand *rand.Rand
	host Host

	epochs []*epoch // ascending, at most epochsMax
	early  []earlyChunk
	misses []miss

	peers    []*peer // in order of arrival
	byID     map[PeerID]*peer
	children []*peer // peers with a subscription here
	cursors  []*peer // children with a backlog to come
	cands    []candidate

	assign    [wire.Classes]*peer // who pushes each class to this node
	manifests *peer               // who pushes the manifests

	recent [4]lostParent // the newest first

	moves   []move    // that parents have asked for
	climbAt mono.Time // not before

	play      playState
	source    sourceState
	place     placeState
	pushes    recentPushes
	near      nearState
	nap       nap
	desertion desertion
	timers    stationTimers

	counts  Counts
	scratch []byte
	nack    wire.Nack
	pathIn  wire.Path
	leaving bool

	saidRank int // of room, in the last HAVE to partners
}

// Counts count since the station was made. Bytes are chunk data.
type Counts struct {
	Received, Repaired, Missing, Duplicate uint64
	PayloadIn                              uint64
	Polluted, Forged, Stale                uint64 // chunks with a wrong hash, manifests with a wrong signature, old ones
	NacksSent, NacksServed, NacksRefused   uint64
	EarlyDropped                           uint64
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.Received += o.Received
	c.Repaired += o.Repaired
	c.Missing += o.Missing
	c.Duplicate += o.Duplicate
	c.PayloadIn += o.PayloadIn
	c.Polluted += o.Polluted
	c.Forged += o.Forged
	c.Stale += o.Stale
	c.NacksSent += o.NacksSent
	c.NacksServed += o.NacksServed
	c.NacksRefused += o.NacksRefused
	c.EarlyDropped += o.EarlyDropped
}

type stationTimers struct {
	review     mono.Time
	place      mono.Time // when children may be told of a new place again
	above      mono.Time // likewise of this node's parents
	hungry     mono.Time // since when no parent is known for something; 0: all is brought
	watch      mono.Time // over parents and unanswered Wants
	have       mono.Time // to parents
	haveOthers mono.Time
	askPeers   mono.Time
	manifests  mono.Time // next NACK for manifests; Never when none is missing
	manTries   int
	progress   mono.Time // when a manifest last moved the stream on
	alone      mono.Time // not before that Output.Alone again
	asked      mono.Time // when partners were last asked for their position
}

// New returns a station that dials its hints when Advance is first called.
func New(now mono.Time, cfg Config) *Station {
	s := &Station{cfg: cfg, rand: cfg.Rand, host: cfg.Host, byID: map[PeerID]*peer{}}
	s.timers = stationTimers{review: now, have: now, haveOthers: now, askPeers: now.Add(2 * time.Second),
		watch: now, manifests: mono.Never, progress: now}
	s.play.init(now)
	s.place.init(cfg.Role == Source)
	for _, a := range cfg.Hints {
		s.addHint(a)
	}
	return s
}

// AddHints adds addresses to ask.
func (s *Station) AddHints(now mono.Time, hints []netip.AddrPort) {
	for _, a := range hints {
		s.addHint(a)
	}
	s.timers.review = now
}

// SetRole changes between Listener and Relay.
func (s *Station) SetRole(r Role) { s.cfg.Role = r }

// Role returns the role.
func (s *Station) Role() Role { return s.cfg.Role }

// Channel returns the number that this node's messages about the station carry.
func (s *Station) Channel() uint8 { return s.cfg.Channel }

// ID returns the station's id.
func (s *Station) ID() identity.StationID { return s.cfg.Station }

// Deadline returns when Advance wants to be called.
func (s *Station) Deadline() mono.Time {
	t := mono.Min(s.timers.review, s.timers.manifests)
	if s.cfg.Role != Source {
		t = mono.Min(t, mono.Min(s.timers.have, s.timers.haveOthers))
		t = mono.Min(t, mono.Min(s.play.due, s.timers.watch))
	}
	for i := range s.misses {
		t = mono.Min(t, s.misses[i].at)
	}
	for _, p := range s.cursors {
		t = mono.Min(t, p.child.cursorAt)
	}
	if len(s.source.release) > 0 {
		t = mono.Min(t, s.source.release[0].at)
	}
	if s.place.changed {
		t = mono.Min(t, s.timers.place)
	}
	return mono.Min(t, s.source.sealAt)
}

// Advance does what is due.
func (s *Station) Advance(now mono.Time, out *Output) {
	s.releaseDue(now, out)
	if now >= s.timers.review {
		s.noticeNap(now)
		s.expireChildren(now, now.Sub(s.timers.review), out)
		s.timers.review = now.Add(reviewEvery)
		s.review(now, out)
	}
	s.deliver(now, out)
	s.tellPlace(now, out)
	s.repairDue(now, out)
	s.runCursors(now, out)
	if s.cfg.Role != Source {
		s.watch(now, out)
		s.sayHave(now, out)
	}
}

// rateBPS is the rate of the stream as its manifests say, in bit/s.
func (s *Station) rateBPS() int64 {
	if e := s.newest(); e != nil && e.rateKBPS > 0 {
		return int64(e.rateKBPS) * 1000
	}
	return defaultRateBPS
}

// classBPS is what one class of one child costs on the wire, in bit/s.
func (s *Station) classBPS() int64 { return s.rateBPS() * overheadPercent / 100 / wire.Classes }

// manifestBPS is what the manifests of one child cost on the wire, in bit/s.
func (s *Station) manifestBPS() int64 { return s.rateBPS() * manifestPercent / 100 }

// newest returns the newest epoch, or nil.
func (s *Station) newest() *epoch {
	if len(s.epochs) == 0 {
		return nil
	}
	return s.epochs[len(s.epochs)-1]
}

// epochByLow finds the newest epoch whose number ends in low. Two epochs that end alike are told apart by nobody:
// ambiguous says so.
func (s *Station) epochByLow(low uint8) (e *epoch, ambiguous bool) {
	for i := len(s.epochs) - 1; i >= 0; i-- {
		if uint8(s.epochs[i].num) == low {
			if e != nil {
				return e, true
			}
			e = s.epochs[i]
		}
	}
	return e, false
}
