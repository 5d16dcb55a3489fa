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

// A CensusClass is answers of one group: hosts that they named and the node knew, and others.
type CensusClass struct {
	By             netip.AddrPort
	Known, Unknown int
}

// CensusSize is what a node that knows marked hosts estimates after those answers.
func CensusSize(marked int, answers []CensusClass) int {
	var c census
	c.age(marked)
	for _, a := range answers {
		for range a.Known {
			c.sample(newSipKey(make([]byte, 16)), groupOf(a.By.Addr()), a.By, sampleKnown)
		}
		for range a.Unknown {
			c.sample(newSipKey(make([]byte, 16)), groupOf(a.By.Addr()), a.By, sampleUnknown)
		}
	}
	return c.size()
}
