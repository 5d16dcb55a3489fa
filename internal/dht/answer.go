// SPDX-License-Identifier: MIT

package dht

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
)

const (
	// answerBytesMax is the longest answer that is read. Members keep theirs below 1,500 bytes; a value of BEP 44 has 1,000.
	answerBytesMax = 2048
	// answerDepthMax is how deep lists and dictionaries may lie in each other; the protocol needs 4.
	answerDepthMax = 8

	transactionBytesMax = 16 // the library's have up to 10
	tokenBytesMax       = 64 // members' have 4 to 20
	answerNodesMax      = 16 // of each family; the protocol says 8
	integerCharsMax     = 20 // any 64-bit number
	idBytes             = 20
	ipv4Bytes           = 4 + 2  // address and port
	ipv6Bytes           = 16 + 2 // address and port
)

// An answer is what we take from a member's answer or error (BEP 5, BEP 32). Slices point into the datagram.
type answer struct {
	transaction []byte // 1 to transactionBytesMax bytes
	failed      bool   // an error: the rest is empty
	id          []byte // idBytes
	token       []byte // at most tokenBytesMax bytes; empty: none
	nodes       []byte // idBytes and ipv4Bytes each
	nodes6      []byte // idBytes and ipv6Bytes each
	values      []netip.AddrPort
}

// parseAnswer reads a bencoded dictionary (BEP 3) of at most answerBytesMax bytes. What lies behind it is left alone: some
// members leave zeros there.
func parseAnswer(b []byte) (a answer, ok bool) {
	s := scanner{rest: b}
	if len(b) > answerBytesMax {
		return answer{}, false
	}
	var kind []byte
	ok = s.dictionary(0, func(key string) (ok bool) {
		switch key {
		case "t":
			a.transaction, ok = s.text()
			return ok
		case "y":
			kind, ok = s.text()
			return ok
		case "r":
			return s.dictionary(1, func(key string) bool { return a.field(&s, key) })
		}
		return s.value(1)
	})
	a.failed = string(kind) == "e"
	switch {
	case !ok, len(a.transaction) == 0, len(a.transaction) > transactionBytesMax:
		return answer{}, false
	case a.failed:
		return answer{transaction: a.transaction, failed: true}, true
	}
	return a, string(kind) == "r" && len(a.id) == idBytes
}

// field reads one entry of the dictionary "r". One that is longer than it may be is left out.
func (a *answer) field(s *scanner, key string) (ok bool) {
	switch key {
	case "id":
		a.id, ok = s.text()
	case "token":
		if a.token, ok = s.text(); len(a.token) > tokenBytesMax {
			a.token = nil
		}
	case "nodes":
		a.nodes, ok = s.text()
	case "nodes6":
		a.nodes6, ok = s.text()
	case "values":
		ok = s.list(2, func() bool {
			raw, is := s.text()
			if addr, whole := address(raw); whole && len(a.values) < FoundMax {
				a.values = append(a.values, addr)
			}
			return is
		})
	default:
		ok = s.value(2)
	}
	return ok
}

// address reads a compact address of either family.
func address(raw []byte) (netip.AddrPort, bool) {
	if len(raw) != ipv4Bytes && len(raw) != ipv6Bytes {
		return netip.AddrPort{}, false
	}
	ip, _ := netip.AddrFromSlice(raw[:len(raw)-2])
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw[len(raw)-2:])), true
}

// append writes the answer anew, with only those addresses that believes accepts.
func (a answer) append(b []byte, believes func(netip.AddrPort) bool) []byte {
	if a.failed {
		b = append(b, "d1:eli201e0:e"...)
		b = appendText(append(b, "1:t"...), a.transaction)
		return append(b, "1:y1:ee"...)
	}
	b = appendText(append(b, "d1:rd2:id"...), a.id)
	b = appendText(append(b, "5:nodes"...), believed(a.nodes, idBytes+ipv4Bytes, believes))
	b = appendText(append(b, "6:nodes6"...), believed(a.nodes6, idBytes+ipv6Bytes, believes))
	if len(a.token) > 0 {
		b = appendText(append(b, "5:token"...), a.token)
	}
	b = append(b, "6:valuesl"...)
	for _, v := range a.values {
		if believes(v) {
			b = appendText(b, binary.BigEndian.AppendUint16(v.Addr().AsSlice(), v.Port()))
		}
	}
	b = appendText(append(b, "ee1:t"...), a.transaction)
	return append(b, "1:y1:re"...)
}

// believed returns those of the nodes, of size bytes each, that can be members: at most answerNodesMax.
func believed(nodes []byte, size int, believes func(netip.AddrPort) bool) []byte {
	var kept []byte
	for node := range slices.Chunk(nodes, size) {
		addr, whole := address(node[min(idBytes, len(node)):])
		if whole && len(node) == size && believes(addr) && len(kept) < answerNodesMax*size {
			kept = append(kept, node...)
		}
	}
	return kept
}

func appendText(b, text []byte) []byte {
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}
