// SPDX-License-Identifier: MIT

package dht_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	peerstore "github.com/anacrolix/dht/v2/peer-store"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A swarm is a private DHT on loopback: members of the library as they come, fully grown, each with the store that a
// member needs and the library leaves to its users.
type swarm struct{ members []*mainline.Server }

// newSwarm starts n members and lets all of them ping all others: one that was never asked anything is not told of.
func newSwarm(t *testing.T, n int) *swarm {
	t.Helper()
	s := &swarm{}
	for i := range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
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
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
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
	return s
}

// at is where the i-th member is, for Config.Start.
func (s *swarm) at(i int) func(context.Context) []netip.AddrPort {
	a := s.members[i].Addr().(*net.UDPAddr).AddrPort()
	return func(context.Context) []netip.AddrPort { return []netip.AddrPort{a} }
}

// A store keeps what was announced to one member. The library's own has one place for each IP address, and here all have
// the same.
type store struct {
	mu    sync.Mutex
	peers map[peerstore.InfoHash][]krpc.NodeAddr
}

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

func (s *store) GetPeers(key peerstore.InfoHash) []krpc.NodeAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peers[key])
}
