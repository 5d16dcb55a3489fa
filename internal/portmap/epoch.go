// SPDX-License-Identifier: MIT

package portmap

import "time"

// An Epoch watches a router's clock, which begins anew when the router loses its mappings. The zero value has seen nothing.
type Epoch struct {
	at     time.Time
	server uint32 // seconds
}

// Lost takes the router's clock, in seconds, as it came at now, and reports whether the mappings that were made before are
// gone (RFC 6887 §8.5, whose rule holds for NAT-PMP as well).
func (e *Epoch) Lost(now time.Time, server uint32) bool {
	before := *e
	*e = Epoch{at: now, server: server}
	if before.at.IsZero() {
		return false
	}
	// The clock may go back by a second, for datagrams that overtook each other.
	if int64(server) < int64(before.server)-1 {
		return true
	}
	client := int64(now.Sub(before.at) / time.Second)
	router := int64(server) - int64(before.server)
	return client+2 < router-router/16 || router+2 < client-client/16
}
