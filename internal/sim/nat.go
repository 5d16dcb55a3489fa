// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"time"
)

// A Dependence says on what of the remote end a mapping or a filter depends, in the words of RFC 4787 sections 4.1 and 5.
type Dependence uint8

// The kinds of Dependence.
const (
	EndpointIndependent  Dependence = iota + 1 // nothing
	AddressDependent                           // its address
	AddressPortDependent                       // its address and port
)

func (d Dependence) String() string {
	switch d {
	case EndpointIndependent:
		return "endpoint-independent"
	case AddressDependent:
		return "address-dependent"
	case AddressPortDependent:
		return "address and port-dependent"
	}
	return fmt.Sprintf("dependence(%d)", uint8(d))
}

// NATPorts says which outside port a new mapping gets.
type NATPorts uint8

// The kinds of NATPorts. All give the next one that is free when another mapping has it (RFC 4787 REQ-3: no overloading).
const (
	PortsPreserved  NATPorts = iota + 1 // the inside port
	PortsSequential                     // the last one given, and Step
	PortsRandom
)

// A NAT says how a box between a home, or a carrier's customers, and the network behaves. It is plain data.
type NAT struct {
	Name     string
	Mapping  Dependence
	Filter   Dependence
	Ports    NATPorts
	Step     uint16        // PortsSequential; 0: 1
	Block    int           // ports for each inside address, as carriers deal them out (RFC 7422); 0: no blocks
	Lifetime time.Duration // of a mapping, and of leave to come in, after the last packet out; 0: NATLifetime
	Hairpin  bool          // packets from inside to an outside address of the box come in again (RFC 4787 REQ-9)
	Inbound  bool          // packets that come in refresh, too (RFC 4787 REQ-6 allows it)
	Mapped   bool          // the owner's router gave each inside node a port for good, as by PCP or UPnP
	Firewall bool          // translates nothing, only filters: IPv6
}

// NATLifetime is what RFC 4787 REQ-5 demands at least.
const NATLifetime = 2 * time.Minute

// Limits of a box.
const (
	natEntriesMax = 8192 // mappings, and remote ends that may come in: home routers have 4,096 to 65,536
	natPortLow    = 1024
	natPortHigh   = 65535
	natPorts      = natPortHigh - natPortLow + 1
)

// Check returns what is wrong with a NAT, or nil.
func (n *NAT) Check() error {
	switch {
	case n.Mapping < EndpointIndependent || n.Mapping > AddressPortDependent:
		return fmt.Errorf("NAT %q: mapping %d", n.Name, n.Mapping)
	case n.Filter < EndpointIndependent || n.Filter > AddressPortDependent:
		return fmt.Errorf("NAT %q: filter %d", n.Name, n.Filter)
	case n.Ports < PortsPreserved || n.Ports > PortsRandom:
		return fmt.Errorf("NAT %q: ports %d", n.Name, n.Ports)
	case n.Block < 0 || n.Block > natPorts || n.Lifetime < 0:
		return fmt.Errorf("NAT %q: blocks of %d ports, lifetime %v", n.Name, n.Block, n.Lifetime)
	case n.Firewall && (n.Mapping != EndpointIndependent || n.Ports != PortsPreserved || n.Block > 0):
		return errors.New("a firewall keeps addresses and ports")
	}
	return nil
}

func (n *NAT) lifetime() time.Duration {
	if n.Lifetime == 0 {
		return NATLifetime
	}
	return n.Lifetime
}

// NATKinds returns the kinds of NAT that ship, in the order of tables.
func NATKinds() []NAT {
	return []NAT{
		{Name: "full-cone", Mapping: EndpointIndependent, Filter: EndpointIndependent, Ports: PortsPreserved},
		{Name: "address-restricted", Mapping: EndpointIndependent, Filter: AddressDependent, Ports: PortsPreserved},
		{Name: "port-restricted", Mapping: EndpointIndependent, Filter: AddressPortDependent, Ports: PortsPreserved},
		{Name: "port-restricted-random", Mapping: EndpointIndependent, Filter: AddressPortDependent, Ports: PortsRandom},
		{Name: "address-mapped", Mapping: AddressDependent, Filter: AddressPortDependent, Ports: PortsRandom},
		{Name: "symmetric-sequential", Mapping: AddressPortDependent, Filter: AddressPortDependent, Ports: PortsSequential},
		{Name: "symmetric-random", Mapping: AddressPortDependent, Filter: AddressPortDependent, Ports: PortsRandom},
		{Name: "mapped", Mapping: EndpointIndependent, Filter: AddressPortDependent, Ports: PortsPreserved, Mapped: true},
		{Name: "ipv6-firewall", Mapping: EndpointIndependent, Filter: AddressPortDependent, Ports: PortsPreserved, Firewall: true},
	}
}

// FindNAT returns a kind of NAT that ships.
func FindNAT(name string) (NAT, bool) {
	for _, n := range NATKinds() {
		if n.Name == name {
			return n, true
		}
	}
	return NAT{}, false
}

// Permits reports whether two nodes behind NATs of kinds a and b can link directly once somebody introduced them, as RFC 4787
// and the order of packets have it: of each box either the outside port is known beforehand, or the other one lets it come
// from any port. Ports that are guessed are not counted on, those of sequential mappings on one side are (predicted true).
func Permits(a, b *NAT) (permitted, predicted bool) {
	if a.open() || b.open() {
		return true, false
	}
	known := func(n *NAT) bool { return n.Mapping == EndpointIndependent }
	// A packet reaches n when n's port is known, and n takes it from the port that the other side has then.
	reaches := func(n, from *NAT) bool { return known(n) && (n.Filter != AddressPortDependent || known(from)) }
	if reaches(a, b) || reaches(b, a) {
		return true, false
	}
	guess := func(n *NAT) bool { return known(n) || n.Ports == PortsSequential }
	return (known(a) || known(b)) && guess(a) && guess(b), true
}

// open reports whether anybody may come in through a mapping that is there.
func (n *NAT) open() bool {
	return n.Mapped || n.Filter == EndpointIndependent && n.Mapping == EndpointIndependent
}
