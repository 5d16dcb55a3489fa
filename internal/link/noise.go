// SPDX-License-Identifier: MIT

package link

import (
	"io"

	"github.com/flynn/noise"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// prologueLabel begins the prologue of every handshake; the cookie of the INIT follows. The label keeps other protocols
// and versions apart. The cookie keeps a recorded first message from being used again, from wherever.
const prologueLabel = "streamer link 1"

// newNoise makes one side of Noise_IK_25519_ChaChaPoly_BLAKE2s. The responder does not know its peer: nil.
func newNoise(key identity.NodeKey, peer *identity.NodeID, secrets io.Reader, cookie [wire.CookieBytes]byte) *noise.HandshakeState {
	private, public := key.Seed(), key.Public()
	cfg := noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s),
		Random:        secrets,
		Pattern:       noise.HandshakeIK,
		Initiator:     peer != nil,
		Prologue:      append([]byte(prologueLabel), cookie[:]...),
		StaticKeypair: noise.DHKey{Private: private[:], Public: public[:]},
	}
	if cfg.Initiator {
		cfg.PeerStatic = peer[:]
	}
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		panic("link: noise refused its configuration: " + err.Error())
	}
	return state
}
