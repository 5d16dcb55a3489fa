// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import "strconv"

// A Kind is what a home's router does to what passes it.
type Kind uint8

// The kinds.
const (
	Public              Kind = iota // IPv4 and IPv6, forwards everything: the hosts have public addresses
	FullCone                        // IPv4, as are all up to SymmetricRandom
	AddressRestricted               // filters by address
	PortRestricted                  // filters by address and port; Linux itself, and most homes
	RandomPort                      // as PortRestricted, but keeps no port
	AddressMapped                   // maps by the address of the other end
	SymmetricSequential             // maps by address and port, to the next port each time
	SymmetricRandom                 // maps by address and port, to any port
	IPv6Stateful                    // IPv6 alone, a firewall that lets answers in
	DualStack                       // PortRestricted, and IPv6Stateful beside it
	kinds
)

var kindNames = [kinds]string{
	Public: "public", FullCone: "full cone", AddressRestricted: "address-restricted", PortRestricted: "port-restricted",
	RandomPort: "random port", AddressMapped: "address-dependent mapping", SymmetricSequential: "symmetric sequential",
	SymmetricRandom: "symmetric random", IPv6Stateful: "IPv6 stateful", DualStack: "dual stack",
}

// Kinds are all kinds.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// HasIPv4 tells whether hosts in such a home have IPv4.
func (k Kind) HasIPv4() bool { return k != IPv6Stateful }

// HasIPv6 tells whether hosts in such a home have IPv6.
func (k Kind) HasIPv6() bool { return k == Public || k == IPv6Stateful || k == DualStack }

// nats tells whether the home's IPv4 addresses are private.
func (k Kind) nats() bool { return k.HasIPv4() && k != Public }

// A Dependence is on what of the other end mapping or filtering depends (RFC 4787, sections 4.1 and 5).
type Dependence uint8

// What mapping and filtering depend on.
const (
	EndpointIndependent Dependence = iota
	AddressDependent
	AddressAndPortDependent
)

func (d Dependence) String() string {
	return [...]string{"endpoint-independent", "address-dependent", "address and port-dependent"}[d]
}

// Ports is which outside port a mapping gets.
type Ports uint8

// How ports are given.
const (
	PortsKept Ports = iota // the inside one, unless another has it
	PortsSequential
	PortsRandom
)

func (p Ports) String() string { return [...]string{"kept", "sequential", "random"}[p] }

// A Behaviour is what others see of a router, in the words of RFC 4787.
type Behaviour struct {
	Mapping, Filtering Dependence
	Ports              Ports
	Hairpin            bool // hosts in the home reach each other by outside addresses
}

// Behaviour is that of a kind, IPv4's if it has both, without hairpinning of a NAT.
func (k Kind) Behaviour() Behaviour {
	switch k {
	case FullCone:
		return Behaviour{}
	case AddressRestricted:
		return Behaviour{Filtering: AddressDependent}
	case PortRestricted, DualStack:
		return Behaviour{Filtering: AddressAndPortDependent}
	case RandomPort:
		return Behaviour{Filtering: AddressAndPortDependent, Ports: PortsRandom}
	case AddressMapped:
		return Behaviour{Mapping: AddressDependent, Filtering: AddressAndPortDependent, Ports: PortsRandom}
	case SymmetricSequential:
		return Behaviour{Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent, Ports: PortsSequential}
	case SymmetricRandom:
		return Behaviour{Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent, Ports: PortsRandom}
	case IPv6Stateful:
		return Behaviour{Filtering: AddressAndPortDependent, Hairpin: true}
	case Public, kinds:
	}
	return Behaviour{Hairpin: true} // the addresses are the hosts' own
}

// Behind is what is seen of a router behind another one, which sends hosts' packets back to it as those of strangers.
func (b Behaviour) Behind(outer Behaviour) Behaviour {
	return Behaviour{
		Mapping: max(b.Mapping, outer.Mapping), Filtering: max(b.Filtering, outer.Filtering), Ports: max(b.Ports, outer.Ports),
		Hairpin: outer.Hairpin && b.Mapping == EndpointIndependent,
	}
}
