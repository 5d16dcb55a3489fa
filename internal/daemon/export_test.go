// SPDX-License-Identifier: MIT

package daemon

import (
	"streamer/internal/node"
	"streamer/internal/udp"
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
