// SPDX-License-Identifier: MIT

// Package dht finds hosts through the BitTorrent mainline DHT (BEP 5): millions of nodes, run by nobody, that keep under any
// 20-byte key the addresses that were announced there. It is a fallback for a node that knows no living host, or none that
// is tuned to a station, so nothing is sent before the first question.
//
// A DHT is a read-only member (BEP 43): it asks and announces, and answers nobody. It has a UDP port of its own, apart from
// the node's. The library (github.com/anacrolix/dht/v2) sees no byte that we have not read before; see door. docs/decisions/0009-first-contact.md says why, and what others learn from
// a question.
//
// What is found is hearsay: anybody can announce any port under any key, and the members nearest to a key can invent
// addresses.
package dht

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	"golang.org/x/time/rate"
)

const (
	// FoundMax is how many addresses one round reports at most.
	FoundMax = 128
	// NodesMax is how many members Nodes returns, and how many addresses of Config.Start are used.
	NodesMax = 64
	// AnnounceEvery is how often an announcement must be made again: members forget it after 30 minutes or more.
	AnnounceEvery = 15 * time.Minute

	roundsAtOnce   = 4                       // one of them an announcement; further ones wait
	answerTime     = 1500 * time.Millisecond // a member that has not answered by then is passed over
	silentTime     = 10 * time.Second        // no answer at all: nobody is there, or we are offline
	searchTime     = 25 * time.Second        // then an announcement goes to the nearest that were found
	packetsPerSec  = 50
	packetsAtOnce  = 50
	retryLeast     = 30 * time.Second // after a round that failed, doubled each time up to AnnounceEvery
	announceJitter = 2 * time.Minute
)

// ErrSilent says that no member answered. The next round begins with new addresses from Config.Start.
var ErrSilent = errors.New("no member of the DHT answered")

// ErrNoStart says that Config.Start returned nothing that can be asked.
var ErrNoStart = errors.New("no address of a member of the DHT is known")

// ErrClosed says that Close was called.
var ErrClosed = errors.New("the DHT was closed")

// Config holds what a DHT needs.
type Config struct {
	// Start returns addresses of members to begin with: those that Nodes returned in an earlier run, and the public
	// Routers, looked up. It is called before the first round and after one that nobody answered. When it returns only
	// addresses of private networks, such addresses count as members and as found; otherwise they are refused.
	Start func(context.Context) []netip.AddrPort
	Port  uint16       // local UDP port; 0: any
	Log   *slog.Logger // nil: none
}

// A DHT is one member. Its methods may be called from any goroutine.
type DHT struct {
	cfg  Config
	done chan struct{} // closed by Close

	slots      chan struct{} // one for each round under way
	announcing chan struct{} // one, so that each announcement knows how many took it
	making     chan struct{} // one: whoever replaces the member

	rounds sync.WaitGroup

	mu     sync.Mutex
	closed bool
	member *member // nil: no socket is open
}

// A member is the library's server on its socket. It is replaced when nobody answers.
type member struct {
	server *mainline.Server
	door   *door
	silent bool // nobody answers: to be replaced; guarded by DHT.mu
}

// Routers returns HOST:PORT of public members that are there for newcomers.
func Routers() []string { return slices.Clone(mainline.DefaultGlobalBootstrapHostPorts) }

// New makes a DHT that has not opened its socket yet.
func New(cfg Config) *DHT {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &DHT{
		cfg:        cfg,
		done:       make(chan struct{}),
		slots:      make(chan struct{}, roundsAtOnce),
		announcing: make(chan struct{}, 1),
		making:     make(chan struct{}, 1),
	}
}

// Close ends all rounds and closes the socket. Further rounds fail with ErrClosed.
func (d *DHT) Close() {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.done)
	}
	d.mu.Unlock()
	d.rounds.Wait()
	if m := d.swap(nil); m != nil {
		m.close()
	}
}

// swap puts m in the member's place and returns what was there.
func (d *DHT) swap(m *member) *member {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.member
	d.member = m
	return old
}

// silence has the member replaced before the next round.
func (d *DHT) silence(m *member) {
	d.mu.Lock()
	m.silent = true
	d.mu.Unlock()
}

// Nodes returns addresses of up to NodesMax members that have answered, for Config.Start at the next run.
func (d *DHT) Nodes() []netip.AddrPort {
	d.mu.Lock()
	m := d.member
	d.mu.Unlock()
	if m == nil {
		return nil
	}
	var list []netip.AddrPort
	for _, n := range m.server.Nodes() {
		if a := addrPort(n.Addr); m.door.believes(a) && len(list) < NodesMax {
			list = append(list, a)
		}
	}
	return list
}

// current returns the member to ask, and whether it has just been made.
func (d *DHT) current(ctx context.Context) (m *member, made bool, err error) {
	if !enter(ctx, d.making) {
		return nil, false, d.why(ctx)
	}
	defer func() { <-d.making }()
	d.mu.Lock()
	m = d.member
	usable := m != nil && !m.silent
	d.mu.Unlock()
	if usable {
		return m, false, nil
	}
	if m != nil {
		d.swap(nil).close() // its port is free again
	}
	start := slices.DeleteFunc(slices.Clone(d.cfg.Start(ctx)), func(a netip.AddrPort) bool {
		return a.Port() == 0 || !unicast(a.Addr())
	})
	if len(start) == 0 {
		return nil, false, ErrNoStart
	}
	if m, err = newMember(d.cfg.Port, start[:min(len(start), NodesMax)]); err != nil {
		return nil, false, err
	}
	d.swap(m)
	return m, true, nil
}

func newMember(port uint16, start []netip.AddrPort) (*member, error) {
	private := !slices.ContainsFunc(start, func(a netip.AddrPort) bool { return public(a.Addr()) })
	door, err := openDoor(port, private)
	if err != nil {
		return nil, err
	}
	server, err := mainline.NewServer(&mainline.ServerConfig{
		Conn:             door,
		Passive:          true,
		NoSecurity:       true, // BEP 42 would shut out the members that do not follow it, Transmission's among them
		StartingNodes:    func() ([]mainline.Addr, error) { return libraryAddrs(start), nil },
		DefaultWant:      []krpc.Want{krpc.WantNodes, krpc.WantNodes6},
		QueryResendDelay: func() time.Duration { return answerTime },
		SendLimiter:      rate.NewLimiter(packetsPerSec, packetsAtOnce), // the default is shared by the whole process
	})
	if err != nil {
		_ = door.Close()
		return nil, fmt.Errorf("start the DHT: %w", err)
	}
	return &member{server: server, door: door}, nil
}

// close waits until the socket is closed. The server comes first: it panics when its socket ends before it.
func (m *member) close() {
	m.server.Close()
	<-m.door.closed
}
