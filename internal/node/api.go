// SPDX-License-Identifier: MIT

package node

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// Config is what a node is made from. Everything random comes from here, so that equal configs and equal calls give
// equal output.
type Config struct {
	Key       identity.NodeKey
	Rand      rand.Source // jitter and choice of peers
	Secrets   io.Reader   // ephemeral keys, cookies; must never fail
	UploadBPS int64       // hard cap on everything sent, bit/s of IP packets; 0 gives nothing; UploadAuto measures

	Shelf  *mesh.Shelf  // of a driver of many nodes; nil: this one is alone
	Agreed *link.Agreed // likewise
	Reach  ReachConfig
	Gossip *GossipConfig // nil: this node neither asks for hosts and stations nor answers

	Without mesh.Mechanisms // left out of every station, in simulations; 0 in a program that ships

	// Limits of the links; see link.Config. Zero values are the defaults.
	LinksMax            int
	HandshakesPerPrefix int
	PrefixExempt        []netip.Prefix
}

// UploadAuto leaves the upload to the node's own estimate.
const UploadAuto int64 = -1

// Role is why a node carries a station.
type Role uint8

// The roles.
const (
	RoleListener Role = iota + 1
	RoleRelay
	RoleSource
)

// A Command is one of the *Command types below: what the application asks of a node.
type Command interface{ command() }

// TuneCommand carries a station from now on. Tuning in again adds peers and may change the role.
type TuneCommand struct {
	Station identity.StationID
	Role    Role             // RoleListener or RoleRelay
	Peers   []netip.AddrPort // hints: where to ask first
}

// UntuneCommand leaves a station politely.
type UntuneCommand struct{ Station identity.StationID }

// BeginCommand puts a station of one's own on the air or, when it is, begins its next epoch: a new codec header.
type BeginCommand struct {
	Key        identity.StationKey
	Epoch      uint32 // must be above every earlier epoch of this station; seconds since 1970 serve
	BitrateBPS int64  // nominal bit/s of the audio; 0 unknown
}

// PublishCommand adds a chunk to the current epoch. Data (1 to 1,120 bytes) must not be altered afterwards.
type PublishCommand struct {
	Station  identity.StationID
	Kind     uint8         // codec.ChunkKind; headers come first in an epoch
	Start    time.Duration // media time since the epoch began, never going back
	Duration time.Duration
	Data     []byte
}

// EndCommand signs the end of a station's stream: every listener stops at the last chunk.
type EndCommand struct{ Station identity.StationID }

// DescribeCommand says what a station of one's own is, for the list of stations: what is too long is cut. It is on the list once
// its audio flows. Title is the track's.
type DescribeCommand struct {
	Key                                  identity.StationKey
	Name, Genre, Description, URL, Title string
	Codec                                uint8  // as in a stream's header, docs/protocol/chunks.md
	KBPS                                 uint16 // of the audio; 0 unknown
}

// MeetCommand adds hosts: Seeds of which only the address is known, and hosts that the LAN or a DHT brought.
type MeetCommand struct {
	Seeds []netip.AddrPort
	Hosts []wire.Host
}

// AddPeersCommand says where a station that is carried may be had, too. It changes nothing else.
type AddPeersCommand struct {
	Station identity.StationID
	Peers   []netip.AddrPort
}

// RestoreCommand gives back what Save returned in an earlier run. It comes after WallClockCommand.
type RestoreCommand struct{ Saved gossip.Saved }

// MappedCommand says at which outside address a router lets everybody in (PCP, NAT-PMP, UPnP IGD), zero when it does not any more.
type MappedCommand struct {
	Outside  netip.AddrPort
	Lifetime time.Duration
}

// WallClockCommand tells the node what time people have: UnixMilli at the moment of the call.
type WallClockCommand struct{ UnixMilli int64 }

// UploadCommand changes Config.UploadBPS. With 0 it ends what others had subscribed, politely; below what they take, the line does.
type UploadCommand struct{ BPS int64 }

// LearnedUploadCommand says that the node is in a network now of which it is known that it carried BPS upwards, or with 0 in another one
// than before.
type LearnedUploadCommand struct{ BPS int64 }

// LeaveCommand tells all peers that this node is going. Send what comes out, go on for LeaveTime, then stop.
type LeaveCommand struct{}

// LeaveTime is how long a driver goes on after LeaveCommand.
const LeaveTime = 250 * time.Millisecond

func (TuneCommand) command()          {}
func (UntuneCommand) command()        {}
func (BeginCommand) command()         {}
func (PublishCommand) command()       {}
func (EndCommand) command()           {}
func (DescribeCommand) command()      {}
func (MeetCommand) command()          {}
func (RestoreCommand) command()       {}
func (AddPeersCommand) command()      {}
func (WallClockCommand) command()     {}
func (MappedCommand) command()        {}
func (UploadCommand) command()        {}
func (LearnedUploadCommand) command() {}
func (LeaveCommand) command()         {}

// Output collects what one or more calls want done. The caller owns it and may keep it between calls; Reset empties it.
// The driver sends Datagrams first, in order, then Fanouts. Events of the embedded link.Output are the node's own.
type Output struct {
	link.Output
	Fanouts []Fanout // to seal and send; one payload each, many links
	Notices []Notice // for the application, in order

	Asides []Datagram    // to send from the node's second port
	Extras []reach.Extra // ports to open or to close beside them, in order, before Datagrams are sent

	StationsChanged bool // the list of stations may look different now

	payloads []byte        // behind every Fanout.Payload
	tickets  []link.Ticket // behind every Fanout.Tickets
	charged  int           // Datagrams that the upload has been charged for
}

// A Datagram is a UDP payload, valid until Reset.
type Datagram = link.Datagram

// A Fanout is one payload for many links. The driver makes each datagram with Ticket.AppendDatagram, on any goroutine, in
// any order, and sends it to Ticket.To. Payload is valid until Reset.
type Fanout struct {
	Payload []byte
	Tickets []link.Ticket
}

// NoticeKind tells what a Notice says.
type NoticeKind uint8

// The kinds of Notice. For one tuned station they come in stream order: an Epoch, its header chunks, then Chunk, Gap and
// again Epoch, and at last Ended. A station goes on with a new Epoch after Ended when its broadcaster returns.
const (
	NoticeEpoch NoticeKind = iota + 1 // a new epoch: header chunks follow
	NoticeChunk                       // the next verified chunk, as soon as all before it are there
	NoticeGap                         // Count chunks missed their deadline
	NoticeEnded                       // the broadcaster signed the end
)

// A Notice tells the application about a station it tuned to. Data belongs to nobody and is never altered: keep it freely.
type Notice struct {
	Kind     NoticeKind
	Station  identity.StationID
	Epoch    uint32
	Seq      uint32 // of the chunk, or of the first one missing
	Count    uint32 // NoticeGap
	Chunk    uint8  // codec.ChunkKind
	Start    time.Duration
	Duration time.Duration
	Data     []byte
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Output.Reset()
	o.Fanouts = o.Fanouts[:0]
	clear(o.Notices)
	o.Notices = o.Notices[:0]
	o.payloads = o.payloads[:0]
	o.tickets = o.tickets[:0]
	o.charged = 0
	o.StationsChanged = false
	o.Asides = o.Asides[:0]
	o.Extras = o.Extras[:0]
}

// Status is a snapshot for people and metrics.
type Status struct {
	NodeID   identity.NodeID
	Peers    int // links that are up
	Upload   UploadStatus
	Measure  MeasureStatus
	Gossip   gossip.Counts // hosts and stations that are known
	Reach    ReachStatus
	Tuned    []StationStatus
	Counters Counters
}

// Reachability says in one word how others reach the node: "public", "mapped" (public, by what a router does for it),
// "punchable" (by introduction), "proxied" (most of them only through others), "unknown".
func (r *ReachStatus) Reachability() string {
	switch {
	case r.Verdict == reach.VerdictPublic && r.Mapped:
		return "mapped"
	case r.Verdict == reach.VerdictPublic:
		return "public"
	case r.Verdict != reach.VerdictHidden:
		return "unknown"
	case r.Mapping == reach.EndpointIndependent || r.Step != 0 || !r.Translated:
		return "punchable"
	}
	return "proxied"
}

// ReachStatus is how a node and others meet.
type ReachStatus struct {
	reach.Standing
	Mapped  bool             // a router lets everybody in
	Proxies []netip.AddrPort // who introduce others to this node
	Clients int              // whom this node introduces to others
	Counts  reach.Counts
}

// UploadStatus is in bit/s of IP packets.
type UploadStatus struct {
	BudgetBPS   int64 // the cap; UploadAuto when there is none
	MeasuredBPS int64 // 0: not measured
	UsedBPS     int64 // over the last seconds
}

// StationStatus is one station that this node carries.
type StationStatus struct {
	ID         identity.StationID
	Role       Role
	OnAir      bool // manifests are coming
	Ended      bool // the broadcaster signed the end
	Epoch      uint32
	BitrateBPS int64
	Hops       int           // to the source; 0 at the source, -1 unknown
	Buffer     time.Duration // contiguous audio ahead of the play clock
	Lag        time.Duration // source's wall clock to here; 0 unknown
	Full       int           // peers that have no upload left for this node, while nobody brings it a part of the stream
	TryIn      time.Duration // until the first of them is asked again
	Chunks     ChunkCounts
	Bytes      ByteCounts
	Parents    []PeerStatus
	Children   []PeerStatus
	Partners   int // links that carry this station, parents and children included
}

// ChunkCounts count chunks since tuning in. Missing ones passed their play deadline.
type ChunkCounts struct{ Received, Repaired, Missing, Duplicate uint64 }

// ByteCounts count bytes since tuning in: chunk data verified, and whole IP packets of the links that carry the station.
type ByteCounts struct{ PayloadIn, WireIn, WireOut uint64 }

// PeerStatus is one parent or child.
type PeerStatus struct {
	NodeID  identity.NodeID
	Addr    netip.AddrPort
	Classes uint16 // bit i: chunks with seq mod 16 == i
	RTT     time.Duration
	LAN     bool
}

// A Picture is where a node sits in the forest of one station, for people. Parents and Children are those of StationStatus, in the
// same order.
type Picture struct {
	Classes  [wire.Classes]ClassPlace
	Parents  []ParentPlace
	Children []mesh.ChildPlace
	GiveBPS  int64 // upload that subscriptions of all stations together may take, bit/s of IP packets
	SpareBPS int64 // of it, what none has taken
	Room     int   // classes that a newcomer would get
}

// A ClassPlace is a node's place in the tree of one class.
type ClassPlace struct {
	Parent   identity.NodeID // zero: nobody brings it, or this is the source
	Hops     int             // to the source; -1 unknown
	Children int
}

// A ParentPlace is how the stream comes from one parent. Above are the parent's ancestors, as the parent says, as the first
// AncestorChars characters of their ids; where there is one way only, the source is the first.
type ParentPlace struct {
	mesh.ParentPlace
	Above []string
}
