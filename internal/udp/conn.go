// SPDX-License-Identifier: MIT

// Package udp is the node's one socket: IPv4 and IPv6 on the same port, many datagrams for each system call, and
// segmentation offload where the kernel has it. It knows nothing of what datagrams mean, retries nothing and keeps no
// state for a peer. A Conn may be used by any goroutine; a Reader and a Writer belong to the goroutine that uses them. Bytes
// handed in are read during the call only, bytes handed out are valid during the callback only.
package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// DatagramBytesMax is the largest datagram that is received whole; longer ones are dropped and counted.
	DatagramBytesMax = 2048

	readBatch         = 32      // datagrams for each system call
	writeBatch        = 64      // messages to the kernel for each system call
	socketBufferGoal  = 4 << 20 // bytes, each direction
	socketBufferLeast = 64 << 10

	// Beyond busyDatagrams in busySpan the reader rests for readPause between batches that were not full, as network cards
	// do: waking up costs more than reading, and a relay with a thousand children hears a few thousand small datagrams a
	// second. A listener hears a tenth of that and gets everything at once.
	busySpan      = 100 * time.Millisecond
	busyDatagrams = 100
	readPause     = 10 * time.Millisecond
)

// A Message is one datagram to send.
type Message struct {
	To   netip.AddrPort
	Data []byte
}

// Stats count since Listen.
type Stats struct {
	Received    uint64 // datagrams handed to the reader
	Oversized   uint64 // longer than DatagramBytesMax
	ReadErrors  uint64
	Sent        uint64
	Segmented   uint64 // of those sent, how many went out by segmentation offload
	WriteErrors uint64 // datagrams that the system refused
}

// A Conn is one bound UDP port.
type Conn struct {
	udp *net.UDPConn
	raw syscall.RawConn
	v4  bool // an IPv4 socket: the machine has no IPv6

	received, oversized, readErrors atomic.Uint64
	sent, segmented, writeErrors    atomic.Uint64
	noSegments                      atomic.Bool // the kernel or the device refused segmentation
	routes                          atomic.Pointer[[]route]
}

// Listen binds port on all addresses of both families, or of the only family that the machine has. Port 0 takes any free
// one.
func Listen(port int) (*Conn, error) {
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("UDP port %d is not between 0 and 65535", port)
	}
	var first error
	for _, network := range []string{"udp", "udp4", "udp6"} {
		var lc net.ListenConfig
		pc, err := lc.ListenPacket(context.Background(), network, ":"+strconv.Itoa(port))
		if err == nil {
			return newConn(pc.(*net.UDPConn))
		}
		if first == nil {
			first = err
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("UDP port %d is in use by another program; stop it or choose another port: %w", port, err)
		}
		if errors.Is(err, syscall.EACCES) {
			return nil, fmt.Errorf("UDP port %d is not allowed for this user; choose a port above 1023: %w", port, err)
		}
	}
	return nil, fmt.Errorf("bind UDP port %d: %w", port, first)
}

func newConn(u *net.UDPConn) (*Conn, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("reach the UDP socket: %w", err)
	}
	c := &Conn{udp: u, raw: raw}
	c.v4 = u.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Is4()
	c.enlargeBuffers()
	forbidBroadcast(raw)
	c.noSegments.Store(!segmentsSupported(raw))
	return c, nil
}

// enlargeBuffers asks for as much as the system allows, up to socketBufferGoal; a smaller one costs datagrams in bursts,
// nothing else.
func (c *Conn) enlargeBuffers() {
	if forceBuffers(c.raw, socketBufferGoal) {
		return
	}
	for _, set := range []func(int) error{c.udp.SetReadBuffer, c.udp.SetWriteBuffer} {
		for n := socketBufferGoal; n >= socketBufferLeast; n /= 2 {
			if set(n) == nil {
				break
			}
		}
	}
}

// Port is the local port.
func (c *Conn) Port() int { return c.udp.LocalAddr().(*net.UDPAddr).Port }

// Stats returns the counts so far.
func (c *Conn) Stats() Stats {
	return Stats{
		Received:    c.received.Load(),
		Oversized:   c.oversized.Load(),
		ReadErrors:  c.readErrors.Load(),
		Sent:        c.sent.Load(),
		Segmented:   c.segmented.Load(),
		WriteErrors: c.writeErrors.Load(),
	}
}

// Close ends every Read and Write.
func (c *Conn) Close() error {
	if err := c.udp.Close(); err != nil {
		return fmt.Errorf("close the UDP socket: %w", err)
	}
	return nil
}

// Serve hands each datagram to handle until the Conn is closed; from is never a 4-in-6 address. An error of the network (an
// ICMP message for what we sent earlier, memory short for a moment) costs a count, never the loop.
func (c *Conn) Serve(handle func(from netip.AddrPort, b []byte)) {
	r := newReader(c)
	var load readLoad
	for failures := 0; ; {
		n, err := r.read(handle)
		switch {
		case err == nil:
			failures = 0
			if r.batches() && load.busy(time.Now(), n) && n < readBatch {
				time.Sleep(readPause)
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			c.readErrors.Add(1)
			failures++
			if failures > 16 { // something lasting: don't burn a core on it
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}

// readLoad counts datagrams in spans of busySpan.
type readLoad struct {
	begun time.Time
	count int
	last  bool // the span before was busy
}

// busy adds n datagrams and says whether this span, or the one before, has been busy.
func (l *readLoad) busy(now time.Time, n int) bool {
	if since := now.Sub(l.begun); since >= busySpan {
		l.last = l.count >= busyDatagrams && since < 2*busySpan
		l.begun, l.count = now, 0
	}
	l.count += n
	return l.last || l.count >= busyDatagrams
}

// readPlain receives one datagram the portable way and returns how many came.
func (c *Conn) readPlain(buf []byte, handle func(from netip.AddrPort, b []byte)) (int, error) {
	n, from, err := c.udp.ReadFromUDPAddrPort(buf)
	if err != nil {
		return 0, err // the caller counts it
	}
	if n > DatagramBytesMax {
		c.oversized.Add(1)
		return 1, nil
	}
	c.received.Add(1)
	handle(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buf[:n])
	return 1, nil
}

// writePlain sends one datagram the portable way.
func (c *Conn) writePlain(m Message) error {
	if _, err := c.udp.WriteToUDPAddrPort(m.Data, m.To); err != nil {
		c.writeErrors.Add(1)
		return err // WriteBatch says to whom
	}
	c.sent.Add(1)
	return nil
}

// writePlainAll sends messages the portable way and returns how many were taken, and the first error.
func (c *Conn) writePlainAll(msgs []Message) (n int, first error) {
	for i := range msgs {
		err := c.writePlain(msgs[i])
		switch {
		case err == nil:
			n++
		case errors.Is(err, net.ErrClosed):
			return n, err
		case first == nil:
			first = fmt.Errorf("send to %v: %w", msgs[i].To, err)
		}
	}
	return n, first
}
