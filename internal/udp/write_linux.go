// SPDX-License-Identifier: MIT

package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	segmentsMax     = 64    // UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT (4.18)
	segmentBytesMax = 65000 // of all segments of one send; the limit is an IP packet with its headers
	writeIovecs     = 512   // datagrams for each system call
	narrowPeersMax  = 16
)

// A Writer sends batches of datagrams; it belongs to one goroutine. Neighbouring messages of one size to one address go to
// the kernel as one, which cuts them up again at the very end (UDP_SEGMENT).
type Writer struct {
	conn  *Conn
	hdrs  [writeBatch]mmsghdr
	names [writeBatch]unix.RawSockaddrInet6
	ctrl  [writeBatch]segmentControl
	iovs  [writeIovecs]unix.Iovec
	segs  [writeBatch]int // datagrams in each header

	send  func(fd uintptr) bool // kept, so that a call does not allocate it
	from  int                   // headers from..until-1 are to be sent
	until int
	errno syscall.Errno
	plain bool // no sendmmsg on this system

	// Peers whose path is narrower than our datagrams: EMSGSIZE for segments, though single ones pass in fragments.
	narrow     [narrowPeersMax]netip.AddrPort
	narrowNext int
}

// NewWriter returns a Writer on c.
func (c *Conn) NewWriter() *Writer {
	w := &Writer{conn: c}
	w.send = w.sendmmsg
	return w
}

// WriteBatch sends the messages in order and returns how many the system took, and the first error. A message that is
// refused does not stop those after it. It waits while the socket's buffer is full.
func (w *Writer) WriteBatch(msgs []Message) (n int, err error) {
	if routes := w.conn.diverted(); len(routes) > 0 {
		return w.conn.divert(msgs, routes, w.writeBatch)
	}
	return w.writeBatch(msgs)
}

func (w *Writer) writeBatch(msgs []Message) (n int, err error) {
	for len(msgs) > 0 && !w.plain {
		taken := w.fill(msgs)
		sent, e := w.flush(msgs[:taken])
		n += sent
		msgs = msgs[taken:]
		if errors.Is(e, net.ErrClosed) {
			return n, e
		}
		if err == nil {
			err = e
		}
	}
	if len(msgs) > 0 {
		sent, e := w.conn.writePlainAll(msgs)
		n += sent
		if err == nil {
			err = e
		}
	}
	return n, err
}

// fill lays out headers for as many messages as fit and returns how many.
func (w *Writer) fill(msgs []Message) int {
	w.from, w.until = 0, 0
	taken := 0
	for taken < len(msgs) && w.until < writeBatch && taken < writeIovecs {
		k := w.run(msgs[taken:])
		k = min(k, writeIovecs-taken)
		w.fillHeader(w.until, taken, msgs[taken:taken+k])
		w.until++
		taken += k
	}
	return taken
}

// run is how many of the next messages the kernel may get as one: same address, same size but for a shorter last.
func (w *Writer) run(msgs []Message) int {
	first := &msgs[0]
	size, total := len(first.Data), len(first.Data)
	if size == 0 || len(msgs) < 2 || msgs[1].To != first.To || w.conn.noSegments.Load() || w.isNarrow(first.To) {
		return 1
	}
	k := 1
	for k < len(msgs) && k < segmentsMax {
		m := &msgs[k]
		n := len(m.Data)
		if n == 0 || n > size || total+n > segmentBytesMax || m.To != first.To {
			break
		}
		k++
		total += n
		if n < size {
			break
		}
	}
	return k
}

func (w *Writer) fillHeader(i, iov int, msgs []Message) {
	for j := range msgs {
		v := &w.iovs[iov+j]
		v.Base = unsafe.SliceData(msgs[j].Data)
		v.SetLen(len(msgs[j].Data))
	}
	h := &w.hdrs[i].hdr
	*h = unix.Msghdr{Iov: &w.iovs[iov]}
	h.SetIovlen(len(msgs))
	h.Name = (*byte)(unsafe.Pointer(&w.names[i]))
	h.Namelen = putSockaddr(&w.names[i], msgs[0].To, w.conn.v4)
	w.segs[i] = len(msgs)
	if len(msgs) > 1 {
		w.ctrl[i].attach(h, len(msgs[0].Data))
	}
}

// flush sends what fill laid out; msgs are the same messages.
func (w *Writer) flush(msgs []Message) (n int, first error) {
	next := 0 // the message of header from
	for w.from < w.until {
		begin := w.from
		if err := w.conn.raw.Write(w.send); err != nil {
			return n, err // compared with net.ErrClosed
		}
		for ; begin < w.from; begin++ { // these went out
			k := w.segs[begin]
			n, next = n+k, next+k
			w.conn.sent.Add(uint64(k))
			if k > 1 {
				w.conn.segmented.Add(uint64(k))
			}
		}
		if w.errno == 0 {
			continue
		}
		k := w.segs[begin]
		sent, err := w.refused(msgs[next : next+k])
		n, next = n+sent, next+k
		w.from++
		if first == nil {
			first = err
		}
	}
	return n, first
}

// refused deals with the messages of one header that the kernel did not take.
func (w *Writer) refused(msgs []Message) (int, error) {
	errno := w.errno
	switch {
	case errno == unix.ENOSYS:
		w.plain = true
		return w.conn.writePlainAll(msgs)
	case len(msgs) > 1 && (errno == unix.EIO || errno == unix.EINVAL):
		// EIO: the device computes no checksums; EINVAL: some kernels and tunnels. Neither will change.
		w.conn.noSegments.Store(true)
		return w.conn.writePlainAll(msgs)
	case len(msgs) > 1 && errno == unix.EMSGSIZE:
		w.narrow[w.narrowNext%narrowPeersMax] = msgs[0].To
		w.narrowNext++
		return w.conn.writePlainAll(msgs)
	case len(msgs) > 1 || errno == unix.ECONNREFUSED:
		// ECONNREFUSED is what became of an earlier datagram.
		return w.conn.writePlainAll(msgs)
	default:
		w.conn.writeErrors.Add(1)
		return 0, fmt.Errorf("send to %v: %w", msgs[0].To, errno)
	}
}

// sendmmsg sends headers from..until-1 and moves from past those that went out. It reports false when the socket's
// buffer is full, so that the runtime waits.
func (w *Writer) sendmmsg(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.hdrs[w.from])),
			uintptr(w.until-w.from), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno == 0 {
			w.from += int(n)
		}
		w.errno = errno
		return errno != unix.EAGAIN
	}
}

func (w *Writer) isNarrow(to netip.AddrPort) bool {
	for i := range min(w.narrowNext, narrowPeersMax) {
		if w.narrow[i] == to {
			return true
		}
	}
	return false
}

// segmentControl is a control message that asks for UDP_SEGMENT.
type segmentControl struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte // CMSG_SPACE pads
}

func (c *segmentControl) attach(h *unix.Msghdr, size int) {
	c.hdr.Level = unix.SOL_UDP
	c.hdr.Type = unix.UDP_SEGMENT
	c.hdr.SetLen(unix.CmsgLen(2))
	c.size = uint16(size)
	h.Control = (*byte)(unsafe.Pointer(c))
	h.SetControllen(unix.CmsgSpace(2))
}
