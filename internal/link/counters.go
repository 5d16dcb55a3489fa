// SPDX-License-Identifier: MIT

package link

// DropReason is why a datagram, or a message in it, was refused.
type DropReason uint8

// The reasons.
const (
	DropMalformed DropReason = iota // no parser takes it
	dropReasons                     // how many
)

// String names the reason.
func (r DropReason) String() string { return "malformed" }

// Counters count since the table was made.
type Counters struct {
	Drops [dropReasons]uint64 // indexed by DropReason
}
