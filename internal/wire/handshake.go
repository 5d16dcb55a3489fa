// SPDX-License-Identifier: MIT

package wire

// Lengths of the handshake datagrams. Each has exactly one.
const (
	NonceBytes  = 8
	CookieBytes = 24
	KeyBytes    = 32

	// HelloBytes is at least CookieReplyBytes: an address that did not yet prove itself gets no more than it sent.
	HelloBytes       = 72
	CookieReplyBytes = 2 + NonceBytes + CookieBytes + KeyBytes

	// HandshakePayloadBytes is what each of the two Noise messages carries.
	HandshakePayloadBytes = 8

	// Noise IK with X25519 and ChaCha20-Poly1305: e, s, and the payload with its tag; then e, and the payload.
	NoiseInitBytes = KeyBytes + KeyBytes + DataTagBytes + HandshakePayloadBytes + DataTagBytes
	NoiseRespBytes = KeyBytes + HandshakePayloadBytes + DataTagBytes

	InitBytes = 1 + CookieBytes + NoiseInitBytes
	RespBytes = 1 + 4 + NoiseRespBytes
)

// Hello asks for a cookie. Its first ten bytes keep their meaning in every version of the protocol.
type Hello struct {
	Version uint8
	Nonce   [NonceBytes]byte
}

// ParseHello reads a HELLO of any version: a responder answers other versions with its own. The padding is not looked at.
func ParseHello(b []byte) (h Hello, err error) {
	r, err := openHandshake(b, DatagramHello, HelloBytes)
	h.Version = r.u8()
	r.copy(h.Nonce[:])
	return h, err
}

// Append appends the 72 bytes of the datagram.
func (h Hello) Append(dst []byte) []byte {
	dst = append(append(dst, byte(DatagramHello), h.Version), h.Nonce[:]...)
	return append(dst, make([]byte, HelloBytes-2-NonceBytes)...)
}

// CookieReply answers a HELLO. Its first ten bytes keep their meaning in every version of the protocol.
type CookieReply struct {
	Version uint8
	Nonce   [NonceBytes]byte  // of the HELLO
	Cookie  [CookieBytes]byte // means something only to the responder
	Key     [KeyBytes]byte    // the responder's static key
}

// ParseCookieReply reads a COOKIE. When the version is another one, Version and Nonce are valid beside ErrVersion.
func ParseCookieReply(b []byte) (c CookieReply, err error) {
	r, err := openHandshake(b, DatagramCookie, CookieReplyBytes)
	c.Version = r.u8()
	r.copy(c.Nonce[:])
	if err == nil && c.Version != Version {
		return c, ErrVersion
	}
	r.copy(c.Cookie[:])
	r.copy(c.Key[:])
	return c, err
}

// Append appends the 66 bytes of the datagram.
func (c CookieReply) Append(dst []byte) []byte {
	dst = append(append(dst, byte(DatagramCookie), c.Version), c.Nonce[:]...)
	return append(append(dst, c.Cookie[:]...), c.Key[:]...)
}

// Init is the initiator's half of the Noise handshake.
type Init struct {
	Cookie [CookieBytes]byte
	Noise  []byte // NoiseInitBytes
}

// ParseInit reads an INIT. Noise is a part of b.
func ParseInit(b []byte) (i Init, err error) {
	r, err := openHandshake(b, DatagramInit, InitBytes)
	r.copy(i.Cookie[:])
	i.Noise = r.b
	return i, err
}

// Append appends the datagram.
func (i Init) Append(dst []byte) []byte {
	return append(append(append(dst, byte(DatagramInit)), i.Cookie[:]...), i.Noise...)
}

// Resp is the responder's half of the Noise handshake.
type Resp struct {
	Receiver uint32 // the index that the initiator chose
	Noise    []byte // NoiseRespBytes
}

// ParseResp reads a RESP. Noise is a part of b.
func ParseResp(b []byte) (p Resp, err error) {
	r, err := openHandshake(b, DatagramResp, RespBytes)
	p.Receiver = r.u32()
	p.Noise = r.b
	return p, err
}

// Append appends the datagram.
func (p Resp) Append(dst []byte) []byte {
	return append(appendU32(append(dst, byte(DatagramResp)), p.Receiver), p.Noise...)
}

// HandshakePayload is what both Noise messages carry, sealed.
type HandshakePayload struct {
	Sender   uint32 // the index to write into DATA for the sender of this
	Instance uint32 // random, one for each run of a node: another one means that it was restarted
}

// ParseHandshakePayload reads what a Noise message carried.
func ParseHandshakePayload(b []byte) (p HandshakePayload, err error) {
	if len(b) > HandshakePayloadBytes {
		return p, ErrTooLong
	}
	r := reader{b: b}
	p = HandshakePayload{Sender: r.u32(), Instance: r.u32()}
	return p, r.err
}

// Append appends the 8 bytes of the payload.
func (p HandshakePayload) Append(dst []byte) []byte {
	return appendU32(appendU32(dst, p.Sender), p.Instance)
}

// openHandshake checks type and length and returns a reader of what follows the type: an empty one with an error.
func openHandshake(b []byte, want DatagramType, length int) (reader, error) {
	t, err := ParseDatagramType(b)
	switch {
	case err != nil:
		return reader{}, err
	case DatagramType(b[0]) != want || t != want:
		return reader{}, ErrType
	case len(b) < length:
		return reader{}, ErrTruncated
	case len(b) > length:
		return reader{}, ErrTooLong
	}
	return reader{b: b[1:]}, nil
}
