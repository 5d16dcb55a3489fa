// SPDX-License-Identifier: MIT

package dht

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	mainline "github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
)

// readPause is the rest after a failed read, so that a lasting fault does not burn a core.
const readPause = 50 * time.Millisecond

// errRefused is what the library gets for an address that no member can have.
var errRefused = errors.New("no member can be there")

// A door is the library's socket. Behind it the library may be careless: in v2.23.0 it panics when an answer has a value of
// one byte, or when a read fails, takes 128 MB for a datagram that claims to hold them, keeps a counter for each name of a
// question, and sends wherever an answer points. So inwards go only answers, read and written anew by us; outwards only what
// goes to possible members.
type door struct {
	conn    *net.UDPConn
	private bool          // members may be in private networks
	closed  chan struct{} // closed with conn
	once    sync.Once

	datagram [answerBytesMax + 1]byte // the one that is being read
}

func openDoor(port uint16, private bool) (*door, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(port)})
	if err != nil {
		return nil, fmt.Errorf("open the DHT's UDP port: %w", err)
	}
	return &door{conn: conn, private: private, closed: make(chan struct{})}, nil
}

// ReadFrom returns the next answer, which always fits into a datagram. It fails only when the door is closed. One goroutine
// at a time may call it.
func (d *door) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(d.datagram[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			time.Sleep(readPause)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if a, ok := parseAnswer(d.datagram[:n]); ok && d.believes(from) {
			return copy(b, a.append(nil, d.believes)), net.UDPAddrFromAddrPort(from), nil
		}
	}
}

// WriteTo sends to an address that can be a member's.
func (d *door) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errRefused
	}
	a := udp.AddrPort()
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !d.believes(a) {
		return 0, errRefused
	}
	return d.conn.WriteToUDPAddrPort(b, a)
}

// believes reports whether a member, or somebody that members tell of, can be at an address.
func (d *door) believes(a netip.AddrPort) bool {
	return a.Port() != 0 && unicast(a.Addr()) && (d.private || public(a.Addr()))
}

// unicast reports whether one host anywhere can have the address. Link-local ones mean nothing to others. Members that run
// the library write IPv4 also as IPv6; each would count twice.
func unicast(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() &&
		!(a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240)) // this network, reserved, broadcast
}

// public reports whether a host on the internet can have the address.
func public(a netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // behind a carrier's NAT, RFC 6598
	return unicast(a) && !a.IsPrivate() && !a.IsLoopback() && !shared.Contains(a)
}

// Close closes the socket; reads end.
func (d *door) Close() error {
	err := d.conn.Close()
	d.once.Do(func() { close(d.closed) })
	return err
}

// LocalAddr and the deadlines are there because the library wants a net.PacketConn; it sets none.
func (d *door) LocalAddr() net.Addr                { return d.conn.LocalAddr() }
func (d *door) SetDeadline(t time.Time) error      { return d.conn.SetDeadline(t) }
func (d *door) SetReadDeadline(t time.Time) error  { return d.conn.SetReadDeadline(t) }
func (d *door) SetWriteDeadline(t time.Time) error { return d.conn.SetWriteDeadline(t) }

// addrPort is the library's address as ours; one that cannot be written comes out invalid.
func addrPort(a krpc.NodeAddr) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.IP)
	if a.Port < 0 || a.Port > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
}

func libraryAddrs(list []netip.AddrPort) []mainline.Addr {
	var all []mainline.Addr
	for _, a := range list {
		all = append(all, mainline.NewAddr(net.UDPAddrFromAddrPort(a)))
	}
	return all
}
