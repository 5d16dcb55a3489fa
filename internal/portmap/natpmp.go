// SPDX-License-Identifier: MIT

package portmap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Of RFC 6886.
const (
	pmpVersion       = 0
	pmpExternal      = 0 // opcodes
	pmpMapUDP        = 1
	pmpHeaderBytes   = 8
	pmpExternalBytes = 12
	pmpMapBytes      = 16
)

// AppendPMPExternal appends a request of 2 bytes for the router's external address (RFC 6886 §3.2).
func AppendPMPExternal(b []byte) []byte { return append(b, pmpVersion, pmpExternal) }

// AppendPMPMap appends a request of 12 bytes for a mapping of a UDP port (RFC 6886 §3.3):
//
//	version 1 | opcode 1 | reserved 2 | internal port 2 | external port 2 | lifetime 4, in seconds
//
// The external port is a wish, 0 leaves it to the router. A lifetime of 0 with an external port of 0 gives the mapping back.
func AppendPMPMap(b []byte, internal, external uint16, lifetime uint32) []byte {
	b = append(b, pmpVersion, pmpMapUDP, 0, 0)
	b = binary.BigEndian.AppendUint16(b, internal)
	b = binary.BigEndian.AppendUint16(b, external)
	return binary.BigEndian.AppendUint32(b, lifetime)
}

// A PMPResponse is what a router answers. With an error the fields after Epoch are zero.
type PMPResponse struct {
	Map     bool // else the external address
	Result  PMPResult
	Epoch   uint32     // seconds since the router lost its mappings
	Address netip.Addr // external, IPv4, of an answer that is no Map

	Internal uint16 // ports, of a Map
	External uint16
	Lifetime uint32 // seconds
}

// ParsePMPResponse reads an answer: 12 bytes with the external address, 16 about a mapping, 8 and more with an error:
//
//	version 1 | opcode 1 with bit 7 set | result 2 | epoch 4 | address 4
//	version 1 | opcode 1 with bit 7 set | result 2 | epoch 4 | internal port 2 | external port 2 | lifetime 4
func ParsePMPResponse(b []byte) (PMPResponse, error) {
	switch {
	case len(b) > responseBytesMax:
		return PMPResponse{}, ErrTooLong
	case len(b) < 2:
		return PMPResponse{}, ErrTruncated
	case b[1]&responseBit == 0:
		return PMPResponse{}, ErrNoAnswer
	case b[0] != pmpVersion:
		return PMPResponse{}, ErrVersion
	case len(b) < pmpHeaderBytes:
		return PMPResponse{}, ErrTruncated
	}
	r := PMPResponse{Result: PMPResult(binary.BigEndian.Uint16(b[2:])), Epoch: binary.BigEndian.Uint32(b[4:])}
	switch b[1] &^ responseBit {
	case pmpExternal:
		switch {
		case r.Result != 0:
		case len(b) < pmpExternalBytes:
			return PMPResponse{}, ErrTruncated
		default:
			r.Address = netip.AddrFrom4([4]byte(b[8:]))
		}
	case pmpMapUDP:
		r.Map = true
		switch {
		case r.Result != 0:
		case len(b) < pmpMapBytes:
			return PMPResponse{}, ErrTruncated
		default:
			r.Internal, r.External = binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
			r.Lifetime = binary.BigEndian.Uint32(b[12:])
		}
	default:
		return PMPResponse{}, ErrNoAnswer
	}
	return r, nil
}

// A PMPResult is a router's verdict; not 0 is an error (RFC 6886 §3.5).
type PMPResult uint16

func (r PMPResult) Error() string {
	names := [...]string{
		"success", "unsupported version", "not authorized", "network failure", "out of resources", "unsupported opcode",
	}
	if int(r) < len(names) {
		return "the router says: " + names[r]
	}
	return fmt.Sprintf("the router says: NAT-PMP result %d", uint16(r))
}
