// SPDX-License-Identifier: MIT

// Package sources tests the whole way from a broadcast tool to a listener: every tool of lab/tools, in every format that it
// sends, plays into a broadcaster, and what comes out of the HTTP port of a listener two hops away is compared with what the
// tool sent, packet by packet. The three nodes are processes of the real binary, on loopback. It has the build tag lab.
package sources
