// SPDX-License-Identifier: MIT

package mesh

import (
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// Output collects what a station wants done. The node owns it.
type Output struct {
	Controls []Control
	Sends    []Send
	Notices  []Notice
	Dials    []Dial
	Pings    []PeerID // links to probe
	Hostile  []PeerID // peers that sent what no honest node sends
	Idle     []PeerID // peers that this station needs no more
	Dead     []PeerID // likewise, and their links are not to be met again: they answer no probe
	Alone    bool     // nobody is heard any more: all peers should hear where this node is

	bytes []byte
	peers []PeerID
}

// A Control is one small message for one peer, type included.
type Control struct {
	Peer       PeerID
	start, end int
}

// Message returns the bytes of a control message, valid until Reset.
func (o *Output) Message(c Control) []byte { return o.bytes[c.start:c.end] }

// Priority orders what waits for upload.
type Priority uint8

// The priorities, the most urgent first.
const (
	Push    Priority = iota // live chunks and manifests for subscribers
	Backlog                 // the past for newcomers; live chunks too until they have caught up
	Repair                  // answers to NACK
)

// A Send is a chunk or a manifest for one or more peers. Data is never altered and may be kept.
type Send struct {
	Priority Priority
	Manifest bool
	Epoch    uint32
	Seq      uint32
	Data     []byte // of the chunk, or the signed manifest
	from, to int
}

// Peers returns the receivers of a send, valid until Reset.
func (o *Output) Peers(s Send) []PeerID { return o.peers[s.from:s.to] }

// AppendMessage appends the send's message, type included, for a sender with the given channel.
func (s *Send) AppendMessage(b []byte, channel uint8) []byte {
	if s.Manifest {
		return wire.AppendManifestMessage(b, channel, s.Data)
	}
	return wire.Chunk{Channel: channel, EpochLow: uint8(s.Epoch), Seq: s.Seq, Data: s.Data}.Append(b)
}

// A Dial asks the node for a link; Node is zero when it is not known. Strangers reach it when it is Open; otherwise the peer
// Via, or one of the Proxies, introduces this node to it. Proxies belongs to the station: it is valid until Reset.
type Dial struct {
	Addr    netip.AddrPort
	Node    identity.NodeID
	Open    bool
	Via     PeerID
	Proxies []netip.AddrPort
}

// NoticeKind tells what a Notice says.
type NoticeKind uint8

// The kinds of notice; node documents them.
const (
	NoticeEpoch NoticeKind = iota + 1
	NoticeChunk
	NoticeGap
	NoticeEnded
)

// A Notice tells the application about the stream, in its order.
type Notice struct {
	Kind     NoticeKind
	Epoch    uint32
	Seq      uint32
	Count    uint32
	Chunk    uint8
	Start    time.Duration
	Duration time.Duration
	Data     []byte
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Controls = o.Controls[:0]
	clear(o.Sends)
	o.Sends = o.Sends[:0]
	clear(o.Notices)
	o.Notices = o.Notices[:0]
	o.Dials = o.Dials[:0]
	o.Pings = o.Pings[:0]
	o.Hostile = o.Hostile[:0]
	o.Idle = o.Idle[:0]
	o.Dead = o.Dead[:0]
	o.Alone = false
	o.bytes = o.bytes[:0]
	o.peers = o.peers[:0]
}

// control appends one message for one peer.
func (o *Output) control(to PeerID, appendTo func([]byte) []byte) {
	start := len(o.bytes)
	o.bytes = appendTo(o.bytes)
	o.Controls = append(o.Controls, Control{Peer: to, start: start, end: len(o.bytes)})
}

// send starts a send to no peer yet; addPeer completes it.
func (o *Output) send(s Send) {
	s.from, s.to = len(o.peers), len(o.peers)
	o.Sends = append(o.Sends, s)
}

func (o *Output) addPeer(to PeerID) {
	o.peers = append(o.peers, to)
	{
		s := &o.Sends[len(o.Sends)-1]
		k := 40 + 2*int(s.Priority)
		if s.Manifest {
			k++
		}
	}
	o.Sends[len(o.Sends)-1].to = len(o.peers)
}

// dropEmpty takes back a send that nobody gets.
func (o *Output) dropEmpty() {
	if last := len(o.Sends) - 1; o.Sends[last].from == o.Sends[last].to {
		o.Sends = o.Sends[:last]
	}
}
