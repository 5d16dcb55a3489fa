// SPDX-License-Identifier: MIT

package portmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Of RFC 6887 (PCP) and RFC 6886 (NAT-PMP), which share a port.
const (
	serverPort   = 5351 // of the router
	announcePort = 5350 // of clients, for the router's multicast

	responseBytesMax = 1100 // RFC 6887 §7
	responseBit      = 0x80 // of the opcode

	pcpVersion     = 2
	pcpHeaderBytes = 24
	pcpMapBytes    = 36 // of the MAP opcode, after the header
	pcpAnnounce    = 0
	pcpMap         = 1
	protocolUDP    = 17 // IANA
)

// Errors of parsers.
var (
	ErrTruncated = errors.New("portmap: truncated")
	ErrTooLong   = errors.New("portmap: longer than a response may be")
	ErrVersion   = errors.New("portmap: another version of the protocol")
	ErrNoAnswer  = errors.New("portmap: not a response")
)

// A PCPNonce ties a mapping to who asked for it.
type PCPNonce [12]byte

// A PCPMap asks for a mapping, renews it, or with Lifetime 0 gives it back (RFC 6887 §11.1).
type PCPMap struct {
	Client   netip.Addr // this machine's address as the router should see it
	Lifetime uint32     // seconds
	Nonce    PCPNonce
	Internal uint16         // port
	External netip.AddrPort // suggested; the zero value leaves it to the router
}

// AppendPCPMap appends a request of 60 bytes:
//
//	version 1 | opcode 1 | reserved 2 | lifetime 4 | client address 16 |
//	nonce 12 | protocol 1 | reserved 3 | internal port 2 | external port 2 | external address 16
func AppendPCPMap(b []byte, m PCPMap) []byte {
	b = appendPCPHeader(b, pcpMap, m.Lifetime, m.Client)
	b = append(b, m.Nonce[:]...)
	b = append(b, protocolUDP, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, m.Internal)
	b = binary.BigEndian.AppendUint16(b, m.External.Port())
	external := m.External.Addr()
	if !external.IsValid() { // §11.1: the all-zeros address of the family
		external = netip.IPv6Unspecified()
		if m.Client.Is4() {
			external = netip.IPv4Unspecified()
		}
	}
	return append16(b, external)
}

// AppendPCPAnnounce appends a request of 24 bytes that only asks whether the router is there and since when (RFC 6887 §14.1).
func AppendPCPAnnounce(b []byte, client netip.Addr) []byte {
	return appendPCPHeader(b, pcpAnnounce, 0, client)
}

func appendPCPHeader(b []byte, opcode byte, lifetime uint32, client netip.Addr) []byte {
	b = append(b, pcpVersion, opcode, 0, 0)
	b = binary.BigEndian.AppendUint32(b, lifetime)
	return append16(b, client)
}

// append16 appends an address as 16 bytes, IPv4 mapped into IPv6 (RFC 6887 §5).
func append16(b []byte, a netip.Addr) []byte {
	bytes := a.As16()
	return append(b, bytes[:]...)
}

// A PCPResponse is what a router answers. The fields of a mapping are set when Map is.
type PCPResponse struct {
	Map      bool // else ANNOUNCE
	Result   PCPResult
	Lifetime uint32 // seconds: of the mapping, or for how long an error lasts
	Epoch    uint32 // seconds since the router lost its mappings
	Nonce    PCPNonce
	Internal uint16
	External netip.AddrPort
}

// ParsePCPResponse reads an answer of 24 bytes (ANNOUNCE), or of 60 (MAP) and options:
//
//	version 1 | opcode 1 with bit 7 set | reserved 1 | result 1 | lifetime 4 | epoch 4 | reserved 12 | as AppendPCPMap
//
// Answers about other protocols than UDP are refused.
func ParsePCPResponse(b []byte) (PCPResponse, error) {
	switch {
	case len(b) > responseBytesMax:
		return PCPResponse{}, ErrTooLong
	case len(b) < 2:
		return PCPResponse{}, ErrTruncated
	case b[1]&responseBit == 0:
		return PCPResponse{}, ErrNoAnswer
	case b[0] != pcpVersion:
		return PCPResponse{}, ErrVersion
	case len(b) < pcpHeaderBytes || len(b)%4 != 0: // §8.3
		return PCPResponse{}, ErrTruncated
	}
	r := PCPResponse{
		Result: PCPResult(b[3]), Lifetime: binary.BigEndian.Uint32(b[4:]), Epoch: binary.BigEndian.Uint32(b[8:]),
	}
	switch b[1] &^ responseBit {
	case pcpAnnounce:
		return r, nil
	case pcpMap:
	default:
		return PCPResponse{}, ErrNoAnswer
	}
	b = b[pcpHeaderBytes:]
	if len(b) < pcpMapBytes {
		return PCPResponse{}, ErrTruncated
	}
	if b[12] != protocolUDP {
		return PCPResponse{}, ErrNoAnswer
	}
	r.Map, r.Nonce, r.Internal = true, PCPNonce(b[:12]), binary.BigEndian.Uint16(b[16:])
	r.External = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[20:36])).Unmap(), binary.BigEndian.Uint16(b[18:]))
	return r, nil
}

// A PCPResult is a router's verdict; not 0 is an error (RFC 6887 §7.4).
type PCPResult uint8

func (r PCPResult) Error() string {
	names := [...]string{
		"success", "unsupported version", "not authorized", "malformed request", "unsupported opcode", "unsupported option",
		"malformed option", "network failure", "no resources", "unsupported protocol", "user exceeded quota",
		"cannot provide external address", "address mismatch: another NAT is in between", "excessive remote peers",
	}
	if int(r) < len(names) {
		return "the router says: " + names[r]
	}
	return fmt.Sprintf("the router says: PCP result %d", uint8(r))
}
