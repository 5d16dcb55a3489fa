// SPDX-License-Identifier: MIT

package gossip

import "net/netip"

// SipHash hashes words under a key of 16 bytes.
func SipHash(key []byte, words ...uint64) uint64 { return newSipKey(key).words(words...) }

// GroupOf is groupOf.
func GroupOf(a netip.Addr) uint64 { return uint64(groupOf(a)) }

// VoterOf is voterOf.
func VoterOf(a netip.AddrPort) uint64 { return uint64(voterOf(a)) }

// HostAddr is hostAddr.
func HostAddr(a netip.AddrPort) bool { return hostAddr(a) }
