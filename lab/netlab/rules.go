// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// rules are what nft(8) needs to know about a router.
type rules struct {
	kind      Kind
	keepPorts bool // of those kinds that do: false after a restart with other ports
	hairpin   bool
	inside    netip.Prefix // IPv4
	outside   netip.Addr   // IPv4
	firstPort int          // of sequential ones
	timeout   time.Duration
	mapPorts  bool
}

const (
	timeoutDefault = 2 * time.Minute // of maps, as RFC 4787 (REQ-5) wants and Linux gives to a two-way stream
	sequenceLength = 2000            // ports of a sequential mapping, after which it begins again
	sequenceFirst  = 40_000
	sequenceLast   = 60_000
)

// text is the ruleset. The maps of ports are filled by a filter chain, for each packet: a NAT chain sees only the first of
// a flow, and what it fills would expire under a flow that lives.
func (r rules) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table inet filter {")
	r.filter(line)
	line("}")
	if r.kind.nats() {
		line("table ip nat {")
		r.maps(line)
		r.nat(line)
		line("}")
	}
	return b.String()
}

// filter writes who may pass. New packets to the router itself are dropped: if it took a peer's early punch, that would hold
// the tuple, and punching between two Linux routers would fail.
func (r rules) filter(line func(string, ...any)) {
	seconds := int(r.mapTimeout() / time.Second)
	line("set seen { type ipv4_addr . ipv4_addr . inet_service; flags dynamic,timeout; timeout %ds; size 8192; }", seconds)
	line("chain input {")
	line("type filter hook input priority filter; policy accept;")
	line("iifname %q meta l4proto icmpv6 accept", wanDevice)
	line("iifname %q ct state new drop", wanDevice)
	line("}")
	line("chain forward {")
	if r.kind == Public {
		line("type filter hook forward priority filter; policy accept;")
		line("}")
		return
	}
	line("type filter hook forward priority filter; policy drop;")
	if r.kind == AddressRestricted {
		line("iifname %q oifname %q update @seen { ip daddr . ip saddr . udp sport }", lanDevice, wanDevice)
	}
	line("ct state established,related accept")
	line("iifname %q accept", lanDevice)
	line("meta l4proto icmpv6 accept")
	switch r.kind.Behaviour().Filtering {
	case EndpointIndependent:
		line("ct status dnat accept")
	case AddressDependent:
		line("ct status dnat ip saddr . ip daddr . udp dport @seen accept")
	case AddressAndPortDependent: // established ones
	}
	if r.mapPorts {
		line("jump %s", mapperChain)
	}
	line("}")
	if r.mapPorts {
		r.mappedPorts(line)
	}
}

func (r rules) mapTimeout() time.Duration {
	if r.timeout == 0 {
		return timeoutDefault
	}
	return r.timeout
}

// maps writes where mappings are kept: ext knows the outside port of an inside endpoint, inv the inside endpoint of an
// outside port, adm the outside port of an inside endpoint and a remote address.
func (r rules) maps(line func(string, ...any)) {
	options := fmt.Sprintf("flags dynamic,timeout; timeout %ds; size 8192;", int(r.mapTimeout()/time.Second))
	line("map ext { type ipv4_addr . inet_service : inet_service; %s }", options)
	line("map inv { type inet_service : ipv4_addr . inet_service; %s }", options)
	line("map adm { type ipv4_addr . inet_service . ipv4_addr : inet_service; %s }", options)
	line("chain fill {")
	line("type filter hook postrouting priority srcnat + 10; policy accept;")
	line("ct original ip saddr %v ct reply ip daddr != %v jump outward", r.inside, r.inside)
	line("ct reply ip saddr %v ct status dnat jump inward", r.inside)
	line("}")
	line("chain outward {")
	line("meta l4proto udp update @ext { ct original ip saddr . ct original proto-src : ct reply proto-dst }")
	line("meta l4proto udp update @inv { ct reply proto-dst : ct original ip saddr . ct original proto-src }")
	line("meta l4proto udp update @adm { ct original ip saddr . ct original proto-src . ct original ip daddr : ct reply proto-dst }")
	line("}")
	line("chain inward {")
	line("meta l4proto udp update @ext { ct reply ip saddr . ct reply proto-src : ct original proto-dst }")
	line("meta l4proto udp update @inv { ct original proto-dst : ct reply ip saddr . ct reply proto-src }")
	line("}")
}

// nat writes the translation.
func (r rules) nat(line func(string, ...any)) {
	is := r.kind.Behaviour()
	line("chain pre {")
	line("type nat hook prerouting priority dstnat; policy accept;")
	if is.Filtering < AddressAndPortDependent {
		line("iifname %q dnat to udp dport map @inv", wanDevice)
	}
	if r.hairpin {
		line("iifname %q ip daddr %v dnat to udp dport map @inv", lanDevice, r.outside)
	}
	line("}")
	line("chain post {")
	line("type nat hook postrouting priority srcnat; policy accept;")
	if r.hairpin {
		line("oifname %q ip saddr %v ct status dnat jump hairpin", lanDevice, r.inside)
	}
	line("oifname %q jump masked", wanDevice)
	line("}")
	line("chain masked {")
	for _, c := range r.ports(is) {
		line("meta l4proto %s %s masquerade %s %s", c.protocol(), c.match, prefixed("to :", c.port), c.how)
	}
	line("}")
	line("chain hairpin {")
	for _, c := range r.ports(is) {
		line("meta l4proto %s %s snat to %v%s %s", c.protocol(), c.match, r.outside, prefixed(":", c.port), c.how)
	}
	line("}")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// A choice is a way to an outside port.
type choice struct {
	match string // whom it is for
	port  string // "": the kernel chooses, the inside port when it is free
	how   string
}

// protocol is what a choice is for: UDP, when it looks at ports.
func (c choice) protocol() string {
	if c.match+c.port != "" {
		return "udp"
	}
	return "{ tcp, udp, icmp }"
}

// ports are the choices; the first that applies and has a port is taken.
func (r rules) ports(is Behaviour) []choice {
	known, random := choice{port: "ip saddr . udp sport map @ext"}, choice{how: "fully-random"}
	switch {
	case is.Mapping == AddressDependent:
		return []choice{{port: "ip saddr . udp sport . ip daddr map @adm"}, random}
	case is.Ports == PortsSequential:
		var next []string // numgen alone steps by 256: it counts in the machine's byte order
		for i := range sequenceLength {
			next = append(next, fmt.Sprintf("%d : %d", i, r.firstPort+i))
		}
		sequence := fmt.Sprintf("numgen inc mod %d map { %s }", sequenceLength, strings.Join(next, ", "))
		return []choice{{port: sequence}, {}}
	case is.Mapping == AddressAndPortDependent:
		return []choice{random}
	case is.Ports == PortsRandom || !r.keepPorts:
		return []choice{known, random}
	}
	return []choice{known, {match: "udp sport @inv", how: "fully-random"}, {}}
}
