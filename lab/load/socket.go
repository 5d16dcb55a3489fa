// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is one UDP port on all of loopback, 127.0.0.0/8. Control messages (ip(7): IP_PKTINFO) say to which address a
// datagram was sent, and from which one is to be sent: one system call serves many children. It belongs to one goroutine.
type socket struct {
	fd      int
	in      batch
	out     batch
	queued  int
	refused uint64 // datagrams that the system did not send
	drops   uint32 // datagrams that it has thrown away so far because this process was late
}

const (
	batchSize     = 64
	datagramMax   = 2048
	bufferGoal    = 16 << 20
	controlBytes  = 64 // room for a header and struct in_pktinfo
	millisecondNS = int64(time.Millisecond)
)

// A batch is memory for many datagrams and the headers of recvmmsg(2) and sendmmsg(2).
type batch struct {
	headers  [batchSize]mmsghdr
	iovs     [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet4
	controls [batchSize][controlBytes]byte
	data     [batchSize][datagramMax]byte
}

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// reset prepares header i for n bytes of data and of control.
func (b *batch) reset(i, data, control int) {
	h := &b.headers[i].hdr
	b.iovs[i].Base = &b.data[i][0]
	b.iovs[i].SetLen(data)
	h.Iov = &b.iovs[i]
	h.SetIovlen(1)
	h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	h.Namelen = unix.SizeofSockaddrInet4
	h.Control = &b.controls[i][0]
	h.SetControllen(control)
}

func listen() (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	for _, opt := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	} {
		if err := unix.SetsockoptInt(fd, opt.level, opt.name, opt.value); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("set a socket option: %w", err)
		}
	}
	// Best effort: without privilege the system's limit holds, and drops are counted.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferGoal) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferGoal)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind a socket: %w", err)
	}
	return &socket{fd: fd}, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// receive waits up to a time for datagrams and hands over those that are there, a few batches at most.
func (s *socket) receive(wait time.Duration, deliver func(from netip.AddrPort, to netip.Addr, b []byte)) error {
	const batches = 4 // then timers get their turn
	timeout := int((int64(wait) + millisecondNS - 1) / millisecondNS)
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, timeout); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for datagrams: %w", err)
	}
	for range batches {
		for i := range s.in.headers {
			s.in.reset(i, datagramMax, controlBytes)
		}
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in.headers[0])), batchSize, 0, 0, 0)
		switch errno {
		case 0:
		case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED:
			return nil
		default:
			return fmt.Errorf("receive datagrams: %w", errno)
		}
		for i := range int(n) {
			if to, ok := s.sentTo(i); ok {
				deliver(addrPort(&s.in.names[i]), to, s.in.data[i][:s.in.headers[i].n])
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		if n < batchSize {
			return nil
		}
	}
	return nil
}

// sentTo reads the control messages of datagram i: the address that it was sent to, and what was lost before it.
func (s *socket) sentTo(i int) (to netip.Addr, ok bool) {
	rest := s.in.controls[i][:s.in.headers[i].hdr.Controllen]
	for len(rest) >= unix.SizeofCmsghdr {
		h, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			to, ok = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Addr), true
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			s.drops = binary.NativeEndian.Uint32(data)
		}
		rest = next
	}
	return to, ok
}

// send queues a datagram from one of our addresses.
func (s *socket) send(from netip.Addr, to netip.AddrPort, b []byte) {
	if s.queued == batchSize && s.flush() != nil {
		s.refused++
		return
	}
	i := s.queued
	n := copy(s.out.data[i][:], b)
	s.out.reset(i, n, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	name := &s.out.names[i]
	*name = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().Unmap().As4()}
	*(*[2]byte)(unsafe.Pointer(&name.Port)) = [2]byte{byte(to.Port() >> 8), byte(to.Port())}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&s.out.controls[i][0]))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&s.out.controls[i][unix.CmsgLen(0)]))
	*info = unix.Inet4Pktinfo{Spec_dst: from.As4()}
	s.queued++
}

// flush sends what is queued. A datagram that the system refuses is counted and lost, as on any network.
func (s *socket) flush() error {
	for sent := 0; sent < s.queued; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out.headers[sent])),
			uintptr(s.queued-sent), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
		case unix.EINTR:
		case unix.EBADF, unix.EINVAL, unix.EFAULT:
			s.queued = 0
			return fmt.Errorf("send datagrams: %w", errno)
		default:
			s.refused++
			sent++
		}
	}
	s.queued = 0
	return nil
}

func addrPort(name *unix.RawSockaddrInet4) netip.AddrPort {
	port := *(*[2]byte)(unsafe.Pointer(&name.Port))
	return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(port[0])<<8|uint16(port[1]))
}
