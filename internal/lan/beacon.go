// SPDX-License-Identifier: MIT

package lan

import (
	"encoding/binary"
	"errors"

	"streamer/internal/identity"
)

// BeaconBytes is the length of a beacon, and of no other datagram here.
const BeaconBytes = 8 + identity.KeyBytes

const (
	magic        = "sp2p" // the network: others may use the group and the port
	version      = 1
	flagNewcomer = 1
)

// ErrNoBeacon says that a datagram is not a beacon of this network and version.
var ErrNoBeacon = errors.New("not a beacon")

// A Beacon says that a node is here (docs/protocol/lan.md):
//
//	magic "sp2p" 4 | version 1 | flags 1 | port 2 | node id 32
type Beacon struct {
	Newcomer bool   // knows nobody yet: who hears it answers
	Port     uint16 // the node's UDP port, never 0
	Node     identity.NodeID
}

// Append appends the beacon's BeaconBytes.
func (b Beacon) Append(dst []byte) []byte {
	var flags byte
	if b.Newcomer {
		flags = flagNewcomer
	}
	dst = append(dst, magic...)
	dst = append(dst, version, flags)
	dst = binary.BigEndian.AppendUint16(dst, b.Port)
	return append(dst, b.Node[:]...)
}

// ParseBeacon reads a whole datagram. Flags that it does not know are left to later versions.
func ParseBeacon(datagram []byte) (Beacon, error) {
	if len(datagram) != BeaconBytes || string(datagram[:4]) != magic || datagram[4] != version {
		return Beacon{}, ErrNoBeacon
	}
	b := Beacon{
		Newcomer: datagram[5]&flagNewcomer != 0,
		Port:     binary.BigEndian.Uint16(datagram[6:]),
		Node:     identity.NodeID(datagram[8:]),
	}
	if b.Port == 0 || b.Node.IsZero() {
		return Beacon{}, ErrNoBeacon
	}
	return b, nil
}
