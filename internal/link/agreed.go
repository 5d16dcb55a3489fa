// SPDX-License-Identifier: MIT

package link

import "streamer/internal/identity"

// agreedMax is how many secrets wait for the other node: those of the handshakes that are under way in a large simulation.
const agreedMax = 1 << 16

// Agreed is for a driver of many nodes in one process: of the secret that two of them share (X25519), which takes most of the time
// of a handshake, what one has worked out the other takes. Each is taken once. It changes nothing of what they do, and has no
// place where nodes must not know each other's secrets. Its nodes belong to one goroutine. The zero value is empty.
type Agreed struct {
	secrets map[pairOfKeys][]byte
	oldest  []pairOfKeys // ring
	next    int
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
	secret := g.secrets[pair]
	delete(g.secrets, pair)
	return secret
}

// put keeps a secret for the other node of a pair.
func (g *Agreed) put(pair pairOfKeys, secret []byte) {
	if g == nil {
		return
	}
	if g.secrets == nil {
		g.secrets = map[pairOfKeys][]byte{}
	}
	g.secrets[pair] = append([]byte(nil), secret...)
	if len(g.oldest) < agreedMax {
		g.oldest = append(g.oldest, pair)
		return
	}
	delete(g.secrets, g.oldest[g.next])
	g.oldest[g.next] = pair
	g.next = (g.next + 1) % agreedMax
}
