// SPDX-License-Identifier: MIT

package link

import (
	"crypto/ecdh"
	"encoding/binary"
	"io"

	"github.com/flynn/noise"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// prologueLabel begins the prologue of every handshake; the cookie of the INIT follows. The label keeps other protocols
// and versions apart. The cookie keeps a recorded first message from being used again, from wherever.
const prologueLabel = "streamer link 1"

// exchangeLabel begins the prologue of every exchange without a link; the id of the ASK follows.
const exchangeLabel = "streamer ask 1"

// newNoise makes one side of Noise_IK_25519_ChaChaPoly_BLAKE2s. The responder does not know its peer: nil.
func (t *Table) newNoise(peer *identity.NodeID, cookie [wire.CookieBytes]byte) *noise.HandshakeState {
	cfg := noise.Config{
		Pattern:       noise.HandshakeIK,
		Prologue:      append([]byte(prologueLabel), cookie[:]...),
		StaticKeypair: noise.DHKey{Private: []byte{staticKey}, Public: t.self[:]},
	}
	return t.handshake(cfg, peer)
}

// newExchange makes one side of Noise_NK_25519_ChaChaPoly_BLAKE2s: the asker has no static key, and the answerer, who has,
// does not know its peer: nil.
func (t *Table) newExchange(peer *identity.NodeID, id uint32) *noise.HandshakeState {
	cfg := noise.Config{
		Pattern:  noise.HandshakeNK,
		Prologue: binary.BigEndian.AppendUint32([]byte(exchangeLabel), id),
	}
	if peer == nil {
		cfg.StaticKeypair = noise.DHKey{Private: []byte{staticKey}, Public: t.self[:]}
	}
	return t.handshake(cfg, peer)
}

// handshake makes the initiator when the peer is known, and else the responder.
func (t *Table) handshake(cfg noise.Config, peer *identity.NodeID) *noise.HandshakeState {
	cfg.CipherSuite = &suite{CipherSuite: suite25519, self: t.self, static: t.static, agreed: t.cfg.Agreed}
	cfg.Random = t.cfg.Secrets
	if peer != nil {
		cfg.Initiator = true
		cfg.PeerStatic = peer[:]
	}
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		panic("link: noise refused its configuration: " + err.Error())
	}
	return state
}

// suite25519 is what every handshake computes with.
var suite25519 = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s)

// A suite is suite25519 for one side of one handshake. It keeps the secret keys as crypto/ecdh has them: made from bytes
// for each use, as the library does it, they cost as much again as what they are used for. The library gets names instead.
type suite struct {
	noise.CipherSuite
	self, passing     identity.NodeID // public keys of the next two
	static, ephemeral *ecdh.PrivateKey
	agreed            *Agreed
}

// What the library knows of the secret keys: one byte.
const (
	staticKey    = 's'
	ephemeralKey = 'e'
)

// GenerateKeypair makes the ephemeral key from the next 32 bytes of random.
func (s *suite) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	var seed [identity.KeyBytes]byte
	mustRead(random, seed[:])
	s.ephemeral = privateKey(seed)
	public := s.ephemeral.PublicKey().Bytes()
	s.passing = identity.NodeID(public)
	return noise.DHKey{Private: []byte{ephemeralKey}, Public: public}, nil
}

// DH computes with the key of that name. The error is for public keys of low order.
func (s *suite) DH(name, public []byte) ([]byte, error) {
	peer, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	own, key := s.passing, s.ephemeral
	if name[0] == staticKey {
		own, key = s.self, s.static
	}
	pair := pairOf(own, identity.NodeID(public))
	if secret := s.agreed.take(pair); secret != nil {
		return secret, nil
	}
	secret, err := key.ECDH(peer)
	if err == nil {
		s.agreed.put(pair, secret)
	}
	return secret, err
}

func privateKey(seed [identity.KeyBytes]byte) *ecdh.PrivateKey {
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		panic("link: X25519 refused 32 bytes: " + err.Error())
	}
	return key
}
