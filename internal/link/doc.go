// SPDX-License-Identifier: MIT

// Package link keeps one secured path to each peer: handshake, keys, replay window, round-trip time, change of address. It
// does no I/O, reads no clock and starts no goroutine: one goroutine owns a Table and everything in it. What arrives is
// hostile until a key proved it; a refused datagram costs a counter.
package link
