// SPDX-License-Identifier: MIT

package link

import "streamer/internal/identity"

// agreedMax is how many secrets wait for the other node in one generation, of which there are two: those of the handshakes that
// are under way in a large simulation.
const agreedMax = 1 << 16

// Agreed is for a driver of many nodes in one process: of the secret that two of them share (X25519), which takes most of the time
// of a handshake, what one has worked out the other takes. Each is taken once. It changes nothing of what they do, and has no
// place where nodes must not know each other's secrets. Its nodes belong to one goroutine. The zero value is empty.
type Agreed struct {
	young, old map[pairOfKeys][identity.KeyBytes]byte
}

// pairOfKeys is two public keys, the lower one first.
type pairOfKeys [2]identity.NodeID

func pairOf(a, b identity.NodeID) pairOfKeys {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return pairOfKeys{a, b}
}

// take returns what the other node of a pair has worked out, nil when it has not.
func (g *Agreed) take(pair pairOfKeys) []byte {
	if g == nil {
		return nil
	}
	for _, secrets := range [...]map[pairOfKeys][identity.KeyBytes]byte{g.young, g.old} {
		if secret, ok := secrets[pair]; ok {
			delete(secrets, pair)
			return secret[:]
		}
	}
	return nil
}

// put keeps a secret for the other node of a pair. Those that nobody takes are forgotten.
func (g *Agreed) put(pair pairOfKeys, secret []byte) {
	if g == nil {
		return
	}
	if g.young == nil || len(g.young) >= agreedMax {
		g.old, g.young = g.young, map[pairOfKeys][identity.KeyBytes]byte{}
	}
	g.young[pair] = [identity.KeyBytes]byte(secret)
}
