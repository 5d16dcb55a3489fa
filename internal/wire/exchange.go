// SPDX-License-Identifier: MIT

package wire

import "encoding/binary"

// Lengths of the two datagrams of an exchange, in which one node asks another something without a link. Both are
// Noise_NK_25519_ChaChaPoly_BLAKE2s: e and the payload with its tag.
const (
	ExchangeHeaderBytes = 1 + 4

	// SealedAnswerBytesMin and SealedAskBytesMin are what the datagrams have around their messages. In an ASK the length of
	// the message is part of the sealed payload, since padding follows it: an ANSWER must not be longer than its ASK.
	SealedAnswerBytesMin = ExchangeHeaderBytes + KeyBytes + DataTagBytes
	SealedAskBytesMin    = SealedAnswerBytesMin + askLengthBytes
	askLengthBytes       = 2

	// AskBytesMax and AnswerBytesMax are the most that an Ask and an Answer may take.
	AskBytesMax    = DatagramBytesMax - SealedAskBytesMin
	AnswerBytesMax = DatagramBytesMax - SealedAnswerBytesMin
)

// SealedAsk is the datagram ASK.
type SealedAsk struct {
	ID    uint32 // the ANSWER repeats it
	Noise []byte // first message
}

// ParseSealedAsk reads an ASK. Noise is a part of b.
func ParseSealedAsk(b []byte) (a SealedAsk, err error) {
	a.ID, a.Noise, err = openExchange(b, DatagramAsk, SealedAskBytesMin)
	return a, err
}

// Append appends the datagram.
func (a SealedAsk) Append(dst []byte) []byte {
	return append(appendU32(append(dst, byte(DatagramAsk)), a.ID), a.Noise...)
}

// SealedAnswer is the datagram ANSWER.
type SealedAnswer struct {
	ID    uint32 // of the ASK
	Noise []byte // second message
}

// ParseSealedAnswer reads an ANSWER. Noise is a part of b.
func ParseSealedAnswer(b []byte) (a SealedAnswer, err error) {
	a.ID, a.Noise, err = openExchange(b, DatagramAnswer, SealedAnswerBytesMin)
	return a, err
}

// Append appends the datagram.
func (a SealedAnswer) Append(dst []byte) []byte {
	return append(appendU32(append(dst, byte(DatagramAnswer)), a.ID), a.Noise...)
}

// AppendAskPayload appends what an ASK seals: the message, and padding so that an answer of answerBytes is not longer than
// the datagram.
//
//	length 2 | message | zeros
func AppendAskPayload(dst, message []byte, answerBytes int) []byte {
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(message))), message...)
	for n := askLengthBytes + len(message); n < min(answerBytes, AnswerBytesMax); n++ {
		dst = append(dst, 0)
	}
	return dst
}

// ParseAskPayload returns the message in what an ASK sealed, a part of b: at most AnswerBytesMax bytes. The padding is not
// looked at.
func ParseAskPayload(b []byte) (message []byte, err error) {
	if len(b) > AnswerBytesMax {
		return nil, ErrTooLong
	}
	r := reader{b: b}
	length := int(r.u8())<<8 | int(r.u8())
	message = r.take(length)
	return message, r.err
}

// openExchange checks type and length.
func openExchange(b []byte, want DatagramType, least int) (id uint32, noise []byte, err error) {
	t, err := ParseDatagramType(b)
	switch {
	case err != nil:
		return 0, nil, err
	case DatagramType(b[0]) != want || t != want:
		return 0, nil, ErrType
	case len(b) < least:
		return 0, nil, ErrTruncated
	}
	r := reader{b: b[1:]}
	id = r.u32()
	return id, r.b, r.err
}
