// SPDX-License-Identifier: MIT

package udp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received or sent
}

// A reader receives up to readBatch datagrams for each system call and allocates nothing for any of them.
type reader struct {
	conn  *Conn
	hdrs  [readBatch]mmsghdr
	iovs  [readBatch]unix.Iovec
	names [readBatch]unix.RawSockaddrInet6 // large enough for IPv4 too
	bufs  [readBatch][DatagramBytesMax]byte

	recv  func(fd uintptr) bool // kept, so that a call does not allocate it
	count int
	errno syscall.Errno
	plain bool // no recvmmsg on this system
}

func newReader(c *Conn) *reader {
	r := &reader{conn: c}
	for i := range r.hdrs {
		r.iovs[i].Base = &r.bufs[i][0]
		r.iovs[i].SetLen(DatagramBytesMax)
		h := &r.hdrs[i].hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
	}
	r.recv = r.recvmmsg
	return r
}

// batches reports whether one read may return several datagrams.
func (r *reader) batches() bool { return !r.plain }

// read waits for at least one datagram, hands all that are there, readBatch at most, to handle, and returns how many came.
func (r *reader) read(handle func(from netip.AddrPort, b []byte)) (int, error) {
	if r.plain {
		return r.conn.readPlain(r.bufs[0][:], handle)
	}
	if err := r.conn.raw.Read(r.recv); err != nil {
		return 0, err // Serve compares it with net.ErrClosed
	}
	if r.errno == unix.ENOSYS {
		r.plain = true
		return 0, nil
	}
	if r.errno != 0 {
		return 0, r.errno
	}
	for i := range r.count {
		h := &r.hdrs[i]
		if h.hdr.Flags&unix.MSG_TRUNC != 0 {
			r.conn.oversized.Add(1)
			continue
		}
		from := addrPort(&r.names[i])
		if !from.IsValid() {
			continue
		}
		r.conn.received.Add(1)
		handle(from, r.bufs[i][:h.n])
	}
	return r.count, nil
}

// recvmmsg reports false when nothing is there, so that the runtime waits.
func (r *reader) recvmmsg(fd uintptr) bool {
	for i := range r.hdrs {
		r.hdrs[i].hdr.Namelen = uint32(unsafe.Sizeof(r.names[i])) // the kernel shortened it
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.hdrs[0])), readBatch, 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			n = 0
		}
		r.count, r.errno = int(n), errno
		return errno != unix.EAGAIN
	}
}
