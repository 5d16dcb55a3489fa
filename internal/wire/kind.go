// SPDX-License-Identifier: MIT

package wire

// A Kind is what bytes on the wire are for, by which nodes count them.
type Kind uint8

// The kinds. Messages of DATA are one each, but for those of links and those about reaching each other.
const (
	KindHandshake Kind = iota // HELLO, COOKIE, REFER, INIT, RESP
	KindAsk
	KindAnswer
	KindPunch
	KindLink // PING to CLOSE, and DATA without a message
	KindOpen
	KindGone
	KindHave
	KindPath
	KindWant
	KindGrant
	KindNack
	KindManifest
	KindChunk
	KindPeers
	KindMove
	KindReach   // STANDING to CARRY
	KindOther   // messages of unknown types
	KindRefused // what could not be opened

	kinds // how many
)

// Kinds is how many kinds there are.
const Kinds = int(kinds)

var kindNames = [kinds]string{
	KindHandshake: "handshake", KindAsk: "ask", KindAnswer: "answer", KindPunch: "punch", KindLink: "link", KindOpen: "open",
	KindGone: "gone", KindHave: "have", KindPath: "path", KindWant: "want", KindGrant: "grant", KindNack: "nack",
	KindManifest: "manifest", KindChunk: "chunk", KindPeers: "peers", KindMove: "move", KindReach: "reach", KindOther: "other", KindRefused: "refused",
}

// String names the kind.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "unknown"
}

// Kind is that of a datagram's bytes; those of DATA are of the kinds of its messages.
func (t DatagramType) Kind() Kind {
	switch t {
	case DatagramHello, DatagramCookie, DatagramInit, DatagramResp, DatagramRefer:
		return KindHandshake
	case DatagramAsk:
		return KindAsk
	case DatagramAnswer:
		return KindAnswer
	case DatagramPunch:
		return KindPunch
	case DatagramData:
	}
	return KindRefused
}

// MessageKind is that of a message of DATA, by its type.
func MessageKind(typ uint8) Kind {
	switch {
	case typ < TypeLinkEnd:
		return KindLink
	case typ <= TypeMove:
		return KindOpen + Kind(typ-TypeOpen)
	case typ >= TypeReach && typ < TypeReachEnd:
		return KindReach
	}
	return KindOther
}
