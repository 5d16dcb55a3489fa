// SPDX-License-Identifier: MIT

// Package swarm is a private DHT on loopback, for tests: members of the library as they come, fully grown, each with the store
// that a member needs and the library leaves to its users. It is in no program.
package swarm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	peerstore "github.com/anacrolix/dht/v2/peer-store"
	"golang.org/x/time/rate"
)

// A Swarm is all members. Close ends them.
type Swarm struct{ members []*mainline.Server }

// New starts n members and lets all of them ping all others: one that was never asked anything is not told of.
func New(n int) (*Swarm, error) {
	s := &Swarm{}
	for i := range n {
		server, err := newMember(i)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.members = append(s.members, server)
	}
	var pings sync.WaitGroup
	for _, from := range s.members {
		for _, to := range s.members {
			if from != to {
				pings.Go(func() { from.Ping(to.Addr().(*net.UDPAddr)) })
			}
		}
	}
	pings.Wait()
	return s, nil
}

func newMember(i int) (*mainline.Server, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("open a port for member %d: %w", i, err)
	}
	id := sha256.Sum256(fmt.Appendf(nil, "member %d", i))
	server, err := mainline.NewServer(&mainline.ServerConfig{
		Conn:        conn,
		NodeId:      krpc.ID(id[:20]),
		NoSecurity:  true,
		PeerStore:   &store{},
		DefaultWant: []krpc.Want{krpc.WantNodes},
		SendLimiter: rate.NewLimiter(rate.Inf, 0),
	})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("start member %d: %w", i, err)
	}
	return server, nil
}

// Close ends all members. It may be called again.
func (s *Swarm) Close() {
	for _, m := range s.members {
		m.Close()
	}
}

// Addr is where the i-th member is.
func (s *Swarm) Addr(i int) netip.AddrPort { return s.members[i].Addr().(*net.UDPAddr).AddrPort() }

// Start returns where the i-th member is and nothing else, for dht.Config.Start.
func (s *Swarm) Start(i int) func(context.Context) []netip.AddrPort {
	return func(context.Context) []netip.AddrPort { return []netip.AddrPort{s.Addr(i)} }
}

// A store keeps what was announced to one member. The library's own has one place for each IP address, and here all have
// the same.
type store struct {
	mu    sync.Mutex
	peers map[peerstore.InfoHash][]krpc.NodeAddr
}

// AddPeer implements the library's store.
func (s *store) AddPeer(key peerstore.InfoHash, peer krpc.NodeAddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers == nil {
		s.peers = map[peerstore.InfoHash][]krpc.NodeAddr{}
	}
	if !slices.ContainsFunc(s.peers[key], peer.Equal) {
		s.peers[key] = append(s.peers[key], peer)
	}
}

// GetPeers implements the library's store.
func (s *store) GetPeers(key peerstore.InfoHash) []krpc.NodeAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peers[key])
}
