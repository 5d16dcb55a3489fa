// SPDX-License-Identifier: MIT

package reach

import (
	"fmt"
	"net/netip"
	"time"
)

// A Verdict says whether hosts that this node never contacted reach it.
type Verdict uint8

// The verdicts.
const (
	VerdictUnknown Verdict = iota
	VerdictPublic          // a datagram from such a host arrived
	VerdictHidden          // it was tried, and none did
)

// String returns the word that status documents use.
func (v Verdict) String() string {
	switch v {
	case VerdictPublic:
		return "public"
	case VerdictHidden:
		return "hidden"
	}
	return "unknown"
}

// A Behaviour says on what of the remote end a NAT's mappings, or its filter, depend: RFC 4787, sections 4.1 and 5.
type Behaviour uint8

// The behaviours.
const (
	BehaviourUnknown     Behaviour = iota
	EndpointIndependent            // on nothing: one mapping for all, or everybody comes in
	AddressDependent               // on the address
	AddressPortDependent           // on address and port
)

// String returns RFC 4787's words.
func (b Behaviour) String() string {
	switch b {
	case EndpointIndependent:
		return "endpoint-independent"
	case AddressDependent:
		return "address-dependent"
	case AddressPortDependent:
		return "address and port-dependent"
	}
	return "unknown"
}

// Hairpinning says whether a NAT lets nodes behind it meet at its outside address: RFC 4787, section 6.
type Hairpinning uint8

// What is known of it.
const (
	HairpinUnknown Hairpinning = iota
	HairpinYes
	HairpinNo
)

// Standing is what an Observer knows. With IPv4 and IPv6 the verdict is the better of both and everything else is about IPv4,
// where NATs are; Observer.StandingOf has each alone.
type Standing struct {
	Verdict    Verdict
	Translated bool // the outside address is not one of the local ones
	Mapping    Behaviour
	Filtering  Behaviour
	PortKept   bool // the outside port is the local one
	Step       int  // from one new mapping's port to the next's, 1 to 16; 0: not known, or there is no order
	Random     bool // ports of new mappings have no order
	Hairpin    Hairpinning
	Carrier    bool           // carrier-grade NAT: there is a second translation, or a shared address (RFC 6598) on the way
	Lifetime   time.Duration  // an idle path stayed open at least so long; 0: not known
	Expiry     time.Duration  // and was closed after so long; 0: never as far as was tried
	Outside4   netip.AddrPort // where others see this node; zero: not known
	Outside6   netip.AddrPort
}

const nothingToDo = "Nothing to do."

// Words says in short sentences what the standing means for a person, and what, if anything, to do about it.
func (s Standing) Words() (summary, advice string) {
	switch {
	case s.Verdict == VerdictPublic && s.Filtering != EndpointIndependent && s.Outside6.IsValid():
		return "Others reach you directly over IPv6, and by introduction over IPv4.", nothingToDo
	case s.Verdict == VerdictPublic:
		return "Others reach you directly.", nothingToDo
	case s.Verdict == VerdictHidden:
		return s.hiddenWords()
	case !s.Outside4.IsValid() && !s.Outside6.IsValid():
		return "No node beyond your network has answered yet, so it is not known whether others reach you.",
			"Wait a moment. If this stays, look whether the computer is online and a firewall lets UDP out."
	}
	return "It is not known yet whether others reach you directly.", "Nothing to do. It is being found out; listening and broadcasting work meanwhile."
}

// hiddenWords are the words for a node that strangers do not reach.
func (s Standing) hiddenWords() (summary, advice string) {
	port := ""
	if s.PortKept && s.Outside4.IsValid() {
		port = fmt.Sprintf(" %d", s.Outside4.Port())
	}
	dependent := s.Mapping == AddressDependent || s.Mapping == AddressPortDependent
	switch {
	case s.Carrier && dependent:
		return "Your provider shares one address among many customers (carrier-grade NAT) and gives every connection another port; " +
			s.ordered() + ".", "Your router cannot change that. IPv6 would, if the provider has it."
	case s.Carrier:
		return "Your provider shares one address among many customers (carrier-grade NAT); others reach you by introduction.",
			"Nothing to do. Your router cannot change it; IPv6 would, if the provider has it."
	case dependent:
		return "Your network gives every connection another port (symmetric NAT); " + s.ordered() + ".",
			"To reach everybody, turn on UPnP, NAT-PMP or PCP in the router, or forward a UDP port there to this computer."
	case s.Translated:
		return "Your router hides you; others reach you by introduction.",
			"Nothing to do. To be reached directly, turn on UPnP, NAT-PMP or PCP in the router."
	case s.Outside4.IsValid() || s.Outside6.IsValid():
		return "A firewall hides you; others reach you by introduction.",
			"Nothing to do. To be reached directly, let UDP port" + port + " in."
	}
	return "Others reach you by introduction only.", nothingToDo
}

// LifetimeWords says how long the router remembers paths on which nothing is sent.
func (s Standing) LifetimeWords() string {
	held, lost := int(s.Lifetime/time.Second), int(s.Expiry/time.Second)
	switch {
	case held != 0 && lost != 0:
		return fmt.Sprintf("Your router keeps a silent path open for %d s, and forgets it within %d s.", held, lost)
	case held != 0:
		return fmt.Sprintf("Your router keeps a silent path open for %d s at least.", held)
	case lost != 0:
		return fmt.Sprintf("Your router forgets a silent path within %d s.", lost)
	case s.Verdict == VerdictPublic:
		return "Nothing has to be kept open: others reach you directly."
	}
	return "It is not known yet how long your router keeps a silent path open."
}

// ordered says what ports without and with an order mean for introductions.
func (s Standing) ordered() string {
	if s.Step != 0 {
		return "the ports are in order, so most others still reach you by introduction"
	}
	return "only those reach you who are easy to reach themselves"
}
