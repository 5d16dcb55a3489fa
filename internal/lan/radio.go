// SPDX-License-Identifier: MIT

package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// family is IPv4 or IPv6.
type family int

const (
	ipv4Family family = iota
	ipv6Family
	families
)

// group returns where the family's beacons go. Both groups stay within reach of one link, and belong to nobody: IPv4 from
// the local scope (RFC 2365), IPv6 from what hosts may choose (RFC 3307). The digits are those of SHA-256("streamerp2p 1 lan").
func group(f family) netip.AddrPort {
	if f == ipv4Family {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 6, 170}), Port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0xff, 1: 0x12, 12: 0x86, 13: 0x45, 14: 0xfd, 15: 0xc1}), Port)
}

// A radio is one family's two sockets: all beacons to the group come in at the first, which shares its port with other nodes
// on the machine; the second sends, and hears the answers to what it sent.
type radio struct {
	family family
	shared *net.UDPConn
	own    *net.UDPConn
	joined map[int]*member // by interface index

	shared4, own4 *ipv4.PacketConn // nil with IPv6
	shared6, own6 *ipv6.PacketConn // nil with IPv4
}

// A member is an interface on which a radio is in the group.
type member struct {
	device   net.Interface
	newcomer int // beacons that still ask for answers
	failures int // in a row
}

// openRadio opens the sockets; first is an interface of the family.
func openRadio(f family, first net.Interface) (*radio, error) {
	network := "udp4"
	if f == ipv6Family {
		network = "udp6"
	}
	to := net.UDPAddrFromAddrPort(group(f))
	shared, err := net.ListenMulticastUDP(network, &first, to) // this way the port is shared on all systems
	if err != nil {
		return nil, fmt.Errorf("open the LAN's port %d: %w", to.Port, err)
	}
	own, err := net.ListenUDP(network, nil)
	if err != nil {
		_ = shared.Close()
		return nil, fmt.Errorf("open a port for beacons: %w", err)
	}
	r := &radio{family: f, shared: shared, own: own, joined: map[int]*member{}}
	r.add(first)
	// Systems that lack one of these still hear and are heard; Windows knows no control messages for IPv4.
	if f == ipv4Family {
		r.shared4, r.own4 = ipv4.NewPacketConn(shared), ipv4.NewPacketConn(own)
		_ = r.shared4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
		_ = r.own4.SetControlMessage(ipv4.FlagInterface, true)
		_ = r.shared4.SetMulticastLoopback(true) // Windows asks the receiver
		err = errors.Join(r.own4.SetMulticastLoopback(true), r.own4.SetMulticastTTL(1), r.own4.SetTTL(1))
	} else {
		r.shared6, r.own6 = ipv6.NewPacketConn(shared), ipv6.NewPacketConn(own)
		_ = r.shared6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true)
		_ = r.own6.SetControlMessage(ipv6.FlagInterface, true)
		_ = r.shared6.SetMulticastLoopback(true)
		err = errors.Join(r.own6.SetMulticastLoopback(true), r.own6.SetMulticastHopLimit(1), r.own6.SetHopLimit(1))
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("keep beacons on the link: %w", err)
	}
	return r, nil
}

func (r *radio) close() {
	_ = r.shared.Close()
	_ = r.own.Close()
}

func (r *radio) add(d net.Interface) { r.joined[d.Index] = &member{device: d, newcomer: newcomerCount} }

// join makes the interface's beacons come in.
func (r *radio) join(d net.Interface) error {
	to := net.UDPAddrFromAddrPort(group(r.family))
	var err error
	if r.family == ipv4Family {
		err = r.shared4.JoinGroup(&d, to)
	} else {
		err = r.shared6.JoinGroup(&d, to)
	}
	if err == nil {
		r.add(d)
	}
	return err
}

// leave undoes join; the system may have done so itself.
func (r *radio) leave(d net.Interface) {
	to := net.UDPAddrFromAddrPort(group(r.family))
	if r.family == ipv4Family {
		_ = r.shared4.LeaveGroup(&d, to)
	} else {
		_ = r.shared6.LeaveGroup(&d, to)
	}
	delete(r.joined, d.Index)
}

// multicast sends to the group on one interface. With IPv6 it sends once from an address that is good beyond the link, if
// there is one, and then from the link-local one: the first is better, the second always there.
func (r *radio) multicast(b []byte, i Interface) error {
	to := net.UDPAddrFromAddrPort(group(r.family))
	if r.family == ipv4Family {
		if err := r.own4.SetMulticastInterface(&i.Device); err != nil {
			return err
		}
		_, err := r.own4.WriteTo(b, nil, to)
		return err
	}
	if err := r.own6.SetMulticastInterface(&i.Device); err != nil {
		return err
	}
	if ip, ok := i.routable(); ok {
		_, _ = r.own6.WriteTo(b, &ipv6.ControlMessage{Src: ip.AsSlice(), IfIndex: i.Device.Index}, to)
	}
	_, err := r.own6.WriteTo(b, nil, to)
	return err
}

// unicast answers one node.
func (r *radio) unicast(b []byte, to netip.AddrPort) error {
	_, err := r.own.WriteToUDPAddrPort(b, to)
	return err
}

// A packet is what a socket received.
type packet struct {
	radio *radio
	from  netip.AddrPort // with a zone when link-local
	index int            // of the interface; 0: the system does not say
	data  []byte
}

// read waits for a datagram at one of the two sockets. Its error is that of the socket.
func (r *radio) read(shared bool, b []byte) (p packet, err error) {
	var n, index int
	var from net.Addr
	var to net.IP
	if r.family == ipv4Family {
		var cm *ipv4.ControlMessage
		if n, cm, from, err = r.pick4(shared).ReadFrom(b); cm != nil {
			index, to = cm.IfIndex, cm.Dst
		}
	} else {
		var cm *ipv6.ControlMessage
		if n, cm, from, err = r.pick6(shared).ReadFrom(b); cm != nil {
			index, to = cm.IfIndex, cm.Dst
		}
	}
	if err != nil {
		return packet{}, err
	}
	if shared && to != nil && !to.IsMulticast() {
		return packet{}, nil // somebody from afar who guessed the port
	}
	udp, ok := from.(*net.UDPAddr)
	if !ok {
		return packet{}, nil
	}
	addr := udp.AddrPort()
	ip := addr.Addr().Unmap()
	if ip.Zone() != "" && index == 0 {
		if d, err := net.InterfaceByName(ip.Zone()); err == nil {
			index = d.Index
		}
	}
	return packet{radio: r, from: netip.AddrPortFrom(ip, addr.Port()), index: index, data: b[:n]}, nil
}

func (r *radio) pick4(shared bool) *ipv4.PacketConn {
	if shared {
		return r.shared4
	}
	return r.own4
}

func (r *radio) pick6(shared bool) *ipv6.PacketConn {
	if shared {
		return r.shared6
	}
	return r.own6
}

// zoned names a link-local address's interface as internal/udp does: by number on Linux, by name elsewhere.
func zoned(ip netip.Addr, index int) netip.Addr {
	if ip.Zone() != "" && runtime.GOOS == "linux" {
		return ip.WithZone(strconv.Itoa(index))
	}
	return ip
}
