// SPDX-License-Identifier: MIT

//go:build lab && linux

// Package netlab is a small internet on one machine, for end-to-end tests of real programs.
//
// Each Host is a network namespace of its own with one TUN device. The test process holds the other end of all devices
// and is the router between them: one thread reads IP packets, passes each through the sender's up line and the
// receiver's down line (rate, queue, delay, jitter, loss, reordering, duplication), counts it, and writes it to the
// receiver's device. All randomness comes from Config.Seed, so that the n-th packet on a line meets the same fate in
// every run.
//
// Nothing has a name that could be left behind: the namespaces live by file descriptors and threads of this process
// alone, and programs are started with a parent-death signal. When the process ends, in whatever way, everything is gone.
// A program that makes itself a daemon, or starts others that outlive it, does not belong here.
//
// A Home is a router of some Kind, a network namespace whose outside is such a TUN device and whose inside is a bridge, with
// hosts on it. The kernel's NAT and firewall do its work; a Prober finds out whether they behave as the kind is named.
//
// The internet forwards neither multicast nor broadcast, and answers with no ICMP. docs/lab.md says how exact it is.
//
// A Network and its hosts may be used from any goroutine. Methods that take a testing.TB, or belong to something made
// with one, end the test when the machine refuses; call those on the test's goroutine.
package netlab
