// SPDX-License-Identifier: MIT

package daemon

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/udp"
	"streamer/internal/web"
)

// A Sender is the loop's sender, for tests of it alone.
type Sender struct{ s *sender }

// NewSender starts one.
func NewSender(conn *udp.Conn) Sender { return Sender{newSender(conn)} }

// Send puts out on the wire.
func (s Sender) Send(out *node.Output) {
	s.s.plain(out.Datagrams)
	s.s.send(out.Fanouts)
}

// Close ends the workers.
func (s Sender) Close() { s.s.close() }

// ParallelTickets is from how many tickets on the cores share the work.
const ParallelTickets = parallelTickets

// WallClock is the loop's.
type WallClock = wallClock

// Due is the loop's question.
var Due = (*wallClock).due

// WriteFileAtomic and the host look-ups are tested alone.
var (
	WriteFileAtomic = writeFileAtomic
	Resolve         = resolve
	OwnPeers        = ownPeers
)

// TestStations are stations on a loop without a socket.
type TestStations struct {
	*stations
	loop *loop
}

// NewTestStations makes them; Run must be called.
func NewTestStations(cfg node.Config) TestStations {
	c := newClock()
	l := newLoop(node.New(c.now(), cfg), c, newSender(nil), nil)
	s := newStations(l, slog.New(slog.DiscardHandler))
	l.notice = s.notice
	return TestStations{s, l}
}

// Run turns until ctx ends.
func (s TestStations) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.loop.run(ctx) })
	all.Go(func() { s.run(ctx) })
	all.Wait()
	s.loop.send.close()
}

// Pin and Unpin are what the API calls.
func (s TestStations) Pin(ctx context.Context, l identity.Link, r node.Role) error {
	return s.pin(ctx, l, r)
}

// Hold is what the API calls for a player that is about to come.
func (s TestStations) Hold(ctx context.Context, l identity.Link) error { return s.hold(ctx, l) }

// Unpin takes back Pin.
func (s TestStations) Unpin(ctx context.Context, id identity.StationID) (bool, error) {
	return s.unpin(ctx, id)
}

// Role asks the node.
func (s TestStations) Role(ctx context.Context, id identity.StationID) (role node.Role, err error) {
	err = s.loop.ask(ctx, func(n *node.Node, now mono.Time) {
		for _, st := range n.Status(now).Tuned {
			if st.ID == id {
				role = st.Role
			}
		}
	})
	return role, err
}

// TuneGrace is how long a station without players is kept.
const TuneGrace = tuneGrace

// Hurry makes exports cheap: what scrypt costs is not what is tested.
func (s *Store) Hurry() { s.workFactor = 10 }

// RecordCalls records a node through these calls; a nil command is a deadline, []byte a datagram.
func RecordCalls(path string, seeds Seeds, from netip.AddrPort, calls []any) error {
	now := mono.Time(1000)
	r, err := NewRecorder(path, seeds, node.UploadAuto, now)
	if err != nil {
		return err
	}
	n := node.New(now, seeds.Config(node.UploadAuto))
	var out node.Output
	for _, c := range calls {
		now = now.Add(100 * time.Millisecond)
		out.Reset()
		switch c := c.(type) {
		case []byte:
			n.HandleDatagram(now, from, c, &out)
			r.datagram(now, from, c, out)
		case node.Command:
			n.HandleCommand(now, c, &out)
			r.command(now, c, out)
		default:
			n.HandleDeadline(now, &out)
			r.deadline(now, out)
		}
	}
	return r.Close()
}

// RecordedCommands reads the commands of a record without carrying them out.
func RecordedCommands(r *bufio.Reader) (list []node.Command, err error) {
	_, _, now, err := readRecordHead(r)
	buf := make([]byte, entryBytesMax)
	for err == nil {
		var e entry
		if e, err = readEntry(r, buf, now); err == nil && e.command != nil {
			list = append(list, e.command)
		}
		now = max(now, e.now)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return list, err
}

// ParseStation and Encode are a key file's format.
var ParseStation = parseStation

// Encode writes what ParseStation reads.
func (s Station) Encode() ([]byte, error) { return s.encode() }

// The file of hosts.
var (
	WriteHosts  = writeHosts
	ReadHosts   = readHosts
	ParseHosts  = parseHosts
	FileOfHosts = fileOfHosts
)

// KeptNodeSeed reads or makes a node's key.
var KeptNodeSeed = keptNodeSeed

// The list of stations that people see.
var (
	MergeStations = mergeStations
	FormatCodec   = formatCodec
)

// PrivateDHT are options of a daemon that asks a DHT of the test's own, and soon.
func PrivateDHT(opts Options, start func(context.Context) []netip.AddrPort) Options {
	opts.DHT = true
	opts.mainline = mainlineOptions{start: start, look: 50 * time.Millisecond, after: 300 * time.Millisecond, again: time.Second}
	return opts
}

// NetworkOf is networkOf.
func NetworkOf(ip4, ip6 netip.Addr) netip.Prefix { return networkOf(ip4, ip6) }

// ReadUploads returns what a file says of a network, and of how many it tells.
func ReadUploads(path string, network netip.Prefix) (bps int64, networks int, err error) {
	list, err := readUploads(path)
	for _, l := range list {
		if l.Network == network {
			bps = l.BPS
		}
	}
	return bps, len(list), err
}

// Given is tested alone.
type Given struct{ *given }

// NewGiven reads the file of a data directory.
func NewGiven(dir string) *Given {
	return &Given{newGiven(nil, &Options{DataDir: dir}, slog.New(slog.DiscardHandler))}
}

// Count is the daemon's.
func (g *Given) Count(session uint64, now time.Time) web.Given { return g.count(session, now) }

// Save is the daemon's.
func (g *Given) Save() { g.save() }

// ParseSettings returns the upload that a file says.
func ParseSettings(b []byte) (*int64, error) {
	kept, err := parseSettings(b)
	return kept.UploadBPS, err
}
