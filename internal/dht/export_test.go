// SPDX-License-Identifier: MIT

package dht

import "net/netip"

// Rewrite is what the library gets of a datagram from a DHT whose members may be in private networks: nothing when it is no
// answer.
func Rewrite(b []byte) []byte {
	a, ok := parseAnswer(b)
	if !ok {
		return nil
	}
	return a.append(nil, (&door{private: true}).believes)
}

// Believes reports whether a member or a host can be at an address, in a DHT whose members may be in private networks or not.
func Believes(a netip.AddrPort, private bool) bool { return (&door{private: private}).believes(a) }

// The limits that tests go to.
const (
	AnswerBytesMax = answerBytesMax
	AnswerDepthMax = answerDepthMax
)
