// SPDX-License-Identifier: MIT

// Package link keeps one secured path to each peer: handshake, keys, replay window, round-trip time, change of address. It
// seals and opens what the node says; it neither orders, acknowledges nor repeats it, knows nothing of stations, and does
// not decide whom to link. docs/protocol/links.md is its specification.
//
// A Table does no I/O, reads no clock and starts no goroutine. One goroutine owns it, with everything in it; only a Ticket
// may go elsewhere. Time never goes back from call to call. What arrives is hostile until a key proved it: a refused
// datagram changes nothing but a counter. Slices that callers pass in are theirs again when a call returns; what comes out
// lives in the caller's Output until its Reset.
package link
