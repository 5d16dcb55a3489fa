// SPDX-License-Identifier: MIT

// Package wire is the formats of what nodes send each other: Parse reads, Append writes, and nothing is remembered.
// Numbers are big-endian, every format states its length or carries it, and every parser refuses what is cut short.
// Parsers return static errors and slices of their input; they allocate nothing. The caller owns all memory.
//
// A datagram is one UDP payload: a handshake datagram (HELLO, COOKIE or REFER, INIT, RESP), DATA, which seals a sequence of messages
// of a link, ASK or ANSWER, which seal one message each without a link, or PUNCH, which says nothing. docs/protocol specifies all of them.
package wire

import "errors"

// Limits of the protocol.
const (
	// Version is the protocol's version. HELLO and COOKIE carry it, and the handshake binds it.
	Version = 1

	// DatagramBytesMax is the most that a UDP payload may hold: with IPv6 and UDP headers it fits the least MTU of
	// IPv6, 1,280 bytes, with room for a tunnel or two.
	DatagramBytesMax = 1200

	// DataHeaderBytes and DataTagBytes surround the ciphertext of DATA: 25 bytes in all.
	DataHeaderBytes = 9
	DataTagBytes    = 16
	DataBytesMin    = DataHeaderBytes + DataTagBytes

	// PayloadBytesMax is the most that one DATA datagram carries.
	PayloadBytesMax = DatagramBytesMax - DataBytesMin
)

// Why something is refused.
var (
	ErrTruncated = errors.New("wire: truncated")
	ErrTooLong   = errors.New("wire: too long")
	ErrVersion   = errors.New("wire: unknown version")
	ErrType      = errors.New("wire: unknown type")
	ErrMalformed = errors.New("wire: malformed")
	ErrSignature = errors.New("wire: not signed by its station")
)

// DatagramType is the low 4 bits of a datagram's first byte.
type DatagramType uint8

// The types of datagram.
const (
	DatagramHello  DatagramType = 1
	DatagramCookie DatagramType = 2
	DatagramInit   DatagramType = 3
	DatagramResp   DatagramType = 4
	DatagramData   DatagramType = 5
	DatagramAsk    DatagramType = 6
	DatagramAnswer DatagramType = 7
	DatagramPunch  DatagramType = 8
	DatagramRefer  DatagramType = 9
)

// String names the type as the specification does.
func (t DatagramType) String() string {
	switch t {
	case DatagramHello:
		return "HELLO"
	case DatagramCookie:
		return "COOKIE"
	case DatagramInit:
		return "INIT"
	case DatagramResp:
		return "RESP"
	case DatagramData:
		return "DATA"
	case DatagramAsk:
		return "ASK"
	case DatagramAnswer:
		return "ANSWER"
	case DatagramPunch:
		return "PUNCH"
	case DatagramRefer:
		return "REFER"
	}
	return "unknown"
}

// phaseBit of the first byte is the key phase of DATA. The other bits above the type are zero.
const phaseBit = 0x80

// ParseDatagramType tells what b claims to be and whether its length is possible; the parser of that type looks closer.
func ParseDatagramType(b []byte) (DatagramType, error) {
	if len(b) == 0 {
		return 0, ErrTruncated
	}
	if len(b) > DatagramBytesMax {
		return 0, ErrTooLong
	}
	t := DatagramType(b[0])
	if t == DatagramData|phaseBit {
		t = DatagramData
	}
	if t < DatagramHello || t > DatagramRefer {
		return 0, ErrType
	}
	return t, nil
}

// A DataHeader is the clear part of a DATA datagram and the additional data of its AEAD.
type DataHeader struct {
	Phase    bool   // key phase: toggles with each rekey of the sender
	Receiver uint32 // the index that the receiver of the datagram chose
	Counter  uint32 // of the sender's packets, from 0; it never wraps
}

// ParseData splits a DATA datagram into its header and the sealed rest, which is at least one tag.
func ParseData(b []byte) (h DataHeader, sealed []byte, err error) {
	if t, err := ParseDatagramType(b); err != nil {
		return DataHeader{}, nil, err
	} else if t != DatagramData {
		return DataHeader{}, nil, ErrType
	}
	if len(b) < DataBytesMin {
		return DataHeader{}, nil, ErrTruncated
	}
	r := reader{b: b}
	h = DataHeader{Phase: r.u8()&phaseBit != 0, Receiver: r.u32(), Counter: r.u32()}
	return h, r.b, r.err
}

// Append appends the 9 bytes of the header.
func (h DataHeader) Append(dst []byte) []byte {
	first := byte(DatagramData)
	if h.Phase {
		first |= phaseBit
	}
	return appendU32(appendU32(append(dst, first), h.Receiver), h.Counter)
}
