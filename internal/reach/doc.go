// SPDX-License-Identifier: MIT

// Package reach is how nodes meet that have NATs and firewalls between them. An Observer knows where this node stands: which
// address others see, and what its NAT does. A Reach keeps peers that introduce others to a hidden node (proxies.go), asks for
// introductions, makes them, and punches (introductions.go).
//
// It does no I/O and sends no audio. It never has this node send more than a few small datagrams to an address that nobody
// proved, and believes of an address only what several networks say or what arrived. An Observer and a Reach are owned by one
// goroutine; everything in them is bounded.
//
// docs/protocol/reach.md is the specification; words are those of RFC 4787 and RFC 7857.
package reach
