// SPDX-License-Identifier: MIT

// Package web is what browsers and programs on this machine get from the local node: the page, the JSON API with its
// events, and metrics. It shows a Backend, which the daemon is, and holds no state of its own beyond open event streams.
//
// It trusts neither the pages that a browser has open nor the stations: a request under a name that is not this machine's
// is refused (DNS rebinding), so is everything that another site sends, and the texts of stations go out as data only. It
// serves nothing from the disk and nothing from elsewhere.
package web

import (
	"context"
	"errors"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
)

// Limits.
const (
	bodyBytesMax     = 64 << 10 // of a request
	headerBytesMax   = 16 << 10
	SubscribersMax   = 64 // open event streams
	eventsQueued     = 8  // events that one of them may be behind
	answerTime       = 10 * time.Second
	eventsEvery      = time.Second // how often events look for changes
	eventsSoonest    = 100 * time.Millisecond
	eventsKeepalive  = 15 * time.Second
	eventsLeave      = 500 * time.Millisecond // for the streams' last words, of the daemon's farewell
	idleTime         = time.Minute
	backendTime      = 5 * time.Second
	socketWriteBytes = 256 << 10 // kernel buffer of a response; a player that pauses lives on it
)

// A Backend is the node behind the pages. Every method may be called from any goroutine.
type Backend interface {
	// Snapshot returns what there is to show. The caller may keep it, but not alter what it refers to.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Tune carries a station until Untune, as node.RoleListener or node.RoleRelay, or as 0 for a moment: a player is about to come.
	Tune(ctx context.Context, l identity.Link, role node.Role) error
	// Untune takes Tune back. It reports whether there was anything to take back.
	Untune(ctx context.Context, id identity.StationID) (was bool, err error)
	// ChangeSettings keeps and applies what is not nil; ErrUploadFixed refuses all of it.
	ChangeSettings(ctx context.Context, c SettingsChange) error
	// MeasureUpload begins to measure the upload on purpose; the snapshot says what comes of it. ErrGivesNothing refuses.
	MeasureUpload(ctx context.Context) error
	// Stop asks the node to leave politely, and returns at once.
	Stop()
	// Healthy returns nil when the node's loop turns.
	Healthy(ctx context.Context) error
}

// A Snapshot is the state of a node.
type Snapshot struct {
	Version    string
	UDPPort    int
	Uptime     time.Duration
	Portmap    Portmap
	HostsKnown int
	HostsAlive int // of them, answering
	Node       node.Status
	Pictures   []node.Picture // of Node.Tuned, in the same order
	Playing    []Playing      // likewise
	Stations   []Station      // all that are known; every one in Node.Tuned is among them
	Players    Players
	Socket     Socket
	Settings   Settings
	Given      Given

	Refused [refusedKinds]uint64 // requests, as the Server knows itself
}

// Playing is what players can get of a station; its fields are those of playback.Timeline and playback.Title.
type Playing struct {
	Held       bool // there is a timeline
	From, Live time.Duration
	Titles     []Title // the oldest first
}

// A Title is one that a station played. The texts come from its broadcaster.
type Title struct {
	At     time.Duration // on the timeline
	Heard  time.Time
	Text   string // artist and title
	Title  string
	Artist string
}

// Settings are what people may change while the node runs.
type Settings struct {
	UploadBPS     int64 // bit/s; 0 gives nothing, node.UploadAuto measures
	UploadFixed   bool  // by the command line or the configuration: UploadBPS cannot be changed
	MeteredUpload bool  // give on a metered connection too
	Metered       Metered
	Saved         bool // somebody chose them, or confirmed what they were
}

// Metered says whether the connection is one that is paid for by the byte, as the system knows.
type Metered uint8

// What a connection can be.
const (
	MeteredUnknown Metered = iota
	MeteredYes
	MeteredNo
)

// A SettingsChange is what somebody chose; nil leaves as it is.
type SettingsChange struct {
	UploadBPS     *int64
	MeteredUpload *bool
}

// ErrUploadFixed refuses a change of Settings.UploadBPS.
var ErrUploadFixed = errors.New("the upload was fixed when the node was started (--upload, STREAMER_UPLOAD or the configuration " +
	"file): leave it out there, and it can be changed here")

// ErrGivesNothing refuses a measurement: it would send what somebody does not want sent.
var ErrGivesNothing = errors.New("this node gives nothing, because of its upload limit or a metered connection: a measurement would; " +
	"change that first")

// Given is what the node sent to others of stations, in bytes on the wire.
type Given struct {
	Session uint64 // since the node started
	Today   uint64 // since midnight here
	Total   uint64 // since the data directory was made
}

// Portmap is what the router did about the node's port.
type Portmap struct{ IPv4, IPv6 PortmapState }

// A PortmapState is that in one family.
type PortmapState struct {
	State    string // mapped, inside (the router is behind another NAT), none, asking; "" is off
	Protocol string // PCP, NAT-PMP, UPnP; "" without a mapping
	External string // HOST:PORT, likewise
	Words    string // what it means, and what there is to do
}

// A Station is what is known about a station beside how this node carries it. The texts come from its broadcaster.
type Station struct {
	ID          identity.StationID
	Name        string
	Genre       string
	Description string
	URL         string
	Codec       string // mp3, mp2, aac, vorbis, opus, flac; "" unknown
	Title       string
	BitrateBPS  int64 // of the audio; 0 unknown
	Listeners   int   // hosts that this node itself knows to be tuned in
	Audience    int   // estimate of all listeners, never below Listeners
	Online      bool
	LastAlive   time.Duration // since it was last heard; negative: never
	Link        string
}

// Players count what local players got; the fields are those of playback.Stats.
type Players struct {
	Players int
	Served  uint64
	Slow    uint64
	Refused uint64
	Bytes   uint64
}

// A Socket counts datagrams at the UDP socket and in the queue behind it.
type Socket struct {
	Received    uint64 // read
	Oversized   uint64 // longer than any of ours, dropped
	ReadErrors  uint64
	Overrun     uint64 // dropped because the node was behind
	Sent        uint64 // that the system took
	Segmented   uint64 // of them, by segmentation offload
	WriteErrors uint64 // that the system refused
}
